/* method_restore.c - memory.restore: parameters → a plan (restore_call.h). */
#include "broker/restore_call.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- ids and versions ---- */

static enum rpc_code out_of_memory(const struct param *param)
{
    return param_fail(param, "out of memory for %s", param->name);
}

/* Room for the wishes of one list or map. */
static enum rpc_code make_wishes(struct restore_call *restore, const struct param *param,
                                 size_t count)
{
    if (count == 0 || count > PLAN_ITEMS_MAX) {
        return param_fail(param, "%s must have 1 to %u members", param->name, PLAN_ITEMS_MAX);
    }
    if (restore->wishes != NULL) {
        return param_fail(param, "give one of ids, versions, before, alert and session_id");
    }
    restore->wishes = calloc(count, sizeof *restore->wishes);
    restore->request.wishes = restore->wishes;
    return restore->wishes != NULL ? RPC_OK : out_of_memory(param);
}

static enum rpc_code add_wish(struct restore_call *restore, const struct param *param,
                              const msgpack_object *id, uint64_t version)
{
    if (id->type != MSGPACK_OBJECT_STR || id->via.str.size == 0 ||
        id->via.str.size > MEMORY_ID_MAX) {
        return param_fail(param, "%s must hold ids of 1 to %d bytes", param->name, MEMORY_ID_MAX);
    }
    char *copy = arena_text(&restore->arena, id->via.str.ptr, id->via.str.size);
    if (copy == NULL) {
        return out_of_memory(param);
    }
    restore->wishes[restore->request.wish_count++] =
        (struct plan_wish){.id = {copy, id->via.str.size}, .version = version};
    return RPC_OK;
}

static enum rpc_code read_ids(struct restore_call *restore, const struct param *param)
{
    const msgpack_object *value = param->value;

    if (value->type != MSGPACK_OBJECT_ARRAY) {
        return param_fail(param, "ids must be a list of ids");
    }
    enum rpc_code code = make_wishes(restore, param, value->via.array.size);
    for (uint32_t i = 0; code == RPC_OK && i < value->via.array.size; i++) {
        code = add_wish(restore, param, &value->via.array.ptr[i], 0);
    }
    restore->has_ids = true;
    return code;
}

static enum rpc_code read_versions(struct restore_call *restore, const struct param *param)
{
    const msgpack_object *value = param->value;

    if (value->type != MSGPACK_OBJECT_MAP) {
        return param_fail(param, "versions must be a map of ids to versions");
    }
    enum rpc_code code = make_wishes(restore, param, value->via.map.size);
    for (uint32_t i = 0; code == RPC_OK && i < value->via.map.size; i++) {
        const msgpack_object_kv *pair = &value->via.map.ptr[i];
        if (pair->val.type != MSGPACK_OBJECT_POSITIVE_INTEGER || pair->val.via.u64 == 0 ||
            pair->val.via.u64 > INT64_MAX) {
            return param_fail(param, "versions must hold versions, as memory.history lists them");
        }
        code = add_wish(restore, param, &pair->key, pair->val.via.u64);
    }
    restore->has_versions = true;
    return code;
}

/* ---- the rest ---- */

static enum rpc_code read_filter(struct restore_call *restore, const struct param *param)
{
    enum rpc_code code = filter_params_read(&restore->request.filter, &restore->texts, param);

    restore->has_filter = restore->has_filter || code != RPC_METHOD_NOT_FOUND;
    return code;
}

static enum rpc_code read_what(struct restore_call *restore, const struct param *param)
{
    if (param_is(param, "ids")) {
        return read_ids(restore, param);
    }
    if (param_is(param, "versions")) {
        return read_versions(restore, param);
    }
    if (param_is(param, "before")) {
        restore->has_before = true;
        return param_time(param, &restore->request.before_ms);
    }
    if (param_is(param, "alert")) {
        restore->request.alert_id = restore->alert_id;
        return param_copy(param, 1, ALERT_ID_MAX, restore->alert_id);
    }
    if (param_is(param, "session_id")) {
        return param_copy(param, 1, SESSION_ID_MAX, restore->session_id);
    }
    return read_filter(restore, param);
}

static enum rpc_code read_param(void *target, const struct param *param)
{
    struct restore_call *restore = target;

    if (param_is(param, "force")) {
        return param_bool(param, &restore->request.force);
    }
    if (param_is(param, "dry_run")) {
        return param_bool(param, &restore->dry_run);
    }
    if (param_is(param, "limit")) {
        return param_uint(param, 1, PLAN_ITEMS_MAX, &restore->limit);
    }
    if (param_is(param, "after")) {
        restore->request.after = restore->after;
        return param_copy(param, 1, RESTORE_AFTER_MAX, restore->after);
    }
    if (param_is(param, "by_session_id")) {
        return param_copy(param, 1, SESSION_ID_MAX, restore->by_session_id);
    }
    if (param_is(param, "reason")) {
        return param_copy(param, 0, REASON_MAX, restore->reason);
    }
    return read_what(restore, param);
}

/* Which kind of plan it is: one of them, and only what goes with it. */
static enum rpc_code decide(struct restore_call *restore, struct rpc_failure *failure)
{
    struct plan_request *request = &restore->request;
    bool wishes = restore->has_ids || restore->has_versions;
    bool session = restore->session_id[0] != '\0', alert = request->alert_id != NULL;

    if (wishes + restore->has_before + alert + (session && !restore->has_before) != 1) {
        return rpc_failure_set(failure, RPC_INVALID_PARAMS, "ids",
                               "give one of ids, versions, before, alert and session_id");
    }
    if (restore->has_filter && !restore->has_before) {
        return rpc_failure_set(failure, RPC_INVALID_PARAMS, "before",
                               "kind, tag, since, until and deleted go with before only");
    }
    if (wishes && request->after != NULL) {
        return rpc_failure_set(failure, RPC_INVALID_PARAMS, "after",
                               "after goes with before, alert and session_id only");
    }
    request->by = wishes ? PLAN_BY_WISHES : restore->has_before ? PLAN_BY_TIME : PLAN_BY_CHANGES;
    *(restore->has_before ? &request->filter.session_id : &request->session_id) =
        session ? restore->session_id : NULL;
    request->limit = wishes ? PLAN_ITEMS_MAX : (uint32_t)restore->limit;
    return RPC_OK;
}

void method_memory_restore(struct services *services, struct call *call,
                           const msgpack_object *params)
{
    struct restore_call *restore = restore_call_new(services);
    struct rpc_failure failure = {0};

    if (restore == NULL) {
        call_fail(call, RPC_INTERNAL, "out of memory for the request");
        return;
    }
    restore->request.filter.deleted = READER_DELETED_ANY;
    if (params_read(params, read_param, restore, &failure) != RPC_OK ||
        decide(restore, &failure) != RPC_OK) {
        call_fail_with(call, &failure, NULL);
        restore_call_free(restore);
        return;
    }
    restore_call_start(restore, call);
}
