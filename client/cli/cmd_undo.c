/*
 * cmd_undo.c - memferry undo and restore: what was overwritten or deleted comes back, as new
 * versions.
 *
 * undo first shows what it would do (the same call as a dry run), and asks, or wants --yes; what
 * changes between that and the doing is told as it then is.
 */
#include "client/cli/cmd_undo.h"
#include "client/cli/commands.h"

#include "client/cli/json.h"
#include "client/cli/restored.h"
#include "client/cli/time_arg.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SHOW_MAX 40 /* memories on a terminal, before the question */

/* ---- parameters ---- */

static void add_common(struct cli *cli, const struct args *args, struct json *json)
{
    struct memferry_session session;
    const char *by = cli_session(cli, &session);

    if (args_value(args, "reason") != NULL) {
        json_field_text(json, "reason", args_value(args, "reason"));
    }
    if (by[0] != '\0') {
        json_field_text(json, "by_session_id", by);
    }
    if (args_has(args, "force")) {
        json_field_bool(json, "force", true);
    }
}

static void add_text(const struct args *args, const char *option, const char *field,
                     struct json *json)
{
    if (args_value(args, option) != NULL) {
        json_field_text(json, field, args_value(args, option));
    }
}

/* What is to be undone: exactly one of three. */
static int check_undo(struct cli *cli, const struct args *args, const char *since)
{
    size_t given = args->word_count + args_has(args, "session") + (since[0] != '\0');

    if (given == 0) {
        return cli_usage(cli, "undo what? Give an alert's id, --session UUID, or --since TIME");
    }
    if (given > 1) {
        return cli_usage(cli, "one alert, or --session, or --since: not several at once");
    }
    if (since[0] == '\0' && (args_has(args, "kind") || args_has(args, "tag"))) {
        return cli_usage(cli, "--kind and --tag go with --since");
    }
    return EXIT_OK;
}

static void undo_params(struct cli *cli, const struct args *args, const char *since,
                        struct json *json)
{
    json_open(json);
    if (since[0] != '\0') {
        json_field_raw(json, "before", since);
    }
    if (args->word_count == 1) {
        json_field_text(json, "alert", args_word(args, 0));
    }
    add_text(args, "session", "session_id", json);
    add_text(args, "kind", "kind", json);
    add_text(args, "tag", "tag", json);
    add_common(cli, args, json);
}

/* ---- undo ---- */

/* Shows what would be done. */
static int preview(struct cli *cli, const char *params, bool all, struct restored *sum)
{
    struct json json;

    json_open(&json);
    json_append_fields(&json, params);
    json_field_bool(&json, "dry_run", true);
    const char *text = json_close(&json);
    size_t show_max = all || !cli->out_terminal ? SIZE_MAX : SHOW_MAX;
    int exit_code = text == NULL ? cli_fail(cli, EXIT_INTERNAL, "out of memory")
                                 : restored_run(cli, text, show_max, sum);
    json_free(&json);
    if (exit_code == EXIT_OK) {
        restored_print_sum(cli, sum, true);
    }
    return exit_code;
}

bool cli_asked(struct cli *cli)
{
    char answer[16];

    fputs(" [y/N] ", cli->err);
    fflush(cli->err);
    if (fgets(answer, sizeof answer, cli->in) != NULL && (answer[0] == 'y' || answer[0] == 'Y')) {
        return true;
    }
    if (!cli->quiet) {
        fputs("nothing was done\n", cli->err);
    }
    return false;
}

static int may_go_on(struct cli *cli, const struct args *args, const struct restored *sum,
                     bool *ret_goes_on)
{
    *ret_goes_on = false;
    if (args_has(args, "dry-run") || sum->restored == 0) {
        return args_has(args, "dry-run") ? EXIT_OK : restored_exit(sum);
    }
    if (args_has(args, "yes")) {
        *ret_goes_on = true;
        return EXIT_OK;
    }
    if (!isatty(fileno(cli->in))) {
        return cli_usage(cli, "nothing was done: nobody can be asked here; say --yes to do it");
    }
    fprintf(cli->err, "Bring %s back?", sum->restored == 1 ? "it" : "them");
    *ret_goes_on = cli_asked(cli);
    return EXIT_OK;
}

