/* search_schema.c - see search_schema.h. It is never migrated: another version is made anew. */
#include "broker/search_schema.h"

#include "broker/search_token.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Raised whenever the tables, or what the tokenizer makes of a text, change. */
#define SEARCH_VERSION 2
#define SEARCH_ID      0x6d665378 /* "mfSx" */

static const char *const tables =
    "CREATE TABLE meta(name TEXT PRIMARY KEY, value ANY) STRICT, WITHOUT ROWID;"
    /* content last: what is filtered by is read without going through it */
    "CREATE TABLE doc(doc INTEGER PRIMARY KEY, memory_id TEXT NOT NULL UNIQUE, tags TEXT NOT NULL,"
    " kind TEXT NOT NULL, session_id TEXT, updated_ms INTEGER NOT NULL, deleted_ms INTEGER,"
    " row INTEGER, vector_seq INTEGER NOT NULL DEFAULT 0, content TEXT NOT NULL) STRICT;"
    "CREATE INDEX doc_row ON doc(row) WHERE row IS NOT NULL;"
    "CREATE VIRTUAL TABLE memory_fts USING fts5(content, tags, kind, memory_id, content='doc',"
    " content_rowid='doc', tokenize='" SEARCH_TOKENIZER "');"
    /* a tag says more than a word among many */
    "INSERT INTO memory_fts(memory_fts, rank) VALUES('rank', 'bm25(1.0, 2.5, 1.0, 1.5)');";

void search_schema_remove(const char *path)
{
    static const char *const endings[] = {"", "-wal", "-shm", "-journal"};
    char name[4096];

    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        if ((size_t)snprintf(name, sizeof name, "%s%s", path, endings[i]) < sizeof name) {
            unlink(name);
        }
    }
}

static int open_any(struct sql *sql, const char *path, int flags, struct error *err)
{
    int r = sql_open(sql, path, flags, err);

    return r == 0 ? search_token_register(sql, err) : r;
}

int search_schema_open_reader(struct sql *sql, const char *path, struct error *err)
{
    int r = open_any(sql, path, SQLITE_OPEN_READONLY, err);

    return r == 0 ? sql_exec(sql, "PRAGMA cache_size=-8000", "read", err) : r;
}

/* ---- what is there ---- */

static int check_number(struct sql *sql, const char *pragma, int64_t wanted, const char *what,
                        struct error *err)
{
    int64_t found;
    int r = sql_number(sql, pragma, &found, err);

    return r == 0 && found != wanted ? error_set(err, -EIO, "%s is %s", sql->path, what) : r;
}

static int check_origin(struct sql *sql, const char *origin, struct error *err)
{
    static const char *const text = "SELECT 1 FROM meta WHERE name='origin' AND value=?1";
    sqlite3_stmt *find;
    bool row;

    int r = sql_prepare(sql, &text, 1, &find, err);
    if (r != 0) {
        return r;
    }
    sql_bind_text(find, 1, origin, strlen(origin));
    r = sql_step(sql, find, &row, err);
    sql_finalize(&find, 1);
    return r == 0 && !row ? error_set(err, -EIO, "%s is of another store", sql->path) : r;
}

static int check(struct sql *sql, const char *origin, struct error *err)
{
    int r = check_number(sql, "PRAGMA application_id", SEARCH_ID, "no index of memferry", err);
    if (r == 0) {
        r = check_number(sql, "PRAGMA user_version", SEARCH_VERSION, "of another version", err);
    }
    return r == 0 ? check_origin(sql, origin, err) : r;
}

/* ---- made anew ---- */

static int keep_origin(struct sql *sql, const char *origin, struct error *err)
{
    static const char *const text = "INSERT INTO meta(name, value) VALUES('origin', ?1)";
    sqlite3_stmt *write;

    int r = sql_prepare(sql, &text, 1, &write, err);
    if (r == 0) {
        sql_bind_text(write, 1, origin, strlen(origin));
        r = sql_run(sql, write, err);
        sql_finalize(&write, 1);
    }
    return r;
}

static int make_tables(struct sql *sql, const char *origin, struct error *err)
{
    char pragmas[96];

    snprintf(pragmas, sizeof pragmas, "PRAGMA application_id=%d; PRAGMA user_version=%d;",
             SEARCH_ID, SEARCH_VERSION);
    int r = sql_exec(sql, "BEGIN IMMEDIATE", "write", err);
    if (r == 0) {
        r = sql_exec(sql, tables, "write", err);
    }
    if (r == 0) {
        r = keep_origin(sql, origin, err);
    }
    if (r == 0) {
        r = sql_exec(sql, pragmas, "write", err);
    }
    return r == 0 ? sql_exec(sql, "COMMIT", "write", err) : r;
}

static int prepare(struct sql *sql, struct error *err)
{
    return sql_exec(sql,
                    "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA secure_delete=ON;"
                    "PRAGMA journal_size_limit=16777216; PRAGMA wal_autocheckpoint=4000;",
                    "write", err);
}

static int make(struct sql *sql, const char *path, const char *origin, struct error *err)
{
    search_schema_remove(path);
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return error_set_errno(err, -errno, "cannot make %s", path);
    }
    close(fd);
    int r = open_any(sql, path, SQLITE_OPEN_READWRITE, err);
    if (r == 0) {
        r = prepare(sql, err);
    }
    return r == 0 ? make_tables(sql, origin, err) : r;
}

int search_schema_open(struct sql *sql, const char *path, const char *origin, bool *ret_fresh,
                       struct error *ret_why, struct error *err)
{
    bool exists = access(path, F_OK) == 0;
    int r = -ENOENT;

    ret_why->text[0] = '\0';
    if (exists) {
        r = open_any(sql, path, SQLITE_OPEN_READWRITE, ret_why);
        r = r == 0 ? check(sql, origin, ret_why) : r;
        r = r == 0 ? prepare(sql, ret_why) : r;
    }
    *ret_fresh = r == -EIO || r == -ENOENT;
    if (r == 0) {
        return 0;
    }
    if (exists) {
        sql_close(sql);
    }
    if (!*ret_fresh) { /* locked, no memory, no room: not its fault */
        return error_set(err, r, "%s", ret_why->text);
    }
    r = make(sql, path, origin, err);
    if (r != 0) {
        sql_close(sql);
    }
    return r;
}
