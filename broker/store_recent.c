/* store_recent.c - see store_recent.h. Its statements are prepared for each use: it is used rarely.
 */
#include "broker/store_recent.h"

#include "broker/store_internal.h"

#include <string.h>

#define ID_MAX 256

typedef void row_fn(void *each, void *arg, sqlite3_stmt *row);

uint64_t store_live(const struct store *store)
{
    return store->committed.memories;
}

const char *store_origin(const struct store *store)
{
    return store->origin;
}

static struct event_text column_text(sqlite3_stmt *row, int column)
{
    return (struct event_text){.data = (const char *)sqlite3_column_text(row, column),
                               .size = (size_t)sqlite3_column_bytes(row, column)};
}

/* ---- where it begins ---- */

int store_recent_begin(struct store *store, int64_t span_ms, uint64_t *ret_seq, int64_t *ret_born,
                       struct error *err)
{
    /* Backwards from the newest until one is older: so many rows are read, and no more. */
    static const char *const text =
        "WITH newest(seq, at_ms) AS (SELECT seq, at_ms FROM event ORDER BY seq DESC LIMIT 1), "
        "old(seq) AS (SELECT max(ifnull((SELECT e.seq FROM event e WHERE e.seq>n.seq-?2 "
        "AND e.at_ms<=n.at_ms-?1 ORDER BY e.seq DESC LIMIT 1), 0), n.seq-?2, 0) FROM newest n) "
        "SELECT old.seq, (SELECT total((e.effect>>1&1)-(e.effect&1)) FROM event e "
        "WHERE e.seq>old.seq) FROM old";
    sqlite3_stmt *find;
    bool row;

    *ret_seq = 0;
    *ret_born = 0;
    int r = sql_prepare(&store->sql, &text, 1, &find, err);
    if (r != 0) {
        return store_outcome_of(r);
    }
    sql_bind_int(find, 1, span_ms);
    sql_bind_int(find, 2, STORE_RECENT_MAX);
    r = sql_step(&store->sql, find, &row, err);
    if (r == 0 && row) {
        *ret_seq = sql_column_uint(find, 0);
        *ret_born = sqlite3_column_int64(find, 1);
    }
    sql_finalize(&find, 1);
    return store_outcome_of(r);
}

/* ---- rows ---- */

static int for_each(struct store *store, const char *text, uint64_t behind_seq, row_fn *read,
                    void *each, void *arg, struct error *err)
{
    sqlite3_stmt *scan;
    bool row = true;
    int r = sql_prepare(&store->sql, &text, 1, &scan, err);

    if (r != 0) {
        return store_outcome_of(r);
    }
    sql_bind_uint(scan, 1, behind_seq);
    while (r == 0 && row) {
        r = sql_step(&store->sql, scan, &row, err);
        if (r == 0 && row) {
            read(each, arg, scan);
        }
    }
    sql_finalize(&scan, 1);
    return store_outcome_of(r);
}

struct event_reader {
    void (*each)(void *, const struct store_recent_event *);
};

static void read_event(void *each, void *arg, sqlite3_stmt *row)
{
    const struct event_reader *reader = each;
    enum event_op op = EVENT_PUT;
    int64_t effect = sqlite3_column_int64(row, 6);
    bool has_before = sqlite3_column_type(row, 7) != SQLITE_NULL;

    event_op_of(column_text(row, 1), &op); /* the statement gives those of ours alone */
    const struct store_recent_event event = {
        .seq = sql_column_uint(row, 0),
        .op = op,
        .memory_id = column_text(row, 2),
        .session_id = column_text(row, 3),
        .at_ms = sqlite3_column_int64(row, 4),
        .peer_pid = sqlite3_column_int64(row, 5),
        .effect = {.was_live = (effect & STORE_EFFECT_WAS_LIVE) != 0,
                   .is_live = (effect & STORE_EFFECT_IS_LIVE) != 0,
                   .changed = (effect & STORE_EFFECT_CHANGED) != 0,
                   .before_ms = has_before ? sqlite3_column_int64(row, 7) : INT64_MIN},
        .fields = sqlite3_column_blob(row, 8),
        .fields_size = (size_t)sqlite3_column_bytes(row, 8)};

    reader->each(arg, &event);
}

