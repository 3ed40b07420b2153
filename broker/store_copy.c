/*
 * store_copy.c - copies the store page by page by SQLite's backup interface.
 *
 * Happy path: a read transaction is begun, so that every slice is of the same commit whatever the
 * store thread writes meanwhile; the pages are copied in slices; the copy is read back.
 *
 * The read transaction is the longest that there is, on purpose. Without one SQLite begins the copy
 * anew after each write of the store thread, and VACUUM INTO, which has one too, gives rows new
 * rowids, by which other tables name them. It holds up no receipt, no read and no apply; what it
 * does hold up is the checkpoint, and so the reuse of journal segments: hence STORE_COPY_WAL_MAX.
 *
 * Failure modes: see store_copy.h. What was written so far is left to the caller.
 */
#include "broker/store_copy.h"
#include "broker/memory_state.h"
#include "broker/store_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SLICE_PAGES   1024   /* 4 MiB */
#define STEPS_TO_LOOK 100000 /* of SQLite's machine, while a copy is read back */

/* In the header of a database: 2 says that it has a WAL. */
#define FORMAT_OFFSET   18
#define FORMAT_ROLLBACK 1

struct copy {
    struct sql from, to;
    uint64_t wal_limit;
    struct store_copy_watch *watch; /* or NULL */
    struct error *err;
};

/* ---- what it holds ---- */

static int read_contents(struct sql *sql, struct store_contents *ret, struct error *err)
{
    static const char *const text =
        "SELECT a.seq, a.memories, a.deleted, a.events, m.value FROM applied a "
        "JOIN meta m ON m.name='origin' WHERE a.id=1";
    sqlite3_stmt *statement;
    bool row = false;

    *ret = (struct store_contents){0};
    int r = sql_prepare(sql, &text, 1, &statement, err);
    if (r == 0) {
        r = sql_step(sql, statement, &row, err);
    }
    if (r == 0 && !row) {
        r = error_set(err, -EBADMSG, "%s holds no store: it was cut short when it was made",
                      sql->path);
    }
    if (r == 0) {
        ret->applied_seq = sql_column_uint(statement, 0);
        ret->memories = sql_column_uint(statement, 1);
        ret->deleted = sql_column_uint(statement, 2);
        ret->events = sql_column_uint(statement, 3);
        const char *origin = (const char *)sqlite3_column_text(statement, 4);
        snprintf(ret->origin, sizeof ret->origin, "%s", origin != NULL ? origin : "");
    }
    sql_finalize(&statement, 1);
    return r;
}

int store_contents_read(const char *path, struct store_contents *ret, struct error *err)
{
    struct sql sql;

    int r = sql_open(&sql, path, SQLITE_OPEN_READONLY, err);
    if (r == 0) {
        r = store_schema_check(&sql, err);
    }
    if (r == 0) {
        r = read_contents(&sql, ret, err);
    }
    sql_close(&sql);
    return r;
}

static int newest_stamp(struct sql *sql, int64_t *ret_stamp_us, struct error *err)
{
    static const char *const text = "SELECT state FROM event WHERE memory_id IS NOT NULL "
                                    "AND state IS NOT NULL";
    struct memory_state state;
    sqlite3_stmt *rows;
    bool row;

    int r = sql_prepare(sql, &text, 1, &rows, err);
    if (r != 0) {
        return r;
    }
    r = sql_step(sql, rows, &row, err);
    while (r == 0 && row) {
        if (memory_state_decode(sqlite3_column_blob(rows, 0), (size_t)sqlite3_column_bytes(rows, 0),
                                &state) == 0 &&
            *ret_stamp_us < state.stamp_us) {
            *ret_stamp_us = state.stamp_us;
        }
        r = sql_step(sql, rows, &row, err);
    }
    sql_finalize(&rows, 1);
    return r;
}

int store_newest_stamp(const char *path, int64_t *ret_stamp_us, struct error *err)
{
    struct sql sql;

    *ret_stamp_us = 0;
    int r = sql_open(&sql, path, SQLITE_OPEN_READONLY, err);
    if (r == 0) {
        r = newest_stamp(&sql, ret_stamp_us, err);
    }
    sql_close(&sql);
    return r;
}

/* ---- copying ---- */

static uint64_t wal_bytes(const char *path)
{
    char wal[PATH_MAX];
    struct stat status;

    snprintf(wal, sizeof wal, "%s-wal", path);
    return stat(wal, &status) == 0 ? (uint64_t)status.st_size : 0;
}

/* Pins the commit that is copied. */
static int open_source(struct copy *copy, const char *path, struct store_contents *ret)
{
    int r = sql_open(&copy->from, path, SQLITE_OPEN_READONLY, copy->err);

    if (r == 0) {
        r = store_schema_refuse(&copy->from, copy->err);
    }
    if (r == 0) {
        r = sql_exec(&copy->from, "BEGIN", "read", copy->err);
    }
    if (r == 0) {
        r = read_contents(&copy->from, ret, copy->err);
    }
    uint64_t wal_max = copy->watch != NULL ? copy->watch->wal_max : 0;
    copy->wal_limit = wal_bytes(path) + (wal_max != 0 ? wal_max : STORE_COPY_WAL_MAX);
    return r;
}

/* A copy that was cut short is of no use, so it has no journal; it is synced by who keeps it. */
static int open_target(struct copy *copy, const char *path)
{
    int r = sql_open(&copy->to, path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOFOLLOW, copy->err);

    if (r == 0) {
        r = sql_exec(&copy->to, "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF", "write",
                     copy->err);
    }
    return r;
}

