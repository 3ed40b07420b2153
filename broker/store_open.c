/*
 * store_open.c - opens and closes the database.
 *
 * Happy path: a new file is made 0600 with its directory synced; an old one is migrated and must
 * carry the journal's origin. WAL with synchronous=NORMAL: a commit survives the process, and what
 * a power cut takes from the WAL's end is in the journal still.
 *
 * Failure modes: see store.h. A half-opened store is closed again.
 */
#include "broker/store_internal.h"
#include "broker/util/way_on.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* After a long read, such as a backup, the WAL is cut to this when it begins anew. */
#define STORE_WAL_KEPT "PRAGMA journal_size_limit=67108864"
/* Pages kept in memory. */
#define STORE_CACHE "PRAGMA cache_size=-32768"

/* ---- open ---- */

/* A file's name is on the disk only when its directory is. */
static int sync_directory_of(const char *path, struct error *err)
{
    char *copy = strdup(path);
    if (copy == NULL) {
        return error_set(err, -ENOMEM, "out of memory while making %s", path);
    }
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int r = fd < 0 || fsync(fd) < 0 ? -errno : 0;
    if (fd >= 0) {
        close(fd);
    }
    free(copy);
    return r < 0 ? error_set_errno(err, r, "cannot sync the directory of %s", path) : 0;
}

/* 0: not there, or empty. */
static off_t size_of(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0 ? status.st_size : 0;
}

/* SQLite would delete the WAL of a database that is missing: it may be the only copy of something,
 * above all when a checkpoint was cut short and the database comes back later. */
static int refuse_lone_wal(const char *path, struct error *err)
{
    char wal[PATH_MAX];

    snprintf(wal, sizeof wal, "%s-wal", path);
    if (size_of(path) > 0 || size_of(wal) == 0) {
        return 0;
    }
    return error_set(err, STORE_E_LONE_WAL,
                     "%s is missing or empty, but %s beside it holds changes of it: put the "
                     "database back, or move that file away too and " WAY_ON,
                     path, wal);
}

/* SQLite gives the WAL the permissions of the database, so the file is made here. The directory is
 * synced also for a file that is there: its maker may have been killed before that. */
static int make_file(const char *path, struct error *err)
{
    int r = refuse_lone_wal(path, err);
    if (r != 0) {
        return r;
    }
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 && errno != EEXIST) {
        return error_set_errno(err, -errno, "cannot make %s", path);
    }
    if (fd >= 0) {
        close(fd);
    }
    return sync_directory_of(path, err);
}

static int wal_written_cb(void *data, sqlite3 *db, const char *name, int pages)
{
    struct store *store = data;

    (void)db;
    (void)name;
    store->wal_bytes = (uint64_t)pages * 4096;
    return SQLITE_OK;
}

static int set_pragmas(struct store *store, struct error *err)
{
    static const char *const pragmas[] = {"PRAGMA journal_mode=WAL", "PRAGMA synchronous=NORMAL",
                                          "PRAGMA temp_store=MEMORY", STORE_CACHE, STORE_WAL_KEPT};

    for (size_t i = 0; i < sizeof pragmas / sizeof pragmas[0]; i++) {
        int r = sql_exec(&store->sql, pragmas[i], "open", err);
        if (r != 0) {
            return r;
        }
    }
    /* Instead of the automatic checkpoint: when it happens is the applier's to decide. */
    sqlite3_wal_hook(store->sql.db, wal_written_cb, store);
    return 0;
}

static int write_meta(struct store *store, struct error *err)
{
    char *text = sqlite3_mprintf("BEGIN; INSERT INTO meta(name, value) VALUES('origin', %Q),"
                                 " ('dims', %u); INSERT INTO applied VALUES(1,0,0,0,0,0); COMMIT",
                                 store->origin, store->dims);
    if (text == NULL) {
        return error_set(err, -ENOMEM, "out of memory while making %s", store->sql.path);
    }
    int r = sql_exec(&store->sql, text, "write", err);
    sqlite3_free(text);
    return r;
}

static int check_origin(struct store *store, struct error *err)
{
    static const char *const text = "SELECT value FROM meta WHERE name='origin'";
    sqlite3_stmt *statement;
    bool row;

    int r = sql_prepare(&store->sql, &text, 1, &statement, err);
    if (r == 0) {
        r = sql_step(&store->sql, statement, &row, err);
    }
    if (r == 0) {
        const char *found = row ? (const char *)sqlite3_column_text(statement, 0) : NULL;
        if (found == NULL || strcmp(found, store->origin) != 0) {
            r = error_set(err, STORE_E_ORIGIN,
                          "%s belongs to the journal %s, but the journal beside it is %s, so one "
                          "of the two was replaced or is missing: put the journal of this database "
                          "back, or move both away and " WAY_ON "; this database is a backup too",
                          store->sql.path, found == NULL ? "(none)" : found, store->origin);
        }
    }
    sql_finalize(&statement, 1);
    return r;
}

