/* params.c - typed reads of parameters. Cannot fail but by what the caller sent. */
#include "broker/params.h"

#include "broker/rfc3339.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define NAME_MAX_BYTES 63

enum rpc_code param_fail(const struct param *param, const char *format, ...)
{
    va_list args;

    param->failure->code = RPC_INVALID_PARAMS;
    snprintf(param->failure->field, sizeof param->failure->field, "%s", param->name);
    va_start(args, format);
    vsnprintf(param->failure->text, sizeof param->failure->text, format, args);
    va_end(args);
    return RPC_INVALID_PARAMS;
}

bool param_is(const struct param *param, const char *name)
{
    return strcmp(param->name, name) == 0;
}

enum rpc_code param_text(const struct param *param, size_t min, size_t max, struct event_text *ret)
{
    if (param->value->type != MSGPACK_OBJECT_STR) {
        return param_fail(param, "%s must be a string", param->name);
    }
    size_t size = param->value->via.str.size;
    if (size < min) {
        return param_fail(param, "%s must not be empty", param->name);
    }
    if (size > max) {
        return param_fail(param, "%s has %zu bytes, more than the %zu allowed", param->name, size,
                          max);
    }
    *ret = (struct event_text){param->value->via.str.ptr, size};
    return RPC_OK;
}

enum rpc_code param_copy(const struct param *param, size_t min, size_t max, char *ret)
{
    struct event_text text = {0};
    enum rpc_code code = param_text(param, min, max, &text);

    if (code == RPC_OK) {
        memcpy(ret, text.data, text.size);
        ret[text.size] = '\0';
    }
    return code;
}

enum rpc_code param_bool(const struct param *param, bool *ret)
{
    if (param->value->type != MSGPACK_OBJECT_BOOLEAN) {
        return param_fail(param, "%s must be true or false", param->name);
    }
    *ret = param->value->via.boolean;
    return RPC_OK;
}

enum rpc_code param_uint(const struct param *param, uint64_t min, uint64_t max, uint64_t *ret)
{
    const msgpack_object *value = param->value;

    if (value->type != MSGPACK_OBJECT_POSITIVE_INTEGER || value->via.u64 < min ||
        value->via.u64 > max) {
        return param_fail(param, "%s must be a whole number from %" PRIu64 " to %" PRIu64,
                          param->name, min, max);
    }
    *ret = value->via.u64;
    return RPC_OK;
}

enum rpc_code param_time(const struct param *param, int64_t *ret_ms)
{
    const msgpack_object *value = param->value;

    if (value->type == MSGPACK_OBJECT_POSITIVE_INTEGER && value->via.u64 <= INT64_MAX) {
        *ret_ms = (int64_t)value->via.u64;
        return RPC_OK;
    }
    if (value->type == MSGPACK_OBJECT_NEGATIVE_INTEGER) {
        *ret_ms = value->via.i64;
        return RPC_OK;
    }
    if (value->type == MSGPACK_OBJECT_STR &&
        rfc3339_parse(value->via.str.ptr, value->via.str.size, ret_ms)) {
        return RPC_OK;
    }
    return param_fail(param,
                      "%s must be milliseconds since 1970 or a time such as 2026-01-31T12:00:00Z",
                      param->name);
}

static enum rpc_code fail_unknown(const struct param *param)
{
    return param_fail(param, "unknown parameter %s", param->name);
}

enum rpc_code params_read(const msgpack_object *params, param_read_fn *read, void *target,
                          struct rpc_failure *ret_failure)
{
    for (uint32_t i = 0; i < params->via.map.size; i++) {
        const msgpack_object_kv *pair = &params->via.map.ptr[i];
        char name[NAME_MAX_BYTES + 1];
        struct param param = {.name = name, .value = &pair->val, .failure = ret_failure};

        snprintf(name, sizeof name, "%.*s", (int)pair->key.via.str.size, pair->key.via.str.ptr);
        if (pair->key.via.str.size > NAME_MAX_BYTES) {
            return fail_unknown(&param);
        }
        enum rpc_code code = read(target, &param);
        if (code != RPC_OK) {
            return code == RPC_METHOD_NOT_FOUND ? fail_unknown(&param) : code;
        }
    }
    return RPC_OK;
}

static enum rpc_code read_none(void *target, const struct param *param)
{
    (void)target;
    (void)param;
    return RPC_METHOD_NOT_FOUND;
}

enum rpc_code params_none(const msgpack_object *params, struct rpc_failure *ret_failure)
{
    return params_read(params, read_none, NULL, ret_failure);
}
