/* reader_search.c - see reader_search.h. An index may be behind the store: what it found is held to
 * what a memory is now, and left out when it is something else. */
#include "broker/reader_search.h"

#include "broker/reader_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* READER_HIT stands on the memory while *ret_passes. */
static int find(struct reader *reader, const struct reader_filter *filter, const char *id,
                bool *ret_passes, struct error *err)
{
    sqlite3_stmt *row = reader_statement(reader, READER_HIT);

    sql_bind_text(row, 1, id, strlen(id));
    sql_bind_text(row, 2, filter->tag, filter->tag == NULL ? 0 : strlen(filter->tag));
    int r = sql_step(&reader->sql, row, ret_passes, err);
    if (r == 0 && *ret_passes) {
        *ret_passes = reader_scan_passes(row, filter) && sqlite3_column_int(row, 8) != 0;
        if (!*ret_passes) {
            sql_reset(row);
        }
    }
    return r;
}

/* ---- check ---- */

static int check(struct reader *reader, const struct reader_filter *filter,
                 struct reader_candidate *candidate, struct error *err)
{
    sqlite3_stmt *row = reader_statement(reader, READER_HIT);
    bool passes;

    int r = find(reader, filter, candidate->id, &passes, err);
    if (r != 0) {
        return r;
    }
    candidate->by_text = candidate->by_text && passes;
    candidate->by_vector =
        candidate->by_vector && passes && sql_column_uint(row, 6) == candidate->vector_seq;
    if (passes) {
        sql_reset(row);
    }
    return 0;
}

int reader_check_candidates(struct reader *reader, const struct reader_filter *filter,
                            struct reader_candidate *candidates, size_t count, struct error *err)
{
    int r = reader_begin(reader, err);

    if (r != 0) {
        return r;
    }
    for (size_t i = 0; r == 0 && i < count; i++) {
        r = check(reader, filter, &candidates[i], err);
    }
    return reader_end(reader, r, err);
}

/* ---- pack ---- */

static int pack_found(const struct reader_candidate *candidate, msgpack_sbuffer *out)
{
    const char *mode = candidate->by_text && candidate->by_vector ? "both"
                       : candidate->by_vector                     ? "semantic"
                                                                  : "text";
    msgpack_packer packer;

    msgpack_packer_init(&packer, out, msgpack_sbuffer_write);
    int failed = reader_pack_name(&packer, "score");
    failed |= msgpack_pack_double(&packer, candidate->score);
    failed |= reader_pack_name(&packer, "mode") | reader_pack_name(&packer, mode);
    if (candidate->by_text) {
        failed |= reader_pack_name(&packer, "text_score");
        failed |= msgpack_pack_double(&packer, candidate->text_score);
    }
    if (candidate->by_vector) {
        failed |= reader_pack_name(&packer, "semantic_score");
        failed |= msgpack_pack_double(&packer, candidate->vector_score);
    }
    if (candidate->snippet.size > 0) {
        failed |= msgpack_pack_str_body(&packer, candidate->snippet.data, candidate->snippet.size);
    }
    return failed;
}

static int pack(struct reader *reader, const struct reader_filter *filter,
                const struct reader_candidate *candidate, msgpack_sbuffer *out, struct error *err)
{
    sqlite3_stmt *row = reader_statement(reader, READER_HIT),
                 *at = reader_statement(reader, READER_STATE_AT);
    const struct event_text id = {.data = candidate->id, .size = strlen(candidate->id)};
    size_t members =
        2 + (size_t)candidate->by_text + (size_t)candidate->by_vector + candidate->snippet_members;
    struct memory_state state;
    bool found;

    sql_bind_uint(at, 1, sql_column_uint(row, 0));
    int r = sql_step(&reader->sql, at, &found, err);
    if (r != 0) {
        return r;
    }
    if (!found || memory_state_decode(sqlite3_column_blob(at, 0),
                                      (size_t)sqlite3_column_bytes(at, 0), &state) < 0) {
        return reader_damaged(reader, err, id.data, id.size);
    }
    r = reader_show_current(reader, row, 6, &state, err);
    if (r == 0) {
        r = reader_pack_memory_open(reader, &id, &state, filter->embedding, members, out, err);
    }
    if (r == 0 && pack_found(candidate, out) != 0) {
        r = error_set(err, -ENOMEM, "out of memory while searching");
    }
    sql_reset(at);
    return r;
}

/* *ret_full: it is one too many. */
static int take(struct reader *reader, const struct reader_filter *filter,
                const struct reader_preparing *preparing, struct reader_candidate *candidate,
                size_t size_at_start, msgpack_sbuffer *out, uint32_t *count, bool *ret_full,
                struct error *err)
{
    size_t size_before = out->size;
    bool passes;

    int r = find(reader, filter, candidate->id, &passes, err);
    if (r != 0 || !passes) {
        return r;
    }
    r = preparing->fn(preparing->arg, candidate, err);
    r = r == 0 ? pack(reader, filter, candidate, out, err) : r;
    sql_reset(reader->statements[READER_HIT]);
    if (out->size - size_at_start > READER_PAGE_BYTES_MAX && *count > 0) {
        out->size = size_before;
        *ret_full = true;
        return r;
    }
    *count += r == 0;
    *ret_full = *count == filter->limit;
    return r;
}

int reader_pack_candidates(struct reader *reader, const struct reader_filter *filter,
                           const struct reader_preparing *preparing,
                           struct reader_candidate *candidates, size_t count, msgpack_sbuffer *out,
                           uint32_t *ret_count, struct error *err)
{
    size_t size_at_start = out->size;
    bool full = false;
    int r = reader_begin(reader, err);

    *ret_count = 0;
    if (r != 0) {
        return r;
    }
    for (size_t i = 0; r == 0 && !full && i < count; i++) {
        r = take(reader, filter, preparing, &candidates[i], size_at_start, out, ret_count, &full,
                 err);
    }
    return reader_end(reader, r, err);
}

/* ---- others ---- */

int reader_has_memory(struct reader *reader, const char *id, bool *ret, struct error *err)
{
    sqlite3_stmt *find_it = reader_statement(reader, READER_HAS);

    sql_bind_text(find_it, 1, id, strlen(id));
    int r = sql_step(&reader->sql, find_it, ret, err);
    sql_reset(find_it);
    return r;
}

int reader_embedder_model(struct reader *reader, char *ret, struct error *err)
{
    const struct reader_embedder *embedder;
    int r = reader_begin(reader, err);

    ret[0] = '\0';
    if (r != 0) {
        return r;
    }
    r = reader_find_embedder(reader, &embedder, err);
    if (r == 0) {
        snprintf(ret, EMBEDDING_MODEL_MAX + 1, "%s", embedder->model);
    }
    return reader_end(reader, r, err);
}
