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
#include "broker/store_internal.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define HASH_SIZE 16

/* Whose vector a caller's own is. */
static const struct event_text model_caller = {.data = "caller", .size = 6};

struct apply {
    const struct journal_record *record;
    struct event event;
    uint8_t key[HASH_SIZE]; /* of the event; valid with an event_id */
    bool exists;            /* the memory, maybe as a tombstone */
    int64_t rowid;
    uint64_t version; /* before the event */
    uint8_t content_hash[HASH_SIZE];
    struct unpack_slice old_tags;
    bool was_deleted;
    struct memory_state state;
};

static int refuse_event(const struct apply *apply, struct error *err, const char *why)
{
    return error_set(err, STORE_E_EVENT, "event %llu (%s of memory %.*s) cannot be applied: %s",
                     (unsigned long long)apply->record->seq, event_op_name(apply->event.op),
                     (int)apply->event.memory_id.size,
                     apply->event.memory_id.data == NULL ? "" : apply->event.memory_id.data, why);
}

/* ---- hashes: XXH3-128, which is fast enough for every content, and nobody's proof of anything:
 * who could make two contents collide is the owner of both ---- */

static void hash_bytes(XXH3_state_t *state, const void *data, size_t size)
{
    if (size > 0) {
        XXH3_128bits_update(state, data, size);
    }
}

static void hash_sized(XXH3_state_t *state, const struct event_text *text)
{
    uint64_t size = text->size;
    uint8_t bytes[8];

    for (unsigned i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)(size >> (8 * i));
    }
    hash_bytes(state, bytes, sizeof bytes);
    hash_bytes(state, text->data, text->size);
}

static void hash_number(XXH3_state_t *state, uint64_t number)
{
    uint8_t bytes[8];

    for (unsigned i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)(number >> (8 * i));
    }
    hash_bytes(state, bytes, sizeof bytes);
}

static void finish_hash(XXH128_hash_t hash, uint8_t ret_hash[HASH_SIZE])
{
    XXH128_canonical_t canonical;

    XXH128_canonicalFromHash(&canonical, hash);
    memcpy(ret_hash, canonical.digest, HASH_SIZE);
}

/* What makes a repeat: event_id, memory, and what was asked. Who asked, and whether it said that it
 * asks again, is no part of it. */
static void hash_request(struct store *store, const struct event *event,
                         uint8_t ret_hash[HASH_SIZE])
{
    XXH3_state_t *state = store->hash;

    XXH3_128bits_reset(state);
    hash_sized(state, &event->event_id);
    hash_sized(state, &event->memory_id);
    hash_number(state, (uint64_t)event->op);
    hash_number(state, event->has_expected_version);
    hash_number(state, event->expected_version);
    hash_bytes(state, event->fields, event->fields_size);
    finish_hash(XXH3_128bits_digest(state), ret_hash);
}

/* ---- what is there ---- */

/* The state is copied out of SQLite: what is read of it is still used after the first write. */
static int keep_old_state(struct store *store, sqlite3_stmt *row, struct apply *apply)
{
    const void *bytes = sqlite3_column_blob(row, 3);
    size_t size = (size_t)sqlite3_column_bytes(row, 3);

    msgpack_sbuffer_clear(&store->old_state);
    if (bytes == NULL || sqlite3_column_bytes(row, 2) != HASH_SIZE) {
        return -EBADMSG;
    }
    memcpy(apply->content_hash, sqlite3_column_blob(row, 2), HASH_SIZE);
    if (msgpack_sbuffer_write(&store->old_state, bytes, size) != 0) {
        return -ENOMEM;
    }
    return memory_state_decode((const uint8_t *)store->old_state.data, size, &apply->state);
}

static int find_memory(struct store *store, struct apply *apply, struct error *err)
{
    sqlite3_stmt *find = store->statements[STORE_FIND_MEMORY];

    memory_state_init(&apply->state);
    sql_bind_text(find, 1, apply->event.memory_id.data, apply->event.memory_id.size);
    int r = sql_step(&store->sql, find, &apply->exists, err);
    if (r != 0 || !apply->exists) {
        return store_outcome_of(r);
    }
    apply->rowid = sqlite3_column_int64(find, 0);
    apply->version = sql_column_uint(find, 1);
    r = keep_old_state(store, find, apply);
    sql_reset(find);
    apply->old_tags = apply->state.tags;
    apply->was_deleted = apply->state.deleted_ms != 0;
    if (r == -EBADMSG) {
        return refuse_event(apply, err, "the state that the store holds of it is damaged");
    }
    return r < 0 ? error_set(err, r, "out of memory while applying an event") : 0;
}

/* ---- keys of events ---- */

static int find_key(struct store *store, const struct apply *apply, uint64_t *ret_seq,
                    struct error *err)
{
    sqlite3_stmt *find = store->statements[STORE_FIND_KEY];
    bool row;

