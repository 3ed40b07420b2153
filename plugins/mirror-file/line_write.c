/*
 * line_write.c - a memory as a line of JSON from which it can be read back exactly.
 *
 * Integers stay integers and floats stay floats (1.0 is written so), the embedding is base64 of
 * little-endian float32, and what a memory does not have is left out. The writer keeps failures
 * until they are asked for.
 */
#include "mirror.h"

#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "floats are written as they lie");

static void write_string(struct json_writer *w, const char *key, struct memferry_string value)
{
    json_write_key(w, key);
    json_write_string(w, value.data, value.size);
}

static void write_int(struct json_writer *w, const char *key, int64_t value)
{
    json_write_key(w, key);
    json_write_int(w, value);
}

static void write_props(struct json_writer *w, const struct memferry_memory *m)
{
    json_write_key(w, "props");
    json_begin_object(w);
    for (size_t i = 0; i < m->prop_count; i++) {
        json_write_key_sized(w, m->props[i].name.data, m->props[i].name.size);
        json_write_value(w, &m->props[i].value);
    }
    json_end_object(w);
}

static void write_tags(struct json_writer *w, const struct memferry_memory *m)
{
    json_write_key(w, "tags");
    json_begin_array(w);
    for (size_t i = 0; i < m->tag_count; i++) {
        json_write_string(w, m->tags[i].data, m->tags[i].size);
    }
    json_end_array(w);
}

static void write_embedding(struct json_writer *w, const struct memferry_memory *m)
{
    static const char *const states[] = {
        [MEMFERRY_EMBEDDING_NONE] = "none",
        [MEMFERRY_EMBEDDING_PENDING] = "pending",
        [MEMFERRY_EMBEDDING_READY] = "ready",
    };

    json_write_key(w, "embedding_state");
    json_write_text(w, states[m->embedding_state]);
    if (m->embedding != NULL) {
        write_string(w, "embedding_model", m->embedding_model);
        json_write_key(w, "embedding");
        json_write_base64(w, m->embedding, m->dims * sizeof *m->embedding);
    }
}

void line_write(struct json_writer *w, const struct memferry_memory *m)
{
    json_writer_reset(w);
    json_begin_object(w);
    write_int(w, "memferry", 1); /* first: see LINE_START */
    write_string(w, "id", m->id);
    write_int(w, "stamp", m->stamp);
    write_string(w, "origin", m->origin);
    json_write_key(w, "version");
    json_write_uint(w, m->version);
    write_string(w, "kind", m->kind);
    write_string(w, "content", m->content);
    write_tags(w, m);
    write_props(w, m);
    write_int(w, "created_ms", m->created_ms);
    write_int(w, "updated_ms", m->updated_ms);
    if (m->deleted_ms != 0) {
        write_int(w, "deleted_ms", m->deleted_ms);
    }
    if (m->session_id.size > 0) {
        write_string(w, "session_id", m->session_id);
    }
    write_embedding(w, m);
    json_end_object(w);
    json_append(w, "\n", 1);
}
