/*
 * sql.h - the little that store and reader share of SQLite: a connection, statements that are
 * prepared once, and SQLite's failures in our error policy and in words for a person.
 */
#ifndef MEMFERRY_SQL_H
#define MEMFERRY_SQL_H

#include "broker/util/error.h"

#include <sqlite3.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How long a statement waits for a lock of another process, such as a person's sqlite3. */
#define SQL_BUSY_MS 5000

/* Away from the outcomes of the store, which maps them: the two never meet. */
enum sql_outcome {
    SQL_E_FULL = 1000, /* no room on the disk */
    SQL_E_VALUE        /* a value the database cannot take: too big, against a constraint */
};

struct sql {
    sqlite3 *db;
    char *path;
    bool read_only;
    bool lacked_room; /* set by a failure, never cleared here */
};

/* Once, before the first connection. */
void sql_init(void);

/* flags: SQLITE_OPEN_…; the file is never made. */
int sql_open(struct sql *sql, const char *path, int flags, struct error *err);
void sql_close(struct sql *sql);
/* Gives the memory of cached pages back to the system: they are read again when they are needed. */
void sql_forget_pages(struct sql *sql);

/* The last failure of the connection: -ENOMEM, -EBUSY, SQL_E_… of a connection that writes, or -EIO
 * and -EACCES for what is final. `verb`: "read", "write". */
int sql_failed(struct sql *sql, const char *verb, struct error *err);

int sql_exec(struct sql *sql, const char *text, const char *verb, struct error *err);
/* The first column of the first row as a number; 0 without a row. */
int sql_number(struct sql *sql, const char *text, int64_t *ret, struct error *err);

/* Prepares texts[0..count) into ret, all or none. */
int sql_prepare(struct sql *sql, const char *const *texts, size_t count, sqlite3_stmt **ret,
                struct error *err);
void sql_finalize(sqlite3_stmt **statements, size_t count);

/* A statement that is NULL, because preparing it failed, is bound in vain; stepping it fails with
 * what the connection failed with last. */

/* Parameters count from 1. What is bound must stay until the statement is reset. */
void sql_bind_int(sqlite3_stmt *statement, int index, int64_t value);
void sql_bind_uint(sqlite3_stmt *statement, int index, uint64_t value);
/* data NULL binds NULL. */
void sql_bind_text(sqlite3_stmt *statement, int index, const char *data, size_t size);
void sql_bind_blob(sqlite3_stmt *statement, int index, const void *data, size_t size);
void sql_bind_null(sqlite3_stmt *statement, int index);

/* Runs a statement that gives no rows, and resets it. */
int sql_run(struct sql *sql, sqlite3_stmt *statement, struct error *err);
/* The next row of a query. *ret_row false: there is none, and the statement is reset, as after a
 * failure. */
int sql_step(struct sql *sql, sqlite3_stmt *statement, bool *ret_row, struct error *err);
void sql_reset(sqlite3_stmt *statement);

uint64_t sql_column_uint(sqlite3_stmt *statement, int column);

#endif
