/*
 * store_write.c - what a changed memory leaves in the tables: memory, event, tags. The memory goes
 * first: a new one has its number then, which the others name.
 */
#include "broker/store_apply.h"

#include <errno.h>
#include <string.h>

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
    store_bind_effect(add, 10, &apply->effect);
    if (apply->number != 0) {
        sql_bind_int(add, 11, apply->number);
    } else {
        sql_bind_null(add, 11);
    }
    return sql_run(&store->sql, add, err);
}

static int write_memory(struct store *store, struct store_event *apply, struct error *err)
{
    sqlite3_stmt *write = store->statements[apply->exists ? STORE_UPDATE_MEMORY : STORE_ADD_MEMORY];
    const struct memory_state *state = &apply->state;

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
    sql_bind_uint(write, 8, apply->vector_seq);
    sql_bind_text(write, 9, apply->vector_model.data, apply->vector_model.size);
    if (apply->exists) {
        sql_bind_int(write, 10, apply->number);
    } else {
        sql_bind_text(write, 10, apply->event.memory_id.data, apply->event.memory_id.size);
    }
    int r = sql_run(&store->sql, write, err);
    if (r == 0 && !apply->exists) {
        apply->number = sqlite3_last_insert_rowid(store->sql.db);
        r = store_key_of_new(store, apply, err);
    }
    return r;
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

void store_complete_state(struct store *store, struct store_event *apply)
{
    const struct journal_record *record = apply->record;

    apply->state.updated_ms = record->at_ms;
    apply->state.version = record->seq;
    apply->state.stamp_us = record->stamp_us;
    apply->state.origin = (struct event_text){.data = store->origin, .size = strlen(store->origin)};
    apply->state.session_id =
        apply->event.session_id.size > 0 ? apply->event.session_id : (struct event_text){0};
}

int store_write_state(struct store *store, struct store_event *apply, struct error *err)
{
    int r = encode_state(store, apply, err);
    if (r == 0) {
        r = write_memory(store, apply, err);
    }
    if (r == 0) {
        r = store_write_event(store, apply, store->new_state.data, store->new_state.size, err);
    }
    if (r == 0 && apply->exists) {
        r = write_tags(store, STORE_DROP_TAG, apply->old_tags, apply->version, err);
    }
    if (r == 0) {
        r = write_tags(store, STORE_ADD_TAG, apply->state.tags, apply->record->seq, err);
    }
    return store_outcome_of(r);
}
