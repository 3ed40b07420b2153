/* reader_memory.c - a memory as a call's answer: a msgpack map by protocol.md's names. Absent
 * fields are left out; tags and props are copied as they lie in the state. */
#include "broker/reader_internal.h"

#include <errno.h>
#include <string.h>

int reader_find_vector(struct reader *reader, uint64_t vector_seq, const void **ret_data,
                       size_t *ret_size, struct error *err)
{
    sqlite3_stmt *find = reader_statement(reader, READER_VECTOR);
    bool row;

    *ret_data = NULL;
    *ret_size = 0;
    if (vector_seq == 0) {
        return 0;
    }
    sql_bind_uint(find, 1, vector_seq);
    int r = sql_step(&reader->sql, find, &row, err);
    if (r == 0 && row) {
        *ret_data = sqlite3_column_blob(find, 0);
        *ret_size = (size_t)sqlite3_column_bytes(find, 0);
    }
    return r;
}

static int pack_text(msgpack_packer *out, const char *name, const struct event_text *text)
{
    if (text->data == NULL) {
        return 0;
    }
    return reader_pack_name(out, name) | msgpack_pack_str_with_body(out, text->data, text->size);
}

static int pack_slice(msgpack_packer *out, const char *name, const struct unpack_slice *slice)
{
    return reader_pack_name(out, name) | msgpack_pack_str_body(out, slice->data, slice->size);
}

static int pack_int(msgpack_packer *out, const char *name, int64_t number)
{
    return reader_pack_name(out, name) | msgpack_pack_int64(out, number);
}

static const char *embedding_state_name(enum memferry_embedding_state state)
{
    switch (state) {
    case MEMFERRY_EMBEDDING_PENDING:
        return "pending";
    case MEMFERRY_EMBEDDING_READY:
        return "ready";
    default:
        return "none";
    }
}

/* id, content, kind, tags, props, created, updated, version, stamp, origin, embedding_state */
#define NAMES_ALWAYS 11

struct vector {
    const void *data; /* NULL: none */
    size_t size;
    bool truncated;
};

static int pack_vector(msgpack_packer *out, const struct vector *vector)
{
    int failed = 0;

    if (vector->data != NULL) {
        failed |= reader_pack_name(out, "embedding");
        failed |= msgpack_pack_bin_with_body(out, vector->data, vector->size);
    }
    if (vector->truncated) {
        failed |= reader_pack_name(out, "embedding_truncated") | msgpack_pack_true(out);
    }
    return failed;
}

static int pack_fields(msgpack_packer *out, const struct event_text *id,
                       const struct memory_state *state, const struct vector *vector, size_t more)
{
    int failed = msgpack_pack_map(out, (size_t)NAMES_ALWAYS + more + (state->deleted_ms != 0) +
                                           (state->session_id.data != NULL) +
                                           (state->embedding_model.data != NULL) +
                                           (vector->data != NULL) + vector->truncated);

    failed |= pack_text(out, "id", id);
    failed |= pack_text(out, "content", &state->content);
    failed |= pack_text(out, "kind", &state->kind);
    failed |= pack_slice(out, "tags", &state->tags);
    failed |= pack_slice(out, "props", &state->props);
    failed |= pack_int(out, "created_ms", state->created_ms);
    failed |= pack_int(out, "updated_ms", state->updated_ms);
    if (state->deleted_ms != 0) {
        failed |= pack_int(out, "deleted_ms", state->deleted_ms);
    }
    failed |= reader_pack_name(out, "version") | msgpack_pack_uint64(out, state->version);
    failed |= pack_int(out, "stamp", state->stamp_us);
    failed |= pack_text(out, "origin", &state->origin);
    failed |= pack_text(out, "session_id", &state->session_id);
    failed |= reader_pack_name(out, "embedding_state");
    failed |= reader_pack_name(out, embedding_state_name(state->embedding_state));
    failed |= pack_text(out, "embedding_model", &state->embedding_model);
    return failed | pack_vector(out, vector);
}

int reader_pack_memory_open(struct reader *reader, const struct event_text *id,
                            const struct memory_state *state, bool with_embedding, size_t more,
                            msgpack_sbuffer *out, struct error *err)
{
    sqlite3_stmt *row = reader_statement(reader, READER_VECTOR);
    struct vector vector = {0};
    msgpack_packer packer;

    int r = reader_find_vector(reader, with_embedding ? state->vector_seq : 0, &vector.data,
                               &vector.size, err);
    if (r != 0) {
        return r;
    }
    vector.truncated = vector.data != NULL && sqlite3_column_int(row, 1) != 0;
    msgpack_packer_init(&packer, out, msgpack_sbuffer_write);
    int failed = pack_fields(&packer, id, state, &vector, more);
    sql_reset(row);
    return failed == 0 ? 0 : error_set(err, -ENOMEM, "out of memory while reading a memory");
}

int reader_pack_memory(struct reader *reader, const struct event_text *id,
                       const struct memory_state *state, bool with_embedding, msgpack_sbuffer *out,
                       struct error *err)
{
    return reader_pack_memory_open(reader, id, state, with_embedding, 0, out, err);
}
