/*
 * reader_alert.c - pages of alerts, what was raised or updated last first.
 *
 * Happy path: the index of seq gives rows from the newest on (that of open alerts when only those
 * are wanted), the filters are checked on each. A page ends at its limit, at 1 MiB, or after
 * LOOK_MAX rows; `next` is the seq of the last row that was looked at.
 */
#include "broker/reader_alert.h"
#include "broker/reader_internal.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define LOOK_MAX      100000u
#define LIMIT_MAX     1000u
#define NEXT_TEXT_MAX 32

struct alert_page {
    const struct reader_alert_filter *filter;
    uint64_t before; /* seqs below this one */
    uint32_t count, looked;
    bool full; /* there may be more */
};

/* ---- one row ---- */

static int pack_column_text(msgpack_packer *out, const char *name, sqlite3_stmt *row, int column)
{
    struct event_text text = reader_column_text(row, column);

    int failed = reader_pack_name(out, name);
    return failed | (text.data == NULL ? msgpack_pack_nil(out)
                                       : msgpack_pack_str_with_body(out, text.data, text.size));
}

static int pack_column_int(msgpack_packer *out, const char *name, sqlite3_stmt *row, int column)
{
    int failed = reader_pack_name(out, name);

    return failed | (sqlite3_column_type(row, column) == SQLITE_NULL
                         ? msgpack_pack_nil(out)
                         : msgpack_pack_int64(out, sqlite3_column_int64(row, column)));
}

static int pack_samples(msgpack_packer *out, sqlite3_stmt *row)
{
    const void *samples = sqlite3_column_blob(row, ALERT_COLUMN_SAMPLE_IDS);
    size_t size = (size_t)sqlite3_column_bytes(row, ALERT_COLUMN_SAMPLE_IDS);

    int failed = reader_pack_name(out, "sample_ids");
    return failed | (samples == NULL ? msgpack_pack_array(out, 0)
                                     : msgpack_pack_str_body(out, samples, size));
}

int reader_pack_alert(msgpack_packer *out, sqlite3_stmt *row)
{
    int failed = msgpack_pack_map(out, 16);
    failed |= pack_column_text(out, "id", row, ALERT_COLUMN_ID);
    failed |= pack_column_int(out, "seq", row, ALERT_COLUMN_SEQ);
    failed |= pack_column_text(out, "rule", row, ALERT_COLUMN_RULE);
    failed |= pack_column_text(out, "severity", row, ALERT_COLUMN_SEVERITY);
    failed |= pack_column_int(out, "first_ms", row, ALERT_COLUMN_FIRST_MS);
    failed |= pack_column_int(out, "at_ms", row, ALERT_COLUMN_AT_MS);
    failed |= pack_column_text(out, "session_id", row, ALERT_COLUMN_SESSION_ID);
    failed |= pack_column_int(out, "peer_pid", row, ALERT_COLUMN_PEER_PID);
    failed |= pack_column_text(out, "peer_command", row, ALERT_COLUMN_PEER_COMMAND);
    failed |= pack_column_int(out, "count", row, ALERT_COLUMN_COUNT);
    failed |= pack_samples(out, row);
    failed |= pack_column_text(out, "statement", row, ALERT_COLUMN_STATEMENT);
    failed |= pack_column_text(out, "summary", row, ALERT_COLUMN_SUMMARY);
    failed |= pack_column_text(out, "undo", row, ALERT_COLUMN_UNDO);
    failed |= pack_column_int(out, "acked_ms", row, ALERT_COLUMN_ACKED_MS);
    failed |= pack_column_text(out, "acked_by", row, ALERT_COLUMN_ACKED_BY);
    return failed;
}

static int add_alert(struct reader *reader, sqlite3_stmt *row, struct error *err)
{
    msgpack_packer out;

    msgpack_packer_init(&out, &reader->body, msgpack_sbuffer_write);
    return reader_pack_alert(&out, row) == 0
               ? 0
               : error_set(err, -ENOMEM, "out of memory while making a list");
}

/* ---- the page ---- */

static bool is_text(sqlite3_stmt *row, int column, const char *wanted)
{
    if (wanted == NULL) {
        return true;
    }
    struct event_text found = reader_column_text(row, column);
    return found.data != NULL && found.size == strlen(wanted) &&
           memcmp(found.data, wanted, found.size) == 0;
}

static bool passes(sqlite3_stmt *row, const struct reader_alert_filter *filter)
{
    int64_t at_ms = sqlite3_column_int64(row, ALERT_COLUMN_AT_MS);
    bool acked = sqlite3_column_type(row, ALERT_COLUMN_ACKED_MS) != SQLITE_NULL;

    if (filter->acked != READER_ACKED_ANY && acked != (filter->acked == READER_ACKED_ONLY)) {
        return false;
    }
    if (at_ms < filter->since_ms || (filter->until_ms != 0 && at_ms >= filter->until_ms)) {
        return false;
    }
    return is_text(row, ALERT_COLUMN_RULE, filter->rule) &&
           is_text(row, ALERT_COLUMN_SESSION_ID, filter->session_id);
}

static int fill_page(struct reader *reader, struct alert_page *page, struct error *err)
{
    bool open = page->filter->acked == READER_ACKED_NO;
    sqlite3_stmt *scan = reader->statements[open ? READER_ALERT_LIST_OPEN : READER_ALERT_LIST];
    bool row;

    msgpack_sbuffer_clear(&reader->body);
    sql_bind_uint(scan, 1, page->before);
    while (!page->full) {
        int r = sql_step(&reader->sql, scan, &row, err);
        if (r != 0 || !row) {
            return r;
        }
        if (passes(scan, page->filter)) {
            r = add_alert(reader, scan, err);
            if (r != 0) {
                return r;
            }
            page->count++;
        }
        page->before = sql_column_uint(scan, ALERT_COLUMN_SEQ);
        page->full = page->count == page->filter->limit || ++page->looked == LOOK_MAX ||
                     reader->body.size >= READER_PAGE_BYTES_MAX;
    }
    return 0;
}

int reader_alert_list(struct reader *reader, const struct reader_alert_filter *filter,
                      msgpack_sbuffer *ret_result, struct error *err)
{
    struct alert_page page = {.filter = filter, .before = INT64_MAX};
    char next[NEXT_TEXT_MAX] = "";

    assert(filter->limit >= 1 && filter->limit <= LIMIT_MAX);
    if (filter->after != NULL &&
        (filter->after[0] != 'a' ||
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
        snprintf(next, sizeof next, "a%llu", (unsigned long long)page.before);
    }
    return reader_pack_page(reader, "alerts", page.count, next, ret_result, err);
}
