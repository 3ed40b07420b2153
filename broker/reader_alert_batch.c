/*
 * reader_alert_batch.c - the alerts that a lane delivers next.
 *
 * Happy path: one statement walks the index of seq above the cursor, oldest first; each row is
 * copied into the batch's arena; the read transaction ends before the plugin is called.
 */
#include "broker/alert.h"
#include "broker/arena.h"
#include "broker/reader_alert.h"
#include "broker/reader_internal.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Alerts are rare and told one by one: a batch holds no more, however many its caller would take.
 */
#define ALERTS_MAX 256

struct reader_alerts {
    struct arena arena;
    size_t count, bytes;
    uint64_t cursor;
    struct memferry_alert alerts[ALERTS_MAX];
    struct reader_batch_item items[ALERTS_MAX];
};

const struct memferry_alert *reader_alerts_get(const struct reader_alerts *batch)
{
    return batch->alerts;
}

const struct reader_batch_item *reader_alerts_items(const struct reader_alerts *batch)
{
    return batch->items;
}

size_t reader_alerts_count(const struct reader_alerts *batch)
{
    return batch->count;
}

uint64_t reader_alerts_cursor(const struct reader_alerts *batch)
{
    return batch->cursor;
}

struct reader_alerts *reader_alerts_free(struct reader_alerts *batch)
{
    if (batch != NULL) {
        arena_deinit(&batch->arena);
        free(batch);
    }
    return NULL;
}

/* ---- one row ---- */

static int load_text(struct reader_alerts *batch, const char *data, size_t size,
                     struct memferry_string *ret)
{
    *ret = (struct memferry_string){.data = "", .size = 0};
    if (size == 0) {
        return 0;
    }
    *ret = (struct memferry_string){.data = arena_text(&batch->arena, data, size), .size = size};
    batch->bytes += size;
    return ret->data == NULL ? -ENOMEM : 0;
}

static int load_texts(struct reader_alerts *batch, sqlite3_stmt *row, struct memferry_alert *alert)
{
    const struct {
        enum alert_column column;
        struct memferry_string *to;
    } texts[] = {{ALERT_COLUMN_ID, &alert->id},
                 {ALERT_COLUMN_RULE, &alert->rule},
                 {ALERT_COLUMN_SESSION_ID, &alert->session_id},
                 {ALERT_COLUMN_PEER_COMMAND, &alert->peer_command},
                 {ALERT_COLUMN_STATEMENT, &alert->statement},
                 {ALERT_COLUMN_SUMMARY, &alert->summary},
                 {ALERT_COLUMN_UNDO, &alert->undo}};
    int r = 0;

    for (size_t i = 0; r == 0 && i < sizeof texts / sizeof *texts; i++) {
        struct event_text text = reader_column_text(row, (int)texts[i].column);
        r = load_text(batch, text.data, text.size, texts[i].to);
    }
    return r;
}

static int load_samples(struct reader_alerts *batch, sqlite3_stmt *row,
                        struct memferry_alert *alert)
{
    const uint8_t *bytes = sqlite3_column_blob(row, ALERT_COLUMN_SAMPLE_IDS);
    size_t size = (size_t)sqlite3_column_bytes(row, ALERT_COLUMN_SAMPLE_IDS);
    struct unpack in = unpack_over(bytes, size);
    uint32_t count;

    if (bytes == NULL) {
        return 0;
    }
    if (!unpack_array(&in, &count) || count > ALERT_SAMPLES_MAX) {
        return -EBADMSG;
    }
    struct memferry_string *samples = arena_alloc(&batch->arena, count * sizeof *samples);
    int r = samples == NULL ? -ENOMEM : 0;
    for (uint32_t i = 0; r == 0 && i < count; i++) {
        const char *data;
        size_t text_size;
        r = unpack_text(&in, &data, &text_size) ? load_text(batch, data, text_size, &samples[i])
                                                : -EBADMSG;
    }
    alert->sample_ids = samples;
    alert->sample_count = count;
    return r;
}

static int load_severity(sqlite3_stmt *row, enum memferry_severity *ret)
{
    struct event_text text = reader_column_text(row, ALERT_COLUMN_SEVERITY);

    for (*ret = MEMFERRY_SEVERITY_INFO; *ret <= MEMFERRY_SEVERITY_CRITICAL; *ret += 1) {
        const char *name = alert_severity_name(*ret);
        if (text.size == strlen(name) && memcmp(text.data, name, text.size) == 0) {
            return 0;
        }
    }
    return -EBADMSG;
}

static int load_row(struct reader *reader, sqlite3_stmt *row, struct reader_alerts *batch,
                    struct error *err)
{
    struct memferry_alert *alert = &batch->alerts[batch->count];
    struct event_text id = reader_column_text(row, ALERT_COLUMN_ID);

