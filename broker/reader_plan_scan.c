/*
 * reader_plan_scan.c - plans what many memories go back to: to a time, or to before certain
 * changes.
 *
 * By time, memories are looked at by falling version, as in a list; what is restored meanwhile gets
 * a higher version and does not come again. By changes, events are looked at by rising seq; a
 * memory is planned at its first one that counts.
 */
#include "broker/reader_plan_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void write_next(struct planner *planner)
{
    snprintf(planner->plan->next, PLAN_NEXT_MAX, "%llu.%llu", (unsigned long long)planner->place,
             (unsigned long long)planner->upto_seq);
}

static void reset_lookups(struct reader *reader)
{
    static const enum reader_statement lookups[] = {READER_CURRENT,     READER_PLAN_AT,
                                                    READER_PLAN_BEFORE, READER_PLAN_EARLIER,
                                                    READER_PLAN_SINCE,  READER_PLAN_OLDEST};

    for (size_t i = 0; i < sizeof lookups / sizeof lookups[0]; i++) {
        sql_reset(reader->statements[lookups[i]]);
    }
}

/* ---- by time ---- */

/* The newest version of a memory that was there at the end of that millisecond. */
static int find_at(struct planner *planner, const struct event_text *id, struct memory_state *ret,
                   bool *ret_found, struct error *err)
{
    sqlite3_stmt *find = reader_statement(planner->reader, READER_PLAN_AT);

    sql_bind_text(find, 1, id->data, id->size);
    sql_bind_int(find, 2, planner->request.before_ms);
    int r = sql_step(&planner->reader->sql, find, ret_found, err);
    return r == 0 && *ret_found ? planner_decode(planner, find, 0, id, ret, err) : r;
}

static int plan_unversioned(struct planner *planner, const struct event_text *id,
                            const struct memory_state *current, struct error *err)
{
    sqlite3_stmt *find = reader_statement(planner->reader, READER_PLAN_OLDEST);
    struct memory_state oldest;
    bool found;

    sql_bind_text(find, 1, id->data, id->size);
    int r = sql_step(&planner->reader->sql, find, &found, err);
    if (r == 0 && found) {
        r = planner_decode(planner, find, 2, id, &oldest, err);
    }
    if (r == 0 && found) {
        r = planner_add_unversioned(planner, find, &oldest, id, current, err);
    }
    return r;
}

static int plan_memory_at(struct planner *planner, const struct event_text *id, struct error *err)
{
    struct memory_state current, target;
    bool exists, found = false;

    int r = planner_current(planner, id, &current, &exists, err);
    if (r == 0 && exists) {
        r = find_at(planner, id, &target, &found, err);
    }
    if (r != 0 || !exists) {
        return r;
    }
    if (!found) {
        return plan_unversioned(planner, id, &current, err);
    }
    if (memory_state_same(&current, &target)) {
        planner->plan->same++;
    } else if (planner_add(planner, id, &current, &target, PLAN_RESTORE) == NULL) {
        return planner_no_memory(err);
    }
    return 0;
}

static int changed_since(struct planner *planner, uint64_t version, bool *ret_changed,
                         struct error *err)
{
    sqlite3_stmt *find = reader_statement(planner->reader, READER_PLAN_TIME);
    bool found;

    sql_bind_uint(find, 1, version);
    int r = sql_step(&planner->reader->sql, find, &found, err);
    *ret_changed = r == 0 && found && sqlite3_column_int64(find, 0) > planner->request.before_ms;
    sql_reset(find);
    return r;
}

int plan_by_time(struct planner *planner, struct error *err)
{
    const struct reader_filter *filter = &planner->request.filter;
    sqlite3_stmt *scan = reader_scan_begin(planner->reader, filter, planner->place);
    bool row, changed;

    for (;;) {
        int r = sql_step(&planner->reader->sql, scan, &row, err);
        if (r != 0 || !row) {
            return r;
        }
        struct event_text id = reader_column_text(scan, 5);
        planner->place = sql_column_uint(scan, 0);
        r = changed_since(planner, planner->place, &changed, err);
        if (r == 0 && changed && reader_scan_passes(scan, filter)) {
            r = plan_memory_at(planner, &id, err);
        }
        if (r != 0) {
            return r;
        }
        reset_lookups(planner->reader);
        planner->looked++;
        if (planner_is_full(planner)) {
            write_next(planner);
            return 0;
        }
    }
}

/* ---- by changes ---- */

static void bind_session(sqlite3_stmt *statement, int index, const struct planner *planner)
{
    const char *session_id = planner->request.session_id;

    sql_bind_text(statement, index, session_id, session_id == NULL ? 0 : strlen(session_id));
}

/* Whether the event of a state counts: all do, or those that deleted what lived. */
static bool counts(const struct planner *planner, const struct memory_state *state,
                   const struct memory_state *before)
{
    return !planner->request.deletes_only ||
           (state->deleted_ms != 0 && before != NULL && before->deleted_ms == 0);
}

