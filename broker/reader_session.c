/*
 * reader_session.c - sessions: one, pages of them, and those that have not ended, for who watches.
 *
 * Happy path of a list: an index gives rows from the newest on, the filter is checked on each. A
 * page ends at its limit, at 1 MiB, or after LOOK_MAX rows; `next` is the place of the last row.
 */
#include "broker/reader_internal.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define LOOK_MAX      100000u
#define LIMIT_MAX     1000u
#define NEXT_TEXT_MAX 32

enum session_column {
    COLUMN_SEQ = 0,
    COLUMN_ID,
    COLUMN_AGENT,
    COLUMN_CWD,
    COLUMN_PID,
    COLUMN_STARTED_MS,
    COLUMN_SEEN_MS,
    COLUMN_ENDED_MS,
    COLUMN_END_REASON,
    COLUMN_END_NOTE
};

/* ---- one row ---- */

static int pack_text(msgpack_packer *out, const char *name, sqlite3_stmt *row, int column)
{
    struct event_text text = reader_column_text(row, column);
    int failed = reader_pack_name(out, name);

    return failed | (text.data == NULL ? msgpack_pack_nil(out)
                                       : msgpack_pack_str_with_body(out, text.data, text.size));
}

static int pack_int(msgpack_packer *out, const char *name, sqlite3_stmt *row, int column)
{
    int failed = reader_pack_name(out, name);

    return failed | (sqlite3_column_type(row, column) == SQLITE_NULL
                         ? msgpack_pack_nil(out)
                         : msgpack_pack_int64(out, sqlite3_column_int64(row, column)));
}

static int pack_session(msgpack_sbuffer *buffer, sqlite3_stmt *row, struct error *err)
{
    msgpack_packer out;

    msgpack_packer_init(&out, buffer, msgpack_sbuffer_write);
    int failed = msgpack_pack_map(&out, 9);
    failed |= pack_text(&out, "id", row, COLUMN_ID);
    failed |= pack_text(&out, "agent", row, COLUMN_AGENT);
    failed |= pack_text(&out, "cwd", row, COLUMN_CWD);
    failed |= pack_int(&out, "pid", row, COLUMN_PID);
    failed |= pack_int(&out, "started_ms", row, COLUMN_STARTED_MS);
    failed |= pack_int(&out, "seen_ms", row, COLUMN_SEEN_MS);
    failed |= pack_int(&out, "ended_ms", row, COLUMN_ENDED_MS);
    failed |= pack_text(&out, "end_reason", row, COLUMN_END_REASON);
    failed |= pack_text(&out, "end_note", row, COLUMN_END_NOTE);
    return failed == 0 ? 0 : error_set(err, -ENOMEM, "out of memory while reading a session");
}

int reader_session(struct reader *reader, const char *id, msgpack_sbuffer *ret_result,
                   struct error *err)
{
    sqlite3_stmt *find = reader->statements[READER_SESSION];
    bool row;

    sql_bind_text(find, 1, id, strlen(id));
    int r = sql_step(&reader->sql, find, &row, err);
    if (r != 0) {
        return r;
    }
    if (!row) {
        return error_set(err, READER_E_NOT_FOUND, "there is no session %s", id);
    }
    r = pack_session(ret_result, find, err);
    sql_reset(find);
    return r;
}

/* ---- pages ---- */

struct session_page {
    const struct reader_session_filter *filter;
    uint64_t before; /* places below this one */
    uint32_t count, looked;
    bool full; /* there may be more */
};

static bool passes(sqlite3_stmt *row, const struct reader_session_filter *filter)
{
    if (filter->agent == NULL) {
        return true;
    }
    struct event_text agent = reader_column_text(row, COLUMN_AGENT);
    return agent.size == strlen(filter->agent) && agent.size > 0 &&
           memcmp(agent.data, filter->agent, agent.size) == 0;
}

