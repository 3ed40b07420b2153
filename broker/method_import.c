/*
 * method_import.c - memory.import: memories with the order they had elsewhere → events → counts.
 *
 * Happy path: each memory is checked by itself; those that are good go to the journal in one
 * request, and the reply counts what became of them. Before that the clock is moved ahead of every
 * stamp, so that whatever is written here from then on, the imports' own records included, is
 * newer.
 *
 * Failure modes: a memory that cannot be taken is told in `refused` beside those that were; a disk
 * that took none of them fails the call. Whatever is sent again is `unchanged` or `older`.
 */
#include "broker/import_params.h"
#include "broker/methods.h"
#include "broker/util/clock.h"

#include <stdlib.h>
#include <string.h>

#define MEMORIES_MAX 1000

/* What the reply tells; packed as it comes to be known. */
struct import_call {
    uint64_t imported, unchanged, older, refused;
    msgpack_sbuffer refusals; /* as many maps as are refused */
};

static void import_call_free(struct import_call *import)
{
    msgpack_sbuffer_destroy(&import->refusals);
    free(import);
}

static void refuse(struct import_call *import, size_t index, const struct event_text *id,
                   const struct rpc_failure *failure)
{
    msgpack_packer packer;

    import->refused++;
    msgpack_packer_init(&packer, &import->refusals, msgpack_sbuffer_write);
    msgpack_pack_map(&packer, (size_t)2 + (id->data != NULL) + (failure->field[0] != '\0'));
    pack_uint_member(&packer, "index", index);
    if (id->data != NULL) {
        pack_key(&packer, "id");
        pack_text(&packer, id->data, id->size);
    }
    if (failure->field[0] != '\0') {
        pack_text_member(&packer, "field", failure->field);
    }
    pack_text_member(&packer, "message", failure->text);
}

static void reply(struct import_call *import, struct call *call)
{
    msgpack_sbuffer result;
    msgpack_packer packer;

    msgpack_sbuffer_init(&result);
    msgpack_packer_init(&packer, &result, msgpack_sbuffer_write);
    msgpack_pack_map(&packer, 4);
    pack_uint_member(&packer, "imported", import->imported);
    pack_uint_member(&packer, "unchanged", import->unchanged);
    pack_uint_member(&packer, "older", import->older);
    pack_key(&packer, "refused");
    msgpack_pack_array(&packer, import->refused);
    if (import->refused > 0) {
        msgpack_pack_str_body(&packer, import->refusals.data, import->refusals.size);
    }
    call_reply(call, &result);
    msgpack_sbuffer_destroy(&result);
}

/* ---- what came of the events ---- */

static void count(struct import_call *import, const struct write *write)
{
    struct rpc_failure failure;
    struct event event;

    if (write_outcome(write, &failure) != RPC_OK) {
        write_event(write, &event);
        refuse(import, write->index, &event.memory_id, &failure);
    } else if (write->change.result.outcome == APPLY_OLDER) {
        import->older++;
    } else if (write->change.result.outcome == APPLY_DUPLICATE) {
        import->unchanged++;
    } else {
        import->imported++;
    }
}

static void written(struct write_request *request)
{
    struct import_call *import = request->import;
    struct rpc_failure failure;

    if (!write_request_was_refused(request)) {
        for (size_t i = 0; i < request->count; i++) {
            count(import, &request->items[i]);
        }
        reply(import, request->call);
    } else {
        write_outcome(&request->items[0], &failure);
        call_fail_with(request->call, &failure, NULL);
    }
    import_call_free(import);
}

/* ---- parameters ---- */

struct import_list {
    const msgpack_object *memories;
};

static enum rpc_code read_param(void *target, const struct param *param)
{
    struct import_list *list = target;
    const msgpack_object *value = param->value;

    if (!param_is(param, "memories")) {
        return RPC_METHOD_NOT_FOUND;
    }
    if (value->type != MSGPACK_OBJECT_ARRAY || value->via.array.size == 0 ||
        value->via.array.size > MEMORIES_MAX) {
        return param_fail(param, "memories must be a list of 1 to %d memories", MEMORIES_MAX);
    }
    list->memories = value;
    return RPC_OK;
}

static int add_event(struct write_request *request, size_t index, struct import_params *params)
{
    struct event event = {.op = EVENT_IMPORT,
                          .peer_pid = request->call->peer_pid,
                          .memory_id = params->put.event.memory_id};
    msgpack_sbuffer fields;

    msgpack_sbuffer_init(&fields);
    int r = import_params_pack(params, &fields);
    if (r == 0) {
        event.fields = (const uint8_t *)fields.data;
        event.fields_size = fields.size;
        request->items[request->count].index = index;
        r = write_request_set(request, request->count, &event);
    }
    msgpack_sbuffer_destroy(&fields);
    request->count += r == 0;
    return r;
}

/* Fills the request with those that are good. Its newest stamp is the clock's to know. */
static int add_memories(struct write_request *request, const msgpack_object_array *memories,
                        struct import_call *import, int64_t *ret_stamp_us)
{
    uint32_t dims = request->services->config->dims;
    int64_t now_us = clock_wall_us();
    struct rpc_failure failure;
    struct import_params params;
    int r = 0;

    *ret_stamp_us = 0;
    for (uint32_t i = 0; r == 0 && i < memories->size; i++) {
        if (import_params_read(&params, &memories->ptr[i], dims, now_us, &failure) != RPC_OK) {
            refuse(import, i, &params.put.event.memory_id, &failure);
            continue;
        }
        r = add_event(request, i, &params);
        if (params.import.stamp_us > *ret_stamp_us) {
            *ret_stamp_us = params.import.stamp_us;
        }
    }
    request->unanswered = request->unfinished = request->count;
    return r;
}

static void submit(struct write_request *request, struct import_call *import, int64_t stamp_us)
{
    if (request->count == 0) {
        reply(import, request->call);
        import_call_free(import);
        write_request_free(request);
        return;
    }
    journal_observe_stamp(request->services->journal, stamp_us);
    writes_submit(request->services->writes, request);
}

static void start(struct services *services, struct call *call, const msgpack_object *memories)
{
    struct import_call *import = calloc(1, sizeof *import);
    struct write_request *request = write_request_new(call, memories->via.array.size);
    int64_t stamp_us;

    if (import == NULL || request == NULL) {
        call_fail(call, RPC_INTERNAL, "out of memory for the request");
        free(import);
        if (request != NULL) {
            write_request_free(request);
        }
        return;
    }
    request->services = services;
    request->import = import;
    request->done = written;
    request->count = 0;
    msgpack_sbuffer_init(&import->refusals);
    if (add_memories(request, &memories->via.array, import, &stamp_us) < 0) {
        call_fail(call, RPC_INTERNAL, "out of memory for the request");
        write_request_free(request);
        import_call_free(import);
        return;
    }
    submit(request, import, stamp_us);
}

void method_memory_import(struct services *services, struct call *call,
                          const msgpack_object *params)
{
    struct import_list list = {0};
    struct rpc_failure failure = {0};

    if (params_read(params, read_param, &list, &failure) != RPC_OK) {
        call_fail_with(call, &failure, NULL);
    } else if (list.memories == NULL) {
        failure = (struct rpc_failure){
            .code = RPC_INVALID_PARAMS, .field = "memories", .text = "memories is required"};
        call_fail_with(call, &failure, NULL);
    } else {
        start(services, call, list.memories);
    }
}