static int check_dims(struct store *store, struct error *err)
{
    int64_t dims = 0;

    int r = sql_number(&store->sql, "SELECT value FROM meta WHERE name='dims'", &dims, err);
    if (r != 0 || dims == (int64_t)store->dims) {
        return r;
    }
    return error_set(err, STORE_E_DIMS,
                     "%s holds embeddings of %lld floats, the config says %u: set `dims = %lld` in "
                     "[broker]",
                     store->sql.path, (long long)dims, store->dims, (long long)dims);
}

static int read_progress(struct store *store, struct error *err)
{
    static const char *const text =
        "SELECT seq, memories, deleted, events, embeddings FROM applied WHERE id=1";
    sqlite3_stmt *statement;
    bool row;

    int r = sql_prepare(&store->sql, &text, 1, &statement, err);
    if (r == 0) {
        r = sql_step(&store->sql, statement, &row, err);
    }
    if (r == 0 && !row) {
        r = error_set(err, -EIO, "%s is damaged: its table `applied` is empty", store->sql.path);
    }
    if (r == 0) {
        store->committed = (struct store_progress){.seq = sql_column_uint(statement, 0),
                                                   .memories = sql_column_uint(statement, 1),
                                                   .deleted = sql_column_uint(statement, 2),
                                                   .events = sql_column_uint(statement, 3),
                                                   .embeddings = sql_column_uint(statement, 4)};
        store->pending = store->committed;
    }
    sql_finalize(&statement, 1);
    return r;
}

static int check_meta(struct store *store, struct error *err)
{
    int r = check_origin(store, err);

    if (r == 0) {
        r = check_dims(store, err);
    }
    return r == 0 ? read_progress(store, err) : r;
}

/* A new store that crashed before its meta rows has none: they are written then. */
static int ensure_meta(struct store *store, struct error *err)
{
    int64_t rows;

    int r = sql_number(&store->sql, "SELECT count(*) FROM meta", &rows, err);
    if (r == 0 && rows == 0) {
        store->is_new = true;
        r = write_meta(store, err);
    }
    return r == 0 ? check_meta(store, err) : r;
}

static int open_database(struct store *store, const char *path, struct error *err)
{
    int r = make_file(path, err);

    if (r == 0) {
        r = sql_open(&store->sql, path, SQLITE_OPEN_READWRITE, err);
    }
    if (r == 0) {
        r = set_pragmas(store, err);
    }
    if (r == 0) {
        r = store_schema_migrate(&store->sql, &store->is_new, err);
    }
    if (r == 0) {
        r = ensure_meta(store, err);
    }
    if (r == 0) {
        r = sql_prepare(&store->sql, store_statement_texts, STORE_STATEMENTS, store->statements,
                        err);
    }
    return r;
}

int store_open(struct store **ret, const struct store_options *options, struct error *err)
{
    struct store *store = calloc(1, sizeof *store);

    *ret = NULL;
    if (store == NULL) {
        return error_set(err, -ENOMEM, "out of memory while opening %s", options->path);
    }
    memory_scratch_init(&store->scratch);
    msgpack_sbuffer_init(&store->old_state);
    msgpack_sbuffer_init(&store->new_state);
    msgpack_sbuffer_init(&store->restored);
    store->wal_fd = -1;
    store->dims = options->dims;
    snprintf(store->origin, sizeof store->origin, "%s", options->origin);
    store->hash = XXH3_createState();
    int r = store->hash == NULL
                ? error_set(err, -ENOMEM, "out of memory while opening %s", options->path)
                : open_database(store, options->path, err);
    if (r != 0) {
        store_close(store);
        return store_outcome_of(r);
    }
    *ret = store;
    return 0;
}

/* ---- close ---- */

/* SQLite removes the WAL with its last connection, but not when closing failed to checkpoint. */
static void remove_files(const char *path)
{
    static const char *const endings[] = {"", "-wal", "-shm"};

    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        char *name = sqlite3_mprintf("%s%s", path, endings[i]);
        if (name != NULL) {
            unlink(name);
        }
        sqlite3_free(name);
    }
}

struct store *store_close(struct store *store)
{
    if (store == NULL) {
        return NULL;
    }
    if (store->in_transaction) {
        store_rollback(store);
    }
    if (store->wal_fd >= 0) {
        close(store->wal_fd);
    }
    sql_finalize(store->statements, STORE_STATEMENTS);
    char *path = store->discard && store->sql.path != NULL ? strdup(store->sql.path) : NULL;
    sql_close(&store->sql);
    if (path != NULL) {
        remove_files(path);
        free(path);
    }
    XXH3_freeState(store->hash);
    memory_scratch_deinit(&store->scratch);
    msgpack_sbuffer_destroy(&store->old_state);
    msgpack_sbuffer_destroy(&store->new_state);
    msgpack_sbuffer_destroy(&store->restored);
    free(store);
    return NULL;
}

void store_discard(struct store *store)
{
    assert(store->is_new);
    store->discard = true;
}
