/*
 * store.c - transactions, savepoints and checkpoints. A failed commit has rolled back when it
 * returns.
 */
#include "broker/store_internal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#define WAL_BEGIN_BYTES ((uint64_t)1 << 20)
/* How long a checkpoint waits for readers; it is tried again soon. */
#define CHECKPOINT_BUSY_MS 20

int store_outcome_of(int sql_outcome)
{
    switch (sql_outcome) {
    case SQL_E_FULL:
        return STORE_E_FULL;
    case SQL_E_VALUE:
        return STORE_E_EVENT;
    default:
        return sql_outcome;
    }
}

/* ---- what it holds ---- */

const char *store_path(const struct store *store)
{
    return store->sql.path;
}

uint64_t store_applied_seq(const struct store *store)
{
    return store->committed.seq;
}

bool store_is_new(const struct store *store)
{
    return store->is_new;
}

uint64_t store_wal_bytes(const struct store *store)
{
    return store->wal_bytes;
}

void store_forget_pages(struct store *store)
{
    sql_forget_pages(&store->sql);
}

/* ---- transactions ---- */

int store_begin(struct store *store, struct error *err)
{
    assert(!store->in_transaction);
    int r = sql_run(&store->sql, store->statements[STORE_BEGIN], err);
    if (r != 0) {
        return store_outcome_of(r);
    }
    store->in_transaction = true;
    store->wants_sync = false;
    store->sql.lacked_room = false;
    store->pending = store->committed;
    return 0;
}

void store_rollback(struct store *store)
{
    /* A failed statement may have rolled back already. */
    if (!sqlite3_get_autocommit(store->sql.db)) {
        sql_run(&store->sql, store->statements[STORE_ROLLBACK], NULL);
    }
    store->in_transaction = false;
    store->pending = store->committed;
    store_sessions_forget(store);
}

static int save_progress(struct store *store, struct error *err)
{
    sqlite3_stmt *statement = store->statements[STORE_SET_APPLIED];

    if (store->pending.seq == store->committed.seq) {
        return 0;
    }
    sql_bind_uint(statement, 1, store->pending.seq);
    sql_bind_uint(statement, 2, store->pending.memories);
    sql_bind_uint(statement, 3, store->pending.deleted);
    sql_bind_uint(statement, 4, store->pending.events);
    sql_bind_uint(statement, 5, store->pending.embeddings);
    return sql_run(&store->sql, statement, err);
}

/* With synchronous=NORMAL a commit reaches the disk with the next checkpoint only. What no journal
 * holds and somebody was promised is synced here. */
static int sync_wal(struct store *store, struct error *err)
{
    sqlite3_file *wal = NULL;

    sqlite3_file_control(store->sql.db, "main", SQLITE_FCNTL_JOURNAL_POINTER, (void *)&wal);
    if (wal == NULL || wal->pMethods == NULL ||
        wal->pMethods->xSync(wal, SQLITE_SYNC_NORMAL) != SQLITE_OK) {
        return error_set(err, -EIO, "cannot sync %s-wal: check the disk", store->sql.path);
    }
    return 0;
}

/* A checkpoint syncs the WAL. Were all of it written then, the journal's syncs would stand behind
 * tens of megabytes; so the disk is told to begin with what there is, which waits for nothing. What
 * it cannot write is told at the sync, to the descriptor of who syncs. */
static void begin_writing_wal(struct store *store)
{
    char name[PATH_MAX];

    if (store->wal_bytes < store->wal_begun_bytes) {
        store->wal_begun_bytes = 0; /* it was begun anew */
    }
    if (store->wal_bytes - store->wal_begun_bytes < WAL_BEGIN_BYTES) {
        return;
    }
    if (store->wal_fd < 0) { /* locks are on the database: no harm in closing another of its WAL */
        snprintf(name, sizeof name, "%s-wal", store->sql.path);
        store->wal_fd = open(name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    }
    if (store->wal_fd >= 0) {
        sync_file_range(store->wal_fd, 0, 0, SYNC_FILE_RANGE_WRITE);
    }
    store->wal_begun_bytes = store->wal_bytes;
}

void store_want_sync(struct store *store)
{
    assert(store->in_transaction);
    store->wants_sync = true;
}

int store_commit(struct store *store, struct error *err)
{
    assert(store->in_transaction);
    int r = save_progress(store, err);
    if (r == 0) {
        r = sql_run(&store->sql, store->statements[STORE_COMMIT], err);
    }
    if (r != 0) {
        store_rollback(store);
        return store_outcome_of(r);
    }
    store->in_transaction = false;
    store->committed = store->pending;
    begin_writing_wal(store);
    return store->wants_sync ? sync_wal(store, err) : 0;
}

void store_skip(struct store *store, uint64_t seq)
{
    assert(store->in_transaction && seq > store->pending.seq);
    store->pending.seq = seq;
}

static int run(struct store *store, enum store_statement statement, struct error *err)
{
    return store_outcome_of(sql_run(&store->sql, store->statements[statement], err));
}

int store_savepoint(struct store *store, struct error *err)
{
    assert(store->in_transaction);
    store->saved = store->pending;
    return run(store, STORE_SAVEPOINT, err);
}

int store_savepoint_release(struct store *store, struct error *err)
{
    return run(store, STORE_RELEASE, err);
}

int store_savepoint_undo(struct store *store, struct error *err)
{
    /* When the failure has rolled the whole transaction back there is no savepoint to go to. */
    if (sqlite3_get_autocommit(store->sql.db)) {
        return error_set(err, -ECANCELED, "the transaction on %s is gone", store->sql.path);
    }
    store->pending = store->saved;
    store_sessions_forget(store);
    int r = run(store, STORE_UNDO, err);
    return r == 0 ? run(store, STORE_RELEASE, err) : r;
}

bool store_lacks_room(const struct store *store)
{
    return store->sql.lacked_room;
}

/* ---- checkpoint ---- */

int store_checkpoint(struct store *store, uint64_t *ret_safe_seq, struct error *err)
{
    uint64_t noted_seq = store->committed.seq;
    int in_wal = 0, moved = 0;

    assert(!store->in_transaction);
    sqlite3_busy_timeout(store->sql.db, CHECKPOINT_BUSY_MS);
    int rc =
        sqlite3_wal_checkpoint_v2(store->sql.db, NULL, SQLITE_CHECKPOINT_RESTART, &in_wal, &moved);
    int r = rc == SQLITE_OK || rc == SQLITE_BUSY ? 0 : sql_failed(&store->sql, "write", err);
    sqlite3_busy_timeout(store->sql.db, SQL_BUSY_MS);
    if (r != 0) {
        return store_outcome_of(r);
    }
    /* Busy with every page moved and synced: only the WAL's restart had to wait for a reader. */
    if (in_wal >= 0 && in_wal == moved) {
        *ret_safe_seq = noted_seq;
    }
    if (rc == SQLITE_OK) {
        store->wal_bytes = 0;
    }
    return 0;
}
