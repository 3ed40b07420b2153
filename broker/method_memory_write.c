/*
 * method_memory_write.c - memory.put and memory.delete: parameters → events → receipts.
 *
 * A receipt is packed when the event's outcome is known (writes.h says when). With wait "delivered"
 * it is handed to waits instead of the caller.
 */
#include "broker/memory_params.h"
#include "broker/methods.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uuid/uuid.h>

#define DELETE_IDS_MAX 10000

/* ---- receipts ---- */

void receipt_pack_head(msgpack_packer *packer, const struct write *write)
{
    struct event event;

    write_event(write, &event);
    msgpack_pack_map(packer, 6);
    pack_key(packer, "id");
    pack_text(packer, event.memory_id.data, event.memory_id.size);
    pack_key(packer, "event_id");
    pack_text(packer, event.event_id.data, event.event_id.size);
    pack_uint_member(packer, "seq", write_seq(write));
    pack_bool_member(packer, "duplicate", write_is_duplicate(write));
    pack_bool_member(packer, "durable", true);
}

void receipt_pack_backends(msgpack_packer *packer, struct backends *backends)
{
    pack_key(packer, "backends");
    msgpack_pack_map(packer, backends_sink_count(backends));
    for (size_t i = 0; i < backends_wanted_count(backends); i++) {
        const char *name = backends_wanted(backends, i)->name;
        const struct backend *backend = backends_find(backends, name);
        if (backends_is_sink(backends, i)) {
            pack_text_member(packer, name,
                             backend != NULL && backend->paused ? "paused" : "pending");
        }
    }
}

void receipt_pack_error(msgpack_packer *packer, const struct rpc_failure *failure)
{
    pack_key(packer, "error");
    msgpack_pack_map(packer, 3);
    pack_int_member(packer, "code", failure->code);
    pack_text_member(packer, "name", rpc_code_name(failure->code));
    pack_text_member(packer, "message", failure->text);
}

static void fail_by_outcome(struct call *call, const struct write *write,
                            const struct rpc_failure *failure)
{
    msgpack_sbuffer data;
    msgpack_packer packer;

    if (failure->code != RPC_CONFLICT) {
        call_fail_with(call, failure, NULL);
        return;
    }
    msgpack_sbuffer_init(&data);
    msgpack_packer_init(&packer, &data, msgpack_sbuffer_write);
    msgpack_pack_map(&packer, 1);
    pack_uint_member(&packer, "version", write->change.result.version);
    call_fail_with(call, failure, &data);
    msgpack_sbuffer_destroy(&data);
}

static void wait_for_delivery(struct services *services, struct write_request *request,
                              const msgpack_sbuffer *head)
{
    const struct write *write = &request->items[0];
    char memory_id[MEMORY_ID_MAX + 1];
    struct event event;

    write_event(write, &event);
    snprintf(memory_id, sizeof memory_id, "%.*s", (int)event.memory_id.size, event.memory_id.data);
    waits_delivered(services->waits, request->call, memory_id, write_seq(write), head,
                    request->timeout_ms);
}

static void answer_one(struct services *services, struct write_request *request)
{
    const struct write *write = &request->items[0];
    msgpack_sbuffer *result = &services->scratch;
    struct rpc_failure failure;
    msgpack_packer packer;

    if (write_outcome(write, &failure) != RPC_OK) {
        fail_by_outcome(request->call, write, &failure);
        return;
    }
    pack_anew(result);
    msgpack_packer_init(&packer, result, msgpack_sbuffer_write);
    receipt_pack_head(&packer, write);
    if (request->wait_delivered && backends_sink_count(services->backends) > 0) {
        wait_for_delivery(services, request, result);
    } else {
        receipt_pack_backends(&packer, services->backends);
        call_reply(request->call, result);
    }
}

static void one_done(struct write_request *request)
{
    answer_one(request->services, request);
}

/* One of several: what failed stands in the list beside what worked. */
static void pack_list_item(msgpack_packer *packer, const struct write *write)
{
    struct services *services = write->request->services;
    struct rpc_failure failure;
    struct event event;

    if (write_outcome(write, &failure) == RPC_OK) {
        receipt_pack_head(packer, write);
        receipt_pack_backends(packer, services->backends);
        return;
    }
    write_event(write, &event);
    msgpack_pack_map(packer, 2);
    pack_key(packer, "id");
    pack_text(packer, event.memory_id.data, event.memory_id.size);
    receipt_pack_error(packer, &failure);
}

void receipts_reply(const struct write_request *request,
                    void (*pack)(msgpack_packer *packer, const struct write *write))
{
    msgpack_sbuffer result;
    msgpack_packer packer;

    if (write_request_was_refused(request)) {
        struct rpc_failure failure;
        write_outcome(&request->items[0], &failure);
        call_fail_with(request->call, &failure, NULL);
        return;
    }
    msgpack_sbuffer_init(&result);
    msgpack_packer_init(&packer, &result, msgpack_sbuffer_write);
    msgpack_pack_map(&packer, 1);
    pack_key(&packer, "receipts");
    msgpack_pack_array(&packer, request->count);
    for (size_t i = 0; i < request->count; i++) {
        pack(&packer, &request->items[i]);
    }
    call_reply(request->call, &result);
    msgpack_sbuffer_destroy(&result);
}

static void list_done(struct write_request *request)
{
    receipts_reply(request, pack_list_item);
}

/* ---- put ---- */

/* Ids that the caller left to us. `ret` holds UUID_STR_LEN bytes. */
static void fill_id(struct event_text *id, char *ret)
{
    uuid_t uuid;

    if (id->data == NULL) {
        uuid_generate_random(uuid);
        uuid_unparse_lower(uuid, ret);
        *id = (struct event_text){ret, UUID_STR_LEN - 1};
    }
}

