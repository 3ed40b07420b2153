/* reader_lane.c - how a lane stands: its cursor, what waits above it, and single deliveries. */
#include "broker/reader_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Counting stops here: more than that is "a lot" to everybody. */
#define PENDING_COUNT_MAX 1000000

static int read_row(struct reader *reader, const char *lane, struct reader_lane *ret,
                    struct error *err)
{
    sqlite3_stmt *find = reader_statement(reader, READER_LANE);

    sql_bind_text(find, 1, lane, strlen(lane));
    int r = sql_step(&reader->sql, find, &ret->exists, err);
    if (r == 0 && ret->exists) {
        ret->cursor = sql_column_uint(find, 0);
        ret->paused = sqlite3_column_int(find, 1) != 0;
        ret->delivered = sql_column_uint(find, 2);
        lane_kind_of((const char *)sqlite3_column_text(find, 3), &ret->kind);
        sql_reset(find);
    }
    return r;
}

static int read_deferred(struct reader *reader, const char *lane, struct reader_lane *ret,
                         struct error *err)
{
    sqlite3_stmt *count = reader_statement(reader, READER_LANE_ROWS);
    bool row;

    sql_bind_text(count, 1, lane, strlen(lane));
    int r = sql_step(&reader->sql, count, &row, err);
    if (r == 0 && row) {
        ret->dead = sql_column_uint(count, 1);
        ret->deferred = sql_column_uint(count, 0) - ret->dead;
        ret->oldest_pending_ms = sqlite3_column_int64(count, 2); /* NULL reads as 0 */
        sql_reset(count);
    }
    return r;
}

static void note_oldest(struct reader_lane *ret, int64_t at_ms)
{
    if (at_ms != 0 && (ret->oldest_pending_ms == 0 || at_ms < ret->oldest_pending_ms)) {
        ret->oldest_pending_ms = at_ms;
    }
}

static int count_above(struct reader *reader, struct reader_lane *ret, struct error *err)
{
    bool is_alerts = ret->kind == LANE_ALERTS;
    sqlite3_stmt *count =
        reader_statement(reader, is_alerts ? READER_ALERTS_ABOVE : READER_LANE_ABOVE);
    bool row;

    sql_bind_uint(count, 1, ret->cursor);
    sql_bind_uint(count, 2, PENDING_COUNT_MAX);
    int r = sql_step(&reader->sql, count, &row, err);
    if (r == 0 && row) {
        ret->pending = sql_column_uint(count, 0);
        sql_reset(count);
    }
    return r;
}

static int find_oldest(struct reader *reader, struct reader_lane *ret, struct error *err)
{
    bool is_alerts = ret->kind == LANE_ALERTS;
    sqlite3_stmt *find =
        reader_statement(reader, is_alerts ? READER_ALERTS_OLDEST : READER_LANE_OLDEST);
    bool row;

    sql_bind_uint(find, 1, ret->cursor);
    int r = sql_step(&reader->sql, find, &row, err);
    if (r == 0 && row) {
        note_oldest(ret, sqlite3_column_int64(find, 0));
        sql_reset(find);
    }
    return r;
}

/* Of an embedder's lane: one look at what lies above tells how much of it needs a vector, and since
 * when. When the look ends at its bound, something may need one behind it. */
static int look_above(struct reader *reader, const char *model, struct reader_lane *ret,
                      struct error *err)
{
    sqlite3_stmt *look = reader_statement(reader, READER_EMBED_ABOVE);
    bool row;

    sql_bind_uint(look, 1, ret->cursor);
    sql_bind_uint(look, 2, PENDING_COUNT_MAX);
    sql_bind_text(look, 4, model, strlen(model));
    int r = sql_step(&reader->sql, look, &row, err);
    if (r == 0 && row) {
        bool is_cut = sql_column_uint(look, 1) == PENDING_COUNT_MAX;
        ret->pending = sql_column_uint(look, 0);
        ret->pending += ret->pending == 0 && is_cut;
        note_oldest(ret, sqlite3_column_int64(look, 2)); /* NULL reads as 0 */
        sql_reset(look);
    }
    return r;
}

/* An embedder that is no longer configured waits for nothing. */
static int read_embedder(struct reader *reader, const char *lane, struct reader_lane *ret,
                         struct error *err)
{
    const struct reader_embedder *embedder;
    int r = reader_find_embedder(reader, &embedder, err);

    return r == 0 && strcmp(embedder->lane, lane) == 0
               ? look_above(reader, embedder->model, ret, err)
               : r;
}

static int read_above(struct reader *reader, const char *lane, struct reader_lane *ret,
                      struct error *err)
{
    if (ret->kind == LANE_EMBEDDER) {
        return read_embedder(reader, lane, ret, err);
    }
    int r = count_above(reader, ret, err);
    return r == 0 ? find_oldest(reader, ret, err) : r;
}

