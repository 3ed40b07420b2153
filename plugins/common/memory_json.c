/* memory_json.c - see memory_json.h. Failures are the writer's: kept until they are asked for. */
#include "plugins/common/memory_json.h"

#include "plugins/common/json_value.h"

void json_field_string(struct json_writer *w, const char *key, struct memferry_string value)
{
    json_write_key(w, key);
    json_write_string(w, value.data, value.size);
}

void json_field_text(struct json_writer *w, const char *key, const char *value)
{
    json_write_key(w, key);
    json_write_text(w, value);
}

void json_field_int(struct json_writer *w, const char *key, int64_t value)
{
    json_write_key(w, key);
    json_write_int(w, value);
}

void json_field_uint(struct json_writer *w, const char *key, uint64_t value)
{
    json_write_key(w, key);
    json_write_uint(w, value);
}

void json_field_string_or_null(struct json_writer *w, const char *key, struct memferry_string value)
{
    json_write_key(w, key);
    if (value.size == 0) {
        json_write_null(w);
    } else {
        json_write_string(w, value.data, value.size);
    }
}

void json_field_int_or_null(struct json_writer *w, const char *key, int64_t value)
{
    json_write_key(w, key);
    if (value == 0) {
        json_write_null(w);
    } else {
        json_write_int(w, value);
    }
}

void memory_json_tags(struct json_writer *w, const struct memferry_memory *memory)
{
    json_write_key(w, "tags");
    json_begin_array(w);
    for (size_t i = 0; i < memory->tag_count; i++) {
        json_write_string(w, memory->tags[i].data, memory->tags[i].size);
    }
    json_end_array(w);
}

void memory_json_prop_items(struct json_writer *w, const struct memferry_memory *memory)
{
    for (size_t i = 0; i < memory->prop_count; i++) {
        const struct memferry_prop *prop = &memory->props[i];
        json_write_key_sized(w, prop->name.data, prop->name.size);
        json_write_value(w, &prop->value);
    }
}

const char *memory_json_embedding_state(const struct memferry_memory *memory)
{
    static const char *const states[] = {
        [MEMFERRY_EMBEDDING_NONE] = "none",
        [MEMFERRY_EMBEDDING_PENDING] = "pending",
        [MEMFERRY_EMBEDDING_READY] = "ready",
    };

    return states[memory->embedding_state];
}

void memory_json_embedding(struct json_writer *w, const struct memferry_memory *memory)
{
    json_write_key(w, "embedding");
    if (memory->embedding == NULL) {
        json_write_null(w);
    } else {
        json_write_float_array(w, memory->embedding, memory->dims);
    }
}

void memory_json_state(struct json_writer *w, const struct memferry_memory *memory)
{
    json_field_int(w, "created_ms", memory->created_ms);
    json_field_int(w, "updated_ms", memory->updated_ms);
    json_field_int_or_null(w, "deleted_ms", memory->deleted_ms);
    json_field_uint(w, "version", memory->version);
    json_field_int(w, "stamp", memory->stamp);
    json_field_string(w, "origin", memory->origin);
    json_field_string_or_null(w, "session_id", memory->session_id);
}

void memory_json_fields(struct json_writer *w, const struct memferry_memory *memory,
                        bool with_embedding)
{
    json_field_string(w, "id", memory->id);
    json_field_string(w, "content", memory->content);
    json_field_string(w, "kind", memory->kind);
    memory_json_tags(w, memory);
    json_write_key(w, "props");
    json_begin_object(w);
    memory_json_prop_items(w, memory);
    json_end_object(w);
    if (with_embedding) {
        memory_json_embedding(w, memory);
    }
    json_field_text(w, "embedding_state", memory_json_embedding_state(memory));
    json_field_string_or_null(w, "embedding_model", memory->embedding_model);
    memory_json_state(w, memory);
}
