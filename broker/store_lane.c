/*
 * store_lane.c - what lanes ask to be written: cursors, deferred memories, dead letters, pauses.
 *
 * Always within a transaction of the store thread. This is not state of a memory: losing the newest
 * of it means delivering once more, so it is no event and may use the clock.
 */
#include "broker/store_internal.h"

#include "broker/util/clock.h"

#include <assert.h>
#include <string.h>

/* Prepares, binds what is given, runs. Lane work is rare beside events: nothing is kept prepared
 * but for the two statements of progress. */
static int run_for_lane(struct store *store, const char *text, const char *lane,
                        const char *memory_id, const int64_t *number, struct error *err)
{
    sqlite3_stmt *statement;

    assert(store->in_transaction);
    int r = sql_prepare(&store->sql, &text, 1, &statement, err);
    if (r != 0) {
        return store_outcome_of(r);
    }
    sql_bind_text(statement, 1, lane, strlen(lane));
    if (memory_id != NULL) {
        sql_bind_text(statement, 2, memory_id, strlen(memory_id));
    }
    if (number != NULL) {
        sql_bind_int(statement, 3, *number);
    }
    r = sql_run(&store->sql, statement, err);
    sql_finalize(&statement, 1);
    return store_outcome_of(r);
}

static uint64_t rows_changed(const struct store *store)
{
    return (uint64_t)sqlite3_changes64(store->sql.db);
}

/* A new backend gets every memory there is. Of alerts it gets those that nobody has acked yet, and
 * all that come: nobody wants to be told of last year's. */
static int ensure_row(struct store *store, const char *lane, enum lane_kind kind, struct error *err)
{
    return run_for_lane(store,
                        "INSERT INTO lane(name, cursor, paused, delivered, kind) "
                        "VALUES(?1, iif(?2='alerts', coalesce("
                        "(SELECT min(seq)-1 FROM alert WHERE acked_ms IS NULL), "
                        "(SELECT seq FROM applied)), 0), 0, 0, ?2) ON CONFLICT DO UPDATE "
                        "SET kind=excluded.kind, cursor=excluded.cursor WHERE kind<>excluded.kind",
                        lane, lane_kind_name(kind), NULL, err);
}

/* What one of another kind had deferred is none of this one's: rows of memories no alert answers.
 */
static int drop_rows_of_another_kind(struct store *store, const char *lane, enum lane_kind kind,
                                     struct error *err)
{
    return run_for_lane(store,
                        "DELETE FROM deferred WHERE lane=?1 AND EXISTS(SELECT 1 FROM lane "
                        "WHERE name=?1 AND kind<>?2)",
                        lane, lane_kind_name(kind), NULL, err);
}

int store_lane_ensure(struct store *store, const char *lane, enum lane_kind kind, struct error *err)
{
    int r = drop_rows_of_another_kind(store, lane, kind, err);

    return r == 0 ? ensure_row(store, lane, kind, err) : r;
}

int store_lane_rewind(struct store *store, const char *lane, struct error *err)
{
    return run_for_lane(store, "UPDATE lane SET cursor=0 WHERE name=?1", lane, NULL, NULL, err);
}

/* ---- progress ---- */

static int move_cursor(struct store *store, const char *lane, uint64_t cursor, uint64_t delivered,
                       struct error *err)
{
    sqlite3_stmt *move = store->statements[STORE_MOVE_CURSOR];

    sql_bind_text(move, 1, lane, strlen(lane));
    sql_bind_uint(move, 2, cursor);
    sql_bind_uint(move, 3, delivered);
    return sql_run(&store->sql, move, err);
}

static int clear_row(struct store *store, const char *lane, const struct lane_row *row,
                     struct error *err)
{
    sqlite3_stmt *clear = store->statements[STORE_CLEAR_ROW];

    sql_bind_text(clear, 1, lane, strlen(lane));
    sql_bind_text(clear, 2, row->memory_id, strlen(row->memory_id));
    return sql_run(&store->sql, clear, err);
}

static int put_row(struct store *store, const char *lane, const struct lane_row *row,
                   int64_t now_ms, struct error *err)
{
    sqlite3_stmt *put = store->statements[STORE_PUT_ROW];

    sql_bind_text(put, 1, lane, strlen(lane));
    sql_bind_text(put, 2, row->memory_id, strlen(row->memory_id));
    sql_bind_int(put, 3, row->due_ms);
    sql_bind_uint(put, 4, row->attempts);
    sql_bind_uint(put, 5, row->version);
    sql_bind_text(put, 6, row->reason, row->reason == NULL ? 0 : strlen(row->reason));
    sql_bind_int(put, 7, row->action == LANE_ROW_DEAD);
    sql_bind_int(put, 8, now_ms);
    return sql_run(&store->sql, put, err);
}

int store_lane_progress(struct store *store, const char *lane, uint64_t cursor,
                        const struct lane_row *rows, size_t row_count, uint64_t delivered,
                        struct error *err)
{
    int64_t now_ms = row_count > 0 ? clock_wall_ms() : 0;

    assert(store->in_transaction);
    int r = move_cursor(store, lane, cursor, delivered, err);
    if (r == 0 && rows_changed(store) == 0) {
        return 0; /* forgotten while its lane was ending: nothing of it comes back */
    }
    for (size_t i = 0; r == 0 && i < row_count; i++) {
        r = rows[i].action == LANE_ROW_CLEAR ? clear_row(store, lane, &rows[i], err)
                                             : put_row(store, lane, &rows[i], now_ms, err);
    }
    return store_outcome_of(r);
}

/* ---- what people ask for: the answer is a promise, so it is synced ---- */

int store_lane_set_paused(struct store *store, const char *lane, bool paused, struct error *err)
{
    int64_t number = paused;

    store_want_sync(store);
    return run_for_lane(store, "UPDATE lane SET paused=?3 WHERE name=?1", lane, NULL, &number, err);
}

int store_lane_forget(struct store *store, const char *lane, bool *ret_found, struct error *err)
{
    int r = run_for_lane(store, "DELETE FROM lane WHERE name=?1", lane, NULL, NULL, err);

    store_want_sync(store);
    *ret_found = r == 0 && rows_changed(store) > 0;
    if (r == 0) {
        r = run_for_lane(store, "DELETE FROM deferred WHERE lane=?1", lane, NULL, NULL, err);
    }
    return r;
}

int store_dead_retry(struct store *store, const char *lane, const char *memory_id, int64_t due_ms,
                     uint64_t *ret_count, struct error *err)
{
    const char *text = memory_id == NULL ? "UPDATE deferred SET dead=0, due_ms=?3, attempts=0 "
                                           "WHERE lane=?1 AND dead=1"
                                         : "UPDATE deferred SET dead=0, due_ms=?3, attempts=0 "
                                           "WHERE lane=?1 AND dead=1 AND memory_id=?2";

    store_want_sync(store);
    int r = run_for_lane(store, text, lane, memory_id, &due_ms, err);
    *ret_count = r == 0 ? rows_changed(store) : 0;
    return r;
}

int store_dead_drop(struct store *store, const char *lane, const char *memory_id,
                    uint64_t *ret_count, struct error *err)
{
    const char *text = memory_id == NULL
                           ? "DELETE FROM deferred WHERE lane=?1 AND dead=1"
                           : "DELETE FROM deferred WHERE lane=?1 AND dead=1 AND memory_id=?2";

    store_want_sync(store);
    int r = run_for_lane(store, text, lane, memory_id, NULL, err);
    *ret_count = r == 0 ? rows_changed(store) : 0;
    return r;
}
