/*
 * put.c - writes a memory as the params of memory.put.
 *
 * Only what was given is written: an absent field means "leave it". Fails with the field's name on
 * what cannot be sent at all; what is sent and wrong is the broker's to refuse.
 */
#include "client/put.h"

#include "client/wire/rpc.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

int pack_text(msgpack_packer *packer, const char *text)
{
    return msgpack_pack_str_with_body(packer, text, strlen(text));
}

void pack_field(msgpack_packer *packer, const char *name, const char *text)
{
    if (text != NULL) {
        pack_text(packer, name);
        pack_text(packer, text);
    }
}

static int field_invalid(struct memferry *m, const char *field, const char *why)
{
    int rc = client_error(m, MEMFERRY_E_INVALID, "%s %s; nothing was sent", field, why);

    strncpy(m->error_field, field, sizeof m->error_field - 1);
    return rc;
}

int put_copy(struct memferry *m, const struct memferry_put *given, struct memferry_put *ret)
{
    if (given == NULL || given->size < offsetof(struct memferry_put, retry)) {
        return client_error(m, MEMFERRY_E_INVALID,
                            "struct memferry_put has no size: set .size = sizeof(struct "
                            "memferry_put)");
    }
    *ret = (struct memferry_put){0};
    memcpy(ret, given, given->size < sizeof *ret ? given->size : sizeof *ret);
    if (ret->session_id == NULL) {
        ret->session_id = session_of_request(m);
    }
    if (ret->session_id != NULL && ret->session_id[0] == '\0') {
        ret->session_id = NULL;
    }
    return MEMFERRY_OK;
}

void put_ids_make(struct put_ids *ids, const struct memferry_put *put)
{
    if (put->id == NULL) {
        uuid_text(ids->id);
    }
    if (put->event_id == NULL) {
        uuid_text(ids->event_id);
    }
}

int put_wait_ms(const struct memferry_put *put)
{
    if (put->wait != MEMFERRY_WAIT_DELIVERED) {
        return 0;
    }
    return put->timeout_ms != 0 ? put->timeout_ms : CLIENT_TIMEOUT_MS;
}

static int pack_list_json(struct memferry *m, msgpack_packer *packer, const char *json)
{
    struct rpc_failure failure;
    msgpack_object list;
    msgpack_zone zone;

    if (json == NULL) {
        return field_invalid(m, "props", "holds a list without its JSON text");
    }
    if (!msgpack_zone_init(&zone, MSGPACK_ZONE_CHUNK_SIZE)) {
        return client_error_memory(m);
    }
    bool good = json_to_msgpack(json, strlen(json), &zone, &list, &failure) == 0 &&
                list.type == MSGPACK_OBJECT_ARRAY;
    if (good) {
        msgpack_pack_object(packer, list);
    }
    msgpack_zone_destroy(&zone);
    return good ? MEMFERRY_OK : field_invalid(m, "props", "holds a list that is no JSON list");
}

static int pack_property(struct memferry *m, msgpack_packer *packer,
                         const struct memferry_property *property)
{
    if (property->name == NULL) {
        return field_invalid(m, "props", "holds a property without a name");
    }
    pack_text(packer, property->name);
    switch (property->type) {
    case MEMFERRY_NODE_NULL:
        msgpack_pack_nil(packer);
        return MEMFERRY_OK;
    case MEMFERRY_NODE_BOOL:
        property->as.boolean ? msgpack_pack_true(packer) : msgpack_pack_false(packer);
        return MEMFERRY_OK;
    case MEMFERRY_NODE_INT:
        msgpack_pack_int64(packer, property->as.integer);
        return MEMFERRY_OK;
    case MEMFERRY_NODE_FLOAT:
        msgpack_pack_double(packer, property->as.floating);
        return MEMFERRY_OK;
    case MEMFERRY_NODE_STRING:
        if (property->as.string == NULL) {
            return field_invalid(m, "props", "holds a string that is NULL");
        }
        pack_text(packer, property->as.string);
        return MEMFERRY_OK;
    case MEMFERRY_NODE_LIST:
        return pack_list_json(m, packer, property->as.list_json);
    default:
        return field_invalid(m, "props", "holds a value of a type that properties have not");
    }
}

