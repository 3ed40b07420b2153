/*
 * search_find.c - the side of the text index that reads; search_index.h tells the whole.
 *
 * Happy path: a pass over what matches, from the newest back, keeps a tally; of the best of it, doc
 * tells whether the filter lets them through. When it let too few, another pass looks doc up for
 * each row.
 *
 * Failure modes: so many documents match that the pass takes too long; it is interrupted, and what
 * it has seen, the newest, is all there is.
 */
#include "broker/search_index.h"

#include "broker/search_marker.h"
#include "broker/search_schema.h"
#include "broker/search_tally.h"
#include "broker/util/clock.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define STEPS_TO_LOOK 2000 /* of SQLite's machine, between two looks at the clock */
#define FILTERED_MS   500  /* at least, of the pass that looks each row up */

#define FILTER                                                                                     \
    "(?2 IS NULL OR d.kind=?2) AND (?3 IS NULL OR d.session_id=?3) "                               \
    "AND (?4 IS NULL OR instr(d.tags, ?4)>0) AND d.updated_ms>=?5 AND d.updated_ms<?6 "            \
    "AND (?7=2 OR (d.deleted_ms IS NOT NULL)=?7)"

enum statement { BEGIN, END, PASS, PASS_FILTERED, LOOK_UP, CONTENT, ID, EACH, STATEMENTS };

static const char *const texts[STATEMENTS] = {
    [BEGIN] = "BEGIN",
    [END] = "COMMIT",
    [PASS] = "SELECT 1 FROM memory_fts f WHERE f.memory_fts MATCH ?1 AND search_note(f.memory_fts) "
             "ORDER BY f.rowid DESC",
    [PASS_FILTERED] = "SELECT 1 FROM memory_fts f CROSS JOIN doc d ON d.doc=f.rowid "
                      "WHERE f.memory_fts MATCH ?1 AND "
                      "CASE WHEN " FILTER " THEN search_note(f.memory_fts) ELSE 0 END "
                      "ORDER BY f.rowid DESC",
    [LOOK_UP] = "SELECT d.memory_id, s.sz FROM doc d JOIN memory_fts_docsize s ON s.id=d.doc "
                "WHERE d.doc=?1 AND " FILTER,
    [CONTENT] = "SELECT content FROM doc WHERE doc=?1",
    [ID] = "SELECT memory_id FROM doc WHERE doc=?1",
    [EACH] = "SELECT d.doc FROM doc d WHERE ?1 IS NULL AND " FILTER,
};

struct search_finder {
    struct sql sql;
    sqlite3_stmt *statements[STATEMENTS];
    struct search_tally *tally; /* the connection's */
    struct search_marker *marker;
    int64_t deadline_ms;
    char tag[260]; /* of the filter, between its marks */
};

_Static_assert(READER_DELETED_NO == 0 && READER_DELETED_ONLY == 1 && READER_DELETED_ANY == 2,
               "the filter's text has these numbers");

static int look_at_clock(void *arg)
{
    const struct search_finder *finder = arg;

    return clock_monotonic_ms() >= finder->deadline_ms;
}

int search_finder_open(struct search_finder **ret, const char *path, struct error *err)
{
    struct search_finder *finder = calloc(1, sizeof *finder);

    *ret = NULL;
    if (finder == NULL) {
        return error_set(err, -ENOMEM, "out of memory while opening %s", path);
    }
    finder->deadline_ms = INT64_MAX;
    int r = search_schema_open_reader(&finder->sql, path, err);
    if (r == 0) {
        r = search_tally_register(&finder->sql, &finder->tally, err);
    }
    if (r == 0) {
        r = search_marker_new(&finder->marker, &finder->sql, err);
    }
    if (r == 0) {
        r = sql_prepare(&finder->sql, texts, STATEMENTS, finder->statements, err);
    }
    if (r != 0) {
        search_finder_close(finder);
        return r;
    }
    sqlite3_progress_handler(finder->sql.db, STEPS_TO_LOOK, look_at_clock, finder);
    *ret = finder;
    return 0;
}

struct search_finder *search_finder_close(struct search_finder *finder)
{
    if (finder != NULL) {
        sql_finalize(finder->statements, STATEMENTS);
        search_marker_free(finder->marker);
        sql_close(&finder->sql);
        free(finder);
    }
    return NULL;
}

bool search_finder_is_damaged(const struct search_finder *finder)
{
    int code = sqlite3_errcode(finder->sql.db) & 0xff;

    return code == SQLITE_CORRUPT || code == SQLITE_NOTADB || code == SQLITE_IOERR;
}

