/* search_index.c - the side of the text index that writes; search_index.h tells the whole. */
#include "broker/search_index.h"

#include "broker/search_schema.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum statement {
    BEGIN,
    COMMIT,
    ROLLBACK,
    READ_NUMBER,
    WRITE_NUMBER,
    FIND,
    ADD,
    CHANGE,
    CHANGE_STATE,
    WORDS_ADD,
    WORDS_REMOVE,
    SET_ROW,
    RESET_ROWS,
    EACH,
    EACH_WITH_ROW,
    REMOVE,
    COUNT,
    ROWS,
    STATEMENTS
};

#define DOC_COLUMNS "doc, row, vector_seq, deleted_ms IS NOT NULL"

static const char *const texts[STATEMENTS] = {
    [BEGIN] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
    [ROLLBACK] = "ROLLBACK",
    [READ_NUMBER] = "SELECT value FROM meta WHERE name=?1",
    [WRITE_NUMBER] =
        "INSERT INTO meta(name, value) VALUES(?1, ?2) ON CONFLICT DO UPDATE SET value=?2",
    [FIND] = "SELECT " DOC_COLUMNS ", content=?2 AND tags=?3 AND kind=?4 FROM doc "
             "WHERE memory_id=?1",
    [ADD] = "INSERT INTO doc(memory_id, content, tags, kind, session_id, updated_ms, deleted_ms) "
            "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    [CHANGE] = "UPDATE doc SET content=?2, tags=?3, kind=?4, session_id=?5, updated_ms=?6, "
               "deleted_ms=?7 WHERE doc=?1",
    [CHANGE_STATE] = "UPDATE doc SET session_id=?5, updated_ms=?6, deleted_ms=?7 WHERE doc=?1",
    [WORDS_ADD] = "INSERT INTO memory_fts(rowid, content, tags, kind, memory_id) "
                  "SELECT doc, content, tags, kind, memory_id FROM doc WHERE doc=?1",
    [WORDS_REMOVE] = "INSERT INTO memory_fts(memory_fts, rowid, content, tags, kind, memory_id) "
                     "SELECT 'delete', doc, content, tags, kind, memory_id FROM doc WHERE doc=?1",
    [SET_ROW] = "UPDATE doc SET row=?2, vector_seq=?3 WHERE doc=?1",
    [RESET_ROWS] = "UPDATE doc SET row=NULL, vector_seq=0 WHERE row IS NOT NULL",
    [EACH] = "SELECT " DOC_COLUMNS ", memory_id FROM doc WHERE doc>?1 ORDER BY doc LIMIT ?2",
    [EACH_WITH_ROW] = "SELECT " DOC_COLUMNS ", memory_id FROM doc WHERE doc>?1 "
                      "AND row IS NOT NULL ORDER BY doc LIMIT ?2",
    [REMOVE] = "DELETE FROM doc WHERE doc=?1",
    [COUNT] = "SELECT count(*) FROM doc",
    [ROWS] = "SELECT coalesce(max(row)+1, 0) FROM doc INDEXED BY doc_row WHERE row IS NOT NULL",
};

struct search_index {
    struct sql sql;
    sqlite3_stmt *statements[STATEMENTS];
    uint64_t cursor, generation, count;
    uint64_t purged;       /* 1: search_index_must_forget */
    uint64_t count_before; /* of the transaction */
    char *tags;            /* joined; grows */
    size_t tags_size;
};

/* ---- open and close ---- */

static int read_number(struct search_index *index, const char *name, uint64_t *ret,
                       struct error *err)
{
    sqlite3_stmt *find = index->statements[READ_NUMBER];
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
    int r = sql_prepare(&index->sql, texts, STATEMENTS, index->statements, err);

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
        r = sql_number(&index->sql, texts[COUNT], &count, err);
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
        sql_finalize(index->statements, STATEMENTS);
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

/* ---- transactions ---- */

static int write_number(struct search_index *index, const char *name, uint64_t value,
                        struct error *err)
{
    sqlite3_stmt *write = index->statements[WRITE_NUMBER];

