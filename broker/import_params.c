/* import_params.c - what is bounded in a put is bounded here, and what a put leaves to the broker
 * must be given. `version` and `embedding_state` are passed over: they were true there. */
#include "broker/import_params.h"

#include "broker/event_embed.h"

#include <stdio.h>
#include <string.h>
#include <uuid/uuid.h>

static enum rpc_code read_origin(struct import_params *params, const struct param *param)
{
    char lower[UUID_STR_LEN];
    uuid_t uuid;

    enum rpc_code code = param_copy(param, 1, IMPORT_ORIGIN_SIZE, params->origin);
    if (code != RPC_OK) {
        return code;
    }
    if (uuid_parse(params->origin, uuid) != 0) {
        return param_fail(param, "origin must be a UUID");
    }
    uuid_unparse_lower(uuid, lower);
    memcpy(params->origin, lower, sizeof params->origin);
    params->import.origin = (struct event_text){params->origin, IMPORT_ORIGIN_SIZE};
    return RPC_OK;
}

static enum rpc_code read_model(struct import_params *params, const struct param *param)
{
    struct event_text model;

    enum rpc_code code = param_text(param, 1, EMBEDDING_MODEL_MAX, &model);
    if (code == RPC_OK && (model.size != strlen(EMBEDDING_MODEL_CALLER) ||
                           memcmp(model.data, EMBEDDING_MODEL_CALLER, model.size) != 0)) {
        if (!event_embed_model_is_valid(model)) {
            return param_fail(param, "embedding_model is no name of a model");
        }
        params->import.embedding_model = model;
    }
    return code;
}

static enum rpc_code read_time(const struct param *param, int64_t *ret_ms, bool *ret_given)
{
    *ret_given = true;
    return param_time(param, ret_ms);
}

static enum rpc_code read_order(struct import_params *params, const struct param *param)
{
    bool given;

    if (param_is(param, "created_ms")) {
        return read_time(param, &params->import.created_ms, &params->has_created);
    }
    if (param_is(param, "updated_ms")) {
        return read_time(param, &params->import.updated_ms, &params->has_updated);
    }
    if (param_is(param, "deleted_ms")) {
        return param->value->type == MSGPACK_OBJECT_NIL
                   ? RPC_OK
                   : read_time(param, &params->import.deleted_ms, &given);
    }
    if (param_is(param, "stamp")) {
        params->has_stamp = true;
        return param_uint(param, 0, INT64_MAX, &params->stamp);
    }
    return param_is(param, "origin") ? read_origin(params, param) : RPC_METHOD_NOT_FOUND;
}

static bool is_of_a_put(const struct param *param)
{
    static const char *const names[] = {"id",    "content",   "kind",      "tags",
                                        "props", "embedding", "session_id"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (param_is(param, names[i])) {
            return true;
        }
    }
    return false;
}

static enum rpc_code read_field(void *target, const struct param *param)
{
    struct import_params *params = target;

    if (is_of_a_put(param)) {
        return put_params_read(&params->put, param);
    }
    if (param_is(param, "embedding_model")) {
        return read_model(params, param);
    }
    if (param_is(param, "embedding_truncated")) {
        return param_bool(param, &params->import.embedding_truncated);
    }
    if (param_is(param, "version") || param_is(param, "embedding_state")) {
        return RPC_OK;
    }
    return read_order(params, param);
}

/* ---- what must be there ---- */

static const char *missing_field(const struct import_params *params)
{
    if (params->put.event.memory_id.data == NULL) {
        return "id";
    }
    if (params->put.content == NULL) {
        return "content";
    }
    if (!params->has_created) {
        return "created_ms";
    }
    if (!params->has_stamp) {
        return "stamp";
    }
    return params->import.origin.data == NULL ? "origin" : NULL;
}

static enum rpc_code complete(struct import_params *params, int64_t now_us,
                              struct rpc_failure *failure)
{
    struct event_import *import = &params->import;
    const char *missing = missing_field(params);

    if (missing != NULL) {
        return rpc_failure_set(failure, RPC_INVALID_PARAMS, missing,
                               "%s is required: an import is a memory's whole state", missing);
    }
    import->stamp_us = (int64_t)params->stamp;
    if (import->stamp_us > now_us && import->stamp_us - now_us > IMPORT_AHEAD_MAX_US) {
        return rpc_failure_set(
            failure, RPC_INVALID_PARAMS, "stamp",
            "its stamp is more than 24 hours ahead of this machine's clock: set the clock, "
            "or have the memory changed where the clock is right");
    }
    if (!params->has_updated) {
        import->updated_ms = import->stamp_us / 1000;
    }
    import->session_id = params->put.event.session_id;
    return RPC_OK;
}

enum rpc_code import_params_read(struct import_params *params, const msgpack_object *memory,
                                 uint32_t dims, int64_t now_us, struct rpc_failure *ret_failure)
{
    *params = (struct import_params){.put = {.dims = dims}};
    *ret_failure = (struct rpc_failure){.code = RPC_OK};
    if (memory->type != MSGPACK_OBJECT_MAP) {
        return rpc_failure_set(ret_failure, RPC_INVALID_PARAMS, "memories",
                               "memories must hold maps, each of them a memory");
    }
    enum rpc_code code = params_read(memory, read_field, params, ret_failure);
    return code == RPC_OK ? complete(params, now_us, ret_failure) : code;
}

int import_params_pack(const struct import_params *params, msgpack_sbuffer *out)
{
    struct event_import import = params->import;
    msgpack_sbuffer body;

    msgpack_sbuffer_init(&body);
    int r = put_params_pack_fields(&params->put, &body);
    if (r == 0) {
        import.body = (struct unpack_slice){(const uint8_t *)body.data, body.size};
        r = event_import_pack(&import, out);
    }
    msgpack_sbuffer_destroy(&body);
    return r;
}
