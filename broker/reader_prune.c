/*
 * reader_prune.c - looks for versions that may go, from the oldest event on.
 *
 * Happy path: of the versions that are no memory's latest, each that is the oldest of its memory is
 * looked at: the rule says up to where its memory's history may go. By age the scan ends with a
 * page that found nothing old enough: what follows is younger.
 */
#include "broker/reader_prune.h"

#include "broker/reader_internal.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define LOOK_MAX           20000u
#define TOMBSTONE_LOOK_MAX 10000u

struct pruner_scan {
    struct reader *reader;
    const struct prune_rule *rule;
    struct prune_page *page;
    uint32_t looked, old; /* rows of this page; those of them that are old enough */
};

void prune_page_deinit(struct prune_page *page)
{
    arena_deinit(&page->arena);
    page->count = 0;
}

/* The seq that a lookup by memory and a number gives; 0: none. */
static int find_seq(struct pruner_scan *scan, enum reader_statement which,
                    const struct event_text *id, int64_t number, uint64_t *ret, struct error *err)
{
    sqlite3_stmt *find = reader_statement(scan->reader, which);
    bool row;

    *ret = 0;
    sql_bind_text(find, 1, id->data, id->size);
    sql_bind_int(find, 2, number);
    int r = sql_step(&scan->reader->sql, find, &row, err);
    if (r == 0 && row) {
        *ret = sql_column_uint(find, 0);
        sql_reset(find);
    }
    return r;
}

/* The newest version that is not deleted; 0: there is none, or not within reach. */
static int find_undeleted(struct pruner_scan *scan, const struct event_text *id, uint64_t *ret,
                          struct error *err)
{
    sqlite3_stmt *find = reader_statement(scan->reader, READER_PLAN_BEFORE);
    struct memory_state state;
    bool row;
    int r = 0;

    *ret = 0;
    sql_bind_text(find, 1, id->data, id->size);
    sql_bind_uint(find, 2, INT64_MAX);
    for (uint32_t i = 0; i < TOMBSTONE_LOOK_MAX; i++) {
        r = sql_step(&scan->reader->sql, find, &row, err);
        if (r != 0 || !row) {
            return r;
        }
        if (memory_state_decode(sqlite3_column_blob(find, 1), (size_t)sqlite3_column_bytes(find, 1),
                                &state) < 0) {
            return reader_damaged(scan->reader, err, id->data, id->size);
        }
        if (state.deleted_ms == 0) {
            *ret = sql_column_uint(find, 0);
            break;
        }
    }
    sql_reset(find);
    return r;
}

static uint64_t lower(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Versions below *ret may go; 0: none. */
static int find_bound(struct pruner_scan *scan, const struct event_text *id, uint64_t *ret,
                      struct error *err)
{
    const struct prune_rule *rule = scan->rule;
    uint64_t undeleted;

    if (rule->before_ms != 0) {
        return find_seq(scan, READER_PRUNE_AT, id, rule->before_ms, ret, err);
    }
    int r = find_seq(scan, READER_PRUNE_NTH, id, (int64_t)rule->keep_count - 1, ret, err);
    if (r == 0 && *ret != 0) {
        r = find_undeleted(scan, id, &undeleted, err);
        *ret = lower(*ret, undeleted); /* 0: all it has are tombstones, or very many of them */
    }
    return r;
}

static int add_item(struct pruner_scan *scan, const struct event_text *id, uint64_t through,
                    struct error *err)
{
    struct prune_page *page = scan->page;
    char *copy = arena_text(&page->arena, id->data, id->size);

    if (copy == NULL) {
        return error_set(err, -ENOMEM, "out of memory while looking for old versions");
    }
    page->items[page->count++] =
        (struct prune_item){.id = {.data = copy, .size = id->size}, .through = through};
    return 0;
}

/* A version that is the oldest of its memory. *ret_again: not all that may go fitted one item. */
static int look_at_oldest(struct pruner_scan *scan, const struct event_text *id, uint64_t seq,
                          bool *ret_again, struct error *err)
{
    uint64_t bound, last;

    int r = find_bound(scan, id, &bound, err);
    if (r != 0 || bound <= seq) {
        return r;
    }
    r = find_seq(scan, READER_PRUNE_LAST, id, PRUNE_VERSIONS_MAX - 1, &last, err);
    if (r != 0) {
        return r;
    }
    *ret_again = last != 0 && last < bound - 1;
    return add_item(scan, id, *ret_again ? last : bound - 1, err);
}

/* The row: seq, memory_id, at_ms. */
static int look_at(struct pruner_scan *scan, sqlite3_stmt *row, bool *ret_again, struct error *err)
{
    struct event_text id = reader_column_text(row, 1);
    uint64_t seq = sql_column_uint(row, 0), earlier;

    *ret_again = false;
    if (scan->rule->before_ms != 0 && sqlite3_column_int64(row, 2) >= scan->rule->before_ms) {
        return 0;
    }
    scan->old++;
    int r = find_seq(scan, READER_PRUNE_EARLIER, &id, (int64_t)seq, &earlier, err);
    return r == 0 && earlier == 0 ? look_at_oldest(scan, &id, seq, ret_again, err) : r;
}

static int fill_page(struct pruner_scan *scan, uint64_t after_seq, struct error *err)
{
    sqlite3_stmt *find = reader_statement(scan->reader, READER_PRUNE_SCAN);
    struct prune_page *page = scan->page;
    bool row, again;

    sql_bind_uint(find, 1, after_seq);
    for (;;) {
        int r = sql_step(&scan->reader->sql, find, &row, err);
        if (r == 0 && row) {
            r = look_at(scan, find, &again, err);
        }
        if (r != 0 || !row) {
            return r;
        }
        scan->looked++;
        uint64_t seq = sql_column_uint(find, 0);
        if (again || page->count == PRUNE_ITEMS_MAX || scan->looked == LOOK_MAX) {
            page->more = scan->old > 0;
            page->next_seq = again ? seq - 1 : seq;
            return 0;
        }
    }
}

int reader_prune(struct reader *reader, const struct prune_rule *rule, uint64_t after_seq,
                 struct prune_page *ret, struct error *err)
{
    struct pruner_scan scan = {.reader = reader, .rule = rule, .page = ret};

    assert(rule->before_ms != 0 || rule->keep_count != 0);
    ret->arena = (struct arena){0};
    ret->count = 0;
    ret->more = false;
    int r = reader_begin(reader, err);
    return r == 0 ? reader_end(reader, fill_page(&scan, after_seq, err), err) : r;
}
