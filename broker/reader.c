/*
 * reader.c - opens a read-only connection; get, history and counts.
 *
 * Happy path of every call: BEGIN, a few prepared reads, write msgpack, COMMIT. Failure modes: what
 * is asked for is not there (READER_E_NOT_FOUND), or the database fails (negative, final).
 */
#include "broker/reader_internal.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Enough for the upper levels of every index: what lies below is read once. The system keeps the
 * rest, once for all readers. */
#define READER_CACHE "PRAGMA cache_size=-512"

int reader_open(struct reader **ret, const char *path, struct error *err)
{
    struct reader *reader = calloc(1, sizeof *reader);

    *ret = NULL;
    if (reader == NULL) {
        return error_set(err, -ENOMEM, "out of memory while opening %s", path);
    }
    msgpack_sbuffer_init(&reader->body);
    int r = sql_open(&reader->sql, path, SQLITE_OPEN_READONLY, err);
    if (r == 0) {
        r = sql_exec(&reader->sql, READER_CACHE, "open", err);
    }
    if (r == 0) { /* a database that is none is told of here */
        r = sql_prepare(&reader->sql, &reader_statement_texts[READER_COUNTS], 1,
                        &reader->statements[READER_COUNTS], err);
    }
    if (r != 0) {
        reader_close(reader);
        return r;
    }
    *ret = reader;
    return 0;
}

/* Most readers use a few of them: a lane its batches, a start one row. */
sqlite3_stmt *reader_statement(struct reader *reader, enum reader_statement which)
{
    sqlite3_stmt **statement = &reader->statements[which];

    if (*statement == NULL) {
        (void)sql_prepare(&reader->sql, &reader_statement_texts[which], 1, statement, NULL);
    }
    return *statement;
}

struct reader *reader_close(struct reader *reader)
{
    if (reader == NULL) {
        return NULL;
    }
    sql_finalize(reader->statements, READER_STATEMENTS);
    sql_close(&reader->sql);
    msgpack_sbuffer_destroy(&reader->body);
    free(reader);
    return NULL;
}

void reader_rest(struct reader *reader)
{
    sqlite3_db_release_memory(reader->sql.db);
}

/* ---- transactions ---- */

int reader_begin(struct reader *reader, struct error *err)
{
    reader->embedder.is_known = false;
    return sql_run(&reader->sql, reader_statement(reader, READER_BEGIN), err);
}

int reader_end(struct reader *reader, int r, struct error *err)
{
    for (size_t i = 0; i < READER_STATEMENTS; i++) {
        if (sqlite3_stmt_busy(reader->statements[i])) {
            sql_reset(reader->statements[i]);
        }
    }
    if (sqlite3_get_autocommit(reader->sql.db)) {
        return r;
    }
    int ended = sql_run(&reader->sql, reader_statement(reader, READER_END), r == 0 ? err : NULL);
    return r != 0 ? r : ended;
}

int reader_damaged(struct reader *reader, struct error *err, const char *id, size_t id_size)
{
    return error_set(err, -EIO,
                     "the state of memory %.*s in %s is damaged: stop memferryd and run "
                     "memferryd --check-journal",
                     (int)id_size, id, reader->sql.path);
}

/* ---- get ---- */

static int pack_row(struct reader *reader, sqlite3_stmt *row, const char *id, bool is_current,
                    msgpack_sbuffer *ret_result, struct error *err)
{
    struct event_text name = {.data = id, .size = strlen(id)};
    struct memory_state state;

    int r = memory_state_decode(sqlite3_column_blob(row, 0), (size_t)sqlite3_column_bytes(row, 0),
                                &state);
    if (r < 0) {
        return reader_damaged(reader, err, name.data, name.size);
    }
    r = is_current ? reader_show_current(reader, row, 1, &state, err)
                   : reader_show_version(reader, &name, &state, err);
    if (r != 0) {
        return r;
    }
    return reader_pack_memory(reader, &name, &state, true, ret_result, err);
}

static int not_found(const char *id, uint64_t version, struct error *err)
{
    if (version == 0) {
        return error_set(err, READER_E_NOT_FOUND, "there is no memory %s", id);
    }
    return error_set(err, READER_E_NOT_FOUND, "memory %s has no version %llu", id,
                     (unsigned long long)version);
}

static int get(struct reader *reader, const char *id, uint64_t version, msgpack_sbuffer *ret_result,
               struct error *err)
{
    sqlite3_stmt *find = reader_statement(reader, version == 0 ? READER_CURRENT : READER_VERSION);
    bool row;

    sql_bind_text(find, 1, id, strlen(id));
    if (version != 0) {
        sql_bind_uint(find, 2, version);
    }
    int r = sql_step(&reader->sql, find, &row, err);
    if (r != 0) {
        return r;
    }
    return row ? pack_row(reader, find, id, version == 0, ret_result, err)
               : not_found(id, version, err);
}

int reader_get(struct reader *reader, const char *id, uint64_t version, msgpack_sbuffer *ret_result,
               struct error *err)
{
    if (version > INT64_MAX) {
        return not_found(id, version, err);
    }
    int r = reader_begin(reader, err);
    if (r == 0) {
        r = reader_end(reader, get(reader, id, version, ret_result, err), err);
    }
    return r;
}