    *alert = (struct memferry_alert){
        .at_ms = sqlite3_column_int64(row, ALERT_COLUMN_AT_MS),
        .peer_pid = sqlite3_column_int64(row, ALERT_COLUMN_PEER_PID), /* NULL reads as 0 */
        .count = sql_column_uint(row, ALERT_COLUMN_COUNT)};
    batch->items[batch->count] = (struct reader_batch_item){
        .version = sql_column_uint(row, ALERT_COLUMN_SEQ),
        .updated_ms = alert->at_ms,
        .seq = sql_column_uint(row, ALERT_COLUMN_ITEM_SEQ),
        .attempts = (uint32_t)sqlite3_column_int64(row, ALERT_COLUMN_ATTEMPTS),
        .dead = sqlite3_column_int(row, ALERT_COLUMN_DEAD) != 0};
    int r = load_severity(row, &alert->severity);
    if (r == 0) {
        r = load_texts(batch, row, alert);
    }
    if (r == 0) {
        r = load_samples(batch, row, alert);
    }
    if (r == -EBADMSG) {
        return error_set(err, -EIO,
                         "alert %.*s in %s is damaged: stop memferryd and run memferryd "
                         "--check-journal",
                         (int)id.size, id.data, reader->sql.path);
    }
    if (r == 0) {
        batch->items[batch->count++].id = alert->id.data;
    }
    return r < 0 ? error_set(err, r, "out of memory while reading alerts") : 0;
}

/* ---- the batch ---- */

static int fill(struct reader *reader, sqlite3_stmt *scan, struct reader_alerts *batch, size_t max,
                size_t max_bytes, struct error *err)
{
    size_t limit = max < ALERTS_MAX ? max : ALERTS_MAX;
    bool row;
    int r = 0;

    sql_bind_uint(scan, 3, limit);
    while (r == 0 && batch->count < limit && (batch->count == 0 || batch->bytes < max_bytes)) {
        r = sql_step(&reader->sql, scan, &row, err);
        if (r != 0 || !row) {
            return r;
        }
        r = load_row(reader, scan, batch, err);
        if (r == 0 && batch->items[batch->count - 1].seq > batch->cursor) {
            batch->cursor = batch->items[batch->count - 1].seq;
        }
    }
    return r;
}

static struct reader_alerts *batch_new(struct error *err)
{
    struct reader_alerts *batch = calloc(1, sizeof *batch);

    if (batch == NULL) {
        error_set(err, -ENOMEM, "out of memory while reading alerts");
    }
    return batch;
}

int reader_alerts_after(struct reader *reader, const char *lane, uint64_t cursor, size_t max,
                        size_t max_bytes, struct reader_alerts **ret, struct error *err)
{
    sqlite3_stmt *scan = reader_statement(reader, READER_ALERTS_AFTER);
    struct reader_alerts *batch = batch_new(err);

    assert(max > 0);
    *ret = NULL;
    if (batch == NULL) {
        return -ENOMEM;
    }
    batch->cursor = cursor;
    int r = reader_begin(reader, err);
    if (r == 0) {
        sql_bind_text(scan, 1, lane, strlen(lane));
        sql_bind_uint(scan, 2, cursor);
        r = reader_end(reader, fill(reader, scan, batch, max, max_bytes, err), err);
    }
    *ret = r == 0 ? batch : reader_alerts_free(batch);
    return r;
}

static int read_due(struct reader *reader, const char *lane, int64_t now_ms, size_t max,
                    size_t max_bytes, struct reader_alerts *batch, int64_t *ret_next_due_ms,
                    struct error *err)
{
    sqlite3_stmt *scan = reader_statement(reader, READER_ALERTS_DUE);

    sql_bind_text(scan, 1, lane, strlen(lane));
    sql_bind_int(scan, 2, now_ms);
    int r = fill(reader, scan, batch, max, max_bytes, err);
    return r == 0 ? reader_find_next_due(reader, lane, now_ms, ret_next_due_ms, err) : r;
}

int reader_alerts_due(struct reader *reader, const char *lane, int64_t now_ms, size_t max,
                      size_t max_bytes, struct reader_alerts **ret, int64_t *ret_next_due_ms,
                      struct error *err)
{
    struct reader_alerts *batch = batch_new(err);

    assert(max > 0);
    *ret = NULL;
    *ret_next_due_ms = 0;
    if (batch == NULL) {
        return -ENOMEM;
    }
    int r = reader_begin(reader, err);
    if (r == 0) {
        r = reader_end(reader,
                       read_due(reader, lane, now_ms, max, max_bytes, batch, ret_next_due_ms, err),
                       err);
    }
    *ret = r == 0 ? batch : reader_alerts_free(batch);
    return r;
}
