/* reader_alert.h - the columns of an alert as the statements of reader.c give them. */
#ifndef MEMFERRY_READER_ALERT_H
#define MEMFERRY_READER_ALERT_H

#include <msgpack.h>
#include <sqlite3.h>

enum alert_column {
    ALERT_COLUMN_ID = 0,
    ALERT_COLUMN_SEQ,
    ALERT_COLUMN_RULE,
    ALERT_COLUMN_SEVERITY,
    ALERT_COLUMN_FIRST_MS,
    ALERT_COLUMN_AT_MS,
    ALERT_COLUMN_SESSION_ID,
    ALERT_COLUMN_PEER_PID,
    ALERT_COLUMN_PEER_COMMAND,
    ALERT_COLUMN_COUNT,
    ALERT_COLUMN_SAMPLE_IDS,
    ALERT_COLUMN_STATEMENT,
    ALERT_COLUMN_SUMMARY,
    ALERT_COLUMN_UNDO,
    ALERT_COLUMN_ACKED_MS,
    ALERT_COLUMN_ACKED_BY,
    /* of batches only */
    ALERT_COLUMN_ITEM_SEQ,
    ALERT_COLUMN_ATTEMPTS,
    ALERT_COLUMN_DEAD
};

/* The row as a map by protocol.md's names; not 0 without memory. */
int reader_pack_alert(msgpack_packer *out, sqlite3_stmt *row);

#endif
