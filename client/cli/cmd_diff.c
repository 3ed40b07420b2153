/* cmd_diff.c - memferry diff: what changed between two versions of a memory. */
#include "client/cli/commands.h"
#include "client/cli/diff.h"
#include "client/cli/json.h"
#include "client/cli/text.h"
#include "client/cli/times.h"

#include <stdlib.h>
#include <string.h>

#define CONTEXT 3 /* lines that stay, shown around those that do not */

/* ---- which versions ---- */

static int read_number(struct cli *cli, const char *text, uint64_t *ret)
{
    if (!number_parse(text, 1, UINT64_MAX, ret)) {
        return cli_usage(cli, "%.40s is no version; memferry history lists them", text);
    }
    return EXIT_OK;
}

/* The version before the newest, from the history. */
static int find_previous(struct cli *cli, const char *id, uint64_t *ret)
{
    struct memferry_reply *reply;
    int code = memferry_history(cli->m, id, &reply);

    if (code != MEMFERRY_OK) {
        return cli_fail_call(cli, code, "history of %s", id);
    }
    const struct memferry_node *versions =
        memferry_node_get(memferry_reply_root(reply), "versions");
    const struct memferry_node *previous = memferry_node_at(versions, 1);
    *ret = (uint64_t)field_int(previous, "version");
    memferry_reply_free(reply);
    return *ret != 0
               ? EXIT_OK
               : cli_fail(cli, EXIT_NOT_FOUND, "%s has one version only: nothing to compare", id);
}

/* 0: the newest. */
static int choose(struct cli *cli, const struct args *args, uint64_t *ret_from, uint64_t *ret_to)
{
    int exit_code;

    *ret_from = *ret_to = 0;
    if (args->word_count == 1) {
        return find_previous(cli, args_word(args, 0), ret_from);
    }
    exit_code = read_number(cli, args_word(args, 1), ret_from);
    if (exit_code == EXIT_OK && args->word_count == 3) {
        exit_code = read_number(cli, args_word(args, 2), ret_to);
    }
    return exit_code;
}

/* ---- what differs ---- */

static bool same_node(const struct memferry_node *a, const struct memferry_node *b)
{
    char *a_text = a != NULL ? memferry_node_json(a) : NULL;
    char *b_text = b != NULL ? memferry_node_json(b) : NULL;
    bool same = (a == NULL) == (b == NULL) &&
                (a == NULL || (a_text != NULL && b_text != NULL && strcmp(a_text, b_text) == 0));

    free(a_text);
    free(b_text);
    return same;
}

struct comparison {
    struct cli *cli;
    const struct memferry_node *from, *to;
    size_t count;      /* of what differs */
    struct json names; /* of it, with --json */
};

/* How a field's values are shown; props as JSON, which tells their types. */
enum show { SHOW_JSON = 0, SHOW_TIME, SHOW_CHANGED };

static void print_value(struct cli *cli, const struct memferry_node *node, enum show show)
{
    char at[TIME_TEXT_SIZE];
    char *text = node != NULL ? memferry_node_json(node) : NULL;

    if (text == NULL) {
        fputs("(none)", cli->out);
    } else if (show == SHOW_TIME) {
        fputs(time_text(memferry_node_int(node, 0), cli->out_terminal, at), cli->out);
    } else {
        text_print_line(cli->out, text, 0);
    }
    free(text);
}

/* A field, or a prop with its name behind "props.". */
static void differs(struct comparison *comparison, const char *prefix, const char *name,
                    const struct memferry_node *from, const struct memferry_node *to,
                    enum show show)
{
    struct cli *cli = comparison->cli;
    char full[600];

    if (same_node(from, to)) {
        return;
    }
    comparison->count++;
    snprintf(full, sizeof full, "%s%s", prefix, name);
    if (cli->json) {
        json_field_bool(&comparison->names, full, true);
        return;
    }
    text_print_line(cli->out, full, 0);
    fputs(": ", cli->out);
    if (show == SHOW_CHANGED) {
        fprintf(cli->out, "%s\n", from == NULL ? "added" : to == NULL ? "removed" : "changed");
        return;
    }
    print_value(cli, from, show);
    fputs(" → ", cli->out);
    print_value(cli, to, show);
    fputc('\n', cli->out);
}

static void compare_props(struct comparison *comparison)
{
    const struct memferry_node *from = memferry_node_get(comparison->from, "props");
    const struct memferry_node *to = memferry_node_get(comparison->to, "props");

    for (size_t i = 0; i < memferry_node_count(from); i++) {
        const char *name = memferry_node_key(from, i);
        differs(comparison, "props.", name, memferry_node_at(from, i), memferry_node_get(to, name),
                SHOW_JSON);
    }
    for (size_t i = 0; i < memferry_node_count(to); i++) {
        const char *name = memferry_node_key(to, i);
        if (memferry_node_get(from, name) == NULL) {
            differs(comparison, "props.", name, NULL, memferry_node_at(to, i), SHOW_JSON);
        }
    }
}

