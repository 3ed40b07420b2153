/*
 * store_import.c - a memory's state comes from elsewhere: another broker, a file, a backend.
 *
 * Happy path: nothing newer is here, so the state replaces what is, as a new version with its own
 * stamp, origin and times. Order is by (stamp, origin), as at every sink, so that the same states
 * come to the same in whatever order they are imported.
 *
 * A state that is older than what is here changes nothing (APPLY_OLDER), nor does the very same;
 * only an embedder's vector is taken from that when there is none.
 */
#include "broker/event_import.h"
#include "broker/store_apply.h"

#include <errno.h>
#include <string.h>

/* Below 0: the import is older than what is here. */
static int compare_order(const struct store_event *apply, const struct event_import *import)
{
    const struct memory_state *state = &apply->state;

    if (import->stamp_us != state->stamp_us) {
        return import->stamp_us < state->stamp_us ? -1 : 1;
    }
    size_t shorter =
        import->origin.size < state->origin.size ? import->origin.size : state->origin.size;
    int order = memcmp(import->origin.data, state->origin.data, shorter);
    return order != 0 ? order
                      : (import->origin.size > state->origin.size) -
                            (import->origin.size < state->origin.size);
}

/* The state as it was there. Its vector is decided on behind this. */
static int make_state(struct store *store, struct store_event *apply,
                      const struct event_import *import, const struct memory_change *body,
                      struct error *err)
{
    struct memory_state *state = &apply->state;

    memory_state_init(state);
    int r = memory_state_merge(state, body, &store->scratch);
    if (r == -EBADMSG) {
        return store_refuse_event(apply, err, "its tags or props are none of ours");
    }
    if (r < 0) {
        return error_set(err, r, "out of memory while applying an event");
    }
    state->created_ms = import->created_ms;
    state->updated_ms = import->updated_ms;
    state->deleted_ms = import->deleted_ms;
    state->version = apply->record->seq;
    state->stamp_us = import->stamp_us;
    state->origin = import->origin;
    state->session_id = import->session_id;
    store_hash_content(&state->content, apply->content_hash);
    return 0;
}

static int replace(struct store *store, struct store_event *apply,
                   const struct event_import *import, const struct memory_change *body,
                   struct apply_result *result, struct error *err)
{
    int r = make_state(store, apply, import, body, err);

    if (r == 0 && body->embedding.data == NULL) {
        r = store_find_vector(store, apply, err);
    } else if (r == 0 && import->embedding_model.data != NULL) {
        r = store_add_vector(store, apply, import->embedding_model, body->embedding,
                             import->embedding_truncated, err);
    } else if (r == 0) {
        r = store_give_vector(store, apply, body->embedding, err);
    }
    return r == 0 ? store_apply_replaced(store, apply, result, err) : r;
}

static int older(struct store *store, struct store_event *apply, struct apply_result *result,
                 struct error *err)
{
    *result = (struct apply_result){
        .outcome = APPLY_OLDER, .seq = apply->version, .version = apply->version};
    return store_key_drop(store, apply, err);
}

/* The same state again; with an embedder's vector that is not here. */
static bool brings_vector(const struct store_event *apply, const struct event_import *import,
                          const struct memory_change *body)
{
    uint8_t hash[HASH_SIZE];

    if (apply->vector_seq != 0 || import->embedding_model.data == NULL ||
        body->embedding.data == NULL) {
        return false;
    }
    store_hash_content(&body->content, hash);
    return memcmp(hash, apply->content_hash, HASH_SIZE) == 0;
}

int store_apply_import(struct store *store, struct store_event *apply, struct apply_result *result,
                       struct error *err)
{
    const struct event *event = &apply->event;
    struct event_import import;
    struct memory_change body;

    if (event_import_read(event->fields, event->fields_size, &import) < 0 ||
        memory_change_decode(import.body.data, import.body.size, &body) < 0 ||
        body.content.data == NULL ||
        (import.embedding_model.data != NULL &&
         !event_embed_model_is_valid(import.embedding_model))) {
        return store_refuse_event(apply, err, "its fields are none of ours");
    }
    int order = apply->exists ? compare_order(apply, &import) : 1;
    if (order > 0) {
        return replace(store, apply, &import, &body, result, err);
    }
    if (order < 0) {
        return older(store, apply, result, err);
    }
    if (brings_vector(apply, &import, &body)) {
        return store_take_vector(store, apply, import.embedding_model, body.embedding,
                                 import.embedding_truncated, result, err);
    }
    return store_apply_nothing(store, apply, result, err);
}
