/*
 * reader_plan.c - plans a restore in one read transaction; given memories are planned here.
 *
 * Happy path: for each memory the state as it is and the one to go back to are read and compared;
 * what differs becomes an item. Failure modes: reader.h's own.
 */
#include "broker/reader_plan_internal.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Versions that are looked through for the last one that is not deleted. */
#define WISH_LOOK_MAX 10000

void plan_deinit(struct plan *plan)
{
    arena_deinit(&plan->arena);
    free(plan->items);
    *plan = (struct plan){0};
}

/* ---- shared ---- */

int planner_no_memory(struct error *err)
{
    return error_set(err, -ENOMEM, "out of memory while planning a restore");
}

bool planner_is_full(const struct planner *planner)
{
    return planner->plan->count >= planner->request.limit || planner->looked >= PLAN_LOOK_MAX ||
           planner->bytes >= PLAN_BYTES_MAX;
}

static enum plan_change change_of(const struct memory_state *from, const struct memory_state *to)
{
    bool was_deleted = from->deleted_ms != 0, is_deleted = to->deleted_ms != 0;

    if (was_deleted == is_deleted) {
        return PLAN_REPLACE;
    }
    return was_deleted ? PLAN_UNDELETE : PLAN_DELETE;
}

struct plan_item *planner_add(struct planner *planner, const struct event_text *id,
                              const struct memory_state *from, const struct memory_state *to,
                              enum plan_outcome outcome)
{
    struct plan *plan = planner->plan;
    char *copy = arena_text(&plan->arena, id->data, id->size);

    assert(plan->count < PLAN_ITEMS_MAX);
    if (copy == NULL) {
        return NULL;
    }
    struct plan_item *item = &plan->items[plan->count++];
    *item = (struct plan_item){
        .id = copy, .id_size = id->size, .from = from->version, .outcome = outcome};
    if (to != NULL) {
        item->to = to->version;
        item->change = change_of(from, to);
    }
    return item;
}

int planner_add_unversioned(struct planner *planner, sqlite3_stmt *row,
                            const struct memory_state *oldest, const struct event_text *id,
                            const struct memory_state *current, struct error *err)
{
    struct event_text op = reader_column_text(row, 4);
    bool imported = op.size == strlen("import") && memcmp(op.data, "import", op.size) == 0;

    if (imported || oldest->created_ms == sqlite3_column_int64(row, 3)) {
        planner->plan->created++;
        return 0;
    }
    return planner_add(planner, id, current, NULL, PLAN_NO_VERSION) != NULL
               ? 0
               : planner_no_memory(err);
}

int planner_decode(struct planner *planner, sqlite3_stmt *row, int column,
                   const struct event_text *id, struct memory_state *ret, struct error *err)
{
    const void *bytes = sqlite3_column_blob(row, column);
    size_t size = (size_t)sqlite3_column_bytes(row, column);

    planner->bytes += size;
    return memory_state_decode(bytes, size, ret) == 0
               ? 0
               : reader_damaged(planner->reader, err, id->data, id->size);
}

int planner_current(struct planner *planner, const struct event_text *id, struct memory_state *ret,
                    bool *ret_found, struct error *err)
{
    sqlite3_stmt *find = reader_statement(planner->reader, READER_CURRENT);

    sql_bind_text(find, 1, id->data, id->size);
    int r = sql_step(&planner->reader->sql, find, ret_found, err);
    return r == 0 && *ret_found ? planner_decode(planner, find, 0, id, ret, err) : r;
}

/* ---- given memories ---- */

/* READER_PLAN_BEFORE stands on the version while *ret_found. */
static int find_undeleted(struct planner *planner, const struct event_text *id,
                          struct memory_state *ret, bool *ret_found, struct error *err)
{
    sqlite3_stmt *find = reader_statement(planner->reader, READER_PLAN_BEFORE);

    sql_bind_text(find, 1, id->data, id->size);
    sql_bind_uint(find, 2, INT64_MAX);
    for (int looked = 0; looked < WISH_LOOK_MAX; looked++) {
        int r = sql_step(&planner->reader->sql, find, ret_found, err);
        if (r == 0 && *ret_found) {
            r = planner_decode(planner, find, 1, id, ret, err);
        }
        if (r != 0 || !*ret_found || ret->deleted_ms == 0) {
            return r;
        }
    }
    *ret_found = false;
    return 0;
}

static int find_version(struct planner *planner, const struct plan_wish *wish,
                        struct memory_state *ret, bool *ret_found, struct error *err)
{
    sqlite3_stmt *find = reader_statement(planner->reader, READER_VERSION);

    if (wish->version == 0) {
        return find_undeleted(planner, &wish->id, ret, ret_found, err);
    }
    sql_bind_text(find, 1, wish->id.data, wish->id.size);
    sql_bind_uint(find, 2, wish->version);
    int r = sql_step(&planner->reader->sql, find, ret_found, err);
    return r == 0 && *ret_found ? planner_decode(planner, find, 0, &wish->id, ret, err) : r;
}

