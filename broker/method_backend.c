/*
 * method_backend.c - backend.*: how the lanes stand, and what may be asked of them.
 *
 * list and flush read the store; pause, resume and probe go to the lane and come back by the
 * mailbox; forget is the store thread's.
 */
#include "broker/memory_params.h"
#include "broker/methods.h"
#include "broker/store_call.h"
#include "broker/util/container.h"

#include <stdlib.h>
#include <string.h>

#define NAME_MAX_BYTES BACKEND_NAME_MAX

/* ---- flush ---- */

struct flush_params {
    uint64_t timeout_ms;
    bool has_names;
    size_t name_count;
    char names[BACKENDS_MAX][NAME_MAX_BYTES + 1];
};

static enum rpc_code read_names(struct flush_params *params, const struct param *param)
{
    const msgpack_object *value = param->value;

    if (value->type != MSGPACK_OBJECT_ARRAY || value->via.array.size > BACKENDS_MAX) {
        return param_fail(param, "names must be a list of at most %d backends", BACKENDS_MAX);
    }
    for (uint32_t i = 0; i < value->via.array.size; i++) {
        const struct param name = {param->name, &value->via.array.ptr[i], param->failure};
        enum rpc_code code = param_copy(&name, 1, NAME_MAX_BYTES, params->names[i]);
        if (code != RPC_OK) {
            return code;
        }
    }
    params->has_names = true;
    params->name_count = value->via.array.size;
    return RPC_OK;
}

static enum rpc_code flush_params_read(void *target, const struct param *param)
{
    struct flush_params *params = target;

    if (param_is(param, "timeout_ms")) {
        return param_uint(param, 1, WAIT_MAX_MS, &params->timeout_ms);
    }
    return param_is(param, "names") ? read_names(params, param) : RPC_METHOD_NOT_FOUND;
}

/* But those that tell of alerts, which may hold one back for a minute. */
static void name_all(struct backends *backends, struct flush_params *flush)
{
    for (size_t i = 0; i < backends_wanted_count(backends); i++) {
        if (!backends_is_alerts(backends, i)) {
            strcpy(flush->names[flush->name_count++], backends_wanted(backends, i)->name);
        }
    }
}

static void fail_no_backend(struct call *call, const char *field, const char *name)
{
    struct rpc_failure failure = {.code = RPC_NOT_FOUND};

    snprintf(failure.field, sizeof failure.field, "%s", field);
    snprintf(failure.text, sizeof failure.text,
             "there is no backend %s in the config; memferry backends lists them", name);
    call_fail_with(call, &failure, NULL);
}

void method_backend_flush(struct services *services, struct call *call,
                          const msgpack_object *params)
{
    struct backends *backends = services->backends;
    struct flush_params flush = {.timeout_ms = WAIT_DEFAULT_MS};
    struct rpc_failure failure = {0};

    if (params_read(params, flush_params_read, &flush, &failure) != RPC_OK) {
        call_fail_with(call, &failure, NULL);
        return;
    }
    for (size_t i = 0; i < flush.name_count; i++) {
        if (!backends_is_wanted(backends, flush.names[i])) {
            fail_no_backend(call, "names", flush.names[i]);
            return;
        }
    }
    if (!flush.has_names) {
        name_all(backends, &flush);
    }
    waits_flush(services->waits, call, flush.names, flush.name_count,
                writes_seq_to_read(services->writes), (int)flush.timeout_ms);
}

/* ---- pause, resume, probe ---- */

struct lane_request {
    struct lane_reply reply;
    struct note note;
    struct services *services;
    struct call *call;
    char name[NAME_MAX_BYTES + 1];
    const char *verb;
    int status;
    struct error err;
};

static void answered(struct note *note)
{
    struct lane_request *request = container_of(note, struct lane_request, note);
    msgpack_sbuffer result;
    msgpack_packer packer;

    if (request->status != 0) {
        call_fail(request->call, RPC_UNAVAILABLE, "%s", request->err.text);
    } else {
        msgpack_sbuffer_init(&result);
        msgpack_packer_init(&packer, &result, msgpack_sbuffer_write);
        bool tells = request->err.text[0] != '\0';
        msgpack_pack_map(&packer, tells ? 3 : 2);
        pack_text_member(&packer, "name", request->name);
        pack_bool_member(&packer, request->verb, true);
        if (tells) {
            pack_text_member(&packer, "detail", request->err.text);
        }
        call_reply(request->call, &result);
        msgpack_sbuffer_destroy(&result);
    }
    free(request);
}

/* In the lane's thread. */
static void lane_answered(struct lane_reply *reply, int status, const struct error *err)
{
    struct lane_request *request = container_of(reply, struct lane_request, reply);

    request->status = status;
    if (err != NULL) {
        request->err = *err;
    }
    mailbox_post(request->services->mailbox, &request->note);
}

