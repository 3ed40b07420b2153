/* reader_alert.c - pages of alerts, what was raised or updated last first; by the index of open
 * ones when only those are wanted. */
#include "broker/reader_alert.h"
#include "broker/reader_internal.h"

/* ---- one row ---- */

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
    failed |= reader_pack_text_column(out, "id", row, ALERT_COLUMN_ID);
    failed |= reader_pack_int_column(out, "seq", row, ALERT_COLUMN_SEQ);
    failed |= reader_pack_text_column(out, "rule", row, ALERT_COLUMN_RULE);
    failed |= reader_pack_text_column(out, "severity", row, ALERT_COLUMN_SEVERITY);
    failed |= reader_pack_int_column(out, "first_ms", row, ALERT_COLUMN_FIRST_MS);
    failed |= reader_pack_int_column(out, "at_ms", row, ALERT_COLUMN_AT_MS);
    failed |= reader_pack_text_column(out, "session_id", row, ALERT_COLUMN_SESSION_ID);
    failed |= reader_pack_int_column(out, "peer_pid", row, ALERT_COLUMN_PEER_PID);
    failed |= reader_pack_text_column(out, "peer_command", row, ALERT_COLUMN_PEER_COMMAND);
    failed |= reader_pack_int_column(out, "count", row, ALERT_COLUMN_COUNT);
    failed |= pack_samples(out, row);
    failed |= reader_pack_text_column(out, "statement", row, ALERT_COLUMN_STATEMENT);
    failed |= reader_pack_text_column(out, "summary", row, ALERT_COLUMN_SUMMARY);
    failed |= reader_pack_text_column(out, "undo", row, ALERT_COLUMN_UNDO);
    failed |= reader_pack_int_column(out, "acked_ms", row, ALERT_COLUMN_ACKED_MS);
    failed |= reader_pack_text_column(out, "acked_by", row, ALERT_COLUMN_ACKED_BY);
    return failed;
}

/* ---- the page ---- */

static bool passes(sqlite3_stmt *row, const void *data)
{
    const struct reader_alert_filter *filter = data;
    int64_t at_ms = sqlite3_column_int64(row, ALERT_COLUMN_AT_MS);
    bool acked = sqlite3_column_type(row, ALERT_COLUMN_ACKED_MS) != SQLITE_NULL;

    if (filter->acked != READER_ACKED_ANY && acked != (filter->acked == READER_ACKED_ONLY)) {
        return false;
    }
    if (at_ms < filter->since_ms || (filter->until_ms != 0 && at_ms >= filter->until_ms)) {
        return false;
    }
    return reader_column_is(row, ALERT_COLUMN_RULE, filter->rule) &&
           reader_column_is(row, ALERT_COLUMN_SESSION_ID, filter->session_id);
}

int reader_alert_list(struct reader *reader, const struct reader_alert_filter *filter,
                      msgpack_sbuffer *ret_result, struct error *err)
{
    const struct reader_seq_list list = {.name = "alerts",
                                         .letter = 'a',
                                         .seq_column = ALERT_COLUMN_SEQ,
                                         .limit = filter->limit,
                                         .after = filter->after,
                                         .passes = passes,
                                         .pack = reader_pack_alert,
                                         .filter = filter};
    bool open = filter->acked == READER_ACKED_NO;

    return reader_list_by_seq(
        reader, reader_statement(reader, open ? READER_ALERT_LIST_OPEN : READER_ALERT_LIST), &list,
        ret_result, err);
}
