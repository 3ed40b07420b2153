/*
 * store_embed.c - an embedder's vector comes in.
 *
 * Happy path: it is for the content as it is now, and the memory shows it from then on: sinks see
 * it by touched_seq, while version, stamp and origin stay, for nothing of the memory itself has
 * changed.
 *
 * What comes too late changes nothing: the content was changed since, or a caller gave a vector of
 * its own, or the very same vector is there.
 */
#include "broker/store_apply.h"

#include <string.h>

static int show(struct store *store, const struct store_event *apply, struct error *err)
{
    sqlite3_stmt *write = store->statements[STORE_SHOW_VECTOR];

    sql_bind_uint(write, 1, apply->vector_seq);
    sql_bind_text(write, 2, apply->vector_model.data, apply->vector_model.size);
    sql_bind_int(write, 3, apply->number);
    return store_outcome_of(sql_run(&store->sql, write, err));
}

int store_take_vector(struct store *store, struct store_event *apply, struct event_text model,
                      struct unpack_slice vector, bool truncated, struct apply_result *result,
                      struct error *err)
{
    int r = store_add_vector(store, apply, model, vector, truncated, err);

    if (r == 0) {
        r = store_outcome_of(store_write_event(store, apply, NULL, 0, err));
    }
    store->pending.events++;
    *result = (struct apply_result){
        .outcome = APPLY_CHANGED, .seq = apply->record->seq, .version = apply->version};
    return r == 0 ? show(store, apply, err) : r;
}

int store_apply_embed(struct store *store, struct store_event *apply, struct apply_result *result,
                      struct error *err)
{
    struct event_embed embed;
    bool same;

    if (event_embed_read(apply->event.fields, apply->event.fields_size, &embed) < 0) {
        return store_refuse_event(apply, err, "its fields are none of ours");
    }
    if (!apply->exists) {
        return store_apply_refused(store, apply, APPLY_NOT_FOUND, result, err);
    }
    if (apply->state.vector_seq != 0 ||
        memcmp(embed.content_hash, apply->content_hash, HASH_SIZE) != 0) {
        return store_apply_nothing(store, apply, result, err);
    }
    int r = store_is_same_vector(store, apply, embed.model, embed.vector, &same, err);
    if (r != 0) {
        return r;
    }
    return same ? store_apply_nothing(store, apply, result, err)
                : store_take_vector(store, apply, embed.model, embed.vector, embed.truncated,
                                    result, err);
}