static int undo(struct cli *cli, const struct args *args, const char *params)
{
    struct restored sum;
    bool goes_on = false;

    int exit_code = preview(cli, params, args_has(args, "dry-run"), &sum);
    if (exit_code == EXIT_OK) {
        exit_code = may_go_on(cli, args, &sum, &goes_on);
    }
    if (!goes_on) {
        return exit_code;
    }
    exit_code = restored_run(cli, params, 0, &sum);
    restored_print_sum(cli, &sum, false);
    return exit_code == EXIT_OK ? restored_exit(&sum) : exit_code;
}

int command_undo(struct cli *cli, const struct args *args)
{
    char since[TIME_ARG_SIZE];
    struct json json;
    int exit_code = time_arg_read(cli, args, "since", since);

    if (exit_code == EXIT_OK) {
        exit_code = check_undo(cli, args, since);
    }
    if (exit_code == EXIT_OK) {
        exit_code = cli_connect(cli);
    }
    if (exit_code != EXIT_OK) {
        return exit_code;
    }
    undo_params(cli, args, since, &json);
    const char *params = json_close(&json);
    exit_code =
        params == NULL ? cli_fail(cli, EXIT_INTERNAL, "out of memory") : undo(cli, args, params);
    json_free(&json);
    return exit_code;
}

/* ---- restore ---- */

static int check_restore(struct cli *cli, const struct args *args)
{
    const char *version = args_value(args, "version");

    if (args->word_count == 0) {
        return cli_usage(cli, "which memory? Give one id or more");
    }
    if (version == NULL) {
        return EXIT_OK;
    }
    if (args->word_count > 1) {
        return cli_usage(cli, "--version goes with one id");
    }
    if (version[0] < '1' || version[0] > '9' || strlen(version) > 18 ||
        version[strspn(version, "0123456789")] != '\0') {
        return cli_usage(cli, "--version %.40s is no version; memferry history lists them",
                         version);
    }
    return EXIT_OK;
}

/* At most as many as a call takes, beginning with word `from`. */
static void restore_params(struct cli *cli, const struct args *args, size_t from, size_t count,
                           struct json *json)
{
    const char *version = args_value(args, "version");
    struct json versions;

    json_open(json);
    if (version != NULL) {
        json_open(&versions);
        json_field_raw(&versions, args_word(args, 0), version);
        json_field_raw(json, "versions", json_close(&versions));
        json_free(&versions);
    } else {
        json_field_list(json, "ids", &args->words[from], count);
    }
    if (args_has(args, "dry-run")) {
        json_field_bool(json, "dry_run", true);
    }
    add_common(cli, args, json);
}

int command_restore(struct cli *cli, const struct args *args)
{
    struct restored sum = {0}, part;
    int exit_code = check_restore(cli, args);

    if (exit_code == EXIT_OK) {
        exit_code = cli_connect(cli);
    }
    for (size_t i = 0; exit_code == EXIT_OK && i < args->word_count; i += RESTORE_IDS_MAX) {
        size_t left = args->word_count - i;
        struct json json;
        restore_params(cli, args, i, left < RESTORE_IDS_MAX ? left : RESTORE_IDS_MAX, &json);
        const char *params = json_close(&json);
        exit_code = params == NULL ? cli_fail(cli, EXIT_INTERNAL, "out of memory")
                                   : restored_run(cli, params, SIZE_MAX, &part);
        json_free(&json);
        restored_add(&sum, &part);
    }
    if (exit_code != EXIT_OK) {
        return exit_code;
    }
    if (!cli->json) { /* there every memory has its own line */
        restored_print_sum(cli, &sum, args_has(args, "dry-run"));
    }
    return restored_exit(&sum);
}
