/*
 * cmd_guard.c - memferry guard: tells the guard of a statement, or asks what it would say.
 *
 * `observe` is for hooks of agents: what was seen is kept, masked, and may raise alerts. `test` is
 * for tuning: each line of a file is judged, and nothing is kept.
 */
#include "client/cli/commands.h"
#include "client/cli/json.h"
#include "client/cli/lines.h"
#include "client/cli/session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define STATEMENT_MAX ((size_t)64 << 10)

/* ---- observe ---- */

static void print_found(struct cli *cli, const struct memferry_node *root)
{
    const struct memferry_node *rules = memferry_node_get(root, "rules");
    const struct memferry_node *alerts = memferry_node_get(root, "alerts");

    for (size_t i = 0; i < memferry_node_count(rules); i++) {
        const struct memferry_node *rule = memferry_node_at(rules, i);
        const char *name = field_text(rule, "rule"), *alert = NULL;
        for (size_t k = 0; k < memferry_node_count(alerts); k++) {
            const struct memferry_node *one = memferry_node_at(alerts, k);
            alert = strcmp(field_text(one, "rule"), name) == 0 ? field_text(one, "id") : alert;
        }
        fprintf(cli->out, "%s: %s%s%s\n", name, field_text(rule, "what"),
                alert != NULL ? ", alert " : ", no alert: the rule is off",
                alert != NULL ? alert : "");
    }
    if (memferry_node_count(rules) == 0 && !cli->quiet) {
        fputs("nothing\n", cli->out);
    }
}

static void add_option(struct json *json, const struct args *args, const char *name)
{
    if (args_value(args, name) != NULL) {
        json_field_text(json, name, args_value(args, name));
    }
}

static int observe(struct cli *cli, const struct args *args, const char *statement)
{
    struct memferry_session session;
    struct memferry_reply *reply = NULL;
    struct json json;

    json_open(&json);
    json_field_text(&json, "statement", statement);
    add_option(&json, args, "language");
    add_option(&json, args, "source");
    const char *id = args_value(args, "session");
    id = id != NULL ? id : cli_session(cli, &session);
    if (id != NULL) {
        json_field_text(&json, "session_id", id);
    }
    const char *params = json_close(&json);
    int exit_code = params != NULL ? cli_call(cli, "guard observe", "guard.observe", params, &reply)
                                   : cli_fail(cli, EXIT_INTERNAL, "out of memory");
    json_free(&json);
    if (exit_code == EXIT_OK && cli->json) {
        exit_code = cli_print_json(cli, memferry_reply_root(reply));
    } else if (exit_code == EXIT_OK) {
        print_found(cli, memferry_reply_root(reply));
    }
    memferry_reply_free(reply);
    return exit_code;
}

/* All of stdin, without the newline at its end. NULL: told. */
static char *read_statement(struct cli *cli, int *ret_exit_code)
{
    char *text = malloc(STATEMENT_MAX + 2);
    size_t size = text == NULL ? 0 : fread(text, 1, STATEMENT_MAX + 1, cli->in);

    if (text == NULL) {
        *ret_exit_code = cli_fail(cli, EXIT_INTERNAL, "out of memory");
    } else if (ferror(cli->in)) {
        *ret_exit_code =
            cli_fail(cli, EXIT_IO, "cannot read the statement from stdin: %s", strerror(errno));
    } else if (size > STATEMENT_MAX || memchr(text, '\0', size) != NULL) {
        *ret_exit_code =
            cli_fail(cli, EXIT_DATA, "the statement has more than 64 KiB, or a NUL in it");
    } else {
        while (size > 0 && text[size - 1] == '\n') {
            size--;
        }
        text[size] = '\0';
        return text;
    }
    free(text);
    return NULL;
}

static int observe_given(struct cli *cli, const struct args *args)
{
    const char *word = args_word(args, 1);
    int exit_code = EXIT_OK;

    if (strcmp(word, "-") != 0) {
        return observe(cli, args, word);
    }
    char *statement = read_statement(cli, &exit_code);
    if (statement == NULL) {
        return exit_code;
    }
    exit_code = observe(cli, args, statement);
    free(statement);
    return exit_code;
}

/* ---- test ---- */

static int print_judged(struct cli *cli, unsigned long line, const struct memferry_node *root)
{
    const struct memferry_node *rules = memferry_node_get(root, "rules");

    fprintf(cli->out, "%lu: %s", line, memferry_node_count(rules) == 0 ? "-" : "");
    for (size_t i = 0; i < memferry_node_count(rules); i++) {
        fprintf(cli->out, "%s%s", i > 0 ? ", " : "",
                field_text(memferry_node_at(rules, i), "rule"));
    }
    fputc('\n', cli->out);
    return ferror(cli->out) ? EXIT_IO : EXIT_OK;
}

