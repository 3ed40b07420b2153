/*
 * reader.h - a read-only connection to the store: what the reader thread answers calls with, and
 * what a lane reads its deliveries from. Each thread has its own. Reads see the last commit; no
 * function leaves a read transaction open behind it.
 *
 * Answers are written as msgpack into a growing buffer, ready to be a call's result.
 */
#ifndef MEMFERRY_READER_H
#define MEMFERRY_READER_H

#include "broker/event_embed.h"
#include "broker/session.h"
#include "broker/store_kind.h"
#include "broker/util/error.h"

#include <memferry/memory.h>
#include <memferry/plugin.h>
#include <msgpack.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum reader_outcome {
    READER_E_NOT_FOUND = 1,
    READER_E_CURSOR /* `after` is none that a list gave out */
};

struct reader;

int reader_open(struct reader **ret, const char *path, struct error *err);
struct reader *reader_close(struct reader *reader);
/* Frees the pages it has in memory, between calls. */
void reader_rest(struct reader *reader);

/* ---- calls ---- */

enum reader_deleted { READER_DELETED_NO = 0, READER_DELETED_ONLY, READER_DELETED_ANY };

struct reader_filter {
    const char *session_id, *kind, *tag; /* NULL: any */
    int64_t since_ms, until_ms;          /* by updated_ms, since ≤ x < until; 0: open */
    enum reader_deleted deleted;
    uint32_t limit;    /* 1 to 1000 */
    const char *after; /* the `next` of the page before; NULL: the start */
    bool embedding;    /* carry it */
    bool by_id;        /* in the order of ids (as bytes), not the newest first; without tag */
};

/* A memory as a msgpack map, as of `version` (0: now), with its embedding. A deleted memory is
 * found, with deleted_ms set. */
int reader_get(struct reader *reader, const char *id, uint64_t version, msgpack_sbuffer *ret_result,
               struct error *err);
/* {"versions": […]}, newest first, at most limit. */
int reader_history(struct reader *reader, const char *id, uint32_t limit,
                   msgpack_sbuffer *ret_result, struct error *err);
/* {"memories": […], "next": …}: newest first; a page ends at limit or 1 MiB; next is nil at the
 * end. */
int reader_list(struct reader *reader, const struct reader_filter *filter,
                msgpack_sbuffer *ret_result, struct error *err);
/* {"dead": [{backend, id, version, attempts, reason, at_ms}], "next": …}. backend NULL: all. */
int reader_dead_list(struct reader *reader, const char *backend, uint32_t limit, const char *after,
                     msgpack_sbuffer *ret_result, struct error *err);

enum reader_acked { READER_ACKED_NO = 0, READER_ACKED_ONLY, READER_ACKED_ANY };

struct reader_alert_filter {
    const char *rule, *session_id; /* NULL: any */
    int64_t since_ms, until_ms;    /* by at_ms, since ≤ x < until; 0: open */
    enum reader_acked acked;
    uint32_t limit;    /* 1 to 1000 */
    const char *after; /* the `next` of the page before; NULL: the start */
};
/* {"alerts": […], "next": …}, as reader_list; what was updated last comes first. */
int reader_alert_list(struct reader *reader, const struct reader_alert_filter *filter,
                      msgpack_sbuffer *ret_result, struct error *err);

/* A session as a msgpack map. */
int reader_session(struct reader *reader, const char *id, msgpack_sbuffer *ret_result,
                   struct error *err);

struct reader_session_filter {
    bool active;       /* only those that have not ended */
    const char *agent; /* NULL: any */
    uint32_t limit;    /* 1 to 1000 */
    const char *after; /* the `next` of the page before; NULL: the start */
};
/* {"sessions": […], "next": …}, as reader_list; what began last comes first. */
int reader_session_list(struct reader *reader, const struct reader_session_filter *filter,
                        msgpack_sbuffer *ret_result, struct error *err);

/* One that has not ended. */
struct reader_open_session {
    uint64_t seq; /* its place: falls from one to the next */
    char id[SESSION_ID_MAX + 1];
    int64_t seen_ms;
    int64_t pid; /* of its owner; 0: none */
    uint64_t pid_start;
    char boot_id[SESSION_BOOT_MAX + 1];
};
/* Those below the place `before` (INT64_MAX: all) that have an owner; at most max. */
int reader_sessions_owned(struct reader *reader, uint64_t before, size_t max,
                          struct reader_open_session *ret, size_t *ret_count, struct error *err);
/* The same for those not seen from from_ms to until_ms. */
int reader_sessions_idle(struct reader *reader, uint64_t before, int64_t from_ms, int64_t until_ms,
                         size_t max, struct reader_open_session *ret, size_t *ret_count,
                         struct error *err);

#define READER_EVENT_KIND(op) (UINT32_C(1) << (op))
/* What happened above *cursor, of the wanted kinds (an or of READER_EVENT_KINDs), in order: name of
 * the notification, its params, and so on, as msgpack values one behind the other. Moves the cursor
 * past what was looked at; *ret_more: there may be more at once. */
int reader_events(struct reader *reader, uint64_t *cursor, uint32_t kinds,
                  msgpack_sbuffer *ret_notes, bool *ret_more, struct error *err);

struct reader_counts {
    uint64_t memories, deleted, events, embeddings;
    uint64_t alerts_open;        /* not acked */
    uint64_t embeddings_pending; /* of memories, as struct reader_lane's; 0 without an embedder */
    uint64_t sessions_open;
    uint64_t applied_seq;
};
int reader_counts(struct reader *reader, struct reader_counts *ret, struct error *err);

/* The recovery that is under way. */
struct reader_recovery {
    char backend[65]; /* "": none is */
    char after[257];  /* ids up to this one were dealt with */
};
int reader_recovery(struct reader *reader, struct reader_recovery *ret, struct error *err);