/* ---- find ---- */

static void bind_optional(sqlite3_stmt *statement, int index, const char *text)
{
    sql_bind_text(statement, index, text, text == NULL ? 0 : strlen(text));
}

static void bind_filter(struct search_finder *finder, sqlite3_stmt *statement,
                        const struct reader_filter *filter)
{
    const char *tag = NULL;

    if (filter->tag != NULL) {
        snprintf(finder->tag, sizeof finder->tag, "%c%s%c", SEARCH_TAG_MARK, filter->tag,
                 SEARCH_TAG_MARK);
        tag = finder->tag;
    }
    bind_optional(statement, 2, filter->kind);
    bind_optional(statement, 3, filter->session_id);
    bind_optional(statement, 4, tag);
    sql_bind_int(statement, 5, filter->since_ms);
    sql_bind_int(statement, 6, filter->until_ms != 0 ? filter->until_ms : INT64_MAX);
    sql_bind_int(statement, 7, (int64_t)filter->deleted);
}

static bool has(const struct search_found *found, size_t count, int64_t doc)
{
    for (size_t i = 0; i < count; i++) {
        if (found[i].doc == doc) {
            return true;
        }
    }
    return false;
}

/* Each reading has a place of its own below the one before: what matches every word stands before
 * what matches some. */
static double score_of(enum search_reading reading, double good)
{
    return (double)(SEARCH_READINGS - 1 - (int)reading) + good / (1 + good);
}

/* *ret_late: interrupted. */
static int pass(struct search_finder *finder, const struct search_finding *finding, bool filtered,
                bool *ret_late, struct error *err)
{
    sqlite3_stmt *rows = finder->statements[filtered ? PASS_FILTERED : PASS];
    bool row;

    search_tally_begin(finder->tally, !finding->loose);
    sql_bind_text(rows, 1, finding->expression, strlen(finding->expression));
    if (filtered) {
        bind_filter(finder, rows, finding->filter);
    }
    finder->deadline_ms = finding->deadline_ms;
    int r = sql_step(&finder->sql, rows, &row, err);
    finder->deadline_ms = INT64_MAX;
    *ret_late = r != 0 && sqlite3_errcode(finder->sql.db) == SQLITE_INTERRUPT;
    return *ret_late ? 0 : r;
}

/* The filter's parameters stay bound from one document to the next. *ret_id NULL: not through. */
static int look_up(struct search_finder *finder, struct search_tallied *tallied, char **ret_id,
                   struct error *err)
{
    sqlite3_stmt *find = finder->statements[LOOK_UP];
    bool row;

    *ret_id = NULL;
    sql_bind_int(find, 1, tallied->doc);
    int r = sql_step(&finder->sql, find, &row, err);
    if (r != 0 || !row) {
        return r;
    }
    search_tally_weigh(finder->tally, tallied, sqlite3_column_blob(find, 1),
                       (size_t)sqlite3_column_bytes(find, 1));
    *ret_id = strdup((const char *)sqlite3_column_text(find, 0));
    sql_reset(find);
    return *ret_id != NULL ? 0 : error_set(err, -ENOMEM, "out of memory while searching");
}

static int better_first(const void *left, const void *right)
{
    const struct search_found *a = left, *b = right;

    if (a->score < b->score || a->score > b->score) {
        return a->score > b->score ? -1 : 1;
    }
    return a->doc > b->doc ? -1 : 1;
}

/* The best but those that were found before; their own lengths order them anew. */
static int take_best(struct search_finder *finder, const struct search_finding *finding, size_t max,
                     const struct search_found *before, size_t before_count,
                     struct search_found *ret, size_t *ret_count, struct error *err)
{
    struct search_tallied best[SEARCH_LIST_MAX];
    size_t count = search_tally_best(finder->tally, best, max);
    int r = 0;

    *ret_count = 0;
    bind_filter(finder, finder->statements[LOOK_UP], finding->filter);
    for (size_t i = 0; r == 0 && i < count; i++) {
        char *id = NULL;
        if (has(before, before_count, best[i].doc)) {
            continue;
        }
        r = look_up(finder, &best[i], &id, err);
        enum search_reading reading = !finding->loose   ? SEARCH_ALL
                                      : best[i].has_all ? SEARCH_ALL_BEGINNINGS
                                                        : SEARCH_ANY_BEGINNING;
        if (id != NULL) {
            ret[(*ret_count)++] = (struct search_found){.doc = best[i].doc,
                                                        .id = id,
                                                        .score = score_of(reading, best[i].good),
                                                        .reading = (uint8_t)reading};
        }
    }
    qsort(ret, *ret_count, sizeof ret[0], better_first);
    return r;
}

