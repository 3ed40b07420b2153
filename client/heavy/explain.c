/*
 * explain.c - memferry explain: what a stable id means, and what to do. Needs no broker.
 *
 * An id is one of the log ("journal-full"), a name or code of an error ("storage_full", "32004"),
 * or an alert's: its rule, alone or with what follows it ("rapid-delete-12-8f"). One text may be
 * more than one of these; all are told.
 */
#include "client/cli/json.h"
#include "client/cli/suggest.h"
#include "client/cli/table.h"
#include "client/cli/text.h"
#include "client/heavy/explain_table.h"
#include "client/heavy/heavy.h"

#include <string.h>

static const struct kind {
    const char *name;
    const struct explanation *table;
    bool begins; /* the id may go on, behind a - or / */
} kinds[] = {
    {"log", explain_log, false}, {"error", explain_errors, false}, {"alert", explain_alerts, true}};

#define KIND_COUNT (sizeof kinds / sizeof kinds[0])

static bool is_meant(const struct kind *kind, const struct explanation *one, const char *id,
                     size_t size)
{
    size_t length = strlen(one->id);

    if (size == length && strncmp(one->id, id, size) == 0) {
        return true;
    }
    if (kind->table == explain_errors) {
        const char *code = id[0] == '-' ? one->level : one->level + 1; /* 32004 will do */
        return size == strlen(code) && strncmp(code, id, size) == 0;
    }
    return kind->begins && size > length && strncmp(one->id, id, length) == 0 &&
           (id[length] == '-' || id[length] == '/');
}

static int print_json(struct cli *cli, const struct kind *kind, const struct explanation *one)
{
    struct json json;

    json_open(&json);
    json_field_text(&json, "id", one->id);
    json_field_text(&json, "kind", kind->name);
    json_field_text(&json, kind->table == explain_errors ? "code" : "level", one->level);
    json_field_text(&json, "means", one->means);
    if (one->todo != NULL) {
        json_field_text(&json, "todo", one->todo);
    }
    return cli_print_object(cli, &json);
}

static int print_one(struct cli *cli, const struct kind *kind, const struct explanation *one,
                     bool first)
{
    unsigned columns = cli->out_terminal ? cli->columns : 0;

    if (cli->json) {
        return print_json(cli, kind, one);
    }
    fprintf(cli->out, "%s%s%s%s (%s, %s)\n", first ? "" : "\n", cli_bold(cli), one->id,
            cli_plain(cli), kind->name, one->level);
    text_print_wrapped(cli->out, one->means, columns);
    text_print_wrapped(cli->out, one->todo != NULL ? one->todo : "There is nothing to do.",
                       columns);
    return EXIT_OK;
}

static int explain_all(struct cli *cli)
{
    static const char *const headings[] = {"id", "of", "level", "means"};
    struct table table;
    int exit_code = EXIT_OK;

    table_init(&table, headings, 4);
    for (size_t i = 0; i < KIND_COUNT; i++) {
        for (const struct explanation *one = kinds[i].table; one->id != NULL; one++) {
            if (cli->json) {
                exit_code = exit_code == EXIT_OK ? print_json(cli, &kinds[i], one) : exit_code;
                continue;
            }
            table_text(&table, one->id);
            table_text(&table, kinds[i].name);
            table_text(&table, one->level);
            table_text(&table, one->means);
        }
    }
    if (!cli->json) {
        exit_code = table_print(&table, cli);
    }
    table_deinit(&table);
    return exit_code;
}

static int not_known(struct cli *cli, const char *id)
{
    struct suggestion nearest = suggestion_begin(id);

    for (size_t i = 0; i < KIND_COUNT; i++) {
        for (const struct explanation *one = kinds[i].table; one->id != NULL; one++) {
            suggestion_try(&nearest, one->id);
        }
    }
    const char *meant = suggestion_end(&nearest);
    return cli_fail(cli, EXIT_NOT_FOUND, "there is no id %.80s%s%s%s; memferry explain lists them",
                    id, meant != NULL ? " (did you mean " : "", meant != NULL ? meant : "",
                    meant != NULL ? "?)" : "");
}

/* As it is copied from a log: with the ":" behind it. */
static int explain_one(struct cli *cli, const char *id, bool *first)
{
    size_t size = strlen(id);
    bool found = false;
    int exit_code = EXIT_OK;

    size -= size > 1 && id[size - 1] == ':';
    for (size_t i = 0; i < KIND_COUNT; i++) {
        for (const struct explanation *one = kinds[i].table; one->id != NULL; one++) {
            if (exit_code == EXIT_OK && is_meant(&kinds[i], one, id, size)) {
                exit_code = print_one(cli, &kinds[i], one, *first);
                *first = false;
                found = true;
            }
        }
    }
    return found ? exit_code : not_known(cli, id);
}

static int run(struct cli *cli, const struct args *args)
{
    int exit_code = EXIT_OK;
    bool first = true;

    if (args->word_count == 0) {
        return explain_all(cli);
    }
    for (size_t i = 0; i < args->word_count; i++) {
        int r = explain_one(cli, args->words[i], &first);
        exit_code = exit_code == EXIT_OK ? r : exit_code;
    }
    return exit_code;
}

int main(int argc, char **argv)
{
    return heavy_main(argc, argv, "explain", run);
}