    sql_bind_blob(find, 1, apply->key, HASH_SIZE);
    int r = sql_step(&store->sql, find, &row, err);
    if (r == 0 && row) {
        *ret_seq = sql_column_uint(find, 0);
        sql_reset(find);
    }
    return r;
}

static int add_key(struct store *store, const struct apply *apply, uint64_t seq, struct error *err)
{
    sqlite3_stmt *add = store->statements[STORE_ADD_KEY];

    sql_bind_blob(add, 1, apply->key, HASH_SIZE);
    sql_bind_uint(add, 2, seq);
    return sql_run(&store->sql, add, err);
}

/* Adds the key, or finds the first receipt of it: one statement for what is no repeat. */
static int claim_key(struct store *store, struct apply *apply, uint64_t *ret_first_seq,
                     struct error *err)
{
    *ret_first_seq = 0;
    if (apply->event.event_id.size == 0) {
        return 0;
    }
    hash_request(store, &apply->event, apply->key);
    int r = add_key(store, apply, apply->record->seq, err);
    if (r == 0 && sqlite3_changes(store->sql.db) == 0) {
        r = find_key(store, apply, ret_first_seq, err);
    }
    return store_outcome_of(r);
}

/* A refused event leaves no key. */
static int drop_key(struct store *store, struct apply *apply, struct error *err)
{
    sqlite3_stmt *drop = store->statements[STORE_DROP_KEY];

    if (apply->event.event_id.size == 0) {
        return 0;
    }
    sql_bind_blob(drop, 1, apply->key, HASH_SIZE);
    return store_outcome_of(sql_run(&store->sql, drop, err));
}

/* ---- the vector ---- */

static bool is_caller_model(const struct memory_state *state)
{
    return state->embedding_model.size == model_caller.size &&
           memcmp(state->embedding_model.data, model_caller.data, model_caller.size) == 0;
}

/* The vector that the state has already was given again. */
static int is_same_vector(struct store *store, const struct memory_state *state,
                          struct unpack_slice vector, bool *ret_same, struct error *err)
{
    sqlite3_stmt *find = store->statements[STORE_FIND_VECTOR];
    bool row;

    *ret_same = false;
    if (state->vector_seq == 0 || !is_caller_model(state)) {
        return 0;
    }
    sql_bind_uint(find, 1, state->vector_seq);
    int r = sql_step(&store->sql, find, &row, err);
    if (r == 0 && row) {
        *ret_same = (size_t)sqlite3_column_bytes(find, 0) == vector.size &&
                    memcmp(sqlite3_column_blob(find, 0), vector.data, vector.size) == 0;
        sql_reset(find);
    }
    return store_outcome_of(r);
}

static int add_vector(struct store *store, const struct apply *apply, struct unpack_slice vector,
                      struct error *err)
{
    sqlite3_stmt *add = store->statements[STORE_ADD_VECTOR];

    sql_bind_uint(add, 1, apply->record->seq);
    sql_bind_text(add, 2, apply->event.memory_id.data, apply->event.memory_id.size);
    sql_bind_blob(add, 3, apply->content_hash, HASH_SIZE);
    sql_bind_text(add, 4, model_caller.data, model_caller.size);
    sql_bind_uint(add, 5, store->dims);
    sql_bind_blob(add, 6, vector.data, vector.size);
    return store_outcome_of(sql_run(&store->sql, add, err));
}

static void drop_vector(struct memory_state *state)
{
    state->vector_seq = 0;
    state->embedding_model = (struct event_text){0};
    state->embedding_state = MEMFERRY_EMBEDDING_NONE;
}

static int set_vector(struct store *store, struct apply *apply, struct unpack_slice vector,
                      bool content_changed, struct error *err)
{
    bool same = false;

    if (vector.size != (size_t)store->dims * sizeof(float)) {
        return refuse_event(apply, err, "its embedding has another size than [broker] dims");
    }
    if (!content_changed) {
        int r = is_same_vector(store, &apply->state, vector, &same, err);
        if (r != 0 || same) {
            return r;
        }
    }
    apply->state.vector_seq = apply->record->seq;
    apply->state.embedding_model = model_caller;
    apply->state.embedding_state = MEMFERRY_EMBEDDING_READY;
    store->pending.embeddings++;
    return add_vector(store, apply, vector, err);
}

static int decide_vector(struct store *store, struct apply *apply,
                         const struct memory_change *change, bool content_changed,
                         struct error *err)
{
    if (change->embedding.data != NULL) {
        return set_vector(store, apply, change->embedding, content_changed, err);
    }
    if (change->drops_embedding || content_changed) {
        drop_vector(&apply->state);
    }
    return 0;
}

/* ---- writing the new state ---- */