int store_recent_events(struct store *store, uint64_t behind_seq,
                        void (*each)(void *, const struct store_recent_event *), void *arg,
                        struct error *err)
{
    static const char text[] =
        "SELECT e.seq, e.op, e.memory_id, e.session_id, e.at_ms, e.peer_pid, e.effect, "
        "iif(e.effect&5=5, (SELECT p.at_ms FROM event p INDEXED BY event_memory "
        "WHERE p.memory_number=e.memory_number AND p.seq<e.seq AND " STORE_CHANGES(
            "p.") " ORDER BY p.seq DESC LIMIT 1), NULL), "
                  "iif(e.op='statement', e.state, NULL) FROM event e WHERE e.seq>?1 "
                  "AND (e.effect IS NOT NULL OR e.op IN ('statement', 'purge')) ORDER BY e.seq";
    struct event_reader reader = {.each = each};

    return for_each(store, text, behind_seq, read_event, &reader, arg, err);
}

struct alert_reader {
    void (*each)(void *, const struct store_recent_alert *);
};

static void read_alert(void *each, void *arg, sqlite3_stmt *row)
{
    const struct alert_reader *reader = each;
    const struct store_recent_alert alert = {.id = column_text(row, 0),
                                             .rule = column_text(row, 1),
                                             .session_id = column_text(row, 2),
                                             .first_ms = sqlite3_column_int64(row, 3),
                                             .count = sql_column_uint(row, 4)};

    reader->each(arg, &alert);
}

int store_recent_alerts(struct store *store, uint64_t behind_seq,
                        void (*each)(void *, const struct store_recent_alert *), void *arg,
                        struct error *err)
{
    static const char text[] = "SELECT id, rule, session_id, first_ms, count FROM alert "
                               "WHERE seq>?1 ORDER BY first_ms, seq";
    struct alert_reader reader = {.each = each};

    return for_each(store, text, behind_seq, read_alert, &reader, arg, err);
}

/* ---- whose they were ---- */

static void copy_id(sqlite3_stmt *row, char *ret)
{
    struct event_text id = column_text(row, 0);
    size_t size = id.size <= ID_MAX ? id.size : 0;

    if (size > 0) {
        memcpy(ret, id.data, size);
    }
    ret[size] = '\0';
}

int store_event_memory(struct store *store, uint64_t seq, char *ret, struct error *err)
{
    static const char *const text = "SELECT memory_id FROM event WHERE seq=?1";
    sqlite3_stmt *find;
    bool row;

    ret[0] = '\0';
    int r = sql_prepare(&store->sql, &text, 1, &find, err);
    if (r != 0) {
        return store_outcome_of(r);
    }
    sql_bind_uint(find, 1, seq);
    r = sql_step(&store->sql, find, &row, err);
    if (r == 0 && row) {
        copy_id(find, ret);
    }
    sql_finalize(&find, 1);
    return store_outcome_of(r);
}

int store_changed_memories(struct store *store, uint64_t from_seq, uint64_t to_seq, size_t max,
                           char *room, size_t *ret_count, struct error *err)
{
    static const char *const text = "SELECT DISTINCT memory_id FROM event WHERE seq BETWEEN ?1 "
                                    "AND min(?2, ?1+?3) AND effect&5=5 LIMIT ?4";
    sqlite3_stmt *find;
    bool row = true;

    *ret_count = 0;
    int r = sql_prepare(&store->sql, &text, 1, &find, err);
    if (r != 0) {
        return store_outcome_of(r);
    }
    sql_bind_uint(find, 1, from_seq);
    sql_bind_uint(find, 2, to_seq);
    sql_bind_int(find, 3, STORE_RECENT_MAX);
    sql_bind_uint(find, 4, max);
    while (r == 0 && row) {
        r = sql_step(&store->sql, find, &row, err);
        if (r == 0 && row) {
            copy_id(find, room + *ret_count * (ID_MAX + 1));
            *ret_count += 1;
        }
    }
    sql_finalize(&find, 1);
    return store_outcome_of(r);
}