/* Whether an earlier event of the memory within the plan counted already. */
static int had_earlier(struct planner *planner, const struct event_text *id, uint64_t seq,
                       bool *ret_had, struct error *err)
{
    sqlite3_stmt *find = reader_statement(planner->reader, READER_PLAN_EARLIER);
    struct memory_state state, alive = {0};

    sql_bind_text(find, 1, id->data, id->size);
    sql_bind_uint(find, 2, planner->request.from_seq);
    sql_bind_uint(find, 3, seq);
    bind_session(find, 4, planner);
    for (;;) {
        int r = sql_step(&planner->reader->sql, find, ret_had, err);
        if (r == 0 && *ret_had) {
            r = planner_decode(planner, find, 0, id, &state, err);
        }
        if (r != 0 || !*ret_had || counts(planner, &state, &alive)) {
            return r;
        }
    }
}

/* The version just before an event; READER_PLAN_BEFORE stands on it while *ret_found. */
static int find_before(struct planner *planner, const struct event_text *id, uint64_t seq,
                       struct memory_state *ret, bool *ret_found, struct error *err)
{
    sqlite3_stmt *find = reader_statement(planner->reader, READER_PLAN_BEFORE);

    sql_bind_text(find, 1, id->data, id->size);
    sql_bind_uint(find, 2, seq);
    int r = sql_step(&planner->reader->sql, find, ret_found, err);
    return r == 0 && *ret_found ? planner_decode(planner, find, 1, id, ret, err) : r;
}

/* The first change since that is another's: of another session, or behind what is looked at. */
static int find_other(struct planner *planner, const struct event_text *id, uint64_t seq,
                      struct plan_item *item, struct error *err)
{
    sqlite3_stmt *find = reader_statement(planner->reader, READER_PLAN_SINCE);
    const struct plan_request *request = &planner->request;
    bool found;

    sql_bind_text(find, 1, id->data, id->size);
    sql_bind_uint(find, 2,
                  request->session_id != NULL || request->to_seq < seq ? seq : request->to_seq);
    bind_session(find, 3, planner);
    int r = sql_step(&planner->reader->sql, find, &found, err);
    if (r != 0 || !found) {
        return r;
    }
    struct event_text session = reader_column_text(find, 1);
    item->outcome = PLAN_CONFLICT;
    item->other_version = sql_column_uint(find, 0);
    if (session.data != NULL) {
        item->other_session = arena_text(&planner->plan->arena, session.data, session.size);
        return item->other_session == NULL ? planner_no_memory(err) : 0;
    }
    return 0;
}

static int plan_change(struct planner *planner, sqlite3_stmt *row, const struct event_text *id,
                       const struct memory_state *state, struct error *err)
{
    struct memory_state before, current;
    bool found, exists;
    uint64_t seq = sql_column_uint(row, 0);

    int r = find_before(planner, id, seq, &before, &found, err);
    if (r != 0 || !counts(planner, state, found ? &before : NULL)) {
        return r;
    }
    r = planner_current(planner, id, &current, &exists, err);
    if (r != 0 || !exists) {
        return r;
    }
    if (!found) {
        return planner_add_unversioned(planner, row, state, id, &current, err);
    }
    if (memory_state_same(&current, &before)) {
        planner->plan->same++;
        return 0;
    }
    struct plan_item *item = planner_add(planner, id, &current, &before, PLAN_RESTORE);
    if (item == NULL) {
        return planner_no_memory(err);
    }
    return planner->request.force ? 0 : find_other(planner, id, seq, item, err);
}

/* The row's columns: seq, memory_id, state, at_ms, op. */
static int look_at_change(struct planner *planner, sqlite3_stmt *row, struct error *err)
{
    struct event_text id = reader_column_text(row, 1);
    struct memory_state state;
    bool had;

    int r = planner_decode(planner, row, 2, &id, &state, err);
    if (r == 0) {
        r = had_earlier(planner, &id, sql_column_uint(row, 0), &had, err);
    }
    if (r == 0 && !had) {
        r = plan_change(planner, row, &id, &state, err);
    }
    reset_lookups(planner->reader);
    return r;
}

int plan_by_changes(struct planner *planner, struct error *err)
{
    const struct plan_request *request = &planner->request;
    sqlite3_stmt *scan = reader_statement(
        planner->reader, request->session_id != NULL ? READER_PLAN_SESSION : READER_PLAN_SPAN);
    uint64_t begin =
        request->from_seq > planner->place + 1 ? request->from_seq - 1 : planner->place;
    bool bounded = request->to_seq != 0 && request->to_seq < planner->upto_seq;
    bool row;

    sql_bind_uint(scan, 1, begin);
    sql_bind_uint(scan, 2, bounded ? request->to_seq : planner->upto_seq);
    if (request->session_id != NULL) {
        bind_session(scan, 3, planner);
    }
    for (;;) {
        int r = sql_step(&planner->reader->sql, scan, &row, err);
        if (r == 0 && row) {
            planner->place = sql_column_uint(scan, 0);
            r = look_at_change(planner, scan, err);
        }
        if (r != 0 || !row) {
            return r;
        }
        planner->looked++;
        if (planner_is_full(planner)) {
            write_next(planner);
            return 0;
        }
    }
}
