/* memory_pack.c - see memory_pack.h. Nothing is checked here: the import's reader does. */
#include "broker/memory_pack.h"

#include "broker/pack.h"

static void pack_string(msgpack_packer *packer, struct memferry_string text)
{
    pack_text(packer, text.data, text.size);
}

static void pack_string_member(msgpack_packer *packer, const char *key, struct memferry_string text)
{
    pack_key(packer, key);
    pack_string(packer, text);
}

static void pack_scalar(msgpack_packer *packer, const struct memferry_value *value)
{
    switch (value->type) {
    case MEMFERRY_VALUE_BOOL:
        value->as.boolean ? msgpack_pack_true(packer) : msgpack_pack_false(packer);
        break;
    case MEMFERRY_VALUE_INT:
        msgpack_pack_int64(packer, value->as.integer);
        break;
    case MEMFERRY_VALUE_FLOAT:
        msgpack_pack_double(packer, value->as.floating);
        break;
    case MEMFERRY_VALUE_STRING:
        pack_string(packer, value->as.string);
        break;
    case MEMFERRY_VALUE_LIST: /* a list in a list is none of ours: the reader refuses nil there */
        msgpack_pack_nil(packer);
        break;
    }
}

static void pack_value(msgpack_packer *packer, const struct memferry_value *value)
{
    if (value->type != MEMFERRY_VALUE_LIST) {
        pack_scalar(packer, value);
        return;
    }
    msgpack_pack_array(packer, value->as.list.count);
    for (size_t i = 0; i < value->as.list.count; i++) {
        pack_scalar(packer, &value->as.list.items[i]);
    }
}

static void pack_lists(msgpack_packer *packer, const struct memferry_memory *memory)
{
    pack_key(packer, "tags");
    msgpack_pack_array(packer, memory->tag_count);
    for (size_t i = 0; i < memory->tag_count; i++) {
        pack_string(packer, memory->tags[i]);
    }
    pack_key(packer, "props");
    msgpack_pack_map(packer, memory->prop_count);
    for (size_t i = 0; i < memory->prop_count; i++) {
        pack_string(packer, memory->props[i].name);
        pack_value(packer, &memory->props[i].value);
    }
}

static void pack_embedding(msgpack_packer *packer, const struct memferry_memory *memory)
{
    pack_key(packer, "embedding");
    msgpack_pack_bin_with_body(packer, (const char *)memory->embedding,
                               memory->dims * sizeof *memory->embedding);
    if (memory->embedding_model.size > 0) {
        pack_string_member(packer, "embedding_model", memory->embedding_model);
    }
}

static size_t count_members(const struct memferry_memory *memory)
{
    return (size_t)9 + (memory->deleted_ms != 0) + (memory->session_id.size > 0) +
           (memory->embedding != NULL) +
           (memory->embedding != NULL && memory->embedding_model.size > 0);
}

void memory_pack(const struct memferry_memory *memory, msgpack_sbuffer *out)
{
    msgpack_packer packer;

    msgpack_packer_init(&packer, out, msgpack_sbuffer_write);
    msgpack_pack_map(&packer, count_members(memory));
    pack_string_member(&packer, "id", memory->id);
    pack_string_member(&packer, "content", memory->content);
    pack_string_member(&packer, "kind", memory->kind);
    pack_lists(&packer, memory);
    pack_int_member(&packer, "created_ms", memory->created_ms);
    pack_int_member(&packer, "updated_ms", memory->updated_ms);
    if (memory->deleted_ms != 0) {
        pack_int_member(&packer, "deleted_ms", memory->deleted_ms);
    }
    pack_int_member(&packer, "stamp", memory->stamp);
    pack_string_member(&packer, "origin", memory->origin);
    if (memory->session_id.size > 0) {
        pack_string_member(&packer, "session_id", memory->session_id);
    }
    if (memory->embedding != NULL) {
        pack_embedding(&packer, memory);
    }
}
