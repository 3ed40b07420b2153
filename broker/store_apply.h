/* store_apply.h - one event on its way into the store: what the files of applying share. */
#ifndef MEMFERRY_STORE_APPLY_H
#define MEMFERRY_STORE_APPLY_H

#include "broker/store_hash.h"
#include "broker/store_internal.h"

#define HASH_SIZE CONTENT_HASH_SIZE /* of an event's key too */

struct store_event {
    const struct journal_record *record;
    struct event event;
    uint8_t key[HASH_SIZE]; /* of the event; valid with an event_id */
    bool exists;            /* the memory, maybe as a tombstone */
    int64_t number;         /* its row in the table memory; 0: none yet */
    uint64_t version;       /* before the event */
    uint8_t content_hash[HASH_SIZE];
    struct unpack_slice old_tags;
    bool was_deleted;
    struct memory_state state;
    struct memory_state before; /* valid with `exists` */
    int64_t before_ms;          /* of its last event */
    bool before_changed;        /* that changed it */
    struct apply_effect effect;
    /* Which vector the memory shows: the caller's that the state names, else an embedder's of its
     * content. 0: none. */
    uint64_t vector_seq;
    struct event_text vector_model; /* data NULL: none */
    char model_room[EMBEDDING_MODEL_MAX];
};

/* STORE_E_EVENT with a text that names the event. */
int store_refuse_event(const struct store_event *apply, struct error *err, const char *why);

/* ---- how an event ends ---- */

/* Completes the new state from the record, writes it and counts it. */
int store_apply_changed(struct store *store, struct store_event *apply, struct apply_result *result,
                        struct error *err);
/* The same for a state that is complete. */
int store_apply_replaced(struct store *store, struct store_event *apply,
                         struct apply_result *result, struct error *err);
int store_apply_refused(struct store *store, struct store_event *apply, enum apply_outcome outcome,
                        struct apply_result *result, struct error *err);
/* What was asked for is so already: a duplicate of the memory's version. The request's key is kept
 * with the seq of that: sent once more, after the memory has changed, it must still do nothing. */
int store_apply_nothing(struct store *store, struct store_event *apply, struct apply_result *result,
                        struct error *err);

/* ---- the ops that have files of their own ---- */

int store_apply_restore(struct store *store, struct store_event *apply, struct apply_result *result,
                        struct error *err);

int store_apply_purge(struct store *store, struct store_event *apply, struct apply_result *result,
                      struct error *err);
int store_apply_prune(struct store *store, struct store_event *apply, struct apply_result *result,
                      struct error *err);
int store_apply_import(struct store *store, struct store_event *apply, struct apply_result *result,
                       struct error *err);

/* ---- store_prune.c: rows that go, counted ---- */

/* The memory's events up to a seq; all its vectors. */
int store_drop_events(struct store *store, const struct store_event *apply, uint64_t through,
                      struct error *err);
int store_drop_vectors(struct store *store, const struct store_event *apply, struct error *err);

/* ---- store_key.c: repeats ---- */

/* Adds the event's key, or finds the first receipt of it: *ret_first_seq, 0 for what is new. One
 * statement for what is no repeat, and none for a memory that is not there. */
int store_key_claim(struct store *store, struct store_event *apply, uint64_t *ret_first_seq,
                    struct error *err);
/* Adds the key of an event that has made its memory. As sql_run. */
int store_key_of_new(struct store *store, struct store_event *apply, struct error *err);
/* Takes back what was claimed: a refused event leaves no key. */
int store_key_drop(struct store *store, struct store_event *apply, struct error *err);
/* Makes the claimed key answer with another seq. */
int store_key_move(struct store *store, struct store_event *apply, uint64_t seq, struct error *err);

/* ---- store_alert.c ---- */

int store_apply_alert(struct store *store, struct store_event *apply, struct apply_result *result,
                      struct error *err);
int store_apply_alert_ack(struct store *store, struct store_event *apply,
                          struct apply_result *result, struct error *err);

/* ---- store_vector.c: which vector a memory shows ---- */

/* Keeps a vector under the event's seq, and shows it. An embedder's takes the place of an older one
 * of the same content. Of another size than dims: STORE_E_EVENT. */
int store_add_vector(struct store *store, struct store_event *apply, struct event_text model,
                     struct unpack_slice vector, bool truncated, struct error *err);
/* Shows what is there for the state as it is now, by content_hash: the vector that the state names,
 * else an embedder's of this content, else none. For a state that comes from elsewhere. */
int store_find_vector(struct store *store, struct store_event *apply, struct error *err);
/* *ret_same: what the memory shows is this vector of this model. */
int store_is_same_vector(struct store *store, const struct store_event *apply,
                         struct event_text model, struct unpack_slice vector, bool *ret_same,
                         struct error *err);
/* Keeps a caller's own vector, which the state names from now on. */
int store_give_vector(struct store *store, struct store_event *apply, struct unpack_slice vector,
                      struct error *err);
/* Decides on the vector of a put's new state, and keeps a new one. */
int store_put_vector(struct store *store, struct store_event *apply,
                     const struct memory_change *change, bool content_changed, struct error *err);

/* ---- store_embed.c ---- */

/* Behind find_memory: an embedder's vector, if it is for the content as it is now. */
int store_apply_embed(struct store *store, struct store_event *apply, struct apply_result *result,
                      struct error *err);
/* ---- store_session.c ---- */

int store_apply_session_begin(struct store *store, struct store_event *apply,
                              struct apply_result *result, struct error *err);
int store_apply_session_end(struct store *store, struct store_event *apply,
                            struct apply_result *result, struct error *err);
/* An event that a session has made, if it has one. */
int store_session_seen(struct store *store, const struct store_event *apply, struct error *err);

/* Keeps an embedder's vector of the content as it is now, and lets sinks see it. */
int store_take_vector(struct store *store, struct store_event *apply, struct event_text model,
                      struct unpack_slice vector, bool truncated, struct apply_result *result,
                      struct error *err);

/* ---- store_effect.c ---- */

/* What the event does to its memory's life, by the state before and after. */
int store_note_effect(struct store *store, struct store_event *apply, struct error *err);
/* Of the event's row; NULL when nothing was written. */
void store_bind_effect(sqlite3_stmt *statement, int index, const struct apply_effect *effect);

/* ---- store_statement.c ---- */

int store_apply_statement(struct store *store, struct store_event *apply,
                          struct apply_result *result, struct error *err);

/* ---- store_write.c: the new state ---- */

/* The event's row; `state` may be NULL. As sql_run. */
int store_write_event(struct store *store, const struct store_event *apply, const void *state,
                      size_t size, struct error *err);
/* Times, version, stamp, origin and session of a change that was made here. */
void store_complete_state(struct store *store, struct store_event *apply);
/* Writes event, memory and tags. */
int store_write_state(struct store *store, struct store_event *apply, struct error *err);

#endif
