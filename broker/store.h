/*
 * store.h - the SQLite database that holds what the events made: the one write connection.
 *
 * Happy path: store_open migrates; store_begin, store_apply for each event in journal order,
 * store_commit; now and then store_checkpoint, which tells up to which event the journal may
 * forget.
 *
 * Failure modes: STORE_E_FULL (disk full: the transaction was rolled back, try again later); -EIO,
 * corruption and failed syncs are final. An event that cannot be applied for a reason of its own is
 * the caller's to set aside (STORE_E_EVENT).
 *
 * Applying is deterministic: it depends on the events alone, never on the clock, on randomness or
 * on the iteration order of a table. One thread.
 */
#ifndef MEMFERRY_STORE_H
#define MEMFERRY_STORE_H

#include "broker/event.h"
#include "broker/journal.h"
#include "broker/store_kind.h"
#include "broker/util/error.h"

#include <memferry/plugin.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum store_outcome {
    STORE_E_FULL = 1, /* no room: nothing was changed */
    STORE_E_NEWER,    /* made by a newer memferry */
    STORE_E_EVENT,    /* this event cannot be applied */
    STORE_E_ORIGIN,   /* belongs to another journal */
    STORE_E_DIMS,     /* made for embeddings of another size */
    STORE_E_LONE_WAL  /* its file is gone, but not the WAL beside it */
};

/* What an event did to the store. */
enum apply_outcome {
    APPLY_CHANGED = 1,
    /* A repeat of an event_id, a delete of what is deleted, a vector that comes too late: nothing
     * changed. */
    APPLY_DUPLICATE,
    APPLY_NOT_FOUND, /* refused: delete of what never was, put without content of what never was */
    APPLY_CONFLICT,  /* refused: expected_version differs */
    APPLY_TOO_LARGE, /* refused: the memory would grow over MEMORY_STATE_MAX */
    APPLY_OLDER      /* an import that lost against what is there: nothing changed */
};

/* What it did to the life of its memory, for who watches. */
struct apply_effect {
    bool was_live, is_live;
    bool changed;      /* it is another than before: not what was put again as it was */
    int64_t before_ms; /* when it was changed before; valid with was_live and changed */
};

struct apply_result {
    enum apply_outcome outcome;
    uint64_t seq; /* of the change this answers: the event's own, or the first one's of a repeat */
    /* Of the memory now; 0: there is none. An embed leaves it as it is. An ack of all: how many
     * alerts. */
    uint64_t version;
    struct apply_effect effect; /* all false unless the memory was written */
    bool is_large;              /* it was written, and is over MEMORY_STATE_LARGE now */
};

struct store_options {
    const char *path;
    const char *origin; /* of the journal; stored in a new database, compared in an old one */
    uint32_t dims;      /* stored in a new database, compared in an old one */
};

struct store;

int store_open(struct store **ret, const struct store_options *options, struct error *err);
struct store *store_close(struct store *store);

uint64_t store_applied_seq(const struct store *store); /* as of the last commit */
bool store_is_new(const struct store *store);          /* made by this store_open */
const char *store_path(const struct store *store);
/* A new store that must not stay (the journal wants another): store_close removes its file. */
void store_discard(struct store *store);

/* -EBUSY: another process holds the write lock; try again. */
int store_begin(struct store *store, struct error *err);
/*
 * Within a transaction. `record` carries seq, at_ms, stamp_us and the payload. After any other
 * answer than 0 the transaction, or the savepoint, must be undone.
 *
 * In this order: a repeat is found first, then the condition is checked (expected_version 0 wants a
 * memory that never was: a tombstone has its version, and conflicts), then whether there is
 * something to change. A put of a deleted memory brings it back, merged into its last state.
 */
int store_apply(struct store *store, const struct journal_record *record,
                struct apply_result *ret_result, struct error *err);
/* Within a transaction: goes past an event that was set aside. */
void store_skip(struct store *store, uint64_t seq);
/* -EIO also when only the sync of what was promised failed: final, as every failed sync. */
int store_commit(struct store *store, struct error *err);
void store_rollback(struct store *store);

