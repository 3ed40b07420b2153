/* search_index.c - the side of the text index that writes; search_index.h tells the whole. */
#include "broker/search_index_internal.h"
#include "broker/search_schema.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DOC_COLUMNS "doc, row, vector_seq, deleted_ms IS NOT NULL"

static const char *const texts[INDEX_STATEMENTS] = {
    [INDEX_BEGIN] = "BEGIN IMMEDIATE",
    [INDEX_COMMIT] = "COMMIT",
    [INDEX_ROLLBACK] = "ROLLBACK",
    [INDEX_READ_NUMBER] = "SELECT value FROM meta WHERE name=?1",
    [INDEX_WRITE_NUMBER] =
        "INSERT INTO meta(name, value) VALUES(?1, ?2) ON CONFLICT DO UPDATE SET value=?2",
    [INDEX_FIND] = "SELECT " DOC_COLUMNS ", content=?2 AND tags=?3 AND kind=?4 FROM doc "
                   "WHERE memory_id=?1",
    [INDEX_ADD] =
        "INSERT INTO doc(memory_id, content, tags, kind, session_id, updated_ms, deleted_ms) "
        "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    [INDEX_CHANGE] = "UPDATE doc SET content=?2, tags=?3, kind=?4, session_id=?5, updated_ms=?6, "
                     "deleted_ms=?7 WHERE doc=?1",
    [INDEX_CHANGE_STATE] =
        "UPDATE doc SET session_id=?5, updated_ms=?6, deleted_ms=?7 WHERE doc=?1",
    /* With values, not by SELECT: a statement that may add many rows makes FTS5 write out what it
     * has gathered, each time. */
    [INDEX_WORDS] = "SELECT doc, content, tags, kind, memory_id FROM doc WHERE doc=?1",
    [INDEX_WORDS_ADD] = "INSERT INTO memory_fts(rowid, content, tags, kind, memory_id) "
                        "VALUES(?1, ?2, ?3, ?4, ?5)",
    [INDEX_WORDS_REMOVE] =
        "INSERT INTO memory_fts(memory_fts, rowid, content, tags, kind, memory_id) "
        "VALUES('delete', ?1, ?2, ?3, ?4, ?5)",
    [INDEX_SET_ROW] = "UPDATE doc SET row=?2, vector_seq=?3 WHERE doc=?1",
    [INDEX_RESET_ROWS] = "UPDATE doc SET row=NULL, vector_seq=0 WHERE row IS NOT NULL",
    [INDEX_EACH] = "SELECT " DOC_COLUMNS ", memory_id FROM doc WHERE doc>?1 ORDER BY doc LIMIT ?2",
    [INDEX_EACH_WITH_ROW] = "SELECT " DOC_COLUMNS ", memory_id FROM doc WHERE doc>?1 "
                            "AND row IS NOT NULL ORDER BY doc LIMIT ?2",
    [INDEX_REMOVE] = "DELETE FROM doc WHERE doc=?1",
    [INDEX_COUNT] = "SELECT count(*) FROM doc",
    [INDEX_ROWS] =
        "SELECT coalesce(max(row)+1, 0) FROM doc INDEXED BY doc_row WHERE row IS NOT NULL",
};

/* ---- open and close ---- */

static int read_number(struct search_index *index, const char *name, uint64_t *ret,
                       struct error *err)
{
    sqlite3_stmt *find = index->statements[INDEX_READ_NUMBER];
    bool row;

    sql_bind_text(find, 1, name, strlen(name));
    int r = sql_step(&index->sql, find, &row, err);
    *ret = r == 0 && row ? sql_column_uint(find, 0) : 0;
    sql_reset(find);
    return r;
}

static int read_state(struct search_index *index, struct error *err)
{
    int64_t count;
    int r = sql_prepare(&index->sql, texts, INDEX_STATEMENTS, index->statements, err);

    if (r == 0) {
        r = read_number(index, "cursor", &index->cursor, err);
    }
    if (r == 0) {
        r = read_number(index, "generation", &index->generation, err);
    }
    if (r == 0) {
        r = read_number(index, "purged", &index->purged, err);
    }
    if (r == 0) {
        r = sql_number(&index->sql, texts[INDEX_COUNT], &count, err);
    }
    if (r == 0) {
        index->count = (uint64_t)count;
    }
    return r;
}

int search_index_open(struct search_index **ret, const char *path, const char *origin,
                      bool *ret_fresh, struct error *err)
{
    struct search_index *index = calloc(1, sizeof *index);
    struct error why;

    *ret = NULL;
    if (index == NULL) {
        return error_set(err, -ENOMEM, "out of memory while opening %s", path);
    }
    int r = search_schema_open(&index->sql, path, origin, ret_fresh, &why, err);
    if (r != 0) {
        free(index);
        return r;
    }
    r = read_state(index, err);
    if (r != 0) {
        search_index_close(index);
        return r;
    }
    if (*ret_fresh && why.text[0] != '\0') {
        error_set(err, 0, "%s", why.text);
    } else {
        error_set(err, 0, "%s", "");
    }
    *ret = index;
    return 0;
}

