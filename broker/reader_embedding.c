/*
 * reader_embedding.c - what a memory shows of its embedding: the caller's vector that its state
 * names, else an embedder's of the same content; and without one, whether an embedder will make it.
 */
#include "broker/reader_internal.h"

#include <stdio.h>
#include <string.h>

/* ---- the embedder ---- */

static void keep_embedder(struct reader_embedder *embedder, sqlite3_stmt *row)
{
    struct event_text model = reader_column_text(row, 0), lane = reader_column_text(row, 1);

    snprintf(embedder->model, sizeof embedder->model, "%.*s", (int)model.size, model.data);
    snprintf(embedder->lane, sizeof embedder->lane, "%.*s", (int)lane.size,
             lane.data == NULL ? "" : lane.data);
}

int reader_find_embedder(struct reader *reader, const struct reader_embedder **ret,
                         struct error *err)
{
    sqlite3_stmt *find = reader_statement(reader, READER_EMBEDDER);
    struct reader_embedder *embedder = &reader->embedder;
    bool row;
    int r = 0;

    *ret = embedder;
    if (embedder->is_known) {
        return 0;
    }
    embedder->model[0] = embedder->lane[0] = '\0';
    r = sql_step(&reader->sql, find, &row, err);
    if (r == 0 && row) {
        keep_embedder(embedder, find);
        sql_reset(find);
    }
    embedder->is_known = r == 0;
    return r;
}

/* ---- what is shown ---- */

static void show(struct memory_state *state, uint64_t vector_seq, struct event_text model)
{
    state->vector_seq = vector_seq;
    state->embedding_model = vector_seq != 0 ? model : (struct event_text){0};
    state->embedding_state = vector_seq != 0 ? MEMFERRY_EMBEDDING_READY : MEMFERRY_EMBEDDING_NONE;
}

static int show_pending(struct reader *reader, struct memory_state *state, struct error *err)
{
    const struct reader_embedder *embedder;
    int r = reader_find_embedder(reader, &embedder, err);

    if (r == 0 && embedder->model[0] != '\0') {
        state->embedding_state = MEMFERRY_EMBEDDING_PENDING;
    }
    return r;
}

int reader_show_current(struct reader *reader, sqlite3_stmt *row, int column,
                        struct memory_state *state, struct error *err)
{
    show(state, sql_column_uint(row, column), reader_column_text(row, column + 1));
    return state->vector_seq == 0 && state->deleted_ms == 0 ? show_pending(reader, state, err) : 0;
}

/* ---- of a version ---- */

/* *ret_row stands on what was found until it is asked again, or the transaction ends. */
static int find_by_content(struct reader *reader, enum reader_statement which,
                           const struct event_text *id, const uint8_t hash[CONTENT_HASH_SIZE],
                           bool *ret_found, struct error *err)
{
    sqlite3_stmt *find = reader_statement(reader, which);

    sql_reset(find);
    sql_bind_text(find, 1, id->data, id->size);
    sql_bind_blob(find, 2, hash, CONTENT_HASH_SIZE);
    return sql_step(&reader->sql, find, ret_found, err);
}

int reader_show_version(struct reader *reader, const struct event_text *id,
                        struct memory_state *state, struct error *err)
{
    sqlite3_stmt *embedded = reader_statement(reader, READER_EMBEDDED);
    uint8_t hash[CONTENT_HASH_SIZE];
    bool found, awaited;

    if (state->vector_seq != 0) {
        show(state, state->vector_seq, state->embedding_model);
        return 0;
    }
    store_hash_content(&state->content, hash);
    int r = find_by_content(reader, READER_EMBEDDED, id, hash, &found, err);
    if (r != 0) {
        return r;
    }
    show(state, found ? sql_column_uint(embedded, 0) : 0,
         found ? reader_column_text(embedded, 1) : (struct event_text){0});
    if (found || state->deleted_ms != 0) {
        return 0;
    }
    r = find_by_content(reader, READER_AWAITED, id, hash, &awaited, err);
    return r == 0 && awaited ? show_pending(reader, state, err) : r;
}
