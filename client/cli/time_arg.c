/* time_arg.c - see time_arg.h. */
#include "client/cli/time_arg.h"

#include <string.h>

int time_arg_read(struct cli *cli, const struct args *args, const char *name,
                  char json[TIME_ARG_SIZE])
{
    const char *text = args_value(args, name);
    int64_t ms;

    json[0] = '\0';
    if (text == NULL) {
        return EXIT_OK;
    }
    size_t digits = strspn(text, "0123456789");
    if (text[digits] == '\0' && digits >= 10 && digits < 18) {
        snprintf(json, TIME_ARG_SIZE, "%s", text);
    } else if (text[digits] != '\0' && duration_parse(text, &ms)) {
        snprintf(json, TIME_ARG_SIZE, "%lld", (long long)(time_now_ms() - ms));
    } else if (digits == 4 && strlen(text) < TIME_TEXT_SIZE && strpbrk(text, "\"\\") == NULL) {
        snprintf(json, TIME_ARG_SIZE, "\"%s\"", text);
    } else {
        return cli_usage(cli,
                         "--%s %.40s is no time; say 2h (ago), 2026-01-31T08:00:00Z, or "
                         "milliseconds since 1970",
                         name, text);
    }
    return EXIT_OK;
}