static int write_event(struct store *store, const struct apply *apply, struct error *err)
{
    sqlite3_stmt *add = store->statements[STORE_ADD_EVENT];
    const struct event *event = &apply->event;
    const char *op = event_op_name(event->op);

    sql_bind_uint(add, 1, apply->record->seq);
    sql_bind_text(add, 2, event->event_id.data, event->event_id.size);
    sql_bind_text(add, 3, event->memory_id.data, event->memory_id.size);
    sql_bind_text(add, 4, op, strlen(op));
    sql_bind_text(add, 5, event->session_id.data, event->session_id.size);
    sql_bind_int(add, 6, apply->record->at_ms);
    if (event->peer_pid != 0) {
        sql_bind_int(add, 7, event->peer_pid);
    } else {
        sql_bind_null(add, 7);
    }
    sql_bind_text(add, 8, event->reason.data, event->reason.size);
    sql_bind_blob(add, 9, store->new_state.data, store->new_state.size);
    return sql_run(&store->sql, add, err);
}

static const char *embedding_state_name(enum memferry_embedding_state state)
{
    static const char *const names[] = {[MEMFERRY_EMBEDDING_NONE] = "none",
                                        [MEMFERRY_EMBEDDING_PENDING] = "pending",
                                        [MEMFERRY_EMBEDDING_READY] = "ready"};

    return names[state];
}

static int write_memory(struct store *store, const struct apply *apply, struct error *err)
{
    sqlite3_stmt *write = store->statements[apply->exists ? STORE_UPDATE_MEMORY : STORE_ADD_MEMORY];
    const struct memory_state *state = &apply->state;
    const char *embedding = embedding_state_name(state->embedding_state);

    sql_bind_uint(write, 1, state->version);
    sql_bind_int(write, 2, state->created_ms);
    sql_bind_int(write, 3, state->updated_ms);
    if (state->deleted_ms != 0) {
        sql_bind_int(write, 4, state->deleted_ms);
    } else {
        sql_bind_null(write, 4);
    }
    sql_bind_text(write, 5, state->kind.data, state->kind.size);
    sql_bind_text(write, 6, state->session_id.data, state->session_id.size);
    sql_bind_blob(write, 7, apply->content_hash, HASH_SIZE);
    sql_bind_text(write, 8, embedding, strlen(embedding));
    if (apply->exists) {
        sql_bind_int(write, 9, apply->rowid);
    } else {
        sql_bind_text(write, 9, apply->event.memory_id.data, apply->event.memory_id.size);
    }
    return sql_run(&store->sql, write, err);
}

/* Runs one tag statement for each tag of a list. */
static int write_tags(struct store *store, enum store_statement statement, struct unpack_slice tags,
                      uint64_t version, struct error *err)
{
    struct unpack in = unpack_over(tags.data, tags.size);
    sqlite3_stmt *write = store->statements[statement];
    uint32_t count;
    int r = 0;

    if (!unpack_array(&in, &count)) {
        return error_set(err, STORE_E_EVENT, "a list of tags is damaged");
    }
    for (uint32_t i = 0; r == 0 && i < count; i++) {
        const char *tag;
        size_t size;
        if (!unpack_text(&in, &tag, &size)) {
            return error_set(err, STORE_E_EVENT, "a list of tags is damaged");
        }
        sql_bind_text(write, 1, tag, size);
        sql_bind_uint(write, 2, version);
        r = sql_run(&store->sql, write, err);
    }
    return r;
}

static int encode_state(struct store *store, const struct apply *apply, struct error *err)
{
    msgpack_sbuffer_clear(&store->new_state);
    int r = memory_state_encode(&apply->state, &store->new_state);
    if (r == -E2BIG) {
        return refuse_event(apply, err, "the memory would grow over 64 MiB");
    }
    return r < 0 ? error_set(err, r, "out of memory while applying an event") : 0;
}

static int write_state(struct store *store, struct apply *apply, struct error *err)
{
    const struct journal_record *record = apply->record;

    apply->state.updated_ms = record->at_ms;
    apply->state.version = record->seq;
    apply->state.stamp_us = record->stamp_us;
    apply->state.origin = (struct event_text){.data = store->origin, .size = strlen(store->origin)};
    apply->state.session_id =
        apply->event.session_id.size > 0 ? apply->event.session_id : (struct event_text){0};
    int r = encode_state(store, apply, err);
    if (r == 0) {
        r = write_event(store, apply, err);
    }
    if (r == 0) {
        r = write_memory(store, apply, err);
    }
    if (r == 0 && apply->exists) {
        r = write_tags(store, STORE_DROP_TAG, apply->old_tags, apply->version, err);
    }
    if (r == 0) {
        r = write_tags(store, STORE_ADD_TAG, apply->state.tags, record->seq, err);
    }
    return store_outcome_of(r);
}

