/* memory_params.c - checks what a caller says of a memory. Refuses by field; changes nothing. */
#include "broker/memory_params.h"

#include "broker/param_embedding.h"

#include "client/wire/rpc.h"

#include <errno.h>
#include <math.h>
#include <string.h>

static const char *const reserved_names[] = {
    "id",
    "content",
    "kind",
    "tags",
    "props",
    "embedding",
    "created_ms",
    "updated_ms",
    "deleted_ms",
    "version",
    "stamp",
    "origin",
    "session_id",
    "embedding_state",
    "embedding_model",
    "memferry_keys",
    "memferry_webhooks",
    NULL,
};

static bool is_reserved(const msgpack_object_str *name)
{
    for (const char *const *reserved = reserved_names; *reserved != NULL; reserved++) {
        if (strlen(*reserved) == name->size && memcmp(*reserved, name->ptr, name->size) == 0) {
            return true;
        }
    }
    return false;
}

/* ---- tags ---- */

static enum rpc_code check_tags(const struct param *param)
{
    const msgpack_object *value = param->value;

    if (value->type != MSGPACK_OBJECT_ARRAY) {
        return param_fail(param, "tags must be a list of strings");
    }
    if (value->via.array.size > TAGS_MAX) {
        return param_fail(param, "tags has %u members, more than the %d allowed",
                          value->via.array.size, TAGS_MAX);
    }
    for (uint32_t i = 0; i < value->via.array.size; i++) {
        const msgpack_object *tag = &value->via.array.ptr[i];
        if (tag->type != MSGPACK_OBJECT_STR || tag->via.str.size == 0 ||
            tag->via.str.size > TAG_MAX) {
            return param_fail(param, "tags must hold strings of 1 to %d bytes", TAG_MAX);
        }
    }
    return RPC_OK;
}

/* ---- props ---- */

enum scalar { SCALAR_NONE = 0, SCALAR_BOOL, SCALAR_INT, SCALAR_FLOAT, SCALAR_STRING };

static enum scalar scalar_of(const msgpack_object *value)
{
    switch (value->type) {
    case MSGPACK_OBJECT_BOOLEAN:
        return SCALAR_BOOL;
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
        return value->via.u64 <= INT64_MAX ? SCALAR_INT : SCALAR_NONE;
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        return SCALAR_INT;
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        return isfinite(value->via.f64) ? SCALAR_FLOAT : SCALAR_NONE;
    case MSGPACK_OBJECT_STR:
        return SCALAR_STRING;
    default:
        return SCALAR_NONE;
    }
}

static bool is_list_of_one_type(const msgpack_object *value)
{
    if (value->type != MSGPACK_OBJECT_ARRAY || value->via.array.size > PROP_LIST_MAX) {
        return false;
    }
    for (uint32_t i = 0; i < value->via.array.size; i++) {
        enum scalar type = scalar_of(&value->via.array.ptr[i]);
        if (type == SCALAR_NONE || type != scalar_of(&value->via.array.ptr[0])) {
            return false;
        }
    }
    return true;
}

static enum rpc_code check_prop(const struct param *param, const msgpack_object_kv *prop)
{
    const msgpack_object_str *name = &prop->key.via.str;

    if (name->size == 0 || name->size > PROP_NAME_MAX) {
        return param_fail(param, "a name in props must have 1 to %d bytes", PROP_NAME_MAX);
    }
    if (is_reserved(name)) {
        return param_fail(param, "props.%.*s is the name of a memory's own field; use another",
                          (int)name->size, name->ptr);
    }
    if (prop->val.type != MSGPACK_OBJECT_NIL && scalar_of(&prop->val) == SCALAR_NONE &&
        !is_list_of_one_type(&prop->val)) {
        return param_fail(param,
                          "props.%.*s must be null, a bool, an int64, a finite float, a string, "
                          "or a list (of at most %d) of one of those",
                          (int)name->size, name->ptr, PROP_LIST_MAX);
    }
    return RPC_OK;
}

static enum rpc_code check_props(const struct param *param)
{
    const msgpack_object *value = param->value;

    if (value->type != MSGPACK_OBJECT_MAP) {
        return param_fail(param, "props must be a map of names to values");
    }
    if (value->via.map.size > PROPS_MAX) {
        return param_fail(param, "props has %u members, more than the %d allowed",
                          value->via.map.size, PROPS_MAX);
    }
    for (uint32_t i = 0; i < value->via.map.size; i++) {
        enum rpc_code code = check_prop(param, &value->via.map.ptr[i]);
        if (code != RPC_OK) {
            return code;
        }
    }
    return RPC_OK;
}

/* ---- all together ---- */

enum rpc_code wait_params_read(bool *wait_delivered, uint64_t *timeout_ms,
                               const struct param *param)
{
    static const char *const names[] = {"durable", "delivered"};

    if (param_is(param, "timeout_ms")) {
        return param_uint(param, 1, WAIT_MAX_MS, timeout_ms);
    }
    if (!param_is(param, "wait")) {
        return RPC_METHOD_NOT_FOUND;
    }
    unsigned which = 0;
    enum rpc_code code = param_choice(param, names, sizeof names / sizeof *names, &which);
    *wait_delivered = which == 1;
    return code;
}