static int fill_page(struct reader *reader, struct session_page *page, struct error *err)
{
    sqlite3_stmt *scan =
        reader->statements[page->filter->active ? READER_SESSION_LIST_OPEN : READER_SESSION_LIST];
    bool row;

    msgpack_sbuffer_clear(&reader->body);
    sql_bind_uint(scan, 1, page->before);
    while (!page->full) {
        int r = sql_step(&reader->sql, scan, &row, err);
        if (r != 0 || !row) {
            return r;
        }
        if (passes(scan, page->filter)) {
            r = pack_session(&reader->body, scan, err);
            if (r != 0) {
                return r;
            }
            page->count++;
        }
        page->before = sql_column_uint(scan, COLUMN_SEQ);
        page->full = page->count == page->filter->limit || ++page->looked == LOOK_MAX ||
                     reader->body.size >= READER_PAGE_BYTES_MAX;
    }
    return 0;
}

int reader_session_list(struct reader *reader, const struct reader_session_filter *filter,
                        msgpack_sbuffer *ret_result, struct error *err)
{
    struct session_page page = {.filter = filter, .before = INT64_MAX};
    char next[NEXT_TEXT_MAX] = "";

    assert(filter->limit >= 1 && filter->limit <= LIMIT_MAX);
    if (filter->after != NULL &&
        (filter->after[0] != 's' ||
         !reader_parse_number(filter->after + 1, strlen(filter->after + 1), &page.before))) {
        return reader_bad_cursor(filter->after, err);
    }
    int r = reader_begin(reader, err);
    if (r == 0) {
        r = reader_end(reader, fill_page(reader, &page, err), err);
    }
    if (r != 0) {
        return r;
    }
    if (page.full) {
        snprintf(next, sizeof next, "s%llu", (unsigned long long)page.before);
    }
    return reader_pack_page(reader, "sessions", page.count, next, ret_result, err);
}

/* ---- those that have not ended ---- */

static void copy_text(sqlite3_stmt *row, int column, char *ret, size_t size)
{
    struct event_text text = reader_column_text(row, column);

    snprintf(ret, size, "%.*s", (int)text.size, text.data == NULL ? "" : text.data);
}

static void copy_open(sqlite3_stmt *row, struct reader_open_session *ret)
{
    ret->seq = sql_column_uint(row, 0);
    copy_text(row, 1, ret->id, sizeof ret->id);
    ret->seen_ms = sqlite3_column_int64(row, 2);
    ret->pid = sqlite3_column_int64(row, 3);
    ret->pid_start = sql_column_uint(row, 4);
    copy_text(row, 5, ret->boot_id, sizeof ret->boot_id);
}

static int read_open(struct reader *reader, sqlite3_stmt *scan, uint64_t before, size_t max,
                     struct reader_open_session *ret, size_t *ret_count, struct error *err)
{
    bool row = true;
    int r = 0;

    *ret_count = 0;
    sql_bind_uint(scan, 1, before);
    sql_bind_uint(scan, 2, max);
    while (*ret_count < max) {
        r = sql_step(&reader->sql, scan, &row, err);
        if (r != 0 || !row) {
            return r;
        }
        copy_open(scan, &ret[(*ret_count)++]);
    }
    sql_reset(scan);
    return r;
}

int reader_sessions_owned(struct reader *reader, uint64_t before, size_t max,
                          struct reader_open_session *ret, size_t *ret_count, struct error *err)
{
    return read_open(reader, reader->statements[READER_SESSIONS_OWNED], before, max, ret, ret_count,
                     err);
}

int reader_sessions_idle(struct reader *reader, uint64_t before, int64_t from_ms, int64_t until_ms,
                         size_t max, struct reader_open_session *ret, size_t *ret_count,
                         struct error *err)
{
    sqlite3_stmt *scan = reader->statements[READER_SESSIONS_IDLE];

    sql_bind_int(scan, 3, from_ms);
    sql_bind_int(scan, 4, until_ms);
    return read_open(reader, scan, before, max, ret, ret_count, err);
}
