/*
 * event.h - what happened, as it lies in the journal: encode and decode of one event's payload.
 *
 * The payload is one msgpack map with short integer keys; unknown keys are refused (a newer broker
 * wrote them). Strings and `fields` of a decoded event are borrowed from the payload.
 */
#ifndef MEMFERRY_EVENT_H
#define MEMFERRY_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MEMORY_ID_MAX 256 /* bytes */

enum event_op {
    EVENT_PUT = 1,
    EVENT_DELETE = 2,
    EVENT_RESTORE = 3,
    EVENT_EMBED = 4,
    EVENT_SESSION_BEGIN = 5,
    EVENT_SESSION_END = 6,
    EVENT_STATEMENT = 7,
    EVENT_ALERT = 8,
    EVENT_ALERT_ACK = 9,
    EVENT_IMPORT = 10,
    EVENT_PURGE = 11,
    EVENT_PRUNE = 12
};

struct event_text {
    const char *data; /* not NUL-terminated; NULL: absent */
    size_t size;
};

struct event {
    enum event_op op;
    bool retry;                /* a caller that sends again: answered after the apply */
    bool has_expected_version; /* conditional */
    uint64_t expected_version;
    int64_t peer_pid;
    struct event_text event_id, memory_id, session_id, reason;
    /* EVENT_ALERT, EVENT_ALERT_ACK: event_id is the alert's own id (an ack without one is of all);
     * fields of an alert are those of alert.h.
     * EVENT_PUT: a msgpack map of the given fields, by the names of protocol.md: content, kind,
     * tags, props, embedding (bin of little-endian float32, or nil to drop it), checked by the
     * request layer. A nil value of props removes.
     * EVENT_RESTORE: {version}: whose state comes back. EVENT_EMBED: see event_embed.h.
     * EVENT_IMPORT: see event_import.h. EVENT_PRUNE: see event_prune.h. EVENT_STATEMENT: see
     * event_statement.h. */
    const uint8_t *fields;
    size_t fields_size;
};

/* Bytes event_encode needs at most. */
size_t event_size_max(const struct event *event);

/* Writes the payload to buffer, which holds event_size_max bytes; returns its size. */
size_t event_encode(const struct event *event, uint8_t *buffer);

/* 0, or -EBADMSG when the payload is none of ours. */
int event_decode(const uint8_t *payload, size_t size, struct event *ret_event);
/* The same, of bytes that may come off a disk: every text in it, in its fields too, is UTF-8. It
 * looks at each byte, so it is called where the event is applied, and nowhere on the way there. */
int event_check(const uint8_t *payload, size_t size, struct event *ret_event);

/* put, delete, restore … */
const char *event_op_name(enum event_op op);
/* False: it is the name of none. */
bool event_op_of(struct event_text name, enum event_op *ret);

/* The same bytes; an absent text is as an empty one. */
bool event_text_same(struct event_text a, struct event_text b);
bool event_text_is(struct event_text text, const char *wanted);

/* True when the answer depends on the state: it is given after the apply, not after the fsync. */
bool event_needs_apply(const struct event *event);

#endif
