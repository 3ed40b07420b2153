/*
 * store_purge.c - a memory's history is removed, on purpose and for good.
 *
 * Happy path: its events, its vectors and with them every state are deleted (SQLite overwrites
 * them with zeros), and a tombstone without content takes their place as its only version, newer
 * than all that was, so that every sink comes to hold that too. Keys of events stay: a late repeat
 * brings nothing back.
 *
 * Failure modes: what never was is refused; what is purged already changes nothing.
 */
#include "broker/store_apply.h"

#include <string.h>

/* Its only version is such a tombstone. */
static int is_purged(struct store *store, const struct store_event *apply, bool *ret_purged,
                     struct error *err)
{
    sqlite3_stmt *find = store->statements[STORE_FIND_OP];
    bool row;

    *ret_purged = false;
    if (apply->state.deleted_ms == 0 || apply->state.content.size > 0) {
        return 0;
    }
    sql_bind_uint(find, 1, apply->version);
    int r = sql_step(&store->sql, find, &row, err);
    if (r == 0 && row) {
        const char *op = (const char *)sqlite3_column_text(find, 0);
        *ret_purged = op != NULL && strcmp(op, event_op_name(EVENT_PURGE)) == 0;
        sql_reset(find);
    }
    return store_outcome_of(r);
}

static int remove_history(struct store *store, const struct store_event *apply, struct error *err)
{
    int r = sql_exec(&store->sql, "PRAGMA secure_delete=ON", "write", err);

    if (r == 0) {
        r = store_drop_events(store, apply, apply->version, err);
    }
    return r == 0 ? store_drop_vectors(store, apply, err) : store_outcome_of(r);
}

static void make_tombstone(struct store_event *apply)
{
    static const char nothing[1];
    int64_t created_ms = apply->state.created_ms;

    memory_state_init(&apply->state);
    apply->state.content = (struct event_text){.data = nothing, .size = 0};
    apply->state.created_ms = created_ms;
    apply->state.deleted_ms = apply->record->at_ms != 0 ? apply->record->at_ms : 1;
    store_hash_content(&apply->state.content, apply->content_hash);
    apply->vector_seq = 0;
    apply->vector_model = (struct event_text){0};
}

int store_apply_purge(struct store *store, struct store_event *apply, struct apply_result *result,
                      struct error *err)
{
    bool purged;

    if (!apply->exists) {
        return store_apply_refused(store, apply, APPLY_NOT_FOUND, result, err);
    }
    int r = is_purged(store, apply, &purged, err);
    if (r != 0) {
        return r;
    }
    if (purged) {
        return store_apply_nothing(store, apply, result, err);
    }
    r = remove_history(store, apply, err);
    if (r != 0) {
        return r;
    }
    make_tombstone(apply);
    return store_apply_changed(store, apply, result, err);
}