/* {"line":1,"rules":["schema-change"]} */
static int print_judged_json(struct cli *cli, unsigned long line, const struct memferry_node *root)
{
    const struct memferry_node *rules = memferry_node_get(root, "rules");
    const char *names[2];
    size_t count = memferry_node_count(rules) < 2 ? memferry_node_count(rules) : 2;
    struct json json;

    for (size_t i = 0; i < count; i++) {
        names[i] = field_text(memferry_node_at(rules, i), "rule");
    }
    json_open(&json);
    json_field_int(&json, "line", (int64_t)line);
    json_field_list(&json, "rules", names, count);
    return cli_print_object(cli, &json);
}

static int test_line(struct cli *cli, const struct args *args, const struct line_reader *lines)
{
    struct memferry_reply *reply = NULL;
    struct json json;

    json_open(&json);
    json_field_text(&json, "statement", lines->text);
    add_option(&json, args, "language");
    json_field_bool(&json, "dry_run", true);
    const char *params = json_close(&json);
    int exit_code = params != NULL ? cli_call(cli, "guard test", "guard.observe", params, &reply)
                                   : cli_fail(cli, EXIT_INTERNAL, "out of memory");
    json_free(&json);
    if (exit_code == EXIT_OK) {
        const struct memferry_node *root = memferry_reply_root(reply);
        exit_code = cli->json ? print_judged_json(cli, lines->number, root)
                              : print_judged(cli, lines->number, root);
    }
    memferry_reply_free(reply);
    return exit_code;
}

static int test_lines(struct cli *cli, const struct args *args, struct line_reader *lines)
{
    enum line_status status;
    int exit_code = EXIT_OK;

    while (exit_code == EXIT_OK && (status = lines_next(lines)) != LINE_END) {
        if (status == LINE_GOOD) {
            exit_code = test_line(cli, args, lines);
        } else if (status == LINE_FAILED) {
            exit_code = cli_fail(cli, EXIT_IO, "cannot read line %lu: %s", lines->number + 1,
                                 strerror(errno));
        } else {
            exit_code = cli_fail(cli, EXIT_DATA, "line %lu has more than 64 KiB, or a NUL in it",
                                 lines->number);
        }
    }
    return exit_code;
}

static int test_file(struct cli *cli, const struct args *args)
{
    const char *name = args_word(args, 1);
    bool is_stdin = strcmp(name, "-") == 0;
    FILE *stream = is_stdin ? cli->in : fopen(name, "re");
    struct line_reader lines;

    if (stream == NULL) {
        return cli_fail(cli, EXIT_DATA, "cannot open %s: %s", name, strerror(errno));
    }
    lines_init(&lines, stream);
    lines.max = STATEMENT_MAX;
    int exit_code = test_lines(cli, args, &lines);
    lines_deinit(&lines);
    if (!is_stdin) {
        fclose(stream);
    }
    return exit_code;
}

/* ---- the command ---- */

static int check(struct cli *cli, const struct args *args, const char *verb)
{
    static const char *const languages[] = {"sql", "cypher", "shell", "auto"};
    const char *language = args_value(args, "language");
    bool known = language == NULL;

    if (verb == NULL || (strcmp(verb, "observe") != 0 && strcmp(verb, "test") != 0)) {
        return cli_usage(cli, "guard observes a STATEMENT, or tests a FILE of them");
    }
    if (args->word_count != 2) {
        return strcmp(verb, "test") == 0
                   ? cli_usage(cli, "guard test wants one FILE, or -")
                   : cli_usage(cli, "guard observe wants one STATEMENT, in quotes, or -");
    }
    for (size_t i = 0; i < sizeof languages / sizeof *languages; i++) {
        known = known || strcmp(language, languages[i]) == 0;
    }
    return known ? EXIT_OK
                 : cli_usage(cli, "--language is sql, cypher, shell or auto, not %.40s", language);
}

int command_guard(struct cli *cli, const struct args *args)
{
    const char *verb = args_word(args, 0);
    int exit_code = check(cli, args, verb);

    if (exit_code == EXIT_OK) {
        exit_code = cli_connect(cli);
    }
    if (exit_code != EXIT_OK) {
        return exit_code;
    }
    return strcmp(verb, "test") == 0 ? test_file(cli, args) : observe_given(cli, args);
}
