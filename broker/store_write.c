/*
 * store_write.c - what a changed memory leaves in the tables: event, memory, tags, vector.
 */
#include "broker/store_apply.h"

#include <errno.h>
#include <string.h>

/* Whose vector a caller's own is. */
static const struct event_text model_caller = {.data = "caller", .size = 6};

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

static int add_vector(struct store *store, const struct store_event *apply,
                      struct unpack_slice vector, struct error *err)
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

static int set_vector(struct store *store, struct store_event *apply, struct unpack_slice vector,
                      bool content_changed, struct error *err)
{
    bool same = false;

    if (vector.size != (size_t)store->dims * sizeof(float)) {
        return store_refuse_event(apply, err, "its embedding has another size than [broker] dims");
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

int store_write_vector(struct store *store, struct store_event *apply,
                       const struct memory_change *change, bool content_changed, struct error *err)
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

int store_write_event(struct store *store, const struct store_event *apply, const void *state,
                      size_t size, struct error *err)
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
    sql_bind_blob(add, 9, state, size);
    return sql_run(&store->sql, add, err);
}

static const char *embedding_state_name(enum memferry_embedding_state state)
{
    static const char *const names[] = {[MEMFERRY_EMBEDDING_NONE] = "none",
                                        [MEMFERRY_EMBEDDING_PENDING] = "pending",
                                        [MEMFERRY_EMBEDDING_READY] = "ready"};

    return names[state];
}

static int write_memory(struct store *store, const struct store_event *apply, struct error *err)
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

static int encode_state(struct store *store, const struct store_event *apply, struct error *err)
{
    msgpack_sbuffer_clear(&store->new_state);
    int r = memory_state_encode(&apply->state, &store->new_state);
    if (r == -E2BIG) {
        return store_refuse_event(apply, err, "the memory would grow over 64 MiB");
    }
    return r < 0 ? error_set(err, r, "out of memory while applying an event") : 0;
}

int store_write_state(struct store *store, struct store_event *apply, struct error *err)
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
        r = store_write_event(store, apply, store->new_state.data, store->new_state.size, err);
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
