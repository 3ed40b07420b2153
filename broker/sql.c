/* sql.c - see sql.h. A binding can only fail by a mistake of ours, so it is asserted; a statement
 * that could not be prepared is NULL, and is told of when it is stepped. */
#include "broker/sql.h"

#include "broker/util/way_on.h"

#include <assert.h>
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

/* A connection would set aside 20 pages at once, and a reader is done with fewer. And every
 * allocation would be counted, under one mutex for all connections: nobody asks for the sum. */
void sql_init(void)
{
    sqlite3_config(SQLITE_CONFIG_PAGECACHE, NULL, 0, 0);
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

int sql_open(struct sql *sql, const char *path, int flags, struct error *err)
{
    sql->db = NULL;
    sql->lacked_room = false;
    sql->read_only = (flags & SQLITE_OPEN_READONLY) != 0;
    sql->path = strdup(path);
    if (sql->path == NULL) {
        return error_set(err, -ENOMEM, "out of memory while opening %s", path);
    }
    int rc = sqlite3_open_v2(path, &sql->db, flags | SQLITE_OPEN_NOMUTEX, NULL);
    if (sql->db == NULL) {
        return error_set(err, -ENOMEM, "out of memory while opening %s", path);
    }
    sqlite3_extended_result_codes(sql->db, 1);
    sqlite3_busy_timeout(sql->db, SQL_BUSY_MS);
    return rc == SQLITE_OK ? 0 : sql_failed(sql, "open", err);
}

void sql_close(struct sql *sql)
{
    int rc = sqlite3_close(sql->db);
    assert(rc == SQLITE_OK); /* every statement was finalized */
    (void)rc;
    free(sql->path);
    memset(sql, 0, sizeof *sql);
}

void sql_forget_pages(struct sql *sql)
{
    sqlite3_db_release_memory(sql->db);
    malloc_trim(0);
}

/* The index of the WAL is a file, too, and of a write there SQLite does not keep the errno. */
static bool is_no_room(struct sql *sql, int code)
{
    if ((code & 0xff) == SQLITE_FULL || code == SQLITE_IOERR_SHMSIZE) {
        return true;
    }
    int system = sqlite3_system_errno(sql->db);
    return (code & 0xff) == SQLITE_IOERR && (system == ENOSPC || system == EDQUOT);
}

int sql_failed(struct sql *sql, const char *verb, struct error *err)
{
    int code = sqlite3_extended_errcode(sql->db);
    const char *text = sqlite3_errmsg(sql->db);

    if (is_no_room(sql, code)) {
        sql->lacked_room = true;
        return error_set(err, sql->read_only ? -ENOSPC : SQL_E_FULL,
                         "no room on the disk of %s: free some, or move the state directory",
                         sql->path);
    }
    switch (code & 0xff) {
    case SQLITE_NOMEM:
        return error_set(err, -ENOMEM, "out of memory while working on %s", sql->path);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return error_set(err, -EBUSY,
                         "%s is locked by another process: end it (an open sqlite3 shell?)",
                         sql->path);
    case SQLITE_TOOBIG:
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
        return error_set(err, sql->read_only ? -EIO : SQL_E_VALUE, "%s cannot take this: %s",
                         sql->path, text);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return error_set(err, -EIO, "%s is damaged (%s): move it away, but keep it, and " WAY_ON,
                         sql->path, text);
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM:
        return error_set(err, -EACCES,
                         "cannot %s %s (%s): it and its directory must belong to this user and be "
                         "writable",
                         verb, sql->path, text);
    default:
        return error_set(err, -EIO, "cannot %s %s (%s, code %d): check the disk", verb, sql->path,
                         text, code);
    }
}

int sql_exec(struct sql *sql, const char *text, const char *verb, struct error *err)
{
    return sqlite3_exec(sql->db, text, NULL, NULL, NULL) == SQLITE_OK ? 0
                                                                      : sql_failed(sql, verb, err);
}

int sql_number(struct sql *sql, const char *text, int64_t *ret, struct error *err)
{
    sqlite3_stmt *statement;

    int r = sql_prepare(sql, &text, 1, &statement, err);
    if (r != 0) {
        return r;
    }
    bool row;
    r = sql_step(sql, statement, &row, err);
    *ret = r == 0 && row ? sqlite3_column_int64(statement, 0) : 0;
    sql_finalize(&statement, 1);
    return r;
}

int sql_prepare(struct sql *sql, const char *const *texts, size_t count, sqlite3_stmt **ret,
                struct error *err)
{
    memset(ret, 0, count * sizeof *ret);
    for (size_t i = 0; i < count; i++) {
        int rc =
            sqlite3_prepare_v3(sql->db, texts[i], -1, SQLITE_PREPARE_PERSISTENT, &ret[i], NULL);
        if (rc != SQLITE_OK) {
            int r = sql_failed(sql, "read", err);
            sql_finalize(ret, i);
            return r;
        }
    }
    return 0;
}

void sql_finalize(sqlite3_stmt **statements, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        sqlite3_finalize(statements[i]);
        statements[i] = NULL;
    }
}

static void bound(const sqlite3_stmt *statement, int rc)
{
    assert(statement == NULL || rc == SQLITE_OK);
    (void)statement;
    (void)rc;
}

void sql_bind_int(sqlite3_stmt *statement, int index, int64_t value)
{
    bound(statement, sqlite3_bind_int64(statement, index, value));
}

void sql_bind_uint(sqlite3_stmt *statement, int index, uint64_t value)
{
    assert(value <= INT64_MAX);
    bound(statement, sqlite3_bind_int64(statement, index, (int64_t)value));
}

void sql_bind_text(sqlite3_stmt *statement, int index, const char *data, size_t size)
{
    bound(statement, sqlite3_bind_text64(statement, index, data, size, SQLITE_STATIC, SQLITE_UTF8));
}

void sql_bind_blob(sqlite3_stmt *statement, int index, const void *data, size_t size)
{
    bound(statement, sqlite3_bind_blob64(statement, index, data, size, SQLITE_STATIC));
}

void sql_bind_null(sqlite3_stmt *statement, int index)
{
    bound(statement, sqlite3_bind_null(statement, index));
}

int sql_run(struct sql *sql, sqlite3_stmt *statement, struct error *err)
{
    int rc = sqlite3_step(statement);
    int r = rc == SQLITE_DONE || rc == SQLITE_ROW ? 0 : sql_failed(sql, "write", err);

    sqlite3_reset(statement);
    return r;
}

int sql_step(struct sql *sql, sqlite3_stmt *statement, bool *ret_row, struct error *err)
{
    int rc = sqlite3_step(statement);

    *ret_row = rc == SQLITE_ROW;
    if (rc == SQLITE_ROW) {
        return 0;
    }
    int r = rc == SQLITE_DONE ? 0 : sql_failed(sql, "read", err);
    sqlite3_reset(statement);
    return r;
}

void sql_reset(sqlite3_stmt *statement)
{
    sqlite3_reset(statement);
}

uint64_t sql_column_uint(sqlite3_stmt *statement, int column)
{
    return (uint64_t)sqlite3_column_int64(statement, column);
}
