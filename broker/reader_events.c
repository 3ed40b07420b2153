/*
 * reader_events.c - what happened, for who has subscribed: rows of `event` above a seq, each as the
 * notification that tells of it.
 *
 * Happy path: rows in order, those of the wanted kinds as {seq, op, …}; an alert's row as the alert
 * itself, as it is now, unless a later event has changed it: that one tells of it.
 */
#include "broker/reader_alert.h"
#include "broker/reader_internal.h"

#include <errno.h>
#include <string.h>

#define EVENTS_LOOK_MAX  500
#define EVENTS_BYTES_MAX ((size_t)256 << 10)

enum column { SEQ = 0, OP, ID, EVENT_ID, SESSION_ID, AT_MS, PEER_PID, REASON };

static int pack_text(msgpack_packer *out, const char *name, sqlite3_stmt *row, enum column column)
{
    struct event_text text = reader_column_text(row, (int)column);

    return text.data == NULL ? 0
                             : reader_pack_name(out, name) |
                                   msgpack_pack_str_with_body(out, text.data, text.size);
}

static int pack_int(msgpack_packer *out, const char *name, sqlite3_stmt *row, enum column column)
{
    return sqlite3_column_type(row, (int)column) == SQLITE_NULL
               ? 0
               : reader_pack_name(out, name) |
                     msgpack_pack_int64(out, sqlite3_column_int64(row, (int)column));
}

static int pack_event(msgpack_packer *out, sqlite3_stmt *row)
{
    size_t count = 0;

    for (int column = SEQ; column <= REASON; column++) {
        count += sqlite3_column_type(row, column) != SQLITE_NULL;
    }
    int failed = reader_pack_name(out, "event") | msgpack_pack_map(out, count);
    failed |= pack_int(out, "seq", row, SEQ);
    failed |= pack_text(out, "op", row, OP);
    failed |= pack_text(out, "id", row, ID);
    failed |= pack_text(out, "event_id", row, EVENT_ID);
    failed |= pack_text(out, "session_id", row, SESSION_ID);
    failed |= pack_int(out, "at_ms", row, AT_MS);
    failed |= pack_int(out, "peer_pid", row, PEER_PID);
    return failed | pack_text(out, "reason", row, REASON);
}

static int add_alert(struct reader *reader, uint64_t seq, msgpack_sbuffer *out, struct error *err)
{
    sqlite3_stmt *find = reader_statement(reader, READER_ALERT_AT);
    msgpack_packer packer;
    bool row;

    sql_bind_uint(find, 1, seq);
    int r = sql_step(&reader->sql, find, &row, err);
    if (r != 0 || !row) {
        return r;
    }
    msgpack_packer_init(&packer, out, msgpack_sbuffer_write);
    int failed = reader_pack_name(&packer, "alert") | reader_pack_alert(&packer, find);
    sql_reset(find);
    return failed == 0 ? 0 : error_set(err, -ENOMEM, "out of memory while reading events");
}

static int add_row(struct reader *reader, sqlite3_stmt *row, uint32_t kinds, msgpack_sbuffer *out,
                   struct error *err)
{
    msgpack_packer packer;
    enum event_op op;

    if (!event_op_of(reader_column_text(row, OP), &op) || (kinds & READER_EVENT_KIND(op)) == 0) {
        return 0;
    }
    if (op == EVENT_ALERT) {
        return add_alert(reader, sql_column_uint(row, SEQ), out, err);
    }
    msgpack_packer_init(&packer, out, msgpack_sbuffer_write);
    return pack_event(&packer, row) == 0
               ? 0
               : error_set(err, -ENOMEM, "out of memory while reading events");
}

static int read_applied(struct reader *reader, uint64_t *ret, struct error *err)
{
    sqlite3_stmt *find = reader_statement(reader, READER_COUNTS);
    bool row;

    int r = sql_step(&reader->sql, find, &row, err);
    if (r == 0 && row) {
        *ret = sql_column_uint(find, 0);
        sql_reset(find);
    }
    return r;
}

static int read_events(struct reader *reader, uint64_t *cursor, uint32_t kinds,
                       msgpack_sbuffer *ret_notes, bool *ret_more, struct error *err)
{
    sqlite3_stmt *scan = reader_statement(reader, READER_EVENTS);
    uint64_t applied_seq = *cursor;
    bool row;

    int r = read_applied(reader, &applied_seq, err);
    sql_bind_uint(scan, 1, *cursor);
    for (unsigned looked = 0; r == 0; looked++) {
        r = sql_step(&reader->sql, scan, &row, err);
        if (r != 0) {
            return r;
        }
        if (!row) { /* what is behind the last row was no event that is told of */
            *cursor = applied_seq > *cursor ? applied_seq : *cursor;
            return 0;
        }
        if (looked == EVENTS_LOOK_MAX || ret_notes->size >= EVENTS_BYTES_MAX) {
            *ret_more = true;
            return 0;
        }
        r = add_row(reader, scan, kinds, ret_notes, err);
        *cursor = sql_column_uint(scan, SEQ);
    }
    return r;
}

int reader_events(struct reader *reader, uint64_t *cursor, uint32_t kinds,
                  msgpack_sbuffer *ret_notes, bool *ret_more, struct error *err)
{
    *ret_more = false;
    int r = reader_begin(reader, err);
    return r == 0 ? reader_end(reader, read_events(reader, cursor, kinds, ret_notes, ret_more, err),
                               err)
                  : r;
}
