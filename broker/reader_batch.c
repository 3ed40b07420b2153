/*
 * reader_batch.c - a batch of memories, filled from the rows of a scan.
 *
 * The rows' columns: id, state, seq, attempts, dead, vector_seq, embedding_model; and to an
 * embedder content_hash, and whether it needs a vector (a row without a state needs none, and is
 * passed over). Each memory is loaded into the batch's arena; the read transaction ends before the
 * plugin is called.
 */
#include "broker/reader_batch.h"
#include "broker/reader_internal.h"
#include "broker/reader_load.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

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

/* ---- new, free ---- */

struct reader_batch *reader_batch_new(uint64_t cursor, struct error *err)
{
    struct reader_batch *batch = calloc(1, sizeof *batch);

    if (batch == NULL) {
        error_set(err, -ENOMEM, "out of memory while reading a batch");
        return NULL;
    }
    batch->cursor = cursor;
    return batch;
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

/* To an embedder: content_hash, whether it needs a vector. */
static void load_need(sqlite3_stmt *row, struct reader_batch_item *item)
{
    if (sqlite3_column_bytes(row, 7) == CONTENT_HASH_SIZE) {
        memcpy(item->content_hash, sqlite3_column_blob(row, 7), CONTENT_HASH_SIZE);
    }
    item->satisfied = sqlite3_column_int(row, 8) == 0;
}

static int load_state(struct reader *reader, sqlite3_stmt *row, const struct event_text *id,
                      struct reader_batch *batch, struct memferry_memory *memory, struct error *err)
{
    struct memory_state state;

    int r = memory_state_decode(sqlite3_column_blob(row, 1), (size_t)sqlite3_column_bytes(row, 1),
                                &state);
    if (r == 0) {
        r = reader_show_current(reader, row, 5, &state, err);
    }
    if (r == 0) {
        r = reader_load_memory(&batch->arena, id, &state, memory);
    }
    return r == 0 ? load_vector(reader, batch, state.vector_seq, memory, err) : r;
}

static int load_row(struct reader *reader, const struct batch_scan *scan,
                    struct reader_batch *batch, struct error *err)
{
    sqlite3_stmt *row = scan->rows;
    struct event_text id = reader_column_text(row, 0);
    size_t size = (size_t)sqlite3_column_bytes(row, 1);
    struct batch_entry *entry = new_entry(batch);

    if (entry == NULL) {
        return error_set(err, -ENOMEM, "out of memory while reading a batch");
    }
    int r = load_state(reader, row, &id, batch, &entry->memory, err);
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
                                             .vector_seq = sql_column_uint(row, 5),
                                             .attempts = (uint32_t)sqlite3_column_int64(row, 3),
                                             .dead = sqlite3_column_int(row, 4) != 0};
    if (scan->embeds) {
        load_need(row, &entry->item);
    }
    entry->item.waits = scan->pages && sqlite3_column_int(row, 9) != 0;
    batch->bytes += size;
    batch->count++;
    return 0;
}

static bool is_passed_over(const struct batch_scan *scan)
{
    return scan->embeds && sqlite3_column_type(scan->rows, 1) == SQLITE_NULL;
}

static int fill(struct reader *reader, const struct batch_scan *scan, struct reader_batch *batch,
                struct error *err)
{
    bool row;
    int r = 0;

    while (r == 0 && batch->count < scan->max &&
           (batch->count == 0 || batch->bytes < scan->max_bytes)) {
        r = sql_step(&reader->sql, scan->rows, &row, err);
        if (r != 0 || !row) {
            return r;
        }
        uint64_t seq = sql_column_uint(scan->rows, 2);
        r = is_passed_over(scan) ? 0 : load_row(reader, scan, batch, err);
        if (batch->count > 1 && batch->bytes > scan->max_bytes) {
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

int reader_batch_fill(struct reader *reader, const struct batch_scan *scan,
                      struct reader_batch *batch, struct error *err)
{
    sql_bind_uint(scan->rows, 3, scan->look_max);
    int r = fill(reader, scan, batch, err);
    return r == 0 ? finish(batch, err) : r;
}
