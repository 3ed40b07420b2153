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

enum rpc_code param_filter(const struct param *param, size_t max, char *buffer, const char **ret)
{
    *ret = buffer;
    return param_copy(param, 1, max, buffer);
}

static enum rpc_code fail_choice(const struct param *param, const char *const *names, size_t count)
{
    char list[160] = "";
    size_t size = 0;

    for (size_t i = 0; i < count && size < sizeof list; i++) {
        const char *between = i == 0 ? "" : i + 1 == count ? " or " : ", ";
        size += (size_t)snprintf(list + size, sizeof list - size, "%s\"%s\"", between, names[i]);
    }
    return param_fail(param, "%s must be %s", param->name, list);
}

enum rpc_code param_choice(const struct param *param, const char *const *names, size_t count,
                           unsigned *ret)
{
    const msgpack_object *value = param->value;

    for (unsigned i = 0; value->type == MSGPACK_OBJECT_STR && i < count; i++) {
        if (value->via.str.size == strlen(names[i]) &&
            memcmp(value->via.str.ptr, names[i], value->via.str.size) == 0) {
            *ret = i;
            return RPC_OK;
        }
    }
    return fail_choice(param, names, count);
}

enum rpc_code param_ids(const struct param *param, uint32_t max_count, size_t id_max,
                        const msgpack_object_array **ret)
{
    const msgpack_object *value = param->value;

    if (value->type != MSGPACK_OBJECT_ARRAY || value->via.array.size == 0 ||
        value->via.array.size > max_count) {
        return param_fail(param, "%s must be a list of 1 to %" PRIu32 " ids", param->name,
                          max_count);
    }
    for (uint32_t i = 0; i < value->via.array.size; i++) {
        const msgpack_object *id = &value->via.array.ptr[i];
        if (id->type != MSGPACK_OBJECT_STR || id->via.str.size == 0 || id->via.str.size > id_max) {
            return param_fail(param, "%s must hold strings of 1 to %zu bytes", param->name, id_max);
        }
    }
    *ret = &value->via.array;
    return RPC_OK;
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

        size_t size = pair->key.via.str.size;
        bool fits = size <= NAME_MAX_BYTES;
        memcpy(name, pair->key.via.str.ptr, fits ? size : NAME_MAX_BYTES);
        name[fits ? size : NAME_MAX_BYTES] = '\0';
        if (!fits) {
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