/* One savepoint within a transaction, for a part that may fail alone. undo goes back to it and ends
 * it; -ECANCELED when the whole transaction is gone and must be begun again. */
int store_savepoint(struct store *store, struct error *err);
int store_savepoint_release(struct store *store, struct error *err);
int store_savepoint_undo(struct store *store, struct error *err);
/* Something in the transaction failed for want of room, whatever its caller made of that. */
bool store_lacks_room(const struct store *store);

/* Every memory that is over MEMORY_STATE_LARGE; the id is borrowed for the call. */
int store_large_memories(struct store *store, void (*each)(void *, const struct event_text *),
                         void *arg, struct error *err);

/* Gives the memory of cached pages back. */
void store_forget_pages(struct store *store);

/* How large the WAL has grown since the last checkpoint that emptied it. */
uint64_t store_wal_bytes(const struct store *store);

/* Moves the WAL into the database and syncs it. Sets *ret_safe_seq to an applied seq noted before a
 * checkpoint that completed; leaves it alone when a reader was in the way (then try later). */
int store_checkpoint(struct store *store, uint64_t *ret_safe_seq, struct error *err);

/* Deep check for --check-journal: SQLite's integrity_check and our own invariants (every memory's
 * version has its event, states decode, hashes agree, cursors are not ahead). */
int store_verify(const char *path, uint64_t *ret_memories, uint64_t *ret_events,
                 uint64_t *ret_applied_seq, struct error *err);

/* ---- lanes: what they ask to be written, always within a transaction ---- */

enum lane_row_action {
    LANE_ROW_CLEAR = 1, /* delivered: no longer deferred or dead */
    LANE_ROW_DEFER,     /* due again at due_ms */
    LANE_ROW_DEAD       /* a dead letter */
};

struct lane_row {
    char *memory_id;
    enum lane_row_action action;
    int64_t due_ms;
    uint32_t attempts;
    uint64_t version; /* that was tried */
    char *reason;     /* NULL with CLEAR */
};

/* Creates the lane's row if there is none, at cursor 0; of alerts before the first that nobody has
 * acked. One that was of another kind begins anew, without what was deferred or dead. */
int store_lane_ensure(struct store *store, const char *lane, enum lane_kind kind,
                      struct error *err);
/* Moves the cursor (never back) and writes rows. `delivered` is added to the lane's counter. A lane
 * that was forgotten stays so. */
int store_lane_progress(struct store *store, const char *lane, uint64_t cursor,
                        const struct lane_row *rows, size_t row_count, uint64_t delivered,
                        struct error *err);
/* The lane begins anew at 0. Only while it reads nothing: what it moves comes on top. */
int store_lane_rewind(struct store *store, const char *lane, struct error *err);
/* Which model the configured embedder has, and its lane; model NULL: there is none. When the model
 * is another one its lane is rewound (*ret_changed), and comes by every memory again. */
int store_set_embedder(struct store *store, const char *lane, const char *model, bool *ret_changed,
                       struct error *err);
/* A recovery from this backend is under way, and has dealt with ids up to after_id. backend NULL:
 * none is. Its commit is synced. */
int store_set_recovery(struct store *store, const char *backend, const char *after_id,
                       struct error *err);
/* This and what follows was asked for by somebody: its commit is synced. */
int store_lane_set_paused(struct store *store, const char *lane, bool paused, struct error *err);
/* Removes cursor, deferred and dead of a lane. *ret_found false: no such lane. */
int store_lane_forget(struct store *store, const char *lane, bool *ret_found, struct error *err);
/* Dead letters of a lane become deferred, due at due_ms. memory_id NULL: all. */
int store_dead_retry(struct store *store, const char *lane, const char *memory_id, int64_t due_ms,
                     uint64_t *ret_count, struct error *err);
/* Dead letters go; the memories stay. memory_id NULL: all. */
int store_dead_drop(struct store *store, const char *lane, const char *memory_id,
                    uint64_t *ret_count, struct error *err);

#endif