/* ---- the ops ---- */

static void count_change(struct store_progress *pending, const struct apply *apply)
{
    pending->events++;
    if (apply->exists) {
        *(apply->was_deleted ? &pending->deleted : &pending->memories) -= 1;
    }
    *(apply->state.deleted_ms != 0 ? &pending->deleted : &pending->memories) += 1;
}

static int changed(struct store *store, struct apply *apply, struct apply_result *result,
                   struct error *err)
{
    int r = write_state(store, apply, err);

    count_change(&store->pending, apply);
    *result = (struct apply_result){
        .outcome = APPLY_CHANGED, .seq = apply->record->seq, .version = apply->record->seq};
    return r;
}

static int refused(struct store *store, struct apply *apply, enum apply_outcome outcome,
                   struct apply_result *result, struct error *err)
{
    *result = (struct apply_result){
        .outcome = outcome, .seq = apply->record->seq, .version = apply->version};
    return drop_key(store, apply, err);
}

static bool changes_content(const struct apply *apply, const struct memory_change *change)
{
    const struct event_text *old = &apply->state.content, *given = &change->content;

    if (!apply->exists) {
        return true;
    }
    return given->data != NULL &&
           (given->size != old->size || memcmp(given->data, old->data, old->size) != 0);
}

static int apply_put(struct store *store, struct apply *apply, struct apply_result *result,
                     struct error *err)
{
    struct memory_change change;

    if (memory_change_decode(apply->event.fields, apply->event.fields_size, &change) < 0) {
        return refuse_event(apply, err, "its fields are none of ours");
    }
    if (!apply->exists && change.content.data == NULL) {
        return refused(store, apply, APPLY_NOT_FOUND, result, err);
    }
    bool content_changed = changes_content(apply, &change);
    int r = memory_state_merge(&apply->state, &change, &store->scratch);
    if (r == -EBADMSG) {
        return refuse_event(apply, err, "its tags or props are none of ours");
    }
    if (r < 0) {
        return error_set(err, r, "out of memory while applying an event");
    }
    if (content_changed) {
        finish_hash(XXH3_128bits(apply->state.content.data, apply->state.content.size),
                    apply->content_hash);
    }
    if (!apply->exists) {
        apply->state.created_ms = apply->record->at_ms;
    }
    apply->state.deleted_ms = 0;
    r = decide_vector(store, apply, &change, content_changed, err);
    return r == 0 ? changed(store, apply, result, err) : r;
}

/* A repeated delete keeps the key of this request with the seq of the first: sent once more, after
 * the memory came back, it must not delete again. */
static int deleted_before(struct store *store, struct apply *apply, struct apply_result *result,
                          struct error *err)
{
    *result = (struct apply_result){
        .outcome = APPLY_DUPLICATE, .seq = apply->version, .version = apply->version};
    int r = drop_key(store, apply, err);
    if (r == 0 && apply->event.event_id.size > 0) {
        r = store_outcome_of(add_key(store, apply, apply->version, err));
    }
    return r;
}

static int apply_delete(struct store *store, struct apply *apply, struct apply_result *result,
                        struct error *err)
{
    if (!apply->exists) {
        return refused(store, apply, APPLY_NOT_FOUND, result, err);
    }
    if (apply->state.deleted_ms != 0) {
        return deleted_before(store, apply, result, err);
    }
    /* 0 means that it lives, so a clock that stands there is moved on. */
    apply->state.deleted_ms = apply->record->at_ms != 0 ? apply->record->at_ms : 1;
    return changed(store, apply, result, err);
}

static int apply_event(struct store *store, struct apply *apply, struct apply_result *result,
                       struct error *err)
{
    const struct event *event = &apply->event;
    uint64_t first_seq;

    if (event->op != EVENT_PUT && event->op != EVENT_DELETE) {
        return refuse_event(apply, err, "this memferry does not know how");
    }
    int r = find_memory(store, apply, err);
    if (r == 0) {
        r = claim_key(store, apply, &first_seq, err);
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
        return refused(store, apply, APPLY_CONFLICT, result, err);
    }
    return event->op == EVENT_PUT ? apply_put(store, apply, result, err)
                                  : apply_delete(store, apply, result, err);
}

int store_apply(struct store *store, const struct journal_record *record,
                struct apply_result *ret_result, struct error *err)
{
    struct apply apply = {.record = record};

    assert(store->in_transaction && record->seq > store->pending.seq);
    if (event_decode(record->payload, record->payload_size, &apply.event) < 0) {
        return error_set(err, STORE_E_EVENT,
                         "event %llu cannot be applied: its payload is none of ours",
                         (unsigned long long)record->seq);
    }
    int r = apply_event(store, &apply, ret_result, err);
    if (r == 0) {
        store->pending.seq = record->seq;
    }
    return r;
}
