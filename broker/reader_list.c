/*
 * reader_list.c - pages of memories and of dead letters, newest first.
 *
 * Happy path: one index gives rows by falling version (the tag's, the session's, the kind's, or
 * all), the other filters are checked on each row, and what passes is read in full. `next` names
 * the last row that was looked at.
 *
 * A page ends at its limit, at 1 MiB, or after LIST_LOOK_MAX rows, so that a rare match in a large
 * store never holds the thread: such a page is short, and its `next` goes on.
 */
#include "broker/reader_internal.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIST_LOOK_MAX  100000u
#define LIST_LIMIT_MAX 1000u
#define ID_SIZE        257u /* of a memory, with its NUL */

#define CURSOR_TEXT_MAX 512 /* a lane's name, a memory's id, a number */

/* ---- memories ---- */

struct page {
    const struct reader_filter *filter;
    uint64_t before;                          /* versions below this one */
    char after_id[ID_SIZE], next_id[ID_SIZE]; /* by id: ids behind this one; the last looked at */
    uint32_t count, looked;
    bool full; /* there may be more */
};

sqlite3_stmt *reader_scan_begin(struct reader *reader, const struct reader_filter *filter,
                                uint64_t before)
{
    enum reader_statement which = filter->tag != NULL          ? READER_LIST_TAG
                                  : filter->session_id != NULL ? READER_LIST_SESSION
                                  : filter->kind != NULL       ? READER_LIST_KIND
                                                               : READER_LIST_ALL;
    const char *value = filter->tag != NULL          ? filter->tag
                        : filter->session_id != NULL ? filter->session_id
                                                     : filter->kind;
    sqlite3_stmt *scan = reader_statement(reader, which);

    sql_bind_uint(scan, 1, before);
    if (value != NULL) {
        sql_bind_text(scan, 2, value, strlen(value));
    }
    return scan;
}

static sqlite3_stmt *scan_by_id(struct reader *reader, const char *after)
{
    sqlite3_stmt *scan = reader_statement(reader, READER_LIST_BY_ID);

    sql_bind_text(scan, 1, after, strlen(after));
    return scan;
}

static sqlite3_stmt *begin_page(struct reader *reader, const struct page *page)
{
    return page->filter->by_id ? scan_by_id(reader, page->after_id)
                               : reader_scan_begin(reader, page->filter, page->before);
}

/* The row has been dealt with: the page goes on behind it. */
static void go_past(sqlite3_stmt *row, struct page *page)
{
    struct event_text id = reader_column_text(row, 5);

    page->before = sql_column_uint(row, 0);
    snprintf(page->next_id, sizeof page->next_id, "%.*s", (int)id.size, id.data);
}

/* v and a version, or i and an id. */
static bool parse_place(const char *after, struct page *page)
{
    if (page->filter->by_id) {
        return after[0] == 'i' && snprintf(page->after_id, sizeof page->after_id, "%s", after + 1) <
                                      (int)sizeof page->after_id;
    }
    return after[0] == 'v' && reader_parse_number(after + 1, strlen(after + 1), &page->before);
}

bool reader_scan_passes(sqlite3_stmt *row, const struct reader_filter *filter)
{
    int64_t updated_ms = sqlite3_column_int64(row, 1);
    bool deleted = sqlite3_column_type(row, 2) != SQLITE_NULL;

    if (filter->deleted != READER_DELETED_ANY &&
        deleted != (filter->deleted == READER_DELETED_ONLY)) {
        return false;
    }
    if (updated_ms < filter->since_ms ||
        (filter->until_ms != 0 && updated_ms >= filter->until_ms)) {
        return false;
    }
    return reader_column_is(row, 3, filter->kind) && reader_column_is(row, 4, filter->session_id);
}

static int add_memory(struct reader *reader, sqlite3_stmt *row, const struct page *page,
                      struct error *err)
{
    sqlite3_stmt *find = reader_statement(reader, READER_STATE_AT);
    struct event_text id = reader_column_text(row, 5);
    struct memory_state state;
    bool found;

    sql_bind_uint(find, 1, sql_column_uint(row, 0));
    int r = sql_step(&reader->sql, find, &found, err);
    if (r != 0) {
        return r;
    }
    if (!found || memory_state_decode(sqlite3_column_blob(find, 0),
                                      (size_t)sqlite3_column_bytes(find, 0), &state) < 0) {
        return reader_damaged(reader, err, id.data, id.size);
    }
    r = reader_show_current(reader, row, 6, &state, err);
    if (r == 0) {
        r = reader_pack_memory(reader, &id, &state, page->filter->embedding, &reader->body, err);
    }
    sql_reset(find);
    return r;
}

/* One row that passed. The page keeps it, unless it is one too many for 1 MiB. */
static int take_row(struct reader *reader, sqlite3_stmt *row, struct page *page, struct error *err)
{
    size_t size_before = reader->body.size;

    int r = add_memory(reader, row, page, err);
    if (r != 0) {
        return r;
    }
    if (reader->body.size > READER_PAGE_BYTES_MAX && page->count > 0) {
        reader->body.size = size_before;
        page->full = true;
        return 0;
    }
    page->count++;
    page->full = page->count == page->filter->limit;
    return 0;
}

static int fill_page(struct reader *reader, struct page *page, struct error *err)
{
    sqlite3_stmt *scan = begin_page(reader, page);
    bool row;
    int r = 0;

    msgpack_sbuffer_clear(&reader->body);
    while (r == 0 && !page->full) {
        r = sql_step(&reader->sql, scan, &row, err);
        if (r != 0 || !row) {
            return r;
        }
        uint32_t count_before = page->count;
        bool passed = reader_scan_passes(scan, page->filter);
        if (passed) {
            r = take_row(reader, scan, page, err);
        }
        if (!passed || page->count > count_before) {
            go_past(scan, page);
        }
        page->full = page->full || ++page->looked == LIST_LOOK_MAX;
    }
    return r;
}

