/*
 * session.h - what a session's events say: encode and decode of their fields.
 *
 * Happy path: who begins or ends a session fills a struct, session_begin_event or session_end_event
 * writes the event, and the store decodes it. The event's session_id names the session; its reason
 * is what a caller said of an end.
 *
 * Failure modes: fields that these functions would not have written are -EBADMSG.
 */
#ifndef MEMFERRY_SESSION_H
#define MEMFERRY_SESSION_H

#include "broker/event.h"

#include <msgpack.h>

/* Bytes. */
#define SESSION_ID_MAX    64 /* an id */
#define SESSION_AGENT_MAX 128
#define SESSION_CWD_MAX   4096
#define SESSION_BOOT_MAX  36

/* A process that can be told from any other of its pid, before and after. */
struct session_owner {
    int64_t pid;    /* 0: no owner */
    uint64_t start; /* ticks between boot and its start */
    struct event_text boot_id;
};

struct session_begin {
    struct event_text agent, cwd; /* may be absent */
    struct session_owner owner;
    bool touches; /* is only a use: nothing is begun that is there */
};

enum session_end_reason { SESSION_ENDED_COMMAND = 1, SESSION_ENDED_IDLE, SESSION_ENDED_OWNER_EXIT };

struct session_end {
    enum session_end_reason reason;
    int64_t seen_ms;            /* IDLE: ends it only if it was not seen since */
    struct session_owner owner; /* OWNER_EXIT: ends it only if that is its owner still */
};

/* The fields are appended to `fields`, from which the event borrows. 0 or -ENOMEM. */
int session_begin_event(const struct session_begin *begin, struct event_text session_id,
                        msgpack_sbuffer *fields, struct event *ret_event);
int session_end_event(const struct session_end *end, struct event_text session_id,
                      msgpack_sbuffer *fields, struct event *ret_event);

/* Borrowed from the event. 0 or -EBADMSG. */
int session_begin_decode(const struct event *event, struct session_begin *ret);
int session_end_decode(const struct event *event, struct session_end *ret);

/* command, idle, owner_exit. */
const char *session_end_reason_name(enum session_end_reason reason);

#endif
