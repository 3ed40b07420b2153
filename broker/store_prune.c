/*
 * store_prune.c - old versions of a memory go, as [history] keep says.
 *
 * Which ones is in the event (prune.h plans it): every version up to a seq. So it is decided once,
 * and the same journal gives the same store, whatever the clock and the config are when it is read
 * again. The latest version is never among them.
 *
 * Vectors go with the versions: a caller's when no version that is left names it, an embedder's
 * when none has its content.
 */
#include "broker/event_prune.h"
#include "broker/store_apply.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- rows ---- */

int store_drop_events(struct store *store, const struct store_event *apply, uint64_t through,
                      struct error *err)
{
    sqlite3_stmt *drop = store->statements[STORE_DROP_EVENTS];

    sql_bind_int(drop, 1, apply->number);
    sql_bind_uint(drop, 2, through);
    int r = sql_run(&store->sql, drop, err);
    store->pending.events -= r == 0 ? (uint64_t)sqlite3_changes64(store->sql.db) : 0;
    return store_outcome_of(r);
}

int store_drop_vectors(struct store *store, const struct store_event *apply, struct error *err)
{
    sqlite3_stmt *drop = store->statements[STORE_DROP_VECTORS];

    sql_bind_text(drop, 1, apply->event.memory_id.data, apply->event.memory_id.size);
    int r = sql_run(&store->sql, drop, err);
    store->pending.embeddings -= r == 0 ? (uint64_t)sqlite3_changes64(store->sql.db) : 0;
    return store_outcome_of(r);
}

static int drop_vector(struct store *store, uint64_t seq, struct error *err)
{
    sqlite3_stmt *drop = store->statements[STORE_DROP_VECTOR];

    sql_bind_uint(drop, 1, seq);
    int r = sql_run(&store->sql, drop, err);
    store->pending.embeddings -= r == 0 ? (uint64_t)sqlite3_changes64(store->sql.db) : 0;
    return r;
}

/* ---- which vectors are still needed ---- */

/* What the versions that are left need: a vector that they name, or else one of their content. */
struct need {
    uint64_t vector_seq; /* 0: an embedder's */
    uint8_t content_hash[HASH_SIZE];
};

struct needs {
    struct need *all;
    size_t count, max;
};

static struct need *add_need(struct needs *needs)
{
    if (needs->count == needs->max) {
        size_t max = needs->max * 2 + 64;
        struct need *all = reallocarray(needs->all, max, sizeof *all);
        if (all == NULL) {
            return NULL;
        }
        needs->all = all;
        needs->max = max;
    }
    struct need *need = &needs->all[needs->count++];
    memset(need, 0, sizeof *need);
    return need;
}

static int compare_needs(const void *a_data, const void *b_data)
{
    const struct need *a = a_data, *b = b_data;

    if (a->vector_seq != b->vector_seq) {
        return a->vector_seq < b->vector_seq ? -1 : 1;
    }
    return a->vector_seq != 0 ? 0 : memcmp(a->content_hash, b->content_hash, HASH_SIZE);
}

static int note_state(const struct store_event *apply, sqlite3_stmt *row, struct needs *needs,
                      struct error *err)
{
    struct memory_state state;

    if (memory_state_decode(sqlite3_column_blob(row, 0), (size_t)sqlite3_column_bytes(row, 0),
                            &state) < 0) {
        return store_refuse_event(apply, err, "a version that the store holds of it is damaged");
    }
    struct need *need = add_need(needs);
    if (need == NULL) {
        return error_set(err, -ENOMEM, "out of memory while applying an event");
    }
    need->vector_seq = state.vector_seq;
    if (state.vector_seq == 0) {
        store_hash_content(&state.content, need->content_hash);
    }
    return 0;
}

static int read_needs(struct store *store, const struct store_event *apply, struct needs *needs,
                      struct error *err)
{
    sqlite3_stmt *find = store->statements[STORE_ALL_STATES];
    bool row;

    sql_bind_int(find, 1, apply->number);
    for (;;) {
        int r = sql_step(&store->sql, find, &row, err);
        if (r != 0 || !row) {
            return store_outcome_of(r);
        }
        r = note_state(apply, find, needs, err);
        if (r != 0) {
            sql_reset(find);
            return r;
        }
    }
}

/* The row: seq, content_hash, whether it is a caller's. */
static bool is_needed(sqlite3_stmt *row, const struct needs *needs)
{
    struct need key = {0};

    if (sqlite3_column_int(row, 2) != 0) {
        key.vector_seq = sql_column_uint(row, 0);
    } else if (sqlite3_column_bytes(row, 1) == HASH_SIZE) {
        memcpy(key.content_hash, sqlite3_column_blob(row, 1), HASH_SIZE);
    }
    return bsearch(&key, needs->all, needs->count, sizeof key, compare_needs) != NULL;
}

static int drop_unneeded(struct store *store, const struct store_event *apply,
                         const struct needs *needs, struct error *err)
{
    sqlite3_stmt *find = store->statements[STORE_ALL_VECTORS];
    bool row;
    int r = 0;

    sql_bind_text(find, 1, apply->event.memory_id.data, apply->event.memory_id.size);
    while (r == 0) {
        r = sql_step(&store->sql, find, &row, err);
        if (r != 0 || !row) {
            return store_outcome_of(r);
        }
        if (!is_needed(find, needs)) {
            r = drop_vector(store, sql_column_uint(find, 0), err);
        }
    }
    sql_reset(find);
    return store_outcome_of(r);
}

static int prune_vectors(struct store *store, const struct store_event *apply, struct error *err)
{
    struct needs needs = {0};

    if (store->pending.embeddings == 0) {
        return 0;
    }
    int r = read_needs(store, apply, &needs, err);
    if (r == 0) {
        if (needs.count > 1) {
            qsort(needs.all, needs.count, sizeof *needs.all, compare_needs);
        }
        r = drop_unneeded(store, apply, &needs, err);
    }
    free(needs.all);
    return r;
}

int store_apply_prune(struct store *store, struct store_event *apply, struct apply_result *result,
                      struct error *err)
{
    uint64_t through;

    if (event_prune_read(apply->event.fields, apply->event.fields_size, &through) < 0) {
        return store_refuse_event(apply, err, "its fields are none of ours");
    }
    if (!apply->exists || through >= apply->version) {
        return store_apply_nothing(store, apply, result, err);
    }
    int r = store_drop_events(store, apply, through, err);
    if (r == 0) {
        r = prune_vectors(store, apply, err);
    }
    *result = (struct apply_result){
        .outcome = APPLY_CHANGED, .seq = apply->record->seq, .version = apply->version};
    return r;
}
