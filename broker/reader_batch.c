/*
 * reader_batch.c - the memories that a lane delivers next.
 *
 * Happy path: one statement walks the index of touched_seq above the cursor, which holds each
 * memory once, at its newest event, so there is nothing stale to pass over. Each is loaded into the
 * batch's arena; the read transaction ends before the plugin is called.
 */
#include "broker/reader_internal.h"
#include "broker/reader_load.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Rows that one call looks at, however many the caller would take. */
#define BATCH_LOOK_MAX 10000

struct batch_entry {
    struct memferry_memory memory;
    struct reader_batch_item item;
};

struct reader_batch {
    struct arena arena;
    struct memferry_memory *memories;
    struct reader_batch_item *items;
    struct batch_entry *entries; /* while it is filled */
    size_t count, entry_max;
    size_t bytes;
    uint64_t cursor;
};

const struct memferry_memory *reader_batch_memories(const struct reader_batch *batch)
{
    return batch->memories;
}

const struct reader_batch_item *reader_batch_items(const struct reader_batch *batch)
{
    return batch->items;
}

size_t reader_batch_count(const struct reader_batch *batch)
{
    return batch->count;
}

uint64_t reader_batch_cursor(const struct reader_batch *batch)
{
    return batch->cursor;
}

struct reader_batch *reader_batch_free(struct reader_batch *batch)
{
    if (batch != NULL) {
        arena_deinit(&batch->arena);
        free(batch->entries);
        free(batch);
    }
    return NULL;
}

/* ---- fill ---- */

static struct batch_entry *new_entry(struct reader_batch *batch)
{
    if (batch->count == batch->entry_max) {
        size_t more = batch->entry_max == 0 ? 64 : batch->entry_max * 2;
        struct batch_entry *entries = reallocarray(batch->entries, more, sizeof *batch->entries);
        if (entries == NULL) {
            return NULL;
        }
        batch->entries = entries;
        batch->entry_max = more;
    }
    return &batch->entries[batch->count];
}

static int load_vector(struct reader *reader, struct reader_batch *batch, uint64_t vector_seq,
                       struct memferry_memory *memory, struct error *err)
{
    const void *vector;
    size_t size;

    int r = reader_find_vector(reader, vector_seq, &vector, &size, err);
    if (r == 0) {
        r = reader_load_vector(&batch->arena, vector, size, memory);
        sql_reset(reader->statements[READER_VECTOR]);
        batch->bytes += size;
    }
    return r;
}

/* The row's columns: id, state, seq, attempts, dead. */
static int load_row(struct reader *reader, sqlite3_stmt *row, struct reader_batch *batch,
                    struct error *err)
{
    struct event_text id = reader_column_text(row, 0);
    size_t size = (size_t)sqlite3_column_bytes(row, 1);
    struct batch_entry *entry = new_entry(batch);
    struct memory_state state;

    if (entry == NULL) {
        return error_set(err, -ENOMEM, "out of memory while reading a batch");
    }
    int r = memory_state_decode(sqlite3_column_blob(row, 1), size, &state);
    if (r == 0) {
        r = reader_load_memory(&batch->arena, &id, &state, &entry->memory);
    }
    if (r == 0) {
        r = load_vector(reader, batch, state.vector_seq, &entry->memory, err);
    }
    if (r == -EBADMSG) {
        return reader_damaged(reader, err, id.data, id.size);
    }
    if (r != 0) {
        return r == -ENOMEM ? error_set(err, r, "out of memory while reading a batch") : r;
    }
    entry->item = (struct reader_batch_item){.id = entry->memory.id.data,
                                             .version = entry->memory.version,
                                             .updated_ms = entry->memory.updated_ms,
                                             .seq = sql_column_uint(row, 2),
                                             .attempts = (uint32_t)sqlite3_column_int64(row, 3),
                                             .dead = sqlite3_column_int(row, 4) != 0};
    batch->bytes += size;
    batch->count++;
    return 0;
}

static int fill(struct reader *reader, sqlite3_stmt *scan, struct reader_batch *batch, size_t max,
                size_t max_bytes, struct error *err)
{
    bool row;
    int r = 0;

    while (r == 0 && batch->count < max && (batch->count == 0 || batch->bytes < max_bytes)) {
        r = sql_step(&reader->sql, scan, &row, err);
        if (r != 0 || !row) {
            return r;
        }
        uint64_t seq = sql_column_uint(scan, 2);
        r = load_row(reader, scan, batch, err);
        if (batch->count > 1 && batch->bytes > max_bytes) {
            batch->count--; /* it does not fit: the next batch begins with it */
            return r;
        }
        if (seq > batch->cursor) {
            batch->cursor = seq;
        }
    }
    return r;
}

