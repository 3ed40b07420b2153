/*
 * table.h - rows of cells. Aligned under their headings on a terminal; otherwise tab-separated
 * lines without headings, with tabs and line ends in cells escaped.
 */
#ifndef MEMFERRY_CLI_TABLE_H
#define MEMFERRY_CLI_TABLE_H

#include "client/cli/cli.h"

#include <stddef.h>

struct table {
    const char *const *headings; /* one that begins with '>' is of numbers, aligned right */
    size_t columns;
    char **cells;
    size_t count, capacity; /* cells */
    bool failed;
};

void table_init(struct table *table, const char *const *headings, size_t columns);
/* The next cell, row by row; NULL is "-". */
void table_text(struct table *table, const char *text);
void table_int(struct table *table, int64_t number);
/* The last column is cut where the terminal ends. An exit code. */
int table_print(struct table *table, struct cli *cli);
void table_deinit(struct table *table);

#endif