static int pack_props(struct memferry *m, msgpack_packer *packer, const struct memferry_put *put)
{
    if (put->prop_count == 0) {
        return MEMFERRY_OK;
    }
    pack_text(packer, "props");
    msgpack_pack_map(packer, put->prop_count);
    for (size_t i = 0; i < put->prop_count; i++) {
        int rc = pack_property(m, packer, &put->props[i]);
        if (rc != MEMFERRY_OK) {
            return rc;
        }
    }
    return MEMFERRY_OK;
}

static int pack_tags(struct memferry *m, msgpack_packer *packer, const struct memferry_put *put)
{
    if (put->tags == NULL) {
        return MEMFERRY_OK;
    }
    pack_text(packer, "tags");
    msgpack_pack_array(packer, put->tag_count);
    for (size_t i = 0; i < put->tag_count; i++) {
        if (put->tags[i] == NULL) {
            return field_invalid(m, "tags", "holds a tag that is NULL");
        }
        pack_text(packer, put->tags[i]);
    }
    return MEMFERRY_OK;
}

/* As bin of little-endian float32. */
static void pack_embedding(msgpack_packer *packer, const struct memferry_put *put)
{
    if (put->embedding == NULL) {
        return;
    }
    pack_text(packer, "embedding");
    msgpack_pack_bin(packer, put->dims * sizeof(float));
    for (size_t i = 0; i < put->dims; i++) {
        uint32_t bits;
        memcpy(&bits, &put->embedding[i], sizeof bits);
        bits = htole32(bits);
        msgpack_pack_bin_body(packer, &bits, sizeof bits);
    }
}

static void pack_conditions(msgpack_packer *packer, const struct memferry_put *put, bool retry)
{
    if (retry) {
        pack_text(packer, "retry");
        msgpack_pack_true(packer);
    }
    if (put->has_expected_version) {
        pack_text(packer, "expected_version");
        msgpack_pack_uint64(packer, put->expected_version);
    }
    if (put_wait_ms(put) != 0) {
        pack_field(packer, "wait", "delivered");
        pack_text(packer, "timeout_ms");
        msgpack_pack_int(packer, put_wait_ms(put));
    }
}

static size_t field_count(const struct memferry_put *put, bool retry)
{
    return 2u /* id, event_id */ + (put->content != NULL) + (put->kind != NULL) +
           (put->tags != NULL) + (put->prop_count > 0) + (put->embedding != NULL) +
           (put->session_id != NULL) + retry + put->has_expected_version +
           (put_wait_ms(put) != 0 ? 2u : 0u);
}

static int put_check(struct memferry *m, const struct memferry_put *put)
{
    if (put->prop_count > 0 && put->props == NULL) {
        return field_invalid(m, "props", "is NULL, with a count");
    }
    if (put->dims > CLIENT_OUT_MAX / sizeof(float)) {
        return field_invalid(m, "embedding", "has too many dimensions");
    }
    if (put_wait_ms(put) < 0) {
        return field_invalid(m, "timeout_ms", "is below 0");
    }
    return MEMFERRY_OK;
}

int put_encode(struct memferry *m, const struct memferry_put *put, const struct put_ids *ids,
               bool retry)
{
    msgpack_packer packer;
    int rc = put_check(m, put);

    if (rc != MEMFERRY_OK) {
        return rc;
    }
    params_begin(m, &packer);
    msgpack_pack_map(&packer, field_count(put, retry));
    pack_field(&packer, "id", put->id != NULL ? put->id : ids->id);
    pack_field(&packer, "event_id", put->event_id != NULL ? put->event_id : ids->event_id);
    pack_field(&packer, "content", put->content);
    pack_field(&packer, "kind", put->kind);
    pack_field(&packer, "session_id", put->session_id);
    pack_embedding(&packer, put);
    pack_conditions(&packer, put, retry);
    rc = pack_tags(m, &packer, put);
    return rc != MEMFERRY_OK ? rc : pack_props(m, &packer, put);
}
