/* restored.c - see restored.h. A page that fails ends it; what was done stays done, and is told. */
#include "client/cli/restored.h"

#include "client/cli/json.h"
#include "client/cli/table.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- showing ---- */

/* Why it is not simply done; "" when it is. */
static const char *note_of(const struct memferry_node *memory)
{
    const struct memferry_node *error = memferry_node_get(memory, "error");

    if (error != NULL) {
        return field_text(error, "message");
    }
    if (memferry_node_get(memory, "unchanged") != NULL) {
        return "is so already";
    }
    return field_text(memory, "conflict");
}

/* 0: none */
static void add_version(struct table *table, int64_t version)
{
    if (version != 0) {
        table_int(table, version);
    } else {
        table_text(table, NULL);
    }
}

static void add_row(struct table *table, const struct memferry_node *memory)
{
    const char *note = note_of(memory);

    table_text(table, field_text(memory, "id"));
    table_text(table, note[0] == '\0' ? field_text(memory, "change") : "left alone");
    add_version(table, field_int(memory, "from"));
    add_version(table, field_int(memory, "to"));
    table_text(table, note[0] == '\0' ? NULL : note);
}

static int show_table(struct cli *cli, const struct memferry_node *memories, size_t count)
{
    static const char *const headings[] = {"memory", "change", ">version", ">back to", "why"};
    struct table table;

    table_init(&table, headings, 5);
    for (size_t i = 0; i < count; i++) {
        add_row(&table, memferry_node_at(memories, i));
    }
    int exit_code = count > 0 ? table_print(&table, cli) : EXIT_OK;
    table_deinit(&table);
    return exit_code;
}

static int show_page(struct cli *cli, const struct memferry_node *memories, size_t show_max,
                     struct restored *sum)
{
    size_t count = memferry_node_count(memories), room = show_max - sum->shown;
    int exit_code = EXIT_OK;

    if (cli->json) {
        for (size_t i = 0; show_max > 0 && exit_code == EXIT_OK && i < count; i++) {
            exit_code = cli_print_json(cli, memferry_node_at(memories, i));
        }
        return exit_code;
    }
    size_t shown = count < room ? count : room;
    sum->shown += shown;
    sum->hidden += show_max > 0 ? count - shown : 0;
    return show_table(cli, memories, shown);
}

/* ---- asking ---- */

void restored_add(struct restored *sum, const struct restored *more)
{
    sum->restored += more->restored;
    sum->conflicts += more->conflicts;
    sum->unchanged += more->unchanged;
    sum->created += more->created;
    sum->failed += more->failed;
    sum->shown += more->shown;
    sum->hidden += more->hidden;
}

static void add_up(const struct memferry_node *page, struct restored *sum)
{
    const struct restored counts = {.restored = field_int(page, "restored"),
                                    .conflicts = field_int(page, "conflicts"),
                                    .unchanged = field_int(page, "unchanged"),
                                    .created = field_int(page, "created"),
                                    .failed = field_int(page, "failed")};

    restored_add(sum, &counts);
}

/* The parameters with the place to go on from; NULL: out of memory. */
static const char *page_params(struct json *json, const char *params, const char *after)
{
    json_open(json);
    json_append_fields(json, params);
    if (after != NULL) {
        json_field_text(json, "after", after);
    }
    return json_close(json);
}

static int one_page(struct cli *cli, const char *params, size_t show_max, struct restored *sum,
                    char **after)
{
    struct memferry_reply *reply = NULL;
    struct json json;
    const char *text = page_params(&json, params, *after);

    int exit_code = text == NULL
                        ? cli_fail(cli, EXIT_INTERNAL, "out of memory")
                        : cli_call(cli, cli->command->name, "memory.restore", text, &reply);
    json_free(&json);
    free(*after);
    *after = NULL;
    if (exit_code == EXIT_OK) {
        const struct memferry_node *page = memferry_reply_root(reply);
        const char *next = memferry_node_string(memferry_node_get(page, "next"), NULL);
        add_up(page, sum);
        *after = next != NULL ? strdup(next) : NULL;
        exit_code = show_page(cli, memferry_node_get(page, "memories"), show_max, sum);
        if (next != NULL && *after == NULL) {
            exit_code = cli_fail(cli, EXIT_INTERNAL, "out of memory");
        }
    }
    memferry_reply_free(reply);
    return exit_code;
}

int restored_run(struct cli *cli, const char *params, size_t show_max, struct restored *ret)
{
    char *after = NULL;
    int exit_code;

    *ret = (struct restored){0};
    do {
        exit_code = one_page(cli, params, show_max, ret, &after);
    } while (exit_code == EXIT_OK && after != NULL);
    free(after);
    return exit_code;
}

/* ---- the sum ---- */

static void print_json_sum(struct cli *cli, const struct restored *sum, bool dry_run)
{
    struct json json;

    json_open(&json);
    json_field_bool(&json, "dry_run", dry_run);
    json_field_int(&json, "restored", sum->restored);
    json_field_int(&json, "conflicts", sum->conflicts);
    json_field_int(&json, "unchanged", sum->unchanged);
    json_field_int(&json, "created", sum->created);
    json_field_int(&json, "failed", sum->failed);
    cli_print_object(cli, &json);
}

static void print_part(struct cli *cli, int64_t count, const char *what)
{
    if (count > 0) {
        fprintf(cli->err, "; %" PRId64 " %s", count, what);
    }
}

static void print_restored(struct cli *cli, int64_t count, bool dry_run)
{
    if (count == 0) {
        fputs(dry_run ? "nothing to bring back" : "nothing is brought back", cli->err);
        return;
    }
    const char *done = count == 1 ? "is back" : "are back";
    fprintf(cli->err, "%" PRId64 " %s %s", count, count == 1 ? "memory" : "memories",
            dry_run ? "would come back" : done);
}

/* To stderr, so that rows for a program stay rows. */
void restored_print_sum(struct cli *cli, const struct restored *sum, bool dry_run)
{
    if (cli->json) {
        print_json_sum(cli, sum, dry_run);
        return;
    }
    if (cli->quiet) {
        return;
    }
    fflush(cli->out);
    if (sum->hidden > 0) {
        fprintf(cli->err, "… and %zu more; --dry-run shows all\n", sum->hidden);
    }
    print_restored(cli, sum->restored, dry_run);
    print_part(cli, sum->conflicts, "changed since, left alone (--force takes them too)");
    print_part(cli, sum->unchanged, "so already");
    print_part(cli, sum->created, "made since, left as they are");
    print_part(cli, sum->failed, "with nothing to go back to");
    fputc('\n', cli->err);
}

int restored_exit(const struct restored *sum)
{
    if (sum->failed > 0) {
        return EXIT_NOT_FOUND;
    }
    return sum->conflicts > 0 ? EXIT_CONFLICT : EXIT_OK;
}
