/*
 * cmd_search.c - memferry search: the best matches first.
 *
 * On a terminal each hit is two lines: what it is, and the part of it that matches, with the match
 * in bold. Elsewhere it is a row of a table, as list has it.
 */
#include "client/cli/commands.h"
#include "client/cli/json.h"
#include "client/cli/show.h"
#include "client/cli/table.h"
#include "client/cli/text.h"
#include "client/cli/time_arg.h"

#include <stdlib.h>
#include <string.h>

#define LIMIT_MAX   100
#define INDENT      4
#define LINE_BYTES  4096 /* of a content without a snippet: what may be looked at for one line */
#define NO_EMBEDDER "no embedder is configured"

struct search {
    const char *mode, *kind, *tag, *session, *deleted;
    int64_t limit; /* 0: the broker's */
    char since[TIME_ARG_SIZE], until[TIME_ARG_SIZE];
    char *query; /* owned */
};

/* ---- what is asked for ---- */

static char *join_words(const struct args *args)
{
    size_t size = 1, at = 0;

    for (size_t i = 0; i < args->word_count; i++) {
        size += strlen(args->words[i]) + 1;
    }
    char *text = malloc(size);
    if (text == NULL) {
        return NULL;
    }
    text[0] = '\0';
    for (size_t i = 0; i < args->word_count; i++) {
        at += (size_t)snprintf(text + at, size - at, "%s%s", i > 0 ? " " : "", args->words[i]);
    }
    return text;
}

static int read_limit(struct cli *cli, const struct args *args, struct search *search)
{
    const char *text = args_value(args, "limit");
    uint64_t limit = 0;

    if (text != NULL && !number_parse(text, 1, LIMIT_MAX, &limit)) {
        return cli_usage(cli, "--limit %.40s is not between 1 and %d", text, LIMIT_MAX);
    }
    search->limit = (int64_t)limit;
    return EXIT_OK;
}

static int read_search(struct cli *cli, const struct args *args, struct search *search)
{
    *search = (struct search){.mode = args_value(args, "mode"),
                              .kind = args_value(args, "kind"),
                              .tag = args_value(args, "tag"),
                              .session = args_value(args, "session")};
    if (args_has(args, "deleted")) {
        const char *which = args_value(args, "deleted");
        search->deleted = which != NULL ? which : "any";
    }
    if (args->word_count == 0) {
        return cli_usage(cli, "search needs words to look for");
    }
    int exit_code = read_limit(cli, args, search);
    if (exit_code == EXIT_OK) {
        exit_code = time_arg_read(cli, args, "since", search->since);
    }
    if (exit_code == EXIT_OK) {
        exit_code = time_arg_read(cli, args, "until", search->until);
    }
    if (exit_code == EXIT_OK) {
        search->query = join_words(args);
        exit_code = search->query != NULL ? EXIT_OK : cli_fail(cli, EXIT_INTERNAL, "out of memory");
    }
    return exit_code;
}

static const char *search_params(const struct search *search, struct json *json)
{
    const struct {
        const char *name, *value;
    } texts[] = {{"query", search->query},        {"mode", search->mode},
                 {"kind", search->kind},          {"tag", search->tag},
                 {"session_id", search->session}, {"deleted", search->deleted}};

    json_open(json);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (texts[i].value != NULL) {
            json_field_text(json, texts[i].name, texts[i].value);
        }
    }
    if (search->since[0] != '\0') {
        json_field_raw(json, "since", search->since);
    }
    if (search->until[0] != '\0') {
        json_field_raw(json, "until", search->until);
    }
    if (search->limit != 0) {
        json_field_int(json, "limit", search->limit);
    }
    return json_close(json);
}

/* ---- what was found ---- */

static size_t bytes_of(const char *text, int64_t characters)
{
    size_t at = 0, size;

    for (; characters > 0 && text[at] != '\0'; characters--) {
        text_next(text + at, &size);
        at += size;
    }
    return at;
}

static void print_part(struct cli *cli, const char *text, size_t size)
{
    char *part = strndup(text, size);

    if (part != NULL) {
        text_print_line(cli->out, part, 0);
        free(part);
    }
}

static void print_snippet(struct cli *cli, const char *text, const struct memferry_node *marks)
{
    size_t at = 0;

    fprintf(cli->out, "%*s", INDENT, "");
    for (size_t i = 0; i < memferry_node_count(marks); i++) {
        const struct memferry_node *mark = memferry_node_at(marks, i);
        size_t from = bytes_of(text, memferry_node_int(memferry_node_at(mark, 0), 0));
        size_t to = bytes_of(text, memferry_node_int(memferry_node_at(mark, 1), 0));
        if (from < at || to < from) {
            continue;
        }
        print_part(cli, text + at, from - at);
        fputs(cli_bold(cli), cli->out);
        print_part(cli, text + from, to - from);
        fputs(cli_plain(cli), cli->out);
        at = to;
    }
    print_part(cli, text + at, strlen(text + at));
    fputc('\n', cli->out);
}