struct search_index *search_index_close(struct search_index *index)
{
    if (index != NULL) {
        sql_finalize(index->statements, INDEX_STATEMENTS);
        sql_close(&index->sql);
        free(index->tags);
        free(index);
    }
    return NULL;
}

void search_index_remove_files(const char *path)
{
    search_schema_remove(path);
}

int search_index_check(struct search_index *index, struct error *err)
{
    return sql_exec(&index->sql,
                    "INSERT INTO memory_fts(memory_fts, rank) VALUES('integrity-check', 1)",
                    "check", err);
}

uint64_t search_index_cursor(const struct search_index *index)
{
    return index->cursor;
}

uint64_t search_index_generation(const struct search_index *index)
{
    return index->generation;
}

uint64_t search_index_count(const struct search_index *index)
{
    return index->count;
}

void search_index_rest(struct search_index *index)
{
    sql_forget_pages(&index->sql);
}

/* ---- transactions ---- */

int index_write_number(struct search_index *index, const char *name, uint64_t value,
                       struct error *err)
{
    sqlite3_stmt *write = index->statements[INDEX_WRITE_NUMBER];

    sql_bind_text(write, 1, name, strlen(name));
    sql_bind_uint(write, 2, value);
    return sql_run(&index->sql, write, err);
}

int search_index_begin(struct search_index *index, struct error *err)
{
    index->count_before = index->count;
    return sql_run(&index->sql, index->statements[INDEX_BEGIN], err);
}

int search_index_commit(struct search_index *index, uint64_t cursor, struct error *err)
{
    int r = index_write_number(index, "cursor", cursor, err);

    if (r == 0) {
        r = sql_run(&index->sql, index->statements[INDEX_COMMIT], err);
    }
    if (r == 0) {
        index->cursor = cursor;
    }
    return r;
}

void search_index_rollback(struct search_index *index)
{
    for (size_t i = 0; i < INDEX_STATEMENTS; i++) {
        sql_reset(index->statements[i]);
    }
    if (!sqlite3_get_autocommit(index->sql.db)) {
        sql_run(&index->sql, index->statements[INDEX_ROLLBACK], NULL);
    }
    index->count = index->count_before;
}

/* ---- documents ---- */

struct search_doc index_read_doc(sqlite3_stmt *row)
{
    bool has_row = sqlite3_column_type(row, 1) != SQLITE_NULL;

    return (struct search_doc){.doc = sqlite3_column_int64(row, 0),
                               .row = has_row ? sqlite3_column_int64(row, 1) : SEARCH_NO_ROW,
                               .vector_seq = sql_column_uint(row, 2),
                               .deleted = sqlite3_column_int(row, 3) != 0};
}

/* ---- rows of vectors ---- */

int search_index_set_row(struct search_index *index, int64_t doc, int64_t row, uint64_t vector_seq,
                         struct error *err)
{
    sqlite3_stmt *write = index->statements[INDEX_SET_ROW];

    sql_bind_int(write, 1, doc);
    if (row == SEARCH_NO_ROW) {
        sql_bind_null(write, 2);
    } else {
        sql_bind_int(write, 2, row);
    }
    sql_bind_uint(write, 3, vector_seq);
    return sql_run(&index->sql, write, err);
}

int search_index_reset_rows(struct search_index *index, uint64_t generation, struct error *err)
{
    int r = sql_run(&index->sql, index->statements[INDEX_RESET_ROWS], err);

    if (r == 0) {
        r = index_write_number(index, "generation", generation, err);
    }
    if (r == 0) {
        index->generation = generation;
    }
    return r;
}

int search_index_rows(struct search_index *index, uint64_t *ret, struct error *err)
{
    int64_t rows;
    int r = sql_number(&index->sql, texts[INDEX_ROWS], &rows, err);

    *ret = r == 0 ? (uint64_t)rows : 0;
    return r;
}

int search_index_each(struct search_index *index, bool with_rows, int64_t after, size_t max,
                      search_doc_fn *fn, void *arg, struct error *err)
{
    sqlite3_stmt *scan = index->statements[with_rows ? INDEX_EACH_WITH_ROW : INDEX_EACH];
    bool row;

    sql_bind_int(scan, 1, after);
    sql_bind_uint(scan, 2, max);
    for (;;) {
        int r = sql_step(&index->sql, scan, &row, err);
        if (r != 0 || !row) {
            return r;
        }
        const struct search_doc doc = index_read_doc(scan);
        r = fn(arg, &doc, (const char *)sqlite3_column_text(scan, 4));
        if (r != 0) {
            sql_reset(scan);
            return r;
        }
    }
}
