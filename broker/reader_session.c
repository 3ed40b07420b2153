/* reader_session.c - sessions: one, pages of them, and those that have not ended, for who watches.
 */
#include "broker/reader_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

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

static int pack_session(msgpack_packer *out, sqlite3_stmt *row)
{
    int failed = msgpack_pack_map(out, 9);

    failed |= reader_pack_text_column(out, "id", row, COLUMN_ID);
    failed |= reader_pack_text_column(out, "agent", row, COLUMN_AGENT);
    failed |= reader_pack_text_column(out, "cwd", row, COLUMN_CWD);
    failed |= reader_pack_int_column(out, "pid", row, COLUMN_PID);
    failed |= reader_pack_int_column(out, "started_ms", row, COLUMN_STARTED_MS);
    failed |= reader_pack_int_column(out, "seen_ms", row, COLUMN_SEEN_MS);
    failed |= reader_pack_int_column(out, "ended_ms", row, COLUMN_ENDED_MS);
    failed |= reader_pack_text_column(out, "end_reason", row, COLUMN_END_REASON);
    return failed | reader_pack_text_column(out, "end_note", row, COLUMN_END_NOTE);
}

int reader_session(struct reader *reader, const char *id, msgpack_sbuffer *ret_result,
                   struct error *err)
{
    sqlite3_stmt *find = reader_statement(reader, READER_SESSION);
    msgpack_packer out;
    bool row;

    sql_bind_text(find, 1, id, strlen(id));
    int r = sql_step(&reader->sql, find, &row, err);
    if (r != 0) {
        return r;
    }
    if (!row) {
        return error_set(err, READER_E_NOT_FOUND, "there is no session %s", id);
    }
    msgpack_packer_init(&out, ret_result, msgpack_sbuffer_write);
    int failed = pack_session(&out, find);
    sql_reset(find);
    return failed == 0 ? 0 : error_set(err, -ENOMEM, "out of memory while reading a session");
}

/* ---- pages ---- */

static bool passes(sqlite3_stmt *row, const void *data)
{
    const struct reader_session_filter *filter = data;

    return reader_column_is(row, COLUMN_AGENT, filter->agent);
}

int reader_session_list(struct reader *reader, const struct reader_session_filter *filter,
                        msgpack_sbuffer *ret_result, struct error *err)
{
    const struct reader_seq_list list = {.name = "sessions",
                                         .letter = 's',
                                         .seq_column = COLUMN_SEQ,
                                         .limit = filter->limit,
                                         .after = filter->after,
                                         .passes = passes,
                                         .pack = pack_session,
                                         .filter = filter};

    return reader_list_by_seq(
        reader,
        reader_statement(reader, filter->active ? READER_SESSION_LIST_OPEN : READER_SESSION_LIST),
        &list, ret_result, err);
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
    return read_open(reader, reader_statement(reader, READER_SESSIONS_OWNED), before, max, ret,
                     ret_count, err);
}

int reader_sessions_idle(struct reader *reader, uint64_t before, int64_t from_ms, int64_t until_ms,
                         size_t max, struct reader_open_session *ret, size_t *ret_count,
                         struct error *err)
{
    sqlite3_stmt *scan = reader_statement(reader, READER_SESSIONS_IDLE);

    sql_bind_int(scan, 3, from_ms);
    sql_bind_int(scan, 4, until_ms);
    return read_open(reader, scan, before, max, ret, ret_count, err);
}
