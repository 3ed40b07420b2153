/* store_internal.h - what the files of the store share, and nobody else includes. */
#ifndef MEMFERRY_STORE_INTERNAL_H
#define MEMFERRY_STORE_INTERNAL_H

#include "broker/memory_state.h"
#include "broker/session.h"
#include "broker/sql.h"
#include "broker/store.h"

#include <assert.h>
#include <xxhash.h>

/* "memf": tells our database from another program's. */
#define STORE_APPLICATION_ID 0x6d656d66

enum store_statement {
    STORE_BEGIN,
    STORE_COMMIT,
    STORE_ROLLBACK,
    STORE_SAVEPOINT,
    STORE_RELEASE,
    STORE_UNDO,
    STORE_SET_APPLIED,
    STORE_FIND_MEMORY,
    STORE_FIND_VERSION,
    STORE_FIND_OP,
    STORE_DROP_EVENTS,
    STORE_DROP_VECTOR,
    STORE_DROP_VECTORS,
    STORE_ALL_STATES,
    STORE_ALL_VECTORS,
    STORE_ADD_EVENT,
    STORE_FIND_CHANGED,
    STORE_ADD_MEMORY,
    STORE_UPDATE_MEMORY,
    STORE_ADD_KEY,
    STORE_FIND_KEY,
    STORE_DROP_KEY,
    STORE_ADD_TAG,
    STORE_DROP_TAG,
    STORE_ADD_VECTOR,
    STORE_FIND_VECTOR,
    STORE_FIND_EMBEDDED,
    STORE_DROP_EMBEDDED,
    STORE_SHOW_VECTOR,
    STORE_MOVE_CURSOR,
    STORE_CLEAR_ROW,
    STORE_PUT_ROW,
    STORE_FIND_ALERT,
    STORE_PUT_ALERT,
    STORE_ACK_ALERT,
    STORE_ACK_ALERTS,
    STORE_FIND_SESSION,
    STORE_ADD_SESSION,
    STORE_BEGIN_SESSION,
    STORE_SEE_SESSION,
    STORE_END_SESSION,
    STORE_STATEMENTS /* how many */
};

extern const char *const store_statement_texts[STORE_STATEMENTS];

/* The row of the table `applied`: how far the store is, and what it holds, so that nobody has to
 * count. */
struct store_progress {
    uint64_t seq;
    uint64_t memories; /* alive */
    uint64_t deleted;
    uint64_t events, embeddings;
};

/* Sessions whose rows need no look: each was seen lately. Only what stands in the table is here. */
#define STORE_SESSIONS_KEPT 64

struct store_session {
    char id[SESSION_ID_MAX]; /* no NUL behind the longest */
    size_t size;             /* 0: none */
    int64_t seen_ms;
};

struct store {
    struct sql sql;
    sqlite3_stmt *statements[STORE_STATEMENTS];
    char origin[JOURNAL_ORIGIN_TEXT];
    uint32_t dims;
    struct store_progress committed; /* as of the last commit */
    struct store_progress pending;   /* of the transaction; committed outside of one */
    struct store_progress saved;     /* when the savepoint was set */
    uint64_t wal_bytes, wal_begun_bytes;
    int wal_fd; /* -1: not opened yet */
    bool in_transaction, is_new, discard;
    bool wants_sync; /* the transaction holds what was promised and no journal has */
    struct store_session sessions[STORE_SESSIONS_KEPT];
    /* kept from event to event, so that applying allocates nothing as a rule */
    XXH3_state_t *hash;
    struct memory_scratch scratch;
    msgpack_sbuffer old_state, new_state, restored;
};

/* Of event.effect, NULL for events of older versions and for what changes no memory. */
enum store_effect_bit {
    STORE_EFFECT_WAS_LIVE = 1,
    STORE_EFFECT_IS_LIVE = 2,
    STORE_EFFECT_CHANGED = 4 /* named in STORE_CHANGES, and in statements of store_recent.c */
};

/* SQL: the state is over MEMORY_STATE_LARGE. As the index event_large has it. */
#define STORE_IS_LARGE(event) "length(" event "state)>4194304"
static_assert(MEMORY_STATE_LARGE == 4194304, "named in STORE_IS_LARGE");

/* SQL: the event changed its memory, as far as is known. Of older versions each that has a state.
 */
#define STORE_CHANGES(event) "ifnull(" event "effect&4, " event "state IS NOT NULL)"

/* store_session.c: what was written is undone. */
void store_sessions_forget(struct store *store);

/* Within a transaction: its commit is synced. */
void store_want_sync(struct store *store);

/* store_embedder.c: one row of the table meta; value NULL: it goes. A store_outcome. */
int store_set_meta(struct store *store, const char *name, const char *value, struct error *err);

/* As sql_failed and its like, in the store's enum. */
int store_outcome_of(int sql_outcome);

/* store_schema.c: refuses a newer or foreign database, makes or migrates ours in one transaction.
 */
int store_schema_migrate(struct sql *sql, bool *ret_is_new, struct error *err);
/* Only refuses what is newer, another program's, or nothing at all. */
int store_schema_refuse(struct sql *sql, struct error *err);
/* The same, and what is older: for who reads. -ENOENT: no schema there yet. */
int store_schema_check(struct sql *sql, struct error *err);

#endif
