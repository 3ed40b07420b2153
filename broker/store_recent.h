/*
 * store_recent.h - what happened last, read back by the guard when it begins.
 *
 * From the thread that owns the store. "Recent" is what lies less than a span behind the newest
 * event; at most STORE_RECENT_MAX events are looked at, the newest.
 */
#ifndef MEMFERRY_STORE_RECENT_H
#define MEMFERRY_STORE_RECENT_H

#include "broker/store.h"

#define STORE_RECENT_MAX 100000

struct store_recent_event {
    uint64_t seq;
    enum event_op op; /* put, delete, restore, import, purge or statement */
    struct event_text memory_id, session_id;
    int64_t at_ms, peer_pid;
    struct apply_effect effect;
    const uint8_t *fields; /* of a statement */
    size_t fields_size;
};

struct store_recent_alert {
    struct event_text id, rule, session_id;
    int64_t first_ms;
    uint64_t count;
};

/* *ret_seq: recent is what lies behind it. *ret_born: how many more memories live since. */
int store_recent_begin(struct store *store, int64_t span_ms, uint64_t *ret_seq, int64_t *ret_born,
                       struct error *err);
/* Oldest first. What is handed out is borrowed for the call. */
int store_recent_events(struct store *store, uint64_t behind_seq,
                        void (*each)(void *, const struct store_recent_event *), void *arg,
                        struct error *err);
/* Raised or updated recently, the oldest first. */
int store_recent_alerts(struct store *store, uint64_t behind_seq,
                        void (*each)(void *, const struct store_recent_alert *), void *arg,
                        struct error *err);
/* Whose event it was; ret holds 257 bytes, and "" when it was nobody's or is not there. */
int store_event_memory(struct store *store, uint64_t seq, char *ret, struct error *err);

/* Different memories that were changed or deleted by events from_seq to to_seq, the first ones: at
 * most `max`, each in 257 bytes of room; at most STORE_RECENT_MAX events are looked at. */
int store_changed_memories(struct store *store, uint64_t from_seq, uint64_t to_seq, size_t max,
                           char *room, size_t *ret_count, struct error *err);

uint64_t store_live(const struct store *store); /* memories, as of the last commit */
const char *store_origin(const struct store *store);

#endif