static enum rpc_code read_deleted(const struct param *param, enum reader_deleted *ret)
{
    static const char *const names[] = {
        [READER_DELETED_NO] = "no", [READER_DELETED_ONLY] = "only", [READER_DELETED_ANY] = "any"};
    unsigned which = *ret;
    enum rpc_code code = param_choice(param, names, sizeof names / sizeof *names, &which);

    *ret = (enum reader_deleted)which;
    return code;
}

enum rpc_code filter_params_read(struct reader_filter *filter, struct filter_texts *texts,
                                 const struct param *param)
{
    if (param_is(param, "session_id")) {
        return param_filter(param, SESSION_ID_MAX, texts->session_id, &filter->session_id);
    }
    if (param_is(param, "kind")) {
        return param_filter(param, KIND_MAX, texts->kind, &filter->kind);
    }
    if (param_is(param, "tag")) {
        return param_filter(param, TAG_MAX, texts->tag, &filter->tag);
    }
    if (param_is(param, "since")) {
        return param_time(param, &filter->since_ms);
    }
    if (param_is(param, "until")) {
        return param_time(param, &filter->until_ms);
    }
    return param_is(param, "deleted") ? read_deleted(param, &filter->deleted)
                                      : RPC_METHOD_NOT_FOUND;
}

static enum rpc_code read_fields(struct put_params *params, const struct param *param)
{
    struct event_text text;

    if (param_is(param, "content")) {
        params->content = param->value;
        return param_text(param, 0, CONTENT_MAX, &text);
    }
    if (param_is(param, "kind")) {
        params->kind = param->value;
        return param_text(param, 1, KIND_MAX, &text);
    }
    if (param_is(param, "tags")) {
        params->tags = param->value;
        return check_tags(param);
    }
    if (param_is(param, "props")) {
        params->props = param->value;
        return check_props(param);
    }
    if (param_is(param, "embedding")) {
        params->embedding = param->value;
        return param_check_embedding(param, params->dims);
    }
    return RPC_METHOD_NOT_FOUND;
}

enum rpc_code put_params_read(void *target, const struct param *param)
{
    struct put_params *params = target;

    if (param_is(param, "id")) {
        return param_text(param, 1, MEMORY_ID_MAX, &params->event.memory_id);
    }
    if (param_is(param, "event_id")) {
        return param_text(param, 1, EVENT_ID_MAX, &params->event.event_id);
    }
    if (param_is(param, "session_id")) {
        return param_text(param, 1, SESSION_ID_MAX, &params->event.session_id);
    }
    if (param_is(param, "retry")) {
        return param_bool(param, &params->event.retry);
    }
    if (param_is(param, "expected_version")) {
        params->event.has_expected_version = true;
        return param_uint(param, 0, INT64_MAX, &params->event.expected_version);
    }
    enum rpc_code code = wait_params_read(&params->wait_delivered, &params->timeout_ms, param);
    return code != RPC_METHOD_NOT_FOUND ? code : read_fields(params, param);
}

/* As it is, but for float32s, which props do not have: they become the float64s they are equal to.
 */
static void pack_widened(msgpack_packer *packer, const msgpack_object *value)
{
    switch (value->type) {
    case MSGPACK_OBJECT_FLOAT32:
        msgpack_pack_double(packer, value->via.f64);
        return;
    case MSGPACK_OBJECT_ARRAY:
        msgpack_pack_array(packer, value->via.array.size);
        for (uint32_t i = 0; i < value->via.array.size; i++) {
            pack_widened(packer, &value->via.array.ptr[i]);
        }
        return;
    case MSGPACK_OBJECT_MAP:
        msgpack_pack_map(packer, value->via.map.size);
        for (uint32_t i = 0; i < value->via.map.size; i++) {
            msgpack_pack_object(packer, value->via.map.ptr[i].key);
            pack_widened(packer, &value->via.map.ptr[i].val);
        }
        return;
    default:
        msgpack_pack_object(packer, *value);
    }
}

static size_t pack_given(msgpack_packer *packer, const char *name, const msgpack_object *value)
{
    if (value == NULL) {
        return 0;
    }
    if (packer != NULL) {
        pack_key(packer, name);
        pack_widened(packer, value);
    }
    return 1;
}

static size_t pack_all_given(msgpack_packer *packer, const struct put_params *params)
{
    return pack_given(packer, "content", params->content) +
           pack_given(packer, "kind", params->kind) + pack_given(packer, "tags", params->tags) +
           pack_given(packer, "props", params->props);
}

int put_params_pack_fields(const struct put_params *params, msgpack_sbuffer *out)
{
    msgpack_packer packer;

    msgpack_packer_init(&packer, out, msgpack_sbuffer_write);
    msgpack_pack_map(&packer, pack_all_given(NULL, params) + (params->embedding != NULL));
    pack_all_given(&packer, params);
    if (params->embedding != NULL) {
        pack_key(&packer, "embedding");
        return param_pack_embedding(&packer, params->embedding, params->dims);
    }
    return out->data != NULL ? 0 : -ENOMEM;
}