static void drop_ids(struct search_found *found, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        free(found[i].id);
    }
}

/* Whether more may pass than did, when not each row was held to the filter. */
static bool is_enough(struct search_finder *finder, size_t count, size_t max)
{
    return count >= max / 2 || search_tally_count(finder->tally) <= max;
}

static int find_by(struct search_finder *finder, const struct search_finding *finding,
                   bool filtered, size_t max, struct search_found *ret, size_t *count,
                   bool *ret_enough, bool *ret_late, struct error *err)
{
    struct search_found more[SEARCH_LIST_MAX];
    size_t more_count = 0, wanted = max - *count;

    int r = pass(finder, finding, filtered, ret_late, err);
    if (r == 0) {
        r = take_best(finder, finding, max, ret, *count, more, &more_count, err);
    }
    *ret_enough = filtered || is_enough(finder, *count + more_count, max);
    size_t taken = 0;
    for (; r == 0 && *ret_enough && taken < more_count && taken < wanted; taken++) {
        ret[*count + taken] = more[taken];
    }
    *count += taken;
    drop_ids(more, taken, more_count);
    search_tally_end(finder->tally);
    return r;
}

int search_finder_find(struct search_finder *finder, const struct search_finding *finding,
                       size_t max, struct search_found *ret, size_t *count, bool *ret_late,
                       struct error *err)
{
    struct search_finding filtered = *finding;
    bool enough, late = false;

    *ret_late = false;
    if (*count >= max) {
        return 0;
    }
    int r = find_by(finder, finding, false, max, ret, count, &enough, ret_late, err);
    if (r == 0 && !enough) {
        int64_t least_ms = clock_monotonic_ms() + FILTERED_MS;
        filtered.deadline_ms = least_ms > finding->deadline_ms ? least_ms : finding->deadline_ms;
        r = find_by(finder, &filtered, true, max, ret, count, &enough, &late, err);
        *ret_late = *ret_late || late;
    }
    return r;
}

int search_finder_begin(struct search_finder *finder, struct error *err)
{
    return sql_run(&finder->sql, finder->statements[BEGIN], err);
}

void search_finder_end(struct search_finder *finder)
{
    for (size_t i = 0; i < STATEMENTS; i++) {
        sql_reset(finder->statements[i]);
    }
    if (!sqlite3_get_autocommit(finder->sql.db)) {
        sql_run(&finder->sql, finder->statements[END], NULL);
    }
}

int search_finder_id(struct search_finder *finder, int64_t doc, char **ret, struct error *err)
{
    sqlite3_stmt *find = finder->statements[ID];
    bool row;

    *ret = NULL;
    sql_bind_int(find, 1, doc);
    int r = sql_step(&finder->sql, find, &row, err);
    if (r != 0 || !row) {
        return r;
    }
    *ret = strdup((const char *)sqlite3_column_text(find, 0));
    sql_reset(find);
    return *ret != NULL ? 0 : error_set(err, -ENOMEM, "out of memory while searching");
}

int search_finder_each(struct search_finder *finder, const struct reader_filter *filter,
                       void (*fn)(void *arg, int64_t doc), void *arg, struct error *err)
{
    sqlite3_stmt *scan = finder->statements[EACH];
    bool row;

    sql_bind_null(scan, 1);
    bind_filter(finder, scan, filter);
    for (;;) {
        int r = sql_step(&finder->sql, scan, &row, err);
        if (r != 0 || !row) {
            return r;
        }
        fn(arg, sqlite3_column_int64(scan, 0));
    }
}

int search_finder_content(struct search_finder *finder, int64_t doc, search_content_fn *fn,
                          void *arg, struct error *err)
{
    sqlite3_stmt *find = finder->statements[CONTENT];
    bool row;

    sql_bind_int(find, 1, doc);
    int r = sql_step(&finder->sql, find, &row, err);
    if (r != 0 || !row) {
        return r;
    }
    const char *content = (const char *)sqlite3_column_text(find, 0);
    r = fn(arg, content == NULL ? "" : content, (size_t)sqlite3_column_bytes(find, 0));
    sql_reset(find);
    return r;
}

struct search_marker *search_finder_marker(struct search_finder *finder)
{
    return finder->marker;
}
