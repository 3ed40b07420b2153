/*
 * statement_pack.c - the parameters of a delivery in PackStream: the rows of statement.c, with the
 * same names and values. A map says first how many items it has.
 */
#include "plugins/neo4j-http/neo4j.h"

#include "plugins/common/memory_json.h"

enum { ROW_FIELDS = 7, SET_FIELDS = 14 };

static void field_string(struct pack *p, const char *key, struct memferry_string value)
{
    pack_text(p, key);
    pack_string(p, value.data, value.size);
}

static void field_string_or_null(struct pack *p, const char *key, struct memferry_string value)
{
    pack_text(p, key);
    if (value.size == 0) {
        pack_null(p);
    } else {
        pack_string(p, value.data, value.size);
    }
}

static void field_int(struct pack *p, const char *key, int64_t value)
{
    pack_text(p, key);
    pack_int(p, value);
}

static void pack_value(struct pack *p, const struct memferry_value *value)
{
    switch (value->type) {
    case MEMFERRY_VALUE_BOOL:
        pack_bool(p, value->as.boolean);
        break;
    case MEMFERRY_VALUE_INT:
        pack_int(p, value->as.integer);
        break;
    case MEMFERRY_VALUE_FLOAT:
        pack_double(p, value->as.floating);
        break;
    case MEMFERRY_VALUE_STRING:
        pack_string(p, value->as.string.data, value->as.string.size);
        break;
    case MEMFERRY_VALUE_LIST:
        pack_list(p, value->as.list.count);
        for (size_t i = 0; i < value->as.list.count; i++) {
            pack_value(p, &value->as.list.items[i]);
        }
        break;
    }
}

static void pack_prop_names(struct pack *p, const struct memferry_memory *memory)
{
    for (size_t i = 0; i < memory->prop_count; i++) {
        pack_string(p, memory->props[i].name.data, memory->props[i].name.size);
    }
}

static void pack_gone_name(struct pack *p, const json_t *gone, size_t i)
{
    const json_t *name = json_array_get(gone, i);

    pack_string(p, json_string_value(name), json_string_length(name));
}

static void pack_embedding(struct pack *p, const struct memferry_memory *memory)
{
    pack_text(p, "embedding");
    if (memory->embedding == NULL) {
        pack_null(p);
    } else {
        pack_floats(p, memory->embedding, memory->dims);
    }
    field_string_or_null(p, "embedding_model", memory->embedding_model);
    pack_text(p, "embedding_state");
    pack_text(p, memory_json_embedding_state(memory));
}

static void pack_state(struct pack *p, const struct memferry_memory *memory)
{
    field_int(p, "created_ms", memory->created_ms);
    field_int(p, "updated_ms", memory->updated_ms);
    pack_text(p, "deleted_ms");
    if (memory->deleted_ms == 0) {
        pack_null(p);
    } else {
        pack_int(p, memory->deleted_ms);
    }
    field_int(p, "version", (int64_t)memory->version);
    field_int(p, "stamp", memory->stamp);
    field_string(p, "origin", memory->origin);
    field_string_or_null(p, "session_id", memory->session_id);
}

static void pack_fields(struct pack *p, const struct memferry_memory *memory)
{
    field_string(p, "content", memory->content);
    field_string(p, "kind", memory->kind);
    pack_text(p, "tags");
    pack_list(p, memory->tag_count);
    for (size_t i = 0; i < memory->tag_count; i++) {
        pack_string(p, memory->tags[i].data, memory->tags[i].size);
    }
    pack_state(p, memory);
    pack_embedding(p, memory);
    pack_text(p, NEO4J_KEYS_PROPERTY);
    pack_list(p, memory->prop_count);
    pack_prop_names(p, memory);
}

static void pack_set(struct pack *p, const struct memferry_memory *memory, const json_t *gone)
{
    pack_text(p, "set");
    pack_map(p, json_array_size(gone) + SET_FIELDS + memory->prop_count);
    for (size_t i = 0; i < json_array_size(gone); i++) {
        pack_gone_name(p, gone, i);
        pack_null(p);
    }
    pack_fields(p, memory);
    for (size_t i = 0; i < memory->prop_count; i++) {
        pack_string(p, memory->props[i].name.data, memory->props[i].name.size);
        pack_value(p, &memory->props[i].value);
    }
}

void deliver_pack_row(struct pack *p, const struct memferry_memory *memory, size_t i,
                      const json_t *gone)
{
    pack_map(p, ROW_FIELDS);
    field_int(p, "i", (int64_t)i);
    field_string(p, "id", memory->id);
    field_int(p, "stamp", memory->stamp);
    field_string(p, "origin", memory->origin);
    field_string_or_null(p, "session_id", memory->session_id);
    pack_text(p, "known");
    pack_list(p, memory->prop_count + json_array_size(gone));
    pack_prop_names(p, memory);
    for (size_t k = 0; k < json_array_size(gone); k++) {
        pack_gone_name(p, gone, k);
    }
    pack_set(p, memory, gone);
}
