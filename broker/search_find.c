/*
 * search_find.c - the side of the text index that reads; search_index.h tells the whole.
 *
 * Happy path: FTS5 gives documents by falling rank, doc tells which the filter lets through.
 *
 * Failure modes: so many documents match that ranking them takes too long; it is interrupted, and
 * the newest that match stand for the best.
 */
#include "broker/search_index.h"

#include "broker/search_schema.h"
#include "broker/util/clock.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define STEPS_TO_LOOK 2000 /* of SQLite's machine, between two looks at the clock */
#define UNRANKED_MS   500

#define FILTER                                                                                     \
    "(?2 IS NULL OR d.kind=?2) AND (?3 IS NULL OR d.session_id=?3) "                               \
    "AND (?4 IS NULL OR instr(d.tags, ?4)>0) AND d.updated_ms>=?5 AND d.updated_ms<?6 "            \
    "AND (?7=2 OR (d.deleted_ms IS NOT NULL)=?7)"

#define FOUND                                                                                      \
    "FROM memory_fts f CROSS JOIN doc d ON d.doc=f.rowid WHERE f.memory_fts MATCH ?1 AND " FILTER

enum statement { RANKED, RECENT, SNIPPET, ID, EACH, STATEMENTS };

static const char *const texts[STATEMENTS] = {
    [RANKED] = "SELECT d.doc, d.memory_id, f.rank " FOUND " ORDER BY f.rank",
    [RECENT] = "SELECT d.doc, d.memory_id, 0 " FOUND " ORDER BY f.rowid DESC",
    [SNIPPET] = "SELECT snippet(memory_fts, 0, char(2), char(3), '…', 24) FROM memory_fts "
                "WHERE memory_fts MATCH ?1 AND rowid=?2",
    [ID] = "SELECT memory_id FROM doc WHERE doc=?1",
    [EACH] = "SELECT d.doc FROM doc d WHERE ?1 IS NULL AND " FILTER,
};

struct search_finder {
    struct sql sql;
    sqlite3_stmt *statements[STATEMENTS];
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

/* SQLite's rank is negative, the best the most so. Each reading has a place of its own below the
 * one before: what matches every word stands before what matches some. */
static double score_of(enum search_reading reading, double rank)
{
    double good = rank < 0 ? -rank : 0;

    return (double)(SEARCH_READINGS - 1 - (int)reading) + good / (1 + good);
}

static int take(sqlite3_stmt *row, enum search_reading reading, struct search_found *ret,
                size_t *count, struct error *err)
{
    int64_t doc = sqlite3_column_int64(row, 0);

    if (has(ret, *count, doc)) {
        return 0;
    }
    char *id = strdup((const char *)sqlite3_column_text(row, 1));
    if (id == NULL) {
        return error_set(err, -ENOMEM, "out of memory while searching");
    }
    ret[(*count)++] =
        (struct search_found){.doc = doc,
                              .id = id,
                              .score = score_of(reading, sqlite3_column_double(row, 2)),
                              .reading = (uint8_t)reading};
    return 0;
}

/* *ret_late: interrupted. */
static int scan(struct search_finder *finder, enum statement which, const char *expression,
                enum search_reading reading, const struct reader_filter *filter, size_t max,
                struct search_found *ret, size_t *count, bool *ret_late, struct error *err)
{
    sqlite3_stmt *rows = finder->statements[which];
    bool row = true;
    int r = 0;

    sql_bind_text(rows, 1, expression, strlen(expression));
    bind_filter(finder, rows, filter);
    while (r == 0 && row && *count < max) {
        r = sql_step(&finder->sql, rows, &row, err);
        if (r == 0 && row) {
            r = take(rows, reading, ret, count, err);
        }
    }
    *ret_late = r != 0 && sqlite3_errcode(finder->sql.db) == SQLITE_INTERRUPT;
    sql_reset(rows);
    return *ret_late ? 0 : r;
}

int search_finder_find(struct search_finder *finder, const char *expression,
                       enum search_reading reading, const struct reader_filter *filter, size_t max,
                       int64_t deadline_ms, struct search_found *ret, size_t *count, bool *ret_late,
                       struct error *err)
{
    bool late;

    finder->deadline_ms = deadline_ms;
    int r = scan(finder, RANKED, expression, reading, filter, max, ret, count, ret_late, err);
    if (r == 0 && *ret_late) {
        finder->deadline_ms = clock_monotonic_ms() + UNRANKED_MS;
        r = scan(finder, RECENT, expression, reading, filter, max, ret, count, &late, err);
    }
    finder->deadline_ms = INT64_MAX;
    return r;
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

int search_finder_snippet(struct search_finder *finder, const char *expression, int64_t doc,
                          msgpack_sbuffer *out, struct error *err)
{
    sqlite3_stmt *find = finder->statements[SNIPPET];
    bool row;

    sql_bind_text(find, 1, expression, strlen(expression));
    sql_bind_int(find, 2, doc);
    int r = sql_step(&finder->sql, find, &row, err);
    if (r != 0 || !row) {
        return r;
    }
    const char *text = (const char *)sqlite3_column_text(find, 0);
    size_t size = (size_t)sqlite3_column_bytes(find, 0);
    bool failed = text != NULL && memchr(text, SEARCH_MARK_OPEN, size) != NULL &&
                  msgpack_sbuffer_write(out, text, size) != 0;
    sql_reset(find);
    return failed ? error_set(err, -ENOMEM, "out of memory while searching") : 0;
}