static enum rpc_code name_params_read(void *target, const struct param *param)
{
    return param_is(param, "name") ? param_copy(param, 1, NAME_MAX_BYTES, target)
                                   : RPC_METHOD_NOT_FOUND;
}

/* Parameters with a required name. */
static bool read_named(struct call *call, const msgpack_object *params, param_read_fn *read,
                       void *target, const char *name)
{
    struct rpc_failure failure = {0};
    enum rpc_code code = params_read(params, read, target, &failure);

    if (code == RPC_OK && name[0] == '\0') {
        failure = (struct rpc_failure){
            .code = RPC_INVALID_PARAMS, .field = "name", .text = "name is required"};
        code = RPC_INVALID_PARAMS;
    }
    if (code != RPC_OK) {
        call_fail_with(call, &failure, NULL);
    }
    return code == RPC_OK;
}

bool backend_params_read(struct services *services, struct call *call, const msgpack_object *params,
                         param_read_fn *read, void *target, const char *name,
                         struct lane **ret_lane)
{
    if (!read_named(call, params, read, target, name)) {
        return false;
    }
    struct backend *backend = backends_find(services->backends, name);
    if (backend != NULL) {
        *ret_lane = backend->lane;
    } else if (backends_is_wanted(services->backends, name)) {
        call_fail(call, RPC_UNAVAILABLE, "backend %s " BACKEND_WITHOUT_LANE, name);
    } else {
        fail_no_backend(call, "name", name);
    }
    return backend != NULL;
}

static struct lane_request *lane_request_new(struct services *services, struct call *call,
                                             const msgpack_object *params, const char *verb,
                                             struct lane **ret_lane)
{
    char name[NAME_MAX_BYTES + 1] = "";

    if (!backend_params_read(services, call, params, name_params_read, name, name, ret_lane)) {
        return NULL;
    }
    struct lane_request *request = calloc(1, sizeof *request);
    if (request == NULL) {
        call_fail(call, RPC_INTERNAL, "out of memory for the request");
        return NULL;
    }
    *request = (struct lane_request){.reply = {.done = lane_answered},
                                     .note = {.read = answered},
                                     .services = services,
                                     .call = call,
                                     .verb = verb};
    strcpy(request->name, name);
    return request;
}

void method_backend_pause(struct services *services, struct call *call,
                          const msgpack_object *params)
{
    struct lane *lane;
    struct lane_request *request = lane_request_new(services, call, params, "paused", &lane);

    if (request != NULL) {
        lane_set_paused(lane, true, &request->reply);
    }
}

void method_backend_resume(struct services *services, struct call *call,
                           const msgpack_object *params)
{
    struct lane *lane;
    struct lane_request *request = lane_request_new(services, call, params, "resumed", &lane);

    if (request != NULL) {
        lane_set_paused(lane, false, &request->reply);
    }
}

void method_backend_probe(struct services *services, struct call *call,
                          const msgpack_object *params)
{
    struct lane *lane;
    struct lane_request *request = lane_request_new(services, call, params, "reachable", &lane);

    if (request != NULL) {
        lane_probe(lane, &request->reply);
    }
}

/* ---- forget ---- */

static int run_forget(struct store_call *work, struct store *store, struct error *err)
{
    bool found = false;
    int r = store_lane_forget(store, work->lanes[0], &found, err);

    work->count = found ? 1 : 0;
    return r;
}

static void forget_done(struct store_call *work)
{
    msgpack_sbuffer result;
    msgpack_packer packer;

    if (work->status != 0) {
        store_call_fail(work);
    } else if (work->count == 0) {
        call_fail(work->call, RPC_NOT_FOUND, "no backend %s was ever here", work->lanes[0]);
    } else {
        msgpack_sbuffer_init(&result);
        msgpack_packer_init(&packer, &result, msgpack_sbuffer_write);
        msgpack_pack_map(&packer, 2);
        pack_text_member(&packer, "name", work->lanes[0]);
        pack_bool_member(&packer, "forgotten", true);
        call_reply(work->call, &result);
        msgpack_sbuffer_destroy(&result);
    }
}

void method_backend_forget(struct services *services, struct call *call,
                           const msgpack_object *params)
{
    char name[NAME_MAX_BYTES + 1] = "";

    if (!read_named(call, params, name_params_read, name, name)) {
        return;
    }
    if (backends_is_wanted(services->backends, name)) {
        call_fail(call, RPC_FORBIDDEN,
                  "backend %s is in the config; take it out and reload (SIGHUP) first", name);
        return;
    }
    struct store_call *work = store_call_new(services, call, run_forget, forget_done);
    if (work != NULL) {
        store_call_add_lane(work, name);
        store_call_submit(work);
    }
}
