/*
 * bare_rows.h - rows that a store's events made, read into memory, and inserted into another
 * database by SQLite alone: the least that applying can cost.
 */
#ifndef BENCH_BARE_ROWS_H
#define BENCH_BARE_ROWS_H

#include <sqlite3.h>
#include <stdint.h>

struct bare_rows;

/* Opens a copy of a store as the store is opened: the same page cache, WAL and syncs. Every
 * function here ends the process when SQLite fails: it is a measuring stick. */
sqlite3 *bare_open(const char *path);

/* All rows of the events above `from`, up to `to`, of the store at `path`. */
struct bare_rows *bare_rows_read(const char *path, uint64_t from, uint64_t to);
void bare_rows_free(struct bare_rows *rows);

/* Inserts them, so many events to a transaction, and moves the WAL when it has grown as large as
 * the store lets it. */
void bare_rows_insert(sqlite3 *db, struct bare_rows *rows, uint64_t transaction);

#endif
