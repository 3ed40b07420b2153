/* table.c - collects cells, measures columns, prints. Memory that runs out is told at the end. */
#include "client/cli/table.h"

#include "client/cli/text.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define COLUMN_MIN 10 /* of the last, whatever the terminal */

void table_init(struct table *table, const char *const *headings, size_t columns)
{
    *table = (struct table){.headings = headings, .columns = columns};
}

void table_text(struct table *table, const char *text)
{
    if (table->count == table->capacity) {
        size_t capacity = table->capacity * 2 + 64;
        char **cells = realloc(table->cells, capacity * sizeof *cells);
        if (cells == NULL) {
            table->failed = true;
            return;
        }
        table->cells = cells;
        table->capacity = capacity;
    }
    char *copy = strdup(text != NULL && text[0] != '\0' ? text : "-");
    if (copy == NULL) {
        table->failed = true;
        return;
    }
    table->cells[table->count++] = copy;
}

void table_int(struct table *table, int64_t number)
{
    char text[32];

    snprintf(text, sizeof text, "%lld", (long long)number);
    table_text(table, text);
}

static bool column_is_number(const struct table *table, size_t column)
{
    return table->headings[column][0] == '>';
}

static const char *heading(const struct table *table, size_t column)
{
    return table->headings[column] + column_is_number(table, column);
}

static size_t column_width(const struct table *table, size_t column)
{
    size_t width = text_width(heading(table, column));

    for (size_t i = column; i < table->count; i += table->columns) {
        size_t cell = text_width(table->cells[i]);
        width = cell > width ? cell : width;
    }
    return width;
}

static void print_padded(FILE *out, const char *text, size_t width, bool right, bool last)
{
    int padding = (int)(width - text_width(text));

    if (right) {
        fprintf(out, "%*s", padding, "");
    }
    text_print_line(out, text, 0);
    if (!right && !last) {
        fprintf(out, "%*s", padding, "");
    }
    fputs(last ? "\n" : "  ", out);
}

/* What is left for the last column. */
static size_t last_width(const struct cli *cli, size_t used)
{
    return cli->columns >= used + COLUMN_MIN ? cli->columns - used : COLUMN_MIN;
}

static void print_aligned(const struct table *table, struct cli *cli)
{
    size_t widths[16], used = 0, last = table->columns - 1;

    assert(table->columns <= sizeof widths / sizeof widths[0]);
    fputs(cli_dim(cli), cli->out);
    for (size_t column = 0; column <= last; column++) {
        widths[column] = column_width(table, column);
        used += column < last ? widths[column] + 2 : 0;
        print_padded(cli->out, heading(table, column), widths[column],
                     column_is_number(table, column), column == last);
    }
    fputs(cli_plain(cli), cli->out);
    for (size_t i = 0; i < table->count; i++) {
        size_t column = i % table->columns;
        if (column == last && !column_is_number(table, column)) {
            text_print_line(cli->out, table->cells[i], last_width(cli, used));
            fputc('\n', cli->out);
        } else {
            print_padded(cli->out, table->cells[i], widths[column], column_is_number(table, column),
                         column == last);
        }
    }
}

static void print_tabbed(const struct table *table, FILE *out)
{
    for (size_t i = 0; i < table->count; i++) {
        text_print_escaped(out, table->cells[i]);
        fputc((i + 1) % table->columns == 0 ? '\n' : '\t', out);
    }
}

int table_print(struct table *table, struct cli *cli)
{
    if (table->failed) {
        return cli_fail(cli, EXIT_INTERNAL, "out of memory");
    }
    assert(table->count % table->columns == 0);
    if (cli->out_terminal) {
        print_aligned(table, cli);
    } else {
        print_tabbed(table, cli->out);
    }
    return EXIT_OK;
}

void table_deinit(struct table *table)
{
    for (size_t i = 0; i < table->count; i++) {
        free(table->cells[i]);
    }
    free(table->cells);
}