static struct write_request *request_new(struct services *services, struct call *call, size_t count)
{
    struct write_request *request = write_request_new(call, count);

    if (request == NULL) {
        call_fail(call, RPC_INTERNAL, "out of memory for the request");
        return NULL;
    }
    request->services = services;
    request->done = count == 1 ? one_done : list_done;
    request->timeout_ms = WAIT_DEFAULT_MS;
    return request;
}

static void out_of_memory(struct write_request *request)
{
    call_fail(request->call, RPC_INTERNAL, "out of memory for the request");
    write_request_free(request);
}

static void submit_put(struct services *services, struct call *call, struct put_params *params)
{
    char memory_id[UUID_STR_LEN], event_id[UUID_STR_LEN];
    struct write_request *request = request_new(services, call, 1);
    msgpack_sbuffer *fields = &services->scratch;

    if (request == NULL) {
        return;
    }
    request->is_put = true;
    request->wait_delivered = params->wait_delivered;
    request->timeout_ms = (int)params->timeout_ms;
    fill_id(&params->event.memory_id, memory_id);
    fill_id(&params->event.event_id, event_id);
    pack_anew(fields);
    int r = put_params_pack_fields(params, fields);
    if (r == 0) {
        params->event.fields = (const uint8_t *)fields->data;
        params->event.fields_size = fields->size;
        r = write_request_set(request, 0, &params->event);
    }
    if (r < 0) {
        out_of_memory(request);
    } else {
        writes_submit(services->writes, request);
    }
}

void method_memory_put(struct services *services, struct call *call, const msgpack_object *params)
{
    struct put_params put = {.event = {.op = EVENT_PUT, .peer_pid = call->peer_pid},
                             .timeout_ms = WAIT_DEFAULT_MS,
                             .dims = services->config->dims};
    struct rpc_failure failure = {0};

    if (params_read(params, put_params_read, &put, &failure) != RPC_OK) {
        call_fail_with(call, &failure, NULL);
    } else if (put.event.memory_id.data == NULL && put.content == NULL) {
        failure = (struct rpc_failure){.code = RPC_INVALID_PARAMS, .field = "content"};
        snprintf(failure.text, sizeof failure.text,
                 "content is required for a new memory; give an id to change one that is there");
        call_fail_with(call, &failure, NULL);
    } else {
        submit_put(services, call, &put);
    }
}

/* ---- delete ---- */

struct delete_params {
    struct event event;
    const msgpack_object_array *ids; /* NULL: one id */
    bool wait_delivered;
    uint64_t timeout_ms;
};

static enum rpc_code delete_params_read(void *target, const struct param *param)
{
    struct delete_params *params = target;

    if (param_is(param, "id")) {
        return param_text(param, 1, MEMORY_ID_MAX, &params->event.memory_id);
    }
    if (param_is(param, "ids")) {
        return param_ids(param, DELETE_IDS_MAX, MEMORY_ID_MAX, &params->ids);
    }
    if (param_is(param, "reason")) {
        return param_text(param, 0, REASON_MAX, &params->event.reason);
    }
    if (param_is(param, "event_id")) {
        return param_text(param, 1, EVENT_ID_MAX, &params->event.event_id);
    }
    if (param_is(param, "session_id")) {
        return param_text(param, 1, SESSION_ID_MAX, &params->event.session_id);
    }
    return wait_params_read(&params->wait_delivered, &params->timeout_ms, param);
}

static enum rpc_code check_delete(const struct delete_params *params, struct rpc_failure *failure)
{
    bool one = params->event.memory_id.data != NULL;

    failure->code = RPC_INVALID_PARAMS;
    if (one == (params->ids != NULL)) {
        strcpy(failure->field, "id");
        strcpy(failure->text, "give either id or ids");
        return RPC_INVALID_PARAMS;
    }
    if (params->ids != NULL && (params->event.event_id.data != NULL || params->wait_delivered)) {
        strcpy(failure->field, "ids");
        strcpy(failure->text, "event_id and wait \"delivered\" go with one id only");
        return RPC_INVALID_PARAMS;
    }
    return RPC_OK;
}

static int set_delete(struct write_request *request, size_t i, const struct delete_params *params)
{
    char event_id[UUID_STR_LEN];
    struct event event = params->event;

    if (params->ids != NULL) {
        const msgpack_object_str *id = &params->ids->ptr[i].via.str;
        event.memory_id = (struct event_text){id->ptr, id->size};
    }
    fill_id(&event.event_id, event_id);
    return write_request_set(request, i, &event);
}

void method_memory_delete(struct services *services, struct call *call,
                          const msgpack_object *params)
{
    struct delete_params delete = {.event = {.op = EVENT_DELETE, .peer_pid = call->peer_pid},
                                   .timeout_ms = WAIT_DEFAULT_MS};
    struct rpc_failure failure = {0};

    if (params_read(params, delete_params_read, &delete, &failure) != RPC_OK ||
        check_delete(&delete, &failure) != RPC_OK) {
        call_fail_with(call, &failure, NULL);
        return;
    }
    size_t count = delete.ids != NULL ? delete.ids->size : 1;
    struct write_request *request = request_new(services, call, count);
    if (request == NULL) {
        return;
    }
    request->done = delete.ids != NULL ? list_done : one_done;
    request->wait_delivered = delete.wait_delivered;
    request->timeout_ms = (int)delete.timeout_ms;
    for (size_t i = 0; i < count; i++) {
        if (set_delete(request, i, &delete) < 0) {
            out_of_memory(request);
            return;
        }
    }
    writes_submit(services->writes, request);
}