    sql_bind_text(write, 1, name, strlen(name));
    sql_bind_uint(write, 2, value);
    return sql_run(&index->sql, write, err);
}

int search_index_begin(struct search_index *index, struct error *err)
{
    index->count_before = index->count;
    return sql_run(&index->sql, index->statements[BEGIN], err);
}

int search_index_commit(struct search_index *index, uint64_t cursor, struct error *err)
{
    int r = write_number(index, "cursor", cursor, err);

    if (r == 0) {
        r = sql_run(&index->sql, index->statements[COMMIT], err);
    }
    if (r == 0) {
        index->cursor = cursor;
    }
    return r;
}

void search_index_rollback(struct search_index *index)
{
    for (size_t i = 0; i < STATEMENTS; i++) {
        sql_reset(index->statements[i]);
    }
    if (!sqlite3_get_autocommit(index->sql.db)) {
        sql_run(&index->sql, index->statements[ROLLBACK], NULL);
    }
    index->count = index->count_before;
}

/* ---- a memory ---- */

static int join_tags(struct search_index *index, const struct memferry_memory *memory,
                     size_t *ret_size, struct error *err)
{
    size_t size = 1, at = 0;

    for (size_t i = 0; i < memory->tag_count; i++) {
        size += memory->tags[i].size + 1;
    }
    if (size > index->tags_size) {
        char *more = realloc(index->tags, size);
        if (more == NULL) {
            return error_set(err, -ENOMEM, "out of memory while indexing a memory");
        }
        index->tags = more;
        index->tags_size = size;
    }
    index->tags[at++] = SEARCH_TAG_MARK;
    for (size_t i = 0; i < memory->tag_count; i++) {
        memcpy(index->tags + at, memory->tags[i].data, memory->tags[i].size);
        at += memory->tags[i].size;
        index->tags[at++] = SEARCH_TAG_MARK;
    }
    *ret_size = at;
    return 0;
}

static int run_on_doc(struct search_index *index, enum statement which, int64_t doc,
                      struct error *err)
{
    sqlite3_stmt *statement = index->statements[which];

    sql_bind_int(statement, 1, doc);
    return sql_run(&index->sql, statement, err);
}

/* content, tags and kind, where the statement has them. */
static void bind_texts(struct search_index *index, sqlite3_stmt *statement,
                       const struct memferry_memory *memory, size_t tags_size)
{
    sql_bind_text(statement, 2, memory->content.data, memory->content.size);
    sql_bind_text(statement, 3, index->tags, tags_size);
    sql_bind_text(statement, 4, memory->kind.data, memory->kind.size);
}

static void bind_state(sqlite3_stmt *statement, const struct memferry_memory *memory)
{
    const struct memferry_string *session = &memory->session_id;

    sql_bind_text(statement, 5, session->size > 0 ? session->data : NULL, session->size);
    sql_bind_int(statement, 6, memory->updated_ms);
    if (memory->deleted_ms != 0) {
        sql_bind_int(statement, 7, memory->deleted_ms);
    } else {
        sql_bind_null(statement, 7);
    }
}

static struct search_doc read_doc(sqlite3_stmt *row)
{
    bool has_row = sqlite3_column_type(row, 1) != SQLITE_NULL;

    return (struct search_doc){.doc = sqlite3_column_int64(row, 0),
                               .row = has_row ? sqlite3_column_int64(row, 1) : SEARCH_NO_ROW,
                               .vector_seq = sql_column_uint(row, 2),
                               .deleted = sqlite3_column_int(row, 3) != 0};
}

static int find(struct search_index *index, const struct memferry_memory *memory, size_t tags_size,
                struct search_doc *ret, bool *ret_same, bool *ret_found, struct error *err)
{
    sqlite3_stmt *statement = index->statements[FIND];

    sql_bind_text(statement, 1, memory->id.data, memory->id.size);
    bind_texts(index, statement, memory, tags_size);
    int r = sql_step(&index->sql, statement, ret_found, err);
    *ret = (struct search_doc){.row = SEARCH_NO_ROW};
    if (r == 0 && *ret_found) {
        *ret = read_doc(statement);
        *ret_same = sqlite3_column_int(statement, 4) != 0;
        sql_reset(statement);
    }
    return r;
}

static int add(struct search_index *index, const struct memferry_memory *memory, size_t tags_size,
               struct search_doc *ret, struct error *err)
{
    sqlite3_stmt *write = index->statements[ADD];