int reader_list(struct reader *reader, const struct reader_filter *filter,
                msgpack_sbuffer *ret_result, struct error *err)
{
    struct page page = {.filter = filter, .before = INT64_MAX};
    char next[CURSOR_TEXT_MAX] = "";

    assert(filter->limit >= 1 && filter->limit <= LIST_LIMIT_MAX);
    if (filter->after != NULL && !parse_place(filter->after, &page)) {
        return reader_bad_cursor(filter->after, err);
    }
    int r = reader_begin(reader, err);
    if (r == 0) {
        r = reader_end(reader, fill_page(reader, &page, err), err);
    }
    if (r != 0) {
        return r;
    }
    if (page.full && filter->by_id) {
        snprintf(next, sizeof next, "i%s", page.next_id);
    } else if (page.full) {
        snprintf(next, sizeof next, "v%llu", (unsigned long long)page.before);
    }
    return reader_pack_page(reader, "memories", page.count, next, ret_result, err);
}

/* ---- dead letters ---- */

/* A place in the list of dead letters: AT_MS/LANE/ID. A lane's name has no slash. */
struct dead_place {
    int64_t at_ms;
    const char *lane, *id;
    size_t lane_size;
};

static bool parse_dead_place(const char *after, struct dead_place *ret)
{
    const char *lane = strchr(after, '/');
    const char *id = lane == NULL ? NULL : strchr(lane + 1, '/');
    uint64_t at_ms;

    if (id == NULL || !reader_parse_number(after, (size_t)(lane - after), &at_ms)) {
        return false;
    }
    *ret = (struct dead_place){.at_ms = (int64_t)at_ms,
                               .lane = lane + 1,
                               .lane_size = (size_t)(id - lane - 1),
                               .id = id + 1};
    return true;
}

static int pack_dead(struct reader *reader, sqlite3_stmt *row, struct error *err)
{
    msgpack_packer out;

    msgpack_packer_init(&out, &reader->body, msgpack_sbuffer_write);
    int failed = msgpack_pack_map(&out, 6);
    failed |= reader_pack_text_column(&out, "backend", row, 0);
    failed |= reader_pack_text_column(&out, "id", row, 1);
    failed |= reader_pack_int_column(&out, "version", row, 2);
    failed |= reader_pack_int_column(&out, "attempts", row, 3);
    failed |= reader_pack_text_column(&out, "reason", row, 4);
    failed |= reader_pack_int_column(&out, "at_ms", row, 5);
    return failed == 0 ? 0 : error_set(err, -ENOMEM, "out of memory while making a list");
}

static void bind_dead(sqlite3_stmt *scan, const char *backend, uint32_t limit,
                      const struct dead_place *place)
{
    sql_bind_text(scan, 1, backend, backend == NULL ? 0 : strlen(backend));
    if (place->id == NULL) {
        sql_bind_null(scan, 2);
        sql_bind_null(scan, 3);
        sql_bind_null(scan, 4);
    } else {
        sql_bind_int(scan, 2, place->at_ms);
        sql_bind_text(scan, 3, place->lane, place->lane_size);
        sql_bind_text(scan, 4, place->id, strlen(place->id));
    }
    sql_bind_uint(scan, 5, (uint64_t)limit + 1);
}

static void write_dead_place(sqlite3_stmt *row, char place[CURSOR_TEXT_MAX])
{
    snprintf(place, CURSOR_TEXT_MAX, "%lld/%s/%s", (long long)sqlite3_column_int64(row, 5),
             (const char *)sqlite3_column_text(row, 0), (const char *)sqlite3_column_text(row, 1));
}

/* Asks for one row more than the page takes: it tells whether there is a next page. */
static int fill_dead(struct reader *reader, sqlite3_stmt *scan, uint32_t limit, uint32_t *ret_count,
                     char next[CURSOR_TEXT_MAX], struct error *err)
{
    char last[CURSOR_TEXT_MAX] = "";
    bool row;

    msgpack_sbuffer_clear(&reader->body);
    for (*ret_count = 0;; *ret_count += 1) {
        int r = sql_step(&reader->sql, scan, &row, err);
        if (r != 0 || !row) {
            return r;
        }
        if (*ret_count == limit || reader->body.size > READER_PAGE_BYTES_MAX) {
            memcpy(next, last, sizeof last);
            return 0;
        }
        write_dead_place(scan, last);
        r = pack_dead(reader, scan, err);
        if (r != 0) {
            return r;
        }
    }
}

int reader_dead_list(struct reader *reader, const char *backend, uint32_t limit, const char *after,
                     msgpack_sbuffer *ret_result, struct error *err)
{
    sqlite3_stmt *scan = reader_statement(reader, READER_DEAD_LIST);
    struct dead_place place = {0};
    char next[CURSOR_TEXT_MAX] = "";
    uint32_t count;

    if (after != NULL && !parse_dead_place(after, &place)) {
        return reader_bad_cursor(after, err);
    }
    int r = reader_begin(reader, err);
    if (r != 0) {
        return r;
    }
    bind_dead(scan, backend, limit, &place);
    r = reader_end(reader, fill_dead(reader, scan, limit, &count, next, err), err);
    return r == 0 ? reader_pack_page(reader, "dead", count, next, ret_result, err) : r;
}
