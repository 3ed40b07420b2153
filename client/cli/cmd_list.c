/*
 * cmd_list.c - memferry list: many memories, a page at a time.
 *
 * A page ends where the broker ends it; --all asks for the next until there is none, and prints
 * each as it comes. On a terminal the columns of a page fit that page.
 */
#include "client/cli/commands.h"
#include "client/cli/json.h"
#include "client/cli/show.h"
#include "client/cli/table.h"
#include "client/cli/time_arg.h"
#include "client/cli/times.h"

#include <stdlib.h>
#include <string.h>

#define LIMIT_DEFAULT 50
#define LIMIT_PAGE    1000 /* with --all */

struct list {
    const char *kind, *tag, *session, *deleted;
    int64_t limit;
    bool all;
    char since[TIME_ARG_SIZE], until[TIME_ARG_SIZE];
    const char *after; /* where an earlier list ended, or NULL */
    char *next;        /* where this one did; owned, or NULL */
};

static int read_limit(struct cli *cli, const struct args *args, struct list *list)
{
    const char *text = args_value(args, "limit");
    uint64_t limit;

    list->all = args_has(args, "all");
    limit = list->all ? LIMIT_PAGE : LIMIT_DEFAULT;
    if (text != NULL && !number_parse(text, 1, LIMIT_PAGE, &limit)) {
        return cli_usage(cli, "--limit %.40s is not between 1 and %d; --all gives every memory",
                         text, LIMIT_PAGE);
    }
    list->limit = (int64_t)limit;
    return EXIT_OK;
}

static int read_list(struct cli *cli, const struct args *args, struct list *list)
{
    *list = (struct list){.kind = args_value(args, "kind"),
                          .tag = args_value(args, "tag"),
                          .session = args_value(args, "session"),
                          .after = args_value(args, "after")};
    if (args_has(args, "deleted")) {
        const char *which = args_value(args, "deleted");
        list->deleted = which != NULL ? which : "any";
    }
    if (args->word_count > 0) {
        return cli_usage(cli,
                         "list takes no words, such as %.40s; filter by --kind, --tag or "
                         "--session",
                         args->words[0]);
    }
    int exit_code = read_limit(cli, args, list);
    if (exit_code == EXIT_OK) {
        exit_code = time_arg_read(cli, args, "since", list->since);
    }
    return exit_code == EXIT_OK ? time_arg_read(cli, args, "until", list->until) : exit_code;
}

static const char *list_params(const struct list *list, struct json *json)
{
    const struct {
        const char *name, *value;
    } texts[] = {{"kind", list->kind},
                 {"tag", list->tag},
                 {"session_id", list->session},
                 {"deleted", list->deleted}};

    json_open(json);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (texts[i].value != NULL) {
            json_field_text(json, texts[i].name, texts[i].value);
        }
    }
    if (list->since[0] != '\0') {
        json_field_raw(json, "since", list->since);
    }
    if (list->until[0] != '\0') {
        json_field_raw(json, "until", list->until);
    }
    if (list->next != NULL) {
        json_field_text(json, "after", list->next);
    } else if (list->after != NULL) {
        json_field_text(json, "after", list->after);
    }
    json_field_int(json, "limit", list->limit);
    return json_close(json);
}

static int print_table(struct cli *cli, const struct memferry_node *memories)
{
    static const char *const headings[] = {"id", ">version", "updated", "kind", "tags", "content"};
    char updated[TIME_TEXT_SIZE], tags[128];
    struct table table;

    table_init(&table, headings, 6);
    for (size_t i = 0; i < memferry_node_count(memories); i++) {
        const struct memferry_node *memory = memferry_node_at(memories, i);
        int64_t deleted = field_int(memory, "deleted_ms");
        show_tags(memferry_node_get(memory, "tags"), tags, sizeof tags);
        table_text(&table, field_text(memory, "id"));
        table_int(&table, field_int(memory, "version"));
        table_text(&table, time_text(deleted != 0 ? deleted : field_int(memory, "updated_ms"),
                                     cli->out_terminal, updated));
        table_text(&table, deleted != 0 ? "(deleted)" : field_text(memory, "kind"));
        table_text(&table, tags);
        table_text(&table, field_text(memory, "content"));
    }
    int exit_code = table_print(&table, cli);
    table_deinit(&table);
    return exit_code;
}

static int print_page(struct cli *cli, const struct memferry_node *memories)
{
    int exit_code = EXIT_OK;

    if (!cli->json) {
        return print_table(cli, memories);
    }
    for (size_t i = 0; exit_code == EXIT_OK && i < memferry_node_count(memories); i++) {
        exit_code = cli_print_json(cli, memferry_node_at(memories, i));
    }
    return exit_code;
}

static void tell_more(struct cli *cli, const struct list *list)
{
    if (!list->all && list->next != NULL && cli->out_terminal && !cli->json && !cli->quiet) {
        fprintf(cli->out, "%sThere are more: --all, or --after %s%s\n", cli_dim(cli), list->next,
                cli_plain(cli));
    }
}

/* Prints one page and keeps where the next begins. */
static int list_page(struct cli *cli, struct list *list)
{
    struct memferry_reply *reply = NULL;
    struct json json;
    const char *params = list_params(list, &json);
    int exit_code = params != NULL ? cli_call(cli, "list", "memory.list", params, &reply)
                                   : cli_fail(cli, EXIT_INTERNAL, "out of memory");

    json_free(&json);
    free(list->next);
    list->next = NULL;
    if (exit_code != EXIT_OK) {
        return exit_code;
    }
    const struct memferry_node *root = memferry_reply_root(reply);
    const struct memferry_node *next = memferry_node_get(root, "next");
    if (memferry_node_kind(next) == MEMFERRY_NODE_STRING) {
        list->next = strdup(memferry_node_string(next, ""));
    }
    exit_code = print_page(cli, memferry_node_get(root, "memories"));
    memferry_reply_free(reply);
    return exit_code;
}

int command_list(struct cli *cli, const struct args *args)
{
    struct list list;
    int exit_code = read_list(cli, args, &list);

    if (exit_code == EXIT_OK) {
        exit_code = cli_connect(cli);
    }
    if (exit_code != EXIT_OK) {
        return exit_code;
    }
    do {
        exit_code = list_page(cli, &list);
    } while (exit_code == EXIT_OK && list.all && list.next != NULL);
    tell_more(cli, &list);
    free(list.next);
    return exit_code;
}
