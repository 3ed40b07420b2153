/* webhook_input.h - what `memferry webhook` is given: a body, secrets, headers. */
#ifndef MEMFERRY_HEAVY_WEBHOOK_INPUT_H
#define MEMFERRY_HEAVY_WEBHOOK_INPUT_H

#include "client/cli/cli.h"
#include "plugins/common/webhook.h"

enum { WEBHOOK_BODY_MAX = 64 << 20, WEBHOOK_SMALL_MAX = 64 << 10 }; /* bytes; secrets, headers */

struct input {
    char *bytes; /* with a NUL behind them */
    size_t size;
};

/* A file, or stdin if path is "-". An exit code; what went wrong was told. `what` is for that. */
int input_read(struct cli *cli, const char *path, const char *what, size_t max, struct input *ret);
void input_free(struct input *input); /* wiped */

/* A signer by --signature-header, --secret-env and --secret-file. An exit code, as above. */
int input_signer(struct cli *cli, const struct args *args, struct webhook_signer **ret);

/* Headers by --header and --headers: `received` points into `text`, to be freed. */
int input_headers(struct cli *cli, const struct args *args, struct webhook_received *ret,
                  struct input *text);

/* Unix seconds by an option; now without it. */
int input_time(struct cli *cli, const struct args *args, const char *option, int64_t *ret_s);

#endif