static void compare_fields(struct comparison *comparison)
{
    static const struct {
        const char *name;
        enum show show;
    } fields[] = {
        {"deleted_ms", SHOW_TIME}, {"created_ms", SHOW_TIME},      {"kind", SHOW_JSON},
        {"tags", SHOW_JSON},       {"embedding_model", SHOW_JSON}, {"embedding", SHOW_CHANGED}};

    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        const char *name = fields[i].name;
        differs(comparison, "", name, memferry_node_get(comparison->from, name),
                memferry_node_get(comparison->to, name), fields[i].show);
    }
    compare_props(comparison);
}

/* ---- the content ---- */

static void print_line(struct cli *cli, const struct diff_line *line)
{
    char *text = strndup(line->text, line->size);

    fprintf(cli->out, "%s%c ",
            line->kind == DIFF_REMOVED ? cli_red(cli)
            : line->kind == DIFF_ADDED ? cli_bold(cli)
                                       : "",
            line->kind);
    if (text != NULL) {
        text_print_line(cli->out, text, 0);
    }
    fprintf(cli->out, "%s\n", line->kind != DIFF_SAME ? cli_plain(cli) : "");
    free(text);
}

/* Whether a line that stays is near to one that does not. */
static bool is_near(const struct diff *diff, size_t at)
{
    size_t from = at < CONTEXT ? 0 : at - CONTEXT;

    for (size_t i = from; i < diff->count && i <= at + CONTEXT; i++) {
        if (diff->lines[i].kind != DIFF_SAME) {
            return true;
        }
    }
    return false;
}

static void print_diff(struct cli *cli, const struct diff *diff)
{
    size_t left_out = 0;

    for (size_t i = 0; i < diff->count; i++) {
        if (!is_near(diff, i)) {
            left_out++;
            continue;
        }
        if (left_out > 0) {
            fprintf(cli->out, "%s  … %zu the same%s\n", cli_dim(cli), left_out, cli_plain(cli));
            left_out = 0;
        }
        print_line(cli, &diff->lines[i]);
    }
    if (left_out > 0) {
        fprintf(cli->out, "%s  … %zu the same%s\n", cli_dim(cli), left_out, cli_plain(cli));
    }
}

static int compare_content(struct comparison *comparison)
{
    struct cli *cli = comparison->cli;
    const char *from = field_text(comparison->from, "content");
    const char *to = field_text(comparison->to, "content");
    struct diff diff;

    if (strcmp(from, to) == 0) {
        return EXIT_OK;
    }
    comparison->count++;
    if (cli->json) {
        json_field_bool(&comparison->names, "content", true);
        return EXIT_OK;
    }
    int r = diff_make(&diff, from, to);
    if (r == 0) {
        fputs("content:\n", cli->out);
        print_diff(cli, &diff);
    }
    diff_free(&diff);
    return r == 0 ? EXIT_OK : cli_fail(cli, EXIT_INTERNAL, "out of memory");
}

/* ---- together ---- */

static void print_json(struct comparison *comparison, const char *id)
{
    struct json json;

    json_open(&json);
    json_field_text(&json, "id", id);
    json_field_int(&json, "from", field_int(comparison->from, "version"));
    json_field_int(&json, "to", field_int(comparison->to, "version"));
    json_field_raw(&json, "changed", json_close(&comparison->names));
    const char *text = json_close(&json);
    fprintf(comparison->cli->out, "%s\n", text != NULL ? text : "{}");
    json_free(&json);
}

static int compare(struct cli *cli, const char *id, const struct memferry_node *from,
                   const struct memferry_node *to)
{
    struct comparison comparison = {.cli = cli, .from = from, .to = to};

    json_open(&comparison.names);
    if (!cli->json) {
        fputs(cli_bold(cli), cli->out);
        text_print_line(cli->out, id, 0);
        fprintf(cli->out, "%s: version %lld → %lld\n", cli_plain(cli),
                (long long)field_int(from, "version"), (long long)field_int(to, "version"));
    }
    compare_fields(&comparison);
    int exit_code = compare_content(&comparison);
    if (cli->json) {
        print_json(&comparison, id);
    } else if (comparison.count == 0) {
        fputs("no difference\n", cli->out);
    }
    json_free(&comparison.names);
    return exit_code;
}

static int get(struct cli *cli, const char *id, uint64_t version, struct memferry_reply **ret)
{
    int code = memferry_get(cli->m, id, version, ret);

    return code == MEMFERRY_OK ? EXIT_OK : cli_fail_call(cli, code, "get %s", id);
}

int command_diff(struct cli *cli, const struct args *args)
{
    struct memferry_reply *from = NULL, *to = NULL;
    const char *id = args_word(args, 0);
    uint64_t from_version, to_version;

    if (args->word_count == 0 || args->word_count > 3) {
        return cli_usage(cli, "diff takes an id, and the versions to compare");
    }
    int exit_code = cli_connect(cli);
    if (exit_code == EXIT_OK) {
        exit_code = choose(cli, args, &from_version, &to_version);
    }
    if (exit_code == EXIT_OK) {
        exit_code = get(cli, id, from_version, &from);
    }
    if (exit_code == EXIT_OK) {
        exit_code = get(cli, id, to_version, &to);
    }
    if (exit_code == EXIT_OK) {
        exit_code = compare(cli, id, memferry_reply_root(from), memferry_reply_root(to));
    }
    memferry_reply_free(from);
    memferry_reply_free(to);
    return exit_code;
}