/* ---- lanes ---- */

struct reader_lane {
    bool exists, paused;
    enum lane_kind kind;
    uint64_t cursor, delivered;
    uint64_t deferred, dead;
    /* Memories above the cursor, plus deferred. Of an embedder's lane: those that need a vector. No
     * more than 1,000,000 are looked at. */
    uint64_t pending;
    int64_t oldest_pending_ms; /* wall clock of the oldest of them; 0: none */
};
int reader_lane(struct reader *reader, const char *lane, struct reader_lane *ret,
                struct error *err);
/* The lane's own row alone, without a look at what waits: exists, paused, kind, cursor, delivered.
 */
int reader_lane_row(struct reader *reader, const char *lane, struct reader_lane *ret,
                    struct error *err);
/* Names of all lanes with a row, for the detached ones. Freed with free() each, and the array. */
int reader_lane_names(struct reader *reader, char ***ret_names, size_t *ret_count,
                      struct error *err);

/* How a lane stands with one memory: 0 pending, 1 level (its state as of `seq` or newer was taken),
 * 2 dead. */
enum reader_delivery { READER_DELIVERY_PENDING = 0, READER_DELIVERY_DONE, READER_DELIVERY_DEAD };
int reader_delivery(struct reader *reader, const char *lane, const char *memory_id, uint64_t seq,
                    enum reader_delivery *ret, struct error *err);

/* Memories to deliver, in an arena of their own. */
struct reader_batch;
/* What a lane knows of each thing that it delivers, whatever that is. */
struct reader_batch_item {
    const char *id;      /* 1 to 256 bytes, in the batch's arena */
    uint64_t version;    /* of the state that goes */
    int64_t updated_ms;  /* wall clock of that state */
    uint64_t seq;        /* the event that brought it here; 0: it was deferred */
    uint64_t vector_seq; /* of a memory with its embedding: which vector that is; 0: none */
    uint32_t attempts;   /* made before, 0 when it was not deferred */
    bool dead; /* it is a dead letter of this lane at the moment (only above the cursor) */
    /* to an embedder: */
    uint8_t content_hash[CONTENT_HASH_SIZE];
    bool waits;     /* of reader_batch_page: it has a row of this lane */
    bool satisfied; /* it was deferred, and needs no vector (any more): only its row is to go */
};
const struct memferry_memory *reader_batch_memories(const struct reader_batch *batch);
const struct reader_batch_item *reader_batch_items(const struct reader_batch *batch);
size_t reader_batch_count(const struct reader_batch *batch);
/* Where the cursor stands once the batch is dealt with: past every event that was looked at. */
uint64_t reader_batch_cursor(const struct reader_batch *batch);
struct reader_batch *reader_batch_free(struct reader_batch *batch);

/* The current states of memories whose newest event lies above `cursor`, oldest first, at most max
 * and at most max_bytes (one at least). Events that are no longer the latest of their memory are
 * passed over; a call looks at 10,000 events at most, so the count may be 0 with the cursor moved.
 * Sorted by id. With nothing above the cursor, count 0 and the cursor as it was. */
int reader_batch_after(struct reader *reader, const char *lane, uint64_t cursor, size_t max,
                       size_t max_bytes, struct reader_batch **ret, struct error *err);
/* The current states of memories deferred in this lane and due at now_ms, oldest due first. Sets
 * *ret_next_due_ms to the due time of the first that is not due yet, 0 without one. */
int reader_batch_due(struct reader *reader, const char *lane, int64_t now_ms, size_t max,
                     size_t max_bytes, struct reader_batch **ret, int64_t *ret_next_due_ms,
                     struct error *err);

/* Memories whose id is greater than after_id (as bytes; "" is the start), in that order, tombstones
 * included: at most max, and at most max_bytes (one at least). Each item tells how the lane stands
 * with it: seq is the newest event that it must see, `waits` that it is deferred or dead there. */
int reader_batch_page(struct reader *reader, const char *lane, const char *after_id, size_t max,
                      size_t max_bytes, struct reader_batch **ret, struct error *err);
/* The same for an embedder of this model: memories that live and have no vector, or one of another
 * model. They carry no embedding. Those above the cursor that need none are passed over. */
int reader_batch_embed(struct reader *reader, const char *lane, uint64_t cursor, const char *model,
                       size_t max, size_t max_bytes, struct reader_batch **ret, struct error *err);
/* Those that need none are there too, as satisfied. */
int reader_batch_embed_due(struct reader *reader, const char *lane, int64_t now_ms,
                           const char *model, size_t max, size_t max_bytes,
                           struct reader_batch **ret, int64_t *ret_next_due_ms, struct error *err);

/* Alerts to deliver, as batches of memories are: the oldest first, in an arena of their own. In the
 * lane's rows an alert stands under its id. An acked one is delivered too: it was raised. */
struct reader_alerts;
const struct memferry_alert *reader_alerts_get(const struct reader_alerts *batch);
const struct reader_batch_item *reader_alerts_items(const struct reader_alerts *batch);
size_t reader_alerts_count(const struct reader_alerts *batch);
uint64_t reader_alerts_cursor(const struct reader_alerts *batch);
struct reader_alerts *reader_alerts_free(struct reader_alerts *batch);

/* Alerts that were raised or updated above `cursor`, at most max and at most max_bytes (one at
 * least). */
int reader_alerts_after(struct reader *reader, const char *lane, uint64_t cursor, size_t max,
                        size_t max_bytes, struct reader_alerts **ret, struct error *err);
int reader_alerts_due(struct reader *reader, const char *lane, int64_t now_ms, size_t max,
                      size_t max_bytes, struct reader_alerts **ret, int64_t *ret_next_due_ms,
                      struct error *err);

#endif
