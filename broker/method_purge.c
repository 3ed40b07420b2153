/*
 * method_purge.c - memory.purge: what nothing brings back. Forbidden unless [broker] allow_purge.
 *
 * The guard raises an alert when it was applied.
 */
#include "broker/memory_params.h"
#include "broker/methods.h"

#include <stdio.h>
#include <string.h>
#include <uuid/uuid.h>

#define IDS_MAX 1000

struct purge_params {
    const msgpack_object_array *ids;
    struct event event; /* session_id, reason */
};

/* ---- parameters ---- */

static enum rpc_code read_param(void *target, const struct param *param)
{
    struct purge_params *params = target;

    if (param_is(param, "ids")) {
        return param_ids(param, IDS_MAX, MEMORY_ID_MAX, &params->ids);
    }
    if (param_is(param, "reason")) {
        return param_text(param, 0, REASON_MAX, &params->event.reason);
    }
    if (param_is(param, "session_id")) {
        return param_text(param, 1, SESSION_ID_MAX, &params->event.session_id);
    }
    return RPC_METHOD_NOT_FOUND;
}

/* ---- what came of it ---- */

static bool was_purged(const struct write *write)
{
    struct rpc_failure failure;

    return write_outcome(write, &failure) == RPC_OK && !write_is_duplicate(write);
}

static void reply(const struct write_request *request)
{
    uint64_t purged = 0, missing = 0;
    msgpack_sbuffer result;
    msgpack_packer packer;

    for (size_t i = 0; i < request->count; i++) {
        purged += was_purged(&request->items[i]);
        missing += request->items[i].change.result.outcome == APPLY_NOT_FOUND;
    }
    msgpack_sbuffer_init(&result);
    msgpack_packer_init(&packer, &result, msgpack_sbuffer_write);
    msgpack_pack_map(&packer, 2);
    pack_uint_member(&packer, "count", purged);
    pack_key(&packer, "missing");
    msgpack_pack_array(&packer, missing);
    for (size_t i = 0; i < request->count; i++) {
        struct event event;
        if (request->items[i].change.result.outcome == APPLY_NOT_FOUND) {
            write_event(&request->items[i], &event);
            pack_text(&packer, event.memory_id.data, event.memory_id.size);
        }
    }
    call_reply(request->call, &result);
    msgpack_sbuffer_destroy(&result);
}

/* The first failure that is not about one memory: then not all was done. */
static bool find_failure(const struct write_request *request, struct rpc_failure *ret)
{
    for (size_t i = 0; i < request->count; i++) {
        enum rpc_code code = write_outcome(&request->items[i], ret);
        if (code != RPC_OK && code != RPC_NOT_FOUND) {
            return true;
        }
    }
    return false;
}

static void written(struct write_request *request)
{
    struct rpc_failure failure;

    if (find_failure(request, &failure)) {
        call_fail_with(request->call, &failure, NULL);
    } else {
        reply(request);
    }
}

/* ---- the events ---- */

static int set_event(struct write_request *request, size_t i, const struct purge_params *params)
{
    const msgpack_object_str *id = &params->ids->ptr[i].via.str;
    struct event event = params->event;
    char event_id[UUID_STR_LEN];
    uuid_t uuid;

    uuid_generate_random(uuid);
    uuid_unparse_lower(uuid, event_id);
    event.event_id = (struct event_text){event_id, UUID_STR_LEN - 1};
    event.memory_id = (struct event_text){id->ptr, id->size};
    return write_request_set(request, i, &event);
}

static void submit(struct services *services, struct call *call, const struct purge_params *params)
{
    struct write_request *request = write_request_new(call, params->ids->size);
    int r = request == NULL ? -1 : 0;

    for (size_t i = 0; r == 0 && i < params->ids->size; i++) {
        r = set_event(request, i, params);
    }
    if (r < 0) {
        call_fail(call, RPC_INTERNAL, "out of memory for the request");
        if (request != NULL) {
            write_request_free(request);
        }
        return;
    }
    request->services = services;
    request->done = written;
    writes_submit(services->writes, request);
}

void method_memory_purge(struct services *services, struct call *call, const msgpack_object *params)
{
    struct purge_params purge = {.event = {.op = EVENT_PURGE, .peer_pid = call->peer_pid}};
    struct rpc_failure failure = {0};

    if (!services->config->allow_purge) {
        call_fail(call, RPC_FORBIDDEN,
                  "purging is not allowed here; a delete keeps the history. Whoever has the "
                  "config can set allow_purge = yes in [broker]");
        return;
    }
    if (params_read(params, read_param, &purge, &failure) == RPC_OK && purge.ids == NULL) {
        failure = (struct rpc_failure){
            .code = RPC_INVALID_PARAMS, .field = "ids", .text = "ids is required"};
    }
    if (purge.ids == NULL || failure.code != 0) {
        call_fail_with(call, &failure, NULL);
        return;
    }
    submit(services, call, &purge);
}
