/*
 * cmd_verify.c - memferry verify BACKEND [--repair]: what a backend holds, held against the store.
 *
 * It may take as long as reading everything back does, so without --timeout there is none.
 */
#include "client/cli/cli.h"
#include "client/cli/commands.h"
#include "client/cli/json.h"

#include <inttypes.h>

struct kind {
    const char *name, *says;
    bool differs; /* a reason for another exit code than 0 */
};

static const struct kind kinds[] = {
    {"same", "the same", false},
    {"pending", "not brought there yet, or dead letters", false},
    {"missing", "missing there", true},
    {"older", "older there", true},
    {"newer", "newer there than here", true},
    {"changed", "changed there by somebody else", true},
    {"deleted", "deleted there, alive here", true},
    {"unknown", "there, and not here", true},
};

static void print_samples(struct cli *cli, const struct memferry_node *ids)
{
    size_t n = memferry_node_count(ids);

    for (size_t i = 0; i < n; i++) {
        fprintf(cli->out, "%s%s", i == 0 ? "  such as " : ", ",
                memferry_node_string(memferry_node_at(ids, i), ""));
    }
    if (n > 0) {
        fputc('\n', cli->out);
    }
}

/* Returns how many differ. */
static int64_t print_kinds(struct cli *cli, const struct memferry_node *result)
{
    const struct memferry_node *samples = memferry_node_get(result, "samples");
    int64_t differ = 0;

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        int64_t n = field_int(result, kinds[i].name);
        differ += kinds[i].differs ? n : 0;
        if (n > 0 && !cli->json && !cli->quiet) {
            fprintf(cli->out, "%" PRId64 " %s\n", n, kinds[i].says);
            print_samples(cli, memferry_node_get(samples, kinds[i].name));
        }
    }
    return differ;
}

static int print(struct cli *cli, const struct memferry_node *result)
{
    int64_t repaired = field_int(result, "repaired");

    if (cli->json) {
        cli_print_json(cli, result);
    } else if (!cli->quiet) {
        fprintf(cli->out, "%s: %" PRId64 " memories here, %" PRId64 " there\n",
                field_text(result, "name"), field_int(result, "here"), field_int(result, "there"));
    }
    int64_t differ = print_kinds(cli, result);
    if (repaired > 0 && !cli->json && !cli->quiet) {
        fprintf(cli->out, "%" PRId64 " sent again: memferry flush waits until they are there\n",
                repaired);
    }
    return differ > repaired ? EXIT_CONFLICT : EXIT_OK;
}

int command_verify(struct cli *cli, const struct args *args)
{
    struct memferry_reply *reply = NULL;
    struct json json;

    if (args->word_count != 1) {
        return cli_usage(cli, "verify takes one backend: memferry backends lists them");
    }
    cli->timeout_ms = cli->timeout_ms != 0 ? cli->timeout_ms : -1;
    int exit_code = cli_connect(cli);
    if (exit_code != EXIT_OK) {
        return exit_code;
    }
    json_open(&json);
    json_field_text(&json, "name", args_word(args, 0));
    if (args_has(args, "repair")) {
        json_field_bool(&json, "repair", true);
    }
    const char *params = json_close(&json);
    exit_code = params != NULL ? cli_call(cli, "verify", "backend.verify", params, &reply)
                               : cli_fail(cli, EXIT_INTERNAL, "out of memory");
    json_free(&json);
    if (exit_code == EXIT_OK) {
        exit_code = print(cli, memferry_reply_root(reply));
    }
    memferry_reply_free(reply);
    return exit_code;
}