    sql_bind_text(write, 1, memory->id.data, memory->id.size);
    bind_texts(index, write, memory, tags_size);
    bind_state(write, memory);
    int r = sql_run(&index->sql, write, err);
    if (r != 0) {
        return r;
    }
    ret->doc = sqlite3_last_insert_rowid(index->sql.db);
    index->count++;
    return run_on_doc(index, WORDS_ADD, ret->doc, err);
}

/* The words that go are told to FTS5 before the row changes: it reads them from there. */
static int change(struct search_index *index, const struct memferry_memory *memory,
                  size_t tags_size, int64_t doc, struct error *err)
{
    sqlite3_stmt *write = index->statements[CHANGE];

    int r = run_on_doc(index, WORDS_REMOVE, doc, err);
    if (r != 0) {
        return r;
    }
    sql_bind_int(write, 1, doc);
    bind_texts(index, write, memory, tags_size);
    bind_state(write, memory);
    r = sql_run(&index->sql, write, err);
    return r == 0 ? run_on_doc(index, WORDS_ADD, doc, err) : r;
}

static int change_state(struct search_index *index, const struct memferry_memory *memory,
                        int64_t doc, struct error *err)
{
    sqlite3_stmt *write = index->statements[CHANGE_STATE];

    sql_bind_int(write, 1, doc);
    bind_state(write, memory);
    return sql_run(&index->sql, write, err);
}

int search_index_put(struct search_index *index, const struct memferry_memory *memory,
                     struct search_doc *ret, struct error *err)
{
    size_t tags_size = 0;
    bool found = false, same = false;

    int r = join_tags(index, memory, &tags_size, err);
    if (r == 0) {
        r = find(index, memory, tags_size, ret, &same, &found, err);
    }
    if (r != 0) {
        return r;
    }
    if (!found) {
        return add(index, memory, tags_size, ret, err);
    }
    if (same) {
        return change_state(index, memory, ret->doc, err);
    }
    bool purged = memory->deleted_ms != 0 && memory->content.size == 0;
    r = purged && index->purged == 0 ? write_number(index, "purged", 1, err) : 0;
    index->purged |= purged;
    return r == 0 ? change(index, memory, tags_size, ret->doc, err) : r;
}

bool search_index_must_forget(const struct search_index *index)
{
    return index->purged != 0;
}

/* Segments are merged into one, without what was deleted; freed pages are zeros (secure_delete),
 * and the log of writes is emptied. */
int search_index_forget(struct search_index *index, struct error *err)
{
    int r = sql_exec(&index->sql, "INSERT INTO memory_fts(memory_fts) VALUES('optimize')", "write",
                     err);

    if (r == 0) {
        r = write_number(index, "purged", 0, err);
    }
    if (r == 0) {
        r = sql_exec(&index->sql, "PRAGMA wal_checkpoint(TRUNCATE)", "write", err);
    }
    index->purged = r != 0;
    return r;
}

int search_index_remove(struct search_index *index, int64_t doc, struct error *err)
{
    int r = run_on_doc(index, WORDS_REMOVE, doc, err);

    if (r == 0) {
        r = run_on_doc(index, REMOVE, doc, err);
    }
    if (r == 0) {
        index->count--;
    }
    return r;
}

/* ---- rows of vectors ---- */

int search_index_set_row(struct search_index *index, int64_t doc, int64_t row, uint64_t vector_seq,
                         struct error *err)
{
    sqlite3_stmt *write = index->statements[SET_ROW];

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
    int r = sql_run(&index->sql, index->statements[RESET_ROWS], err);

    if (r == 0) {
        r = write_number(index, "generation", generation, err);
    }
    if (r == 0) {
        index->generation = generation;
    }
    return r;
}

int search_index_rows(struct search_index *index, uint64_t *ret, struct error *err)
{
    int64_t rows;
    int r = sql_number(&index->sql, texts[ROWS], &rows, err);

    *ret = r == 0 ? (uint64_t)rows : 0;
    return r;
}

int search_index_each(struct search_index *index, bool with_rows, int64_t after, size_t max,
                      search_doc_fn *fn, void *arg, struct error *err)
{
    sqlite3_stmt *scan = index->statements[with_rows ? EACH_WITH_ROW : EACH];
    bool row;

    sql_bind_int(scan, 1, after);
    sql_bind_uint(scan, 2, max);
    for (;;) {
        int r = sql_step(&index->sql, scan, &row, err);
        if (r != 0 || !row) {
            return r;
        }
        const struct search_doc doc = read_doc(scan);
        r = fn(arg, &doc, (const char *)sqlite3_column_text(scan, 4));
        if (r != 0) {
            sql_reset(scan);
            return r;
        }
    }
}
