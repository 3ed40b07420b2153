/*
 * alert.h - what an alert says, and the event that raises it: encode and decode of its fields.
 *
 * Happy path: who raises fills a struct alert; alert_event writes the fields of an EVENT_ALERT,
 * whose event_id is the alert's id; the store, and who else reads the journal, decode them.
 *
 * Failure modes: texts of any origin (a process's command line, a statement) are made what a
 * plugin is promised: UTF-8 without NUL, cut at a whole character. Decoding trusts nothing: fields
 * that alert_event would not have written are -EBADMSG.
 */
#ifndef MEMFERRY_ALERT_H
#define MEMFERRY_ALERT_H

#include "broker/event.h"

#include <memferry/plugin.h>
#include <msgpack.h>

/* Bytes; what is longer is cut. */
#define ALERT_ID_MAX        256
#define ALERT_RULE_MAX      64
#define ALERT_SESSION_MAX   64
#define ALERT_COMMAND_MAX   1024
#define ALERT_STATEMENT_MAX 4096
#define ALERT_SUMMARY_MAX   512
#define ALERT_UNDO_MAX      1024
#define ALERT_SAMPLES_MAX   20 /* sample ids of 256 bytes */

struct alert {
    struct event_text id;   /* 1 byte at least; the same id again is an update of the same alert */
    struct event_text rule; /* such as rapid-delete; 1 byte at least */
    enum memferry_severity severity;
    int64_t at_ms;
    struct event_text session_id; /* this and what follows may be absent */
    int64_t peer_pid;             /* 0: unknown */
    struct event_text peer_command;
    uint64_t count;
    bool adds; /* count is to be added to what the alert has counted; else it is the whole count */
    struct event_text sample_ids[ALERT_SAMPLES_MAX];
    size_t sample_count; /* of the first ones; more are left out */
    /* The first and last event of what it counts, for who undoes it; 0: it counts no memories. */
    uint64_t from_seq, to_seq;
    int64_t
        until_ms; /* events behind to_seq and before it count too, once it is told again; 0: none */
    struct event_text statement, summary, undo;
};

/* The event that raises the alert. Its fields are appended to `fields`, from which the event
 * borrows, as it does its id from the alert. 0, -ENOMEM, or -EINVAL without id, rule or severity.
 */
int alert_event(const struct alert *alert, msgpack_sbuffer *fields, struct event *ret_event);
/* Of an EVENT_ALERT; borrowed from it. 0 or -EBADMSG. */
int alert_decode(const struct event *event, struct alert *ret_alert);

/* info, warning, critical. */
const char *alert_severity_name(enum memferry_severity severity);

#endif
