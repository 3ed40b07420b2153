/* search_index_put.c - a memory goes into the text index, in place of what was there, or leaves it.
 */
#include "broker/search_index_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

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

static int find(struct search_index *index, const struct memferry_memory *memory, size_t tags_size,
                struct search_doc *ret, bool *ret_same, bool *ret_found, struct error *err)
{
    sqlite3_stmt *statement = index->statements[INDEX_FIND];

    sql_bind_text(statement, 1, memory->id.data, memory->id.size);
    bind_texts(index, statement, memory, tags_size);
    int r = sql_step(&index->sql, statement, ret_found, err);
    *ret = (struct search_doc){.row = SEARCH_NO_ROW};
    if (r == 0 && *ret_found) {
        *ret = index_read_doc(statement);
        *ret_same = sqlite3_column_int(statement, 4) != 0;
        sql_reset(statement);
    }
    return r;
}

static int add_words(struct search_index *index, const struct memferry_memory *memory,
                     size_t tags_size, int64_t doc, struct error *err)
{
    sqlite3_stmt *write = index->statements[INDEX_WORDS_ADD];

    sql_bind_int(write, 1, doc);
    bind_texts(index, write, memory, tags_size);
    sql_bind_text(write, 5, memory->id.data, memory->id.size);
    return sql_run(&index->sql, write, err);
}

/* FTS5 must be told the words as they were put in. */
static int remove_words(struct search_index *index, int64_t doc, struct error *err)
{
    sqlite3_stmt *find = index->statements[INDEX_WORDS];
    sqlite3_stmt *write = index->statements[INDEX_WORDS_REMOVE];
    bool row;

    sql_bind_int(find, 1, doc);
    int r = sql_step(&index->sql, find, &row, err);
    if (r != 0 || !row) {
        return r;
    }
    sql_bind_int(write, 1, doc);
    for (int i = 1; i < 5; i++) {
        sql_bind_text(write, i + 1, (const char *)sqlite3_column_text(find, i),
                      (size_t)sqlite3_column_bytes(find, i));
    }
    r = sql_run(&index->sql, write, err);
    sql_reset(find); /* it was bound to what is read */
    return r;
}

static int add(struct search_index *index, const struct memferry_memory *memory, size_t tags_size,
               struct search_doc *ret, struct error *err)
{
    sqlite3_stmt *write = index->statements[INDEX_ADD];

    sql_bind_text(write, 1, memory->id.data, memory->id.size);
    bind_texts(index, write, memory, tags_size);
    bind_state(write, memory);
    int r = sql_run(&index->sql, write, err);
    if (r != 0) {
        return r;
    }
    ret->doc = sqlite3_last_insert_rowid(index->sql.db);
    index->count++;
    return add_words(index, memory, tags_size, ret->doc, err);
}

/* The words that go are told to FTS5 before the row changes: they are read from there. */
static int change(struct search_index *index, const struct memferry_memory *memory,
                  size_t tags_size, int64_t doc, struct error *err)
{
    sqlite3_stmt *write = index->statements[INDEX_CHANGE];

    int r = remove_words(index, doc, err);
    if (r != 0) {
        return r;
    }
    sql_bind_int(write, 1, doc);
    bind_texts(index, write, memory, tags_size);
    bind_state(write, memory);
    r = sql_run(&index->sql, write, err);
    return r == 0 ? add_words(index, memory, tags_size, doc, err) : r;
}

static int change_state(struct search_index *index, const struct memferry_memory *memory,
                        int64_t doc, struct error *err)
{
    sqlite3_stmt *write = index->statements[INDEX_CHANGE_STATE];

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
    r = purged && index->purged == 0 ? index_write_number(index, "purged", 1, err) : 0;
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
        r = index_write_number(index, "purged", 0, err);
    }
    if (r == 0) {
        r = sql_exec(&index->sql, "PRAGMA wal_checkpoint(TRUNCATE)", "write", err);
    }
    index->purged = r != 0;
    return r;
}

int search_index_remove(struct search_index *index, int64_t doc, struct error *err)
{
    int r = remove_words(index, doc, err);

    if (r == 0) {
        sql_bind_int(index->statements[INDEX_REMOVE], 1, doc);
        r = sql_run(&index->sql, index->statements[INDEX_REMOVE], err);
    }
    if (r == 0) {
        index->count--;
    }
    return r;
}
