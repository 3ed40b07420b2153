/*
 * store_apply.c - what an event does to the store.
 *
 * Happy path of a plain put: find the memory and its state (one read), claim the event's key,
 * merge, write event, memory, tags and vector. Nothing here asks a clock or a random source, and no
 * order depends on anything but the event's own bytes.
 *
 * Failure modes: an event that cannot be read is STORE_E_EVENT, and so is one the database cannot
 * take; the rest is the database's own (full, broken). The caller undoes what was written.
 */
#include "broker/store_apply.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

int store_refuse_event(const struct store_event *apply, struct error *err, const char *why)
{
    return error_set(err, STORE_E_EVENT, "event %llu (%s of memory %.*s) cannot be applied: %s",
                     (unsigned long long)apply->record->seq, event_op_name(apply->event.op),
                     (int)apply->event.memory_id.size,
                     apply->event.memory_id.data == NULL ? "" : apply->event.memory_id.data, why);
}

/* ---- what is there ---- */

static void keep_old_vector(sqlite3_stmt *row, struct store_event *apply)
{
    const void *model = sqlite3_column_text(row, 5);
    size_t size = (size_t)sqlite3_column_bytes(row, 5);

    apply->vector_seq = sql_column_uint(row, 4);
    if (apply->vector_seq != 0 && size <= sizeof apply->model_room) {
        memcpy(apply->model_room, model, size);
        apply->vector_model = (struct event_text){.data = apply->model_room, .size = size};
    }
}

/* The state is copied out of SQLite: what is read of it is still used after the first write. */
static int keep_old_state(struct store *store, sqlite3_stmt *row, struct store_event *apply)
{
    const void *bytes = sqlite3_column_blob(row, 3);
    size_t size = (size_t)sqlite3_column_bytes(row, 3);

    msgpack_sbuffer_clear(&store->old_state);
    if (bytes == NULL || sqlite3_column_bytes(row, 2) != HASH_SIZE) {
        return -EBADMSG;
    }
    memcpy(apply->content_hash, sqlite3_column_blob(row, 2), HASH_SIZE);
    keep_old_vector(row, apply);
    apply->before_ms = sqlite3_column_int64(row, 6);
    apply->before_changed = sqlite3_column_type(row, 7) == SQLITE_NULL ||
                            (sqlite3_column_int64(row, 7) & STORE_EFFECT_CHANGED) != 0;
    if (msgpack_sbuffer_write(&store->old_state, bytes, size) != 0) {
        return -ENOMEM;
    }
    return memory_state_decode((const uint8_t *)store->old_state.data, size, &apply->state);
}

static int find_memory(struct store *store, struct store_event *apply, struct error *err)
{
    sqlite3_stmt *find = store->statements[STORE_FIND_MEMORY];

    memory_state_init(&apply->state);
    sql_bind_text(find, 1, apply->event.memory_id.data, apply->event.memory_id.size);
    int r = sql_step(&store->sql, find, &apply->exists, err);
    if (r != 0 || !apply->exists) {
        return store_outcome_of(r);
    }
    apply->number = sqlite3_column_int64(find, 0);
    apply->version = sql_column_uint(find, 1);
    r = keep_old_state(store, find, apply);
    sql_reset(find);
    apply->old_tags = apply->state.tags;
    apply->was_deleted = apply->state.deleted_ms != 0;
    apply->before = apply->state;
    if (r == -EBADMSG) {
        return store_refuse_event(apply, err, "the state that the store holds of it is damaged");
    }
    return r < 0 ? error_set(err, r, "out of memory while applying an event") : 0;
}

/* ---- the ops ---- */

static void count_change(struct store_progress *pending, const struct store_event *apply)
{
    pending->events++;
    if (apply->exists) {
        *(apply->was_deleted ? &pending->deleted : &pending->memories) -= 1;
    }
    *(apply->state.deleted_ms != 0 ? &pending->deleted : &pending->memories) += 1;
}

int store_apply_changed(struct store *store, struct store_event *apply, struct apply_result *result,
                        struct error *err)
{
    store_complete_state(store, apply);
    return store_apply_replaced(store, apply, result, err);
}

int store_apply_replaced(struct store *store, struct store_event *apply,
                         struct apply_result *result, struct error *err)
{
    int r = store_note_effect(store, apply, err);

    if (r == 0) {
        r = store_write_state(store, apply, err);
    }
    count_change(&store->pending, apply);
    *result = (struct apply_result){.outcome = APPLY_CHANGED,
                                    .seq = apply->record->seq,
                                    .version = apply->record->seq,
                                    .effect = apply->effect,
                                    .is_large = store->new_state.size > MEMORY_STATE_LARGE};
    return r;
}

int store_apply_refused(struct store *store, struct store_event *apply, enum apply_outcome outcome,
                        struct apply_result *result, struct error *err)
{
    *result = (struct apply_result){
        .outcome = outcome, .seq = apply->record->seq, .version = apply->version};
    return store_key_drop(store, apply, err);
}

static bool changes_content(const struct store_event *apply, const struct memory_change *change)
{
    const struct event_text *old = &apply->state.content, *given = &change->content;

    if (!apply->exists) {
        return true;
    }
    return given->data != NULL &&
           (given->size != old->size || memcmp(given->data, old->data, old->size) != 0);
}