/* Deferred memories that are above the cursor again were counted there. */
static int count_waiting(struct reader *reader, const char *lane, struct reader_lane *ret,
                         struct error *err)
{
    sqlite3_stmt *count = reader_statement(reader, ret->kind == LANE_ALERTS ? READER_ALERTS_WAITING
                                                                            : READER_LANE_WAITING);
    uint64_t waiting = ret->deferred;
    bool row;
    int r = 0;

    if (ret->pending > 0 && ret->deferred > 0) {
        sql_bind_text(count, 1, lane, strlen(lane));
        sql_bind_uint(count, 2, ret->cursor);
        sql_bind_uint(count, 3, PENDING_COUNT_MAX);
        r = sql_step(&reader->sql, count, &row, err);
        if (r == 0 && row) {
            waiting = sql_column_uint(count, 0);
            sql_reset(count);
        }
    }
    ret->pending += waiting;
    if (ret->pending > PENDING_COUNT_MAX) {
        ret->pending = PENDING_COUNT_MAX;
    }
    return r;
}

static int read_lane(struct reader *reader, const char *lane, struct reader_lane *ret,
                     struct error *err)
{
    int r = read_row(reader, lane, ret, err);

    if (r == 0) {
        r = read_deferred(reader, lane, ret, err);
    }
    if (r == 0) {
        r = read_above(reader, lane, ret, err);
    }
    return r == 0 ? count_waiting(reader, lane, ret, err) : r;
}

int reader_lane_pending(struct reader *reader, const char *lane, uint64_t *ret, struct error *err)
{
    struct reader_lane found = {0};
    int r = read_lane(reader, lane, &found, err);

    *ret = found.pending;
    return r;
}

int reader_lane(struct reader *reader, const char *lane, struct reader_lane *ret, struct error *err)
{
    memset(ret, 0, sizeof *ret);
    int r = reader_begin(reader, err);
    return r == 0 ? reader_end(reader, read_lane(reader, lane, ret, err), err) : r;
}

int reader_lane_row(struct reader *reader, const char *lane, struct reader_lane *ret,
                    struct error *err)
{
    memset(ret, 0, sizeof *ret);
    return read_row(reader, lane, ret, err);
}

/* ---- names ---- */

static int add_name(char ***names, size_t *count, const char *name)
{
    char **more = reallocarray(*names, *count + 1, sizeof *more);
    if (more == NULL) {
        return -ENOMEM;
    }
    *names = more;
    more[*count] = strdup(name);
    if (more[*count] == NULL) {
        return -ENOMEM;
    }
    *count += 1;
    return 0;
}

static void free_names(char **names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(names[i]);
    }
    free(names);
}

int reader_lane_names(struct reader *reader, char ***ret_names, size_t *ret_count,
                      struct error *err)
{
    sqlite3_stmt *scan = reader_statement(reader, READER_LANE_NAMES);
    char **names = NULL;
    size_t count = 0;
    bool row;

    int r = sql_step(&reader->sql, scan, &row, err);
    while (r == 0 && row) {
        r = add_name(&names, &count, (const char *)sqlite3_column_text(scan, 0));
        r = r < 0 ? error_set(err, r, "out of memory while listing lanes")
                  : sql_step(&reader->sql, scan, &row, err);
    }
    sql_reset(scan);
    if (r != 0) {
        free_names(names, count);
        return r;
    }
    *ret_names = names;
    *ret_count = count;
    return 0;
}

/* ---- one delivery ---- */

/* Never claims more than is known: a memory that changed again behind the cursor is pending, also
 * when its earlier state was taken. */
static enum reader_delivery delivery_of(sqlite3_stmt *row, uint64_t seq)
{
    uint64_t cursor = sql_column_uint(row, 0); /* no lane: NULL reads as 0 */
    uint64_t touched_seq = sql_column_uint(row, 1);

    if (touched_seq > cursor || seq > touched_seq) {
        return READER_DELIVERY_PENDING;
    }
    if (sqlite3_column_type(row, 2) == SQLITE_NULL) {
        return READER_DELIVERY_DONE;
    }
    return sqlite3_column_int(row, 2) != 0 ? READER_DELIVERY_DEAD : READER_DELIVERY_PENDING;
}

int reader_delivery(struct reader *reader, const char *lane, const char *memory_id, uint64_t seq,
                    enum reader_delivery *ret, struct error *err)
{
    sqlite3_stmt *find = reader_statement(reader, READER_DELIVERY);
    bool row;

    *ret = READER_DELIVERY_PENDING;
    sql_bind_text(find, 1, lane, strlen(lane));
    sql_bind_text(find, 2, memory_id, strlen(memory_id));
    int r = sql_step(&reader->sql, find, &row, err);
    if (r == 0 && row) {
        *ret = delivery_of(find, seq);
        sql_reset(find);
    }
    return r;
}
