/*
 * reader_batch_scan.c - where a batch comes from: what lies above a lane's cursor, or is deferred
 * and due.
 *
 * Happy path: one statement walks the index of touched_seq above the cursor, which holds each
 * memory once, at its newest event, so there is nothing stale to pass over. An embedder passes over
 * what needs no vector, at the price of the memory's own row.
 */
#include "broker/reader_batch.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

/* Rows that one call looks at, however many the caller would take. */
#define BATCH_LOOK_MAX 10000

static size_t at_most(size_t max)
{
    return max < BATCH_LOOK_MAX ? max : BATCH_LOOK_MAX;
}

/* ---- above the cursor ---- */

static int read_after(struct reader *reader, const char *lane, uint64_t cursor,
                      const struct batch_scan *scan, struct reader_batch **ret, struct error *err)
{
    struct reader_batch *batch = reader_batch_new(cursor, err);

    assert(scan->max > 0);
    *ret = NULL;
    if (batch == NULL) {
        return -ENOMEM;
    }
    int r = reader_begin(reader, err);
    if (r == 0) {
        sql_bind_text(scan->rows, 1, lane, strlen(lane));
        sql_bind_uint(scan->rows, 2, cursor);
        r = reader_end(reader, reader_batch_fill(reader, scan, batch, err), err);
    }
    *ret = r == 0 ? batch : reader_batch_free(batch);
    return r;
}

int reader_batch_after(struct reader *reader, const char *lane, uint64_t cursor, size_t max,
                       size_t max_bytes, struct reader_batch **ret, struct error *err)
{
    struct batch_scan scan = {.rows = reader_statement(reader, READER_BATCH_AFTER),
                              .look_max = at_most(max),
                              .max = at_most(max),
                              .max_bytes = max_bytes};

    return read_after(reader, lane, cursor, &scan, ret, err);
}

int reader_batch_embed(struct reader *reader, const char *lane, uint64_t cursor, const char *model,
                       size_t max, size_t max_bytes, struct reader_batch **ret, struct error *err)
{
    struct batch_scan scan = {.rows = reader_statement(reader, READER_EMBED_AFTER),
                              .embeds = true,
                              .look_max = BATCH_LOOK_MAX,
                              .max = max,
                              .max_bytes = max_bytes};

    sql_bind_text(scan.rows, 4, model, strlen(model));
    return read_after(reader, lane, cursor, &scan, ret, err);
}

/* ---- deferred ---- */

int reader_find_next_due(struct reader *reader, const char *lane, int64_t now_ms,
                         int64_t *ret_next_due_ms, struct error *err)
{
    sqlite3_stmt *find = reader_statement(reader, READER_NEXT_DUE);
    bool row;

    sql_bind_text(find, 1, lane, strlen(lane));
    sql_bind_int(find, 2, now_ms);
    int r = sql_step(&reader->sql, find, &row, err);
    *ret_next_due_ms = r == 0 && row ? sqlite3_column_int64(find, 0) : 0;
    sql_reset(find);
    return r;
}

static int fill_due(struct reader *reader, const char *lane, int64_t now_ms,
                    const struct batch_scan *scan, struct reader_batch *batch,
                    int64_t *ret_next_due_ms, struct error *err)
{
    sql_bind_text(scan->rows, 1, lane, strlen(lane));
    sql_bind_int(scan->rows, 2, now_ms);
    int r = reader_batch_fill(reader, scan, batch, err);
    return r == 0 ? reader_find_next_due(reader, lane, now_ms, ret_next_due_ms, err) : r;
}

static int read_due(struct reader *reader, const char *lane, int64_t now_ms,
                    const struct batch_scan *scan, struct reader_batch **ret,
                    int64_t *ret_next_due_ms, struct error *err)
{
    struct reader_batch *batch = reader_batch_new(0, err);

    assert(scan->max > 0);
    *ret = NULL;
    *ret_next_due_ms = 0;
    if (batch == NULL) {
        return -ENOMEM;
    }
    int r = reader_begin(reader, err);
    if (r == 0) {
        r = reader_end(reader, fill_due(reader, lane, now_ms, scan, batch, ret_next_due_ms, err),
                       err);
    }
    *ret = r == 0 ? batch : reader_batch_free(batch);
    return r;
}

int reader_batch_due(struct reader *reader, const char *lane, int64_t now_ms, size_t max,
                     size_t max_bytes, struct reader_batch **ret, int64_t *ret_next_due_ms,
                     struct error *err)
{
    struct batch_scan scan = {.rows = reader_statement(reader, READER_BATCH_DUE),
                              .look_max = at_most(max),
                              .max = at_most(max),
                              .max_bytes = max_bytes};

    return read_due(reader, lane, now_ms, &scan, ret, ret_next_due_ms, err);
}

int reader_batch_embed_due(struct reader *reader, const char *lane, int64_t now_ms,
                           const char *model, size_t max, size_t max_bytes,
                           struct reader_batch **ret, int64_t *ret_next_due_ms, struct error *err)
{
    struct batch_scan scan = {.rows = reader_statement(reader, READER_EMBED_DUE),
                              .embeds = true,
                              .look_max = at_most(max),
                              .max = at_most(max),
                              .max_bytes = max_bytes};

    sql_bind_text(scan.rows, 4, model, strlen(model));
    return read_due(reader, lane, now_ms, &scan, ret, ret_next_due_ms, err);
}

/* ---- by id ---- */

int reader_batch_page(struct reader *reader, const char *lane, const char *after_id, size_t max,
                      size_t max_bytes, struct reader_batch **ret, struct error *err)
{
    struct batch_scan scan = {.rows = reader_statement(reader, READER_BATCH_PAGE),
                              .pages = true,
                              .look_max = at_most(max),
                              .max = at_most(max),
                              .max_bytes = max_bytes};
    struct reader_batch *batch = reader_batch_new(0, err);

    *ret = NULL;
    if (batch == NULL) {
        return -ENOMEM;
    }
    int r = reader_begin(reader, err);
    if (r == 0) {
        sql_bind_text(scan.rows, 1, lane, strlen(lane));
        sql_bind_text(scan.rows, 2, after_id, strlen(after_id));
        r = reader_end(reader, reader_batch_fill(reader, &scan, batch, err), err);
    }
    *ret = r == 0 ? batch : reader_batch_free(batch);
    return r;
}
