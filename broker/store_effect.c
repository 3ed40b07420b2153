/*
 * store_effect.c - what an event does to the life of its memory: was there one, is there one, is it
 * another than before?
 *
 * Noted with each event's row, so that who watches can look back after a start. When a memory was
 * changed before is its last event's time; only behind a put that changed nothing it has to be
 * looked for.
 */
#include "broker/store_apply.h"

static int find_changed(struct store *store, struct store_event *apply, struct error *err)
{
    sqlite3_stmt *find = store->statements[STORE_FIND_CHANGED];
    bool row;

    sql_bind_int(find, 1, apply->number);
    sql_bind_uint(find, 2, apply->version);
    int r = sql_step(&store->sql, find, &row, err);
    if (r == 0) {
        apply->effect.before_ms = row ? sqlite3_column_int64(find, 0) : INT64_MIN;
        sql_reset(find);
    }
    return store_outcome_of(r);
}

int store_note_effect(struct store *store, struct store_event *apply, struct error *err)
{
    apply->effect = (struct apply_effect){
        .was_live = apply->exists && !apply->was_deleted,
        .is_live = apply->state.deleted_ms == 0,
        .changed = !apply->exists || !memory_state_same(&apply->before, &apply->state),
        .before_ms = apply->before_ms};
    return apply->effect.was_live && apply->effect.changed && !apply->before_changed
               ? find_changed(store, apply, err)
               : 0;
}

void store_bind_effect(sqlite3_stmt *statement, int index, const struct apply_effect *effect)
{
    int bits = (effect->was_live ? STORE_EFFECT_WAS_LIVE : 0) |
               (effect->is_live ? STORE_EFFECT_IS_LIVE : 0) |
               (effect->changed ? STORE_EFFECT_CHANGED : 0);

    if (bits == 0) {
        sql_bind_null(statement, index);
    } else {
        sql_bind_int(statement, index, bits);
    }
}