static int plan_wish(struct planner *planner, const struct plan_wish *wish, struct error *err)
{
    struct memory_state current = {0}, target = {0};
    enum plan_outcome outcome = PLAN_RESTORE;
    bool exists, found = false;

    int r = planner_current(planner, &wish->id, &current, &exists, err);
    if (r == 0 && exists) {
        r = find_version(planner, wish, &target, &found, err);
    }
    if (r != 0) {
        return r;
    }
    if (!exists) {
        outcome = PLAN_NO_MEMORY;
    } else if (!found) {
        outcome = PLAN_NO_VERSION;
    } else if (memory_state_same(&current, &target)) {
        outcome = PLAN_SAME;
    }
    bool added = planner_add(planner, &wish->id, &current, found ? &target : NULL, outcome) != NULL;
    sql_reset(planner->reader->statements[READER_CURRENT]);
    sql_reset(planner->reader->statements[READER_VERSION]);
    sql_reset(planner->reader->statements[READER_PLAN_BEFORE]);
    return added ? 0 : planner_no_memory(err);
}

static int plan_wishes(struct planner *planner, struct error *err)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < planner->request.wish_count; i++) {
        r = plan_wish(planner, &planner->request.wishes[i], err);
    }
    return r;
}

/* ---- all kinds ---- */

static int plan_page(struct planner *planner, struct error *err)
{
    switch (planner->request.by) {
    case PLAN_BY_WISHES:
        return plan_wishes(planner, err);
    case PLAN_BY_TIME:
        return plan_by_time(planner, err);
    case PLAN_BY_CHANGES:
        return plan_by_changes(planner, err);
    }
    return 0;
}

/* The place of a page: PLACE.UPTO, numbers of at most 18 digits. */
static bool parse_place(const char *after, struct planner *planner)
{
    unsigned long long place, upto;
    int used = 0;

    if (strlen(after) >= PLAN_NEXT_MAX || after[strspn(after, "0123456789.")] != '\0' ||
        sscanf(after, "%18llu.%18llu%n", &place, &upto, &used) != 2 || after[used] != '\0') {
        return false;
    }
    planner->place = place;
    planner->upto_seq = upto;
    return true;
}

/* An alert is not told again for each event: what came behind the last that was told, within its
 * window, belongs to it. */
static int extend_to(struct planner *planner, int64_t until_ms, struct error *err)
{
    sqlite3_stmt *find = reader_statement(planner->reader, READER_PLAN_LATER);
    struct plan_request *request = &planner->request;
    bool found;

    sql_bind_uint(find, 1, request->to_seq);
    sql_bind_int(find, 2, until_ms);
    int r = sql_step(&planner->reader->sql, find, &found, err);
    if (r == 0) {
        request->to_seq = found ? sql_column_uint(find, 0) - 1 : planner->upto_seq;
        sql_reset(find);
    }
    return r;
}

/* What an alert has counted, as a plan by changes. */
static int read_alert(struct planner *planner, struct error *err)
{
    sqlite3_stmt *find = reader_statement(planner->reader, READER_PLAN_ALERT);
    struct plan_request *request = &planner->request;
    const char *id = request->alert_id;
    bool found;

    sql_bind_text(find, 1, id, strlen(id));
    int r = sql_step(&planner->reader->sql, find, &found, err);
    if (r != 0) {
        return r;
    }
    if (!found) {
        return error_set(err, READER_E_NOT_FOUND, "there is no alert %s", id);
    }
    if (sqlite3_column_type(find, 2) == SQLITE_NULL) {
        return error_set(err, READER_E_NOT_FOUND,
                         "alert %s counts no changes of memories: there is nothing to bring back",
                         id);
    }
    struct event_text rule = reader_column_text(find, 0), session = reader_column_text(find, 1);
    request->deletes_only =
        rule.size == strlen("rapid-delete") && memcmp(rule.data, "rapid-delete", rule.size) == 0;
    request->from_seq = sql_column_uint(find, 2);
    request->to_seq = sql_column_uint(find, 3);
    if (session.data != NULL) {
        request->session_id = arena_text(&planner->plan->arena, session.data, session.size);
    }
    bool no_memory = session.data != NULL && request->session_id == NULL;
    int64_t until_ms = sqlite3_column_int64(find, 4); /* NULL reads as 0 */
    sql_reset(find);
    if (no_memory) {
        return planner_no_memory(err);
    }
    return until_ms != 0 ? extend_to(planner, until_ms, err) : 0;
}

static int begin_page(struct planner *planner, struct error *err)
{
    struct reader_counts counts;

    if (planner->request.after != NULL) {
        return parse_place(planner->request.after, planner)
                   ? 0
                   : error_set(err, READER_E_CURSOR, "`after` is no place in this plan");
    }
    int r = reader_read_counts(planner->reader, &counts, err);
    planner->upto_seq = counts.applied_seq;
    planner->place = planner->request.by == PLAN_BY_TIME ? counts.applied_seq + 1 : 0;
    return r;
}

int reader_plan(struct reader *reader, const struct plan_request *request, struct plan *ret,
                struct error *err)
{
    struct planner planner = {.reader = reader, .request = *request, .plan = ret};

    assert(request->limit >= 1 && request->limit <= PLAN_ITEMS_MAX);
    assert(request->wish_count <= PLAN_ITEMS_MAX);
    *ret = (struct plan){0};
    ret->items = calloc(PLAN_ITEMS_MAX, sizeof *ret->items);
    if (ret->items == NULL) {
        return planner_no_memory(err);
    }
    int r = reader_begin(reader, err);
    if (r != 0) {
        return r;
    }
    r = begin_page(&planner, err);
    if (r == 0 && request->alert_id != NULL) {
        r = read_alert(&planner, err);
    }
    if (r == 0) {
        r = plan_page(&planner, err);
    }
    return reader_end(reader, r, err);
}