/* ---- history ---- */

static int pack_version(msgpack_packer *out, sqlite3_stmt *row)
{
    struct event_text op = reader_column_text(row, 1);
    struct event_text session_id = reader_column_text(row, 3);
    struct event_text reason = reader_column_text(row, 4);

    int failed =
        msgpack_pack_map(out, (size_t)3 + (session_id.data != NULL) + (reason.data != NULL));
    failed |= reader_pack_name(out, "version");
    failed |= msgpack_pack_uint64(out, sql_column_uint(row, 0));
    failed |= reader_pack_name(out, "op");
    failed |= msgpack_pack_str_with_body(out, op.data, op.size);
    failed |= reader_pack_name(out, "at_ms");
    failed |= msgpack_pack_int64(out, sqlite3_column_int64(row, 2));
    if (session_id.data != NULL) {
        failed |= reader_pack_name(out, "session_id");
        failed |= msgpack_pack_str_with_body(out, session_id.data, session_id.size);
    }
    if (reason.data != NULL) {
        failed |= reader_pack_name(out, "reason");
        failed |= msgpack_pack_str_with_body(out, reason.data, reason.size);
    }
    return failed == 0 ? 0 : -ENOMEM;
}

static int read_history(struct reader *reader, const char *id, uint32_t limit, uint32_t *ret_count,
                        struct error *err)
{
    sqlite3_stmt *find = reader_statement(reader, READER_HISTORY);
    msgpack_packer out;
    bool row;

    msgpack_sbuffer_clear(&reader->body);
    msgpack_packer_init(&out, &reader->body, msgpack_sbuffer_write);
    sql_bind_text(find, 1, id, strlen(id));
    sql_bind_uint(find, 2, limit);
    for (*ret_count = 0;; *ret_count += 1) {
        int r = sql_step(&reader->sql, find, &row, err);
        if (r != 0 || !row) {
            return r;
        }
        if (pack_version(&out, find) < 0) {
            return error_set(err, -ENOMEM, "out of memory while reading the history of %s", id);
        }
    }
}

int reader_history(struct reader *reader, const char *id, uint32_t limit,
                   msgpack_sbuffer *ret_result, struct error *err)
{
    msgpack_packer out;
    uint32_t count;

    int r = reader_begin(reader, err);
    if (r == 0) {
        r = reader_end(reader, read_history(reader, id, limit, &count, err), err);
    }
    if (r != 0) {
        return r;
    }
    if (count == 0) {
        return not_found(id, 0, err);
    }
    msgpack_packer_init(&out, ret_result, msgpack_sbuffer_write);
    int failed = msgpack_pack_map(&out, 1);
    failed |= reader_pack_name(&out, "versions");
    failed |= msgpack_pack_array(&out, count);
    failed |= msgpack_pack_str_body(&out, reader->body.data, reader->body.size);
    return failed == 0 ? 0 : error_set(err, -ENOMEM, "out of memory while reading %s", id);
}

/* ---- counts ---- */

/* By a statement that counts rows. */
static int count_rows(struct reader *reader, enum reader_statement statement, uint64_t *ret,
                      struct error *err)
{
    sqlite3_stmt *count = reader_statement(reader, statement);
    bool row;

    int r = sql_step(&reader->sql, count, &row, err);
    if (r == 0 && row) {
        *ret = sql_column_uint(count, 0);
    }
    sql_reset(count);
    return r;
}

int reader_read_counts(struct reader *reader, struct reader_counts *ret, struct error *err)
{
    sqlite3_stmt *count = reader_statement(reader, READER_COUNTS);
    bool row;

    memset(ret, 0, sizeof *ret);
    int r = sql_step(&reader->sql, count, &row, err);
    if (r == 0 && row) {
        ret->applied_seq = sql_column_uint(count, 0);
        ret->memories = sql_column_uint(count, 1);
        ret->deleted = sql_column_uint(count, 2);
        ret->events = sql_column_uint(count, 3);
        ret->embeddings = sql_column_uint(count, 4);
    }
    sql_reset(count);
    return r;
}

static int count_all(struct reader *reader, struct reader_counts *ret, struct error *err)
{
    const struct reader_embedder *embedder;
    int r = reader_read_counts(reader, ret, err);

    if (r == 0) {
        r = count_rows(reader, READER_ALERTS_OPEN, &ret->alerts_open, err);
    }
    if (r == 0) {
        r = count_rows(reader, READER_SESSIONS_OPEN, &ret->sessions_open, err);
    }
    if (r == 0) {
        r = reader_find_embedder(reader, &embedder, err);
    }
    if (r == 0 && embedder->model[0] != '\0') {
        r = reader_lane_pending(reader, embedder->lane, &ret->embeddings_pending, err);
    }
    return r;
}

int reader_counts(struct reader *reader, struct reader_counts *ret, struct error *err)
{
    int r = reader_begin(reader, err);

    return r == 0 ? reader_end(reader, count_all(reader, ret, err), err) : r;
}