static int compare_ids(const void *left, const void *right)
{
    const struct batch_entry *a = left, *b = right;

    return strcmp(a->memory.id.data, b->memory.id.data); /* ids hold no NUL */
}

/* Sorts, and lays the two arrays out side by side. */
static int finish(struct reader_batch *batch, struct error *err)
{
    batch->memories = arena_alloc(&batch->arena, batch->count * sizeof *batch->memories);
    batch->items = arena_alloc(&batch->arena, batch->count * sizeof *batch->items);
    if (batch->memories == NULL || batch->items == NULL) {
        return error_set(err, -ENOMEM, "out of memory while reading a batch");
    }
    if (batch->count > 1) {
        qsort(batch->entries, batch->count, sizeof *batch->entries, compare_ids);
    }
    for (size_t i = 0; i < batch->count; i++) {
        batch->memories[i] = batch->entries[i].memory;
        batch->items[i] = batch->entries[i].item;
    }
    free(batch->entries);
    batch->entries = NULL;
    return 0;
}

static int read_batch(struct reader *reader, sqlite3_stmt *scan, struct reader_batch *batch,
                      size_t max, size_t max_bytes, struct error *err)
{
    size_t limit = max < BATCH_LOOK_MAX ? max : BATCH_LOOK_MAX;

    sql_bind_uint(scan, 3, limit);
    int r = fill(reader, scan, batch, limit, max_bytes, err);
    return r == 0 ? finish(batch, err) : r;
}

int reader_batch_after(struct reader *reader, const char *lane, uint64_t cursor, size_t max,
                       size_t max_bytes, struct reader_batch **ret, struct error *err)
{
    sqlite3_stmt *scan = reader->statements[READER_BATCH_AFTER];
    struct reader_batch *batch = calloc(1, sizeof *batch);

    assert(max > 0);
    *ret = NULL;
    if (batch == NULL) {
        return error_set(err, -ENOMEM, "out of memory while reading a batch");
    }
    batch->cursor = cursor;
    int r = reader_begin(reader, err);
    if (r == 0) {
        sql_bind_text(scan, 1, lane, strlen(lane));
        sql_bind_uint(scan, 2, cursor);
        r = reader_end(reader, read_batch(reader, scan, batch, max, max_bytes, err), err);
    }
    *ret = r == 0 ? batch : reader_batch_free(batch);
    return r;
}

int reader_find_next_due(struct reader *reader, const char *lane, int64_t now_ms,
                         int64_t *ret_next_due_ms, struct error *err)
{
    sqlite3_stmt *find = reader->statements[READER_NEXT_DUE];
    bool row;

    sql_bind_text(find, 1, lane, strlen(lane));
    sql_bind_int(find, 2, now_ms);
    int r = sql_step(&reader->sql, find, &row, err);
    *ret_next_due_ms = r == 0 && row ? sqlite3_column_int64(find, 0) : 0;
    sql_reset(find);
    return r;
}

static int read_due(struct reader *reader, const char *lane, int64_t now_ms, size_t max,
                    size_t max_bytes, struct reader_batch *batch, int64_t *ret_next_due_ms,
                    struct error *err)
{
    sqlite3_stmt *scan = reader->statements[READER_BATCH_DUE];

    sql_bind_text(scan, 1, lane, strlen(lane));
    sql_bind_int(scan, 2, now_ms);
    int r = read_batch(reader, scan, batch, max, max_bytes, err);
    return r == 0 ? reader_find_next_due(reader, lane, now_ms, ret_next_due_ms, err) : r;
}

int reader_batch_due(struct reader *reader, const char *lane, int64_t now_ms, size_t max,
                     size_t max_bytes, struct reader_batch **ret, int64_t *ret_next_due_ms,
                     struct error *err)
{
    struct reader_batch *batch = calloc(1, sizeof *batch);

    assert(max > 0);
    *ret = NULL;
    *ret_next_due_ms = 0;
    if (batch == NULL) {
        return error_set(err, -ENOMEM, "out of memory while reading a batch");
    }
    int r = reader_begin(reader, err);
    if (r == 0) {
        r = reader_end(reader,
                       read_due(reader, lane, now_ms, max, max_bytes, batch, ret_next_due_ms, err),
                       err);
    }
    *ret = r == 0 ? batch : reader_batch_free(batch);
    return r;
}