static void print_beginning(struct cli *cli, const char *content)
{
    char *line = strndup(content, LINE_BYTES);

    if (line != NULL) {
        size_t room = cli->columns > 2 * INDENT ? cli->columns - INDENT : 0;
        fprintf(cli->out, "%*s", INDENT, "");
        text_print_line(cli->out, line, room);
        fputc('\n', cli->out);
        free(line);
    }
}

static void print_hit(struct cli *cli, const struct memferry_node *hit)
{
    const struct memferry_node *snippet = memferry_node_get(hit, "snippet");
    bool deleted = field_int(hit, "deleted_ms") != 0;
    char tags[256];

    show_tags(memferry_node_get(hit, "tags"), tags, sizeof tags);
    text_print_line(cli->out, field_text(hit, "id"), 0);
    fprintf(cli->out, "%s  ", cli_dim(cli));
    text_print_line(cli->out, deleted ? "(deleted)" : field_text(hit, "kind"), 0);
    if (tags[0] != '\0') {
        fputs("  ", cli->out);
        text_print_line(cli->out, tags, 0);
    }
    fprintf(cli->out, "  %s%s\n", field_text(hit, "mode"), cli_plain(cli));
    if (snippet != NULL) {
        print_snippet(cli, memferry_node_string(snippet, ""), memferry_node_get(hit, "marks"));
    } else {
        print_beginning(cli, field_text(hit, "content"));
    }
}

static int print_table(struct cli *cli, const struct memferry_node *hits)
{
    static const char *const headings[] = {"id", "kind", "mode", "match"};
    struct table table;

    table_init(&table, headings, 4);
    for (size_t i = 0; i < memferry_node_count(hits); i++) {
        const struct memferry_node *hit = memferry_node_at(hits, i);
        const struct memferry_node *snippet = memferry_node_get(hit, "snippet");
        table_text(&table, field_text(hit, "id"));
        table_text(&table,
                   field_int(hit, "deleted_ms") != 0 ? "(deleted)" : field_text(hit, "kind"));
        table_text(&table, field_text(hit, "mode"));
        table_text(&table, memferry_node_string(snippet, field_text(hit, "content")));
    }
    int exit_code = table_print(&table, cli);
    table_deinit(&table);
    return exit_code;
}

static int print_hits(struct cli *cli, const struct memferry_node *hits)
{
    int exit_code = EXIT_OK;

    if (!cli->json && !cli->out_terminal) {
        return print_table(cli, hits);
    }
    for (size_t i = 0; exit_code == EXIT_OK && i < memferry_node_count(hits); i++) {
        if (cli->json) {
            exit_code = cli_print_json(cli, memferry_node_at(hits, i));
        } else {
            print_hit(cli, memferry_node_at(hits, i));
        }
    }
    if (!cli->json && memferry_node_count(hits) == 0 && !cli->quiet) {
        fprintf(cli->out, "%sNothing was found.%s\n", cli_dim(cli), cli_plain(cli));
    }
    return exit_code;
}

/* What the hits alone don't tell. That nobody has an embedder is no news. */
static void tell_limits(struct cli *cli, const struct memferry_node *root)
{
    const char *semantic = field_text(root, "semantic");
    int64_t behind = field_int(root, "behind");

    if (semantic[0] != '\0' && strcmp(semantic, "unavailable: " NO_EMBEDDER) != 0) {
        cli_warn(cli, "searched by words only; by meaning is %.300s", semantic);
    }
    if (behind > 0) {
        cli_warn(cli, "the search index is %lld events behind; the newest memories may be missing",
                 (long long)behind);
    }
    if (field_bool(root, "late")) {
        cli_warn(cli, "the search took too long; some matches may be missing");
    }
}

static int search_and_print(struct cli *cli, const struct search *search)
{
    struct memferry_reply *reply = NULL;
    struct json json;
    const char *params = search_params(search, &json);
    int exit_code = params != NULL ? cli_call(cli, "search", "memory.search", params, &reply)
                                   : cli_fail(cli, EXIT_INTERNAL, "out of memory");

    json_free(&json);
    if (exit_code != EXIT_OK) {
        return exit_code;
    }
    const struct memferry_node *root = memferry_reply_root(reply);
    exit_code = print_hits(cli, memferry_node_get(root, "hits"));
    tell_limits(cli, root);
    memferry_reply_free(reply);
    return exit_code;
}

int command_search(struct cli *cli, const struct args *args)
{
    struct search search = {0};
    int exit_code = read_search(cli, args, &search);

    if (exit_code == EXIT_OK) {
        exit_code = cli_connect(cli);
    }
    if (exit_code == EXIT_OK) {
        exit_code = search_and_print(cli, &search);
    }
    free(search.query);
    return exit_code;
}