static bool is_cancelled(const struct copy *copy)
{
    return copy->watch != NULL && copy->watch->is_cancelled(copy->watch);
}

static int may_go_on(const struct copy *copy)
{
    if (is_cancelled(copy)) {
        return error_set(copy->err, STORE_COPY_E_CANCELLED, "%s was not finished", copy->to.path);
    }
    if (wal_bytes(copy->from.path) > copy->wal_limit) {
        return error_set(copy->err, STORE_COPY_E_BEHIND,
                         "so much was written while %s was made that it was given up: try again "
                         "when there is less to do, or on a faster disk",
                         copy->to.path);
    }
    return 0;
}

static int copy_failed(const struct copy *copy, int rc)
{
    int system = sqlite3_system_errno(copy->to.db);

    if ((rc & 0xff) == SQLITE_FULL || system == ENOSPC || system == EDQUOT) {
        return error_set(copy->err, STORE_COPY_E_FULL,
                         "no room on the disk of %s: free some, or name another place",
                         copy->to.path);
    }
    return error_set(copy->err, rc == SQLITE_NOMEM ? -ENOMEM : -EIO,
                     "cannot copy %s to %s (%s, code %d): check both disks", copy->from.path,
                     copy->to.path, sqlite3_errstr(rc), rc);
}

static int copy_pages(struct copy *copy)
{
    sqlite3_backup *backup = sqlite3_backup_init(copy->to.db, "main", copy->from.db, "main");
    int r = 0, rc = SQLITE_OK;

    if (backup == NULL) {
        return copy_failed(copy, sqlite3_extended_errcode(copy->to.db));
    }
    while (r == 0 && rc == SQLITE_OK) {
        r = may_go_on(copy);
        rc = r == 0 ? sqlite3_backup_step(backup, SLICE_PAGES) : rc;
    }
    int finished = sqlite3_backup_finish(backup);
    if (r != 0) {
        return r;
    }
    rc = rc == SQLITE_DONE ? finished : rc;
    return rc == SQLITE_OK ? 0 : copy_failed(copy, rc);
}

/* One file alone, which is read where nothing can be written, too. */
static int leave_wal_mode(const char *path, struct error *err)
{
    static const uint8_t formats[2] = {FORMAT_ROLLBACK, FORMAT_ROLLBACK};
    int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    int r =
        fd < 0 || pwrite(fd, formats, sizeof formats, FORMAT_OFFSET) != sizeof formats ? -errno : 0;

    if (fd >= 0) {
        close(fd);
    }
    return r < 0 ? error_set_errno(err, r, "cannot write %s", path) : 0;
}

static int copy_store(struct copy *copy, const char *from, const char *to,
                      struct store_contents *ret)
{
    int r = open_source(copy, from, ret);

    if (r == 0) {
        r = open_target(copy, to);
    }
    if (r == 0) {
        r = copy_pages(copy);
    }
    sql_close(&copy->to);
    sql_close(&copy->from);
    return r == 0 ? leave_wal_mode(to, copy->err) : r;
}

/* ---- reading back ---- */

static int check_sound(struct sql *sql, struct error *err)
{
    static const char *const text = "PRAGMA quick_check(1)";
    sqlite3_stmt *statement;
    bool row = false;

    int r = sql_prepare(sql, &text, 1, &statement, err);
    if (r == 0) {
        r = sql_step(sql, statement, &row, err);
    }
    if (r == 0 && (!row || strcmp((const char *)sqlite3_column_text(statement, 0), "ok") != 0)) {
        r = error_set(err, -EBADMSG, "%s is damaged (%s): check the disk, and the store itself",
                      sql->path, row ? (const char *)sqlite3_column_text(statement, 0) : "no word");
    }
    sql_finalize(&statement, 1);
    return r;
}

static int look_at_watch(void *arg)
{
    return is_cancelled(arg);
}

static int check_copy(struct copy *copy, const char *path, const struct store_contents *wanted)
{
    struct error *err = copy->err;
    struct store_contents found;
    struct sql sql;

    int r = sql_open(&sql, path, SQLITE_OPEN_READONLY, err);
    if (r == 0) {
        sqlite3_progress_handler(sql.db, STEPS_TO_LOOK, look_at_watch, copy);
        r = check_sound(&sql, err);
    }
    if (r != 0 && is_cancelled(copy)) {
        r = error_set(err, STORE_COPY_E_CANCELLED, "%s was not finished", path);
    }
    if (r == 0) {
        r = read_contents(&sql, &found, err);
    }
    if (r == 0 && (found.applied_seq != wanted->applied_seq || found.events != wanted->events ||
                   strcmp(found.origin, wanted->origin) != 0)) {
        r = error_set(err, -EBADMSG, "%s holds something else than was written: check the disk",
                      path);
    }
    sql_close(&sql);
    return r;
}

int store_copy(const char *from, const char *to, struct store_copy_watch *watch,
               struct store_contents *ret, struct error *err)
{
    struct copy copy = {.watch = watch, .err = err};

    int r = copy_store(&copy, from, to, ret);
    return r == 0 ? check_copy(&copy, to, ret) : r;
}

int store_copy_migrate(const char *path, struct error *err)
{
    struct sql sql;
    bool is_new;

    int r = sql_open(&sql, path, SQLITE_OPEN_READWRITE, err);
    if (r == 0) {
        r = store_schema_migrate(&sql, &is_new, err);
    }
    sql_close(&sql);
    return store_outcome_of(r);
}
