/*
 * store_vector.c - which vector a memory shows: a caller's own, which its state names, else an
 * embedder's of its content.
 *
 * Of embedders the newest vector of each content is kept, as long as the memory is: any version
 * with that content shows it, and content that comes back is not embedded again.
 */
#include "broker/store_apply.h"

#include <string.h>

static const struct event_text model_caller = {.data = EMBEDDING_MODEL_CALLER,
                                               .size = sizeof EMBEDDING_MODEL_CALLER - 1};
static const struct event_text none = {0};

/* ---- add ---- */

static int insert(struct store *store, const struct store_event *apply, struct event_text model,
                  struct unpack_slice vector, bool truncated, struct error *err)
{
    sqlite3_stmt *add = store->statements[STORE_ADD_VECTOR];

    sql_bind_uint(add, 1, apply->record->seq);
    sql_bind_text(add, 2, apply->event.memory_id.data, apply->event.memory_id.size);
    sql_bind_blob(add, 3, apply->content_hash, HASH_SIZE);
    sql_bind_text(add, 4, model.data, model.size);
    sql_bind_uint(add, 5, store->dims);
    sql_bind_blob(add, 6, vector.data, vector.size);
    sql_bind_int(add, 7, truncated);
    int r = sql_run(&store->sql, add, err);
    store->pending.embeddings += r == 0;
    return store_outcome_of(r);
}

/* An embedder's older ones of this content. */
static int drop_older(struct store *store, const struct store_event *apply, struct error *err)
{
    sqlite3_stmt *drop = store->statements[STORE_DROP_EMBEDDED];

    sql_bind_text(drop, 1, apply->event.memory_id.data, apply->event.memory_id.size);
    sql_bind_blob(drop, 2, apply->content_hash, HASH_SIZE);
    sql_bind_uint(drop, 3, apply->record->seq);
    int r = sql_run(&store->sql, drop, err);
    store->pending.embeddings -= r == 0 ? (uint64_t)sqlite3_changes64(store->sql.db) : 0;
    return store_outcome_of(r);
}

int store_add_vector(struct store *store, struct store_event *apply, struct event_text model,
                     struct unpack_slice vector, bool truncated, struct error *err)
{
    if (vector.size != (size_t)store->dims * sizeof(float)) {
        return store_refuse_event(apply, err, "its embedding has another size than [broker] dims");
    }
    if (!embedding_is_finite(vector)) {
        return store_refuse_event(apply, err, "its embedding is not of finite numbers");
    }
    int r = event_text_same(model, model_caller) ? 0 : drop_older(store, apply, err);
    if (r == 0) {
        r = insert(store, apply, model, vector, truncated, err);
    }
    apply->vector_seq = apply->record->seq;
    apply->vector_model = model;
    return r;
}

/* ---- find ---- */

/* The model's text is copied out of SQLite. */
static void show_embedded(sqlite3_stmt *row, struct store_event *apply)
{
    const char *model = (const char *)sqlite3_column_text(row, 1);
    size_t size = (size_t)sqlite3_column_bytes(row, 1);

    if (size <= sizeof apply->model_room) { /* as it was checked when it came */
        memcpy(apply->model_room, model, size);
        apply->vector_model = (struct event_text){.data = apply->model_room, .size = size};
        apply->vector_seq = sql_column_uint(row, 0);
    }
}

int store_find_vector(struct store *store, struct store_event *apply, struct error *err)
{
    sqlite3_stmt *find = store->statements[STORE_FIND_EMBEDDED];
    bool row;

    apply->vector_seq = apply->state.vector_seq;
    apply->vector_model = apply->state.vector_seq != 0 ? apply->state.embedding_model : none;
    if (apply->vector_seq != 0 || !apply->exists || store->pending.embeddings == 0) {
        return 0;
    }
    sql_bind_text(find, 1, apply->event.memory_id.data, apply->event.memory_id.size);
    sql_bind_blob(find, 2, apply->content_hash, HASH_SIZE);
    int r = sql_step(&store->sql, find, &row, err);
    if (r == 0 && row) {
        show_embedded(find, apply);
        sql_reset(find);
    }
    return store_outcome_of(r);
}

int store_is_same_vector(struct store *store, const struct store_event *apply,
                         struct event_text model, struct unpack_slice vector, bool *ret_same,
                         struct error *err)
{
    sqlite3_stmt *find = store->statements[STORE_FIND_VECTOR];
    bool row;

    *ret_same = false;
    if (apply->vector_seq == 0 || !event_text_same(apply->vector_model, model)) {
        return 0;
    }
    sql_bind_uint(find, 1, apply->vector_seq);
    int r = sql_step(&store->sql, find, &row, err);
    if (r == 0 && row) {
        *ret_same = (size_t)sqlite3_column_bytes(find, 0) == vector.size &&
                    memcmp(sqlite3_column_blob(find, 0), vector.data, vector.size) == 0;
        sql_reset(find);
    }
    return store_outcome_of(r);
}

/* ---- put ---- */

int store_give_vector(struct store *store, struct store_event *apply, struct unpack_slice vector,
                      struct error *err)
{
    apply->state.vector_seq = apply->record->seq;
    apply->state.embedding_model = model_caller;
    apply->state.embedding_state = MEMFERRY_EMBEDDING_READY;
    return store_add_vector(store, apply, model_caller, vector, false, err);
}

static int set_given(struct store *store, struct store_event *apply, struct unpack_slice vector,
                     bool content_changed, struct error *err)
{
    bool same = false;

    if (!content_changed) {
        int r = store_is_same_vector(store, apply, model_caller, vector, &same, err);
        if (r != 0 || same) {
            return r;
        }
    }
    return store_give_vector(store, apply, vector, err);
}

int store_put_vector(struct store *store, struct store_event *apply,
                     const struct memory_change *change, bool content_changed, struct error *err)
{
    if (change->embedding.data != NULL) {
        return set_given(store, apply, change->embedding, content_changed, err);
    }
    if (!content_changed && !(change->drops_embedding && apply->state.vector_seq != 0)) {
        return 0;
    }
    apply->state.vector_seq = 0;
    apply->state.embedding_model = none;
    apply->state.embedding_state = MEMFERRY_EMBEDDING_NONE;
    return store_find_vector(store, apply, err);
}