static int apply_put(struct store *store, struct store_event *apply, struct apply_result *result,
                     struct error *err)
{
    struct memory_change change;

    if (memory_change_decode(apply->event.fields, apply->event.fields_size, &change) < 0) {
        return store_refuse_event(apply, err, "its fields are none of ours");
    }
    if (!apply->exists && change.content.data == NULL) {
        return store_apply_refused(store, apply, APPLY_NOT_FOUND, result, err);
    }
    bool content_changed = changes_content(apply, &change);
    int r = memory_state_merge(&apply->state, &change, &store->scratch);
    if (r == -EBADMSG) {
        return store_refuse_event(apply, err, "its tags or props are none of ours");
    }
    if (r < 0) {
        return error_set(err, r, "out of memory while applying an event");
    }
    if (!memory_state_fits(&apply->state)) {
        return store_apply_refused(store, apply, APPLY_TOO_LARGE, result, err);
    }
    if (content_changed) {
        store_hash_content(&apply->state.content, apply->content_hash);
    }
    if (!apply->exists) {
        apply->state.created_ms = apply->record->at_ms;
    }
    apply->state.deleted_ms = 0;
    r = store_put_vector(store, apply, &change, content_changed, err);
    return r == 0 ? store_apply_changed(store, apply, result, err) : r;
}

int store_apply_nothing(struct store *store, struct store_event *apply, struct apply_result *result,
                        struct error *err)
{
    *result = (struct apply_result){
        .outcome = APPLY_DUPLICATE, .seq = apply->version, .version = apply->version};
    return store_key_move(store, apply, apply->version, err);
}

static int apply_delete(struct store *store, struct store_event *apply, struct apply_result *result,
                        struct error *err)
{
    if (!apply->exists) {
        return store_apply_refused(store, apply, APPLY_NOT_FOUND, result, err);
    }
    if (apply->state.deleted_ms != 0) {
        return store_apply_nothing(store, apply, result, err);
    }
    /* 0 means that it lives, so a clock that stands there is moved on. */
    apply->state.deleted_ms = apply->record->at_ms != 0 ? apply->record->at_ms : 1;
    return store_apply_changed(store, apply, result, err);
}

static int apply_op(struct store *store, struct store_event *apply, struct apply_result *result,
                    struct error *err)
{
    switch (apply->event.op) {
    case EVENT_PUT:
        return apply_put(store, apply, result, err);
    case EVENT_DELETE:
        return apply_delete(store, apply, result, err);
    case EVENT_RESTORE:
        return store_apply_restore(store, apply, result, err);
    case EVENT_EMBED:
        return store_apply_embed(store, apply, result, err);
    case EVENT_IMPORT:
        return store_apply_import(store, apply, result, err);
    case EVENT_PURGE:
        return store_apply_purge(store, apply, result, err);
    case EVENT_PRUNE:
        return store_apply_prune(store, apply, result, err);
    default:
        return store_refuse_event(apply, err, "this memferry does not know how");
    }
}

/* What changes a memory, or is refused for how it stands. */
static int apply_to_memory(struct store *store, struct store_event *apply,
                           struct apply_result *result, struct error *err)
{
    const struct event *event = &apply->event;
    uint64_t first_seq;

    int r = find_memory(store, apply, err);
    if (r == 0) {
        r = store_key_claim(store, apply, &first_seq, err);
    }
    if (r != 0) {
        return r;
    }
    if (first_seq != 0) {
        *result = (struct apply_result){
            .outcome = APPLY_DUPLICATE, .seq = first_seq, .version = apply->version};
        return 0;
    }
    if (event->has_expected_version && event->expected_version != apply->version) {
        return store_apply_refused(store, apply, APPLY_CONFLICT, result, err);
    }
    return apply_op(store, apply, result, err);
}

static int apply_event(struct store *store, struct store_event *apply, struct apply_result *result,
                       struct error *err)
{
    switch (apply->event.op) {
    case EVENT_PUT:
    case EVENT_DELETE:
    case EVENT_RESTORE:
    case EVENT_EMBED:
    case EVENT_IMPORT:
    case EVENT_PURGE:
    case EVENT_PRUNE:
        return apply_to_memory(store, apply, result, err);
    case EVENT_ALERT:
        return store_apply_alert(store, apply, result, err);
    case EVENT_ALERT_ACK:
        return store_apply_alert_ack(store, apply, result, err);
    case EVENT_STATEMENT:
        return store_apply_statement(store, apply, result, err);
    case EVENT_SESSION_BEGIN:
        return store_apply_session_begin(store, apply, result, err);
    case EVENT_SESSION_END:
        return store_apply_session_end(store, apply, result, err);
    default:
        return store_refuse_event(apply, err, "this memferry does not know how");
    }
}

int store_apply(struct store *store, const struct journal_record *record,
                struct apply_result *ret_result, struct error *err)
{
    struct store_event apply = {.record = record};

    assert(store->in_transaction && record->seq > store->pending.seq);
    if (event_check(record->payload, record->payload_size, &apply.event) < 0) {
        return error_set(err, STORE_E_EVENT,
                         "event %llu cannot be applied: its payload is none of ours",
                         (unsigned long long)record->seq);
    }
    int r = apply_event(store, &apply, ret_result, err);
    if (r == 0) {
        r = store_session_seen(store, &apply, err);
    }
    if (r == 0) {
        store->pending.seq = record->seq;
    }
    return r;
}
