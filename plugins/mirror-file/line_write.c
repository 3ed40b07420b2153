/*
 * line_write.c - a memory as a line of JSON from which it can be read back exactly.
 *
 * Integers stay integers and floats stay floats (1.0 is written so), the embedding is base64 of
 * little-endian float32, and what a memory does not have is left out. The writer keeps failures
 * until they are asked for.
 */
#include "mirror.h"

#include "plugins/common/memory_json.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "floats are written as they lie");

static void write_embedding(struct json_writer *w, const struct memferry_memory *m)
{
    json_field_text(w, "embedding_state", memory_json_embedding_state(m));
    if (m->embedding != NULL) {
        json_field_string(w, "embedding_model", m->embedding_model);
        json_write_key(w, "embedding");
        json_write_base64(w, m->embedding, m->dims * sizeof *m->embedding);
    }
}

void line_write(struct json_writer *w, const struct memferry_memory *m)
{
    json_writer_reset(w);
    json_begin_object(w);
    json_field_int(w, "memferry", 1); /* first: see LINE_START */
    json_field_string(w, "id", m->id);
    json_field_int(w, "stamp", m->stamp);
    json_field_string(w, "origin", m->origin);
    json_field_uint(w, "version", m->version);
    json_field_string(w, "kind", m->kind);
    json_field_string(w, "content", m->content);
    memory_json_tags(w, m);
    json_write_key(w, "props");
    json_begin_object(w);
    memory_json_prop_items(w, m);
    json_end_object(w);
    json_field_int(w, "created_ms", m->created_ms);
    json_field_int(w, "updated_ms", m->updated_ms);
    if (m->deleted_ms != 0) {
        json_field_int(w, "deleted_ms", m->deleted_ms);
    }
    if (m->session_id.size > 0) {
        json_field_string(w, "session_id", m->session_id);
    }
    write_embedding(w, m);
    json_end_object(w);
    json_append(w, "\n", 1);
}
