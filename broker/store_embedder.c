/*
 * store_embedder.c - which embedder is configured, for readers: its model and its lane, in meta.
 *
 * It is no event: the config says it at every start, and a reader derives from it whether a vector
 * is still to come. Within a transaction of the store thread.
 */
#include "broker/store_internal.h"

#include <assert.h>
#include <string.h>

static int read_value(struct store *store, const char *name, const char *wanted, bool *ret_same,
                      struct error *err)
{
    static const char *const text = "SELECT value FROM meta WHERE name=?1";
    sqlite3_stmt *find;
    bool row;

    int r = sql_prepare(&store->sql, &text, 1, &find, err);
    if (r != 0) {
        return r;
    }
    sql_bind_text(find, 1, name, strlen(name));
    r = sql_step(&store->sql, find, &row, err);
    if (r == 0) {
        const char *value = row ? (const char *)sqlite3_column_text(find, 0) : NULL;
        *ret_same = wanted == NULL ? value == NULL : value != NULL && strcmp(value, wanted) == 0;
    }
    sql_finalize(&find, 1);
    return r;
}

int store_set_meta(struct store *store, const char *name, const char *value, struct error *err)
{
    static const char *const texts[] = {
        "DELETE FROM meta WHERE name=?1",
        "INSERT INTO meta(name, value) VALUES(?1, ?2) ON CONFLICT DO UPDATE SET value=?2"};
    sqlite3_stmt *write;

    int r = sql_prepare(&store->sql, &texts[value != NULL], 1, &write, err);
    if (r != 0) {
        return r;
    }
    sql_bind_text(write, 1, name, strlen(name));
    if (value != NULL) {
        sql_bind_text(write, 2, value, strlen(value));
    }
    r = sql_run(&store->sql, write, err);
    sql_finalize(&write, 1);
    return store_outcome_of(r);
}

static int replace(struct store *store, const char *name, const char *value, bool *ret_changed,
                   struct error *err)
{
    bool same = false;

    int r = read_value(store, name, value, &same, err);
    *ret_changed = r == 0 && !same;
    return *ret_changed ? store_set_meta(store, name, value, err) : r;
}

int store_set_embedder(struct store *store, const char *lane, const char *model, bool *ret_changed,
                       struct error *err)
{
    bool lane_changed;

    assert(store->in_transaction);
    int r = replace(store, "embedder_lane", model != NULL ? lane : NULL, &lane_changed, err);
    if (r == 0) {
        r = replace(store, "embedder", model, ret_changed, err);
    }
    if (r == 0 && *ret_changed && model != NULL) {
        return store_lane_rewind(store, lane, err);
    }
    return store_outcome_of(r);
}
