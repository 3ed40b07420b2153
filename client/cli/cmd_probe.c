/*
 * cmd_probe.c - memferry backends probe [NAME...]: is each reachable, does it let us in, is it set
 * up? Tells of all before it fails for one.
 */
#include "client/cli/backends.h"
#include "client/cli/cli.h"
#include "client/cli/json.h"

static void print_good(struct cli *cli, const char *name, const struct memferry_node *result)
{
    const char *detail = field_text(result, "detail");

    if (cli->json) {
        cli_print_json(cli, result);
    } else if (!cli->quiet) {
        fprintf(cli->out, "%s: ok%s%s\n", name, detail[0] != '\0' ? ": " : "", detail);
    }
}

static void print_bad(struct cli *cli, const char *name)
{
    const char *why = memferry_error(cli->m);
    struct json json;

    if (!cli->json) {
        fprintf(cli->out, "%s: %sfailed%s: %s\n", name, cli_red(cli), cli_plain(cli), why);
        return;
    }
    json_open(&json);
    json_field_text(&json, "name", name);
    json_field_bool(&json, "reachable", false);
    json_field_text(&json, "detail", why);
    cli_print_object(cli, &json);
}

static int probe(struct cli *cli, const char *name)
{
    struct memferry_reply *reply = NULL;
    struct json json;
    int exit_code = EXIT_OK;

    json_open(&json);
    json_field_text(&json, "name", name);
    const char *params = json_close(&json);
    if (params == NULL) {
        json_free(&json);
        return cli_fail(cli, EXIT_INTERNAL, "out of memory");
    }
    int code = memferry_call(cli->m, "backend.probe", params, &reply);
    json_free(&json);
    if (code == MEMFERRY_OK) {
        print_good(cli, name, memferry_reply_root(reply));
    } else if (code == MEMFERRY_E_UNAVAILABLE) {
        print_bad(cli, name);
        exit_code = cli_exit_of(code);
    } else {
        exit_code = cli_fail_call(cli, code, "probe %.80s", name);
    }
    memferry_reply_free(reply);
    return exit_code;
}

static int probe_all(struct cli *cli)
{
    struct memferry_reply *reply = NULL;
    int worst = cli_call(cli, "list the backends", "backend.list", NULL, &reply);
    const struct memferry_node *list =
        worst == EXIT_OK ? memferry_node_get(memferry_reply_root(reply), "backends") : NULL;

    for (size_t i = 0; i < memferry_node_count(list); i++) {
        const struct memferry_node *backend = memferry_node_at(list, i);
        if (field_text(backend, "plugin")[0] == '\0') {
            continue; /* detached: there is nothing to ask */
        }
        int exit_code = probe(cli, field_text(backend, "name"));
        worst = exit_code != EXIT_OK ? exit_code : worst;
    }
    memferry_reply_free(reply);
    return worst;
}

int backends_probe(struct cli *cli, const struct args *args)
{
    int worst = cli_connect(cli);

    if (worst != EXIT_OK) {
        return worst;
    }
    if (args->word_count == 1) {
        return probe_all(cli);
    }
    for (size_t i = 1; i < args->word_count; i++) {
        int exit_code = probe(cli, args_word(args, i));
        worst = exit_code != EXIT_OK ? exit_code : worst;
    }
    return worst;
}
