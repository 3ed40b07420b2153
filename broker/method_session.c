/*
 * method_session.c - session.begin, touch, end, get and list.
 *
 * What changes a session is an event as every change is; it is answered after its apply, with the
 * session as it is then. A begin names the owner by its pid, which must run, as the peer's own user
 * (root may name any): from here on it is the process that has this pid now, not the number.
 */
#include "broker/memory_params.h"
#include "broker/methods.h"
#include "broker/peer.h"
#include "broker/util/container.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uuid/uuid.h>

#define LIMIT_DEFAULT 100
#define LIMIT_MAX     1000
#define AFTER_MAX     32
#define PID_MAX       (1 << 22)

/* ---- what is read ---- */

struct session_query {
    struct query query;
    bool has_id;
    char id[SESSION_ID_MAX + 1];
    uint64_t limit;
    struct reader_session_filter filter;
    char agent[SESSION_AGENT_MAX + 1], after[AFTER_MAX + 1];
};

static void query_done(struct query *query)
{
    query_answer(query);
    query_deinit(query);
    free(container_of(query, struct session_query, query));
}

static int run_get(struct query *base, struct reader *reader, struct error *err)
{
    struct session_query *query = container_of(base, struct session_query, query);

    return reader_session(reader, query->id, &base->result, err);
}

static int run_list(struct query *base, struct reader *reader, struct error *err)
{
    struct session_query *query = container_of(base, struct session_query, query);

    query->filter.limit = (uint32_t)query->limit;
    return reader_session_list(reader, &query->filter, &base->result, err);
}

/* NULL: the call was answered. */
static struct session_query *query_new(struct call *call,
                                       int (*run)(struct query *, struct reader *, struct error *))
{
    struct session_query *query = calloc(1, sizeof *query);

    if (query == NULL) {
        call_fail(call, RPC_INTERNAL, "out of memory for the request");
        return NULL;
    }
    query->query.run = run;
    query->query.done = query_done;
    query->limit = LIMIT_DEFAULT;
    return query;
}

static enum rpc_code get_params_read(void *target, const struct param *param)
{
    struct session_query *query = target;

    if (param_is(param, "session_id")) {
        query->has_id = true;
        return param_copy(param, 1, SESSION_ID_MAX, query->id);
    }
    return RPC_METHOD_NOT_FOUND;
}

static enum rpc_code list_params_read(void *target, const struct param *param)
{
    struct session_query *query = target;

    if (param_is(param, "active")) {
        return param_bool(param, &query->filter.active);
    }
    if (param_is(param, "agent")) {
        query->filter.agent = query->agent;
        return param_copy(param, 1, SESSION_AGENT_MAX, query->agent);
    }
    if (param_is(param, "limit")) {
        return param_uint(param, 1, LIMIT_MAX, &query->limit);
    }
    if (param_is(param, "after")) {
        query->filter.after = query->after;
        return param_copy(param, 1, AFTER_MAX, query->after);
    }
    return RPC_METHOD_NOT_FOUND;
}

static enum rpc_code id_missing(struct rpc_failure *failure)
{
    *failure = (struct rpc_failure){
        .code = RPC_INVALID_PARAMS, .field = "session_id", .text = "session_id is required"};
    return RPC_INVALID_PARAMS;
}

void method_session_get(struct services *services, struct call *call, const msgpack_object *params)
{
    struct session_query *query = query_new(call, run_get);
    struct rpc_failure failure = {0};

    if (query == NULL) {
        return;
    }
    enum rpc_code code = params_read(params, get_params_read, query, &failure);
    if (code == RPC_OK && !query->has_id) {
        code = id_missing(&failure);
    }
    if (code != RPC_OK) {
        free(query);
        call_fail_with(call, &failure, NULL);
        return;
    }
    services_read(services, &query->query, call);
}

void method_session_list(struct services *services, struct call *call, const msgpack_object *params)
{
    struct session_query *query = query_new(call, run_list);
    struct rpc_failure failure = {0};

    if (query == NULL) {
        return;
    }
    if (params_read(params, list_params_read, query, &failure) != RPC_OK) {
        free(query);
        call_fail_with(call, &failure, NULL);
        return;
    }
    services_read(services, &query->query, call);
}

/* ---- what is written ---- */

struct session_params {
    struct event_text session_id, reason;
    struct session_begin begin;
    uint64_t pid; /* 0: none */
    bool with_begin, with_reason;
};

static enum rpc_code begin_params_read(struct session_params *params, const struct param *param)
{
    if (param_is(param, "agent")) {
        return param_text(param, 1, SESSION_AGENT_MAX, &params->begin.agent);
    }
    if (param_is(param, "cwd")) {
        return param_text(param, 1, SESSION_CWD_MAX, &params->begin.cwd);
    }
    if (param_is(param, "pid")) {
        return param_uint(param, 1, PID_MAX, &params->pid);
    }
    return RPC_METHOD_NOT_FOUND;
}

static enum rpc_code session_params_read(void *target, const struct param *param)
{
    struct session_params *params = target;

    if (param_is(param, "session_id")) {
        return param_text(param, 1, SESSION_ID_MAX, &params->session_id);
    }
    if (params->with_reason && param_is(param, "reason")) {
        return param_text(param, 0, REASON_MAX, &params->reason);
    }
    return params->with_begin ? begin_params_read(params, param) : RPC_METHOD_NOT_FOUND;
}

static void fail_outcome(struct call *call, const struct event *event, struct rpc_failure *failure)
{
    if (failure->code == RPC_NOT_FOUND) {
        snprintf(failure->text, sizeof failure->text, "there is no session %.*s",
                 (int)event->session_id.size, event->session_id.data);
    }
    call_fail_with(call, failure, NULL);
}

static void watch_begun(struct services *services, const char *session_id,
                        const struct event *event)
{
    struct session_begin begin;
    struct owner owner = {0};

    if (session_begin_decode(event, &begin) == 0 && begin.owner.pid != 0) {
        owner.pid = begin.owner.pid;
        owner.start = begin.owner.start;
        memcpy(owner.boot_id, begin.owner.boot_id.data, begin.owner.boot_id.size);
        sessions_watch(services->sessions, session_id, &owner);
    }
}

/* Applied: the answer is the session as it is now. */
static void changed(struct write_request *request)
{
    struct services *services = request->services;
    const struct write *write = &request->items[0];
    struct rpc_failure failure;
    struct event event;

    write_event(write, &event);
    if (write_outcome(write, &failure) != RPC_OK) {
        fail_outcome(request->call, &event, &failure);
        return;
    }
    struct session_query *query = query_new(request->call, run_get);
    if (query == NULL) {
        return;
    }
    memcpy(query->id, event.session_id.data, event.session_id.size);
    if (event.op == EVENT_SESSION_BEGIN) {
        watch_begun(services, query->id, &event);
    } else {
        sessions_unwatch(services->sessions, query->id);
    }
    services_read(services, &query->query, request->call);
}

static void submit(struct services *services, struct call *call, struct event *event)
{
    struct write_request *request = write_request_new(call, 1);

    event->peer_pid = call->peer_pid;
    if (request == NULL || write_request_set(request, 0, event) < 0) {
        call_fail(call, RPC_INTERNAL, "out of memory for the request");
        if (request != NULL) {
            write_request_free(request);
        }
        return;
    }
    request->services = services;
    request->done = changed;
    writes_submit(services->writes, request);
}

static void submit_begin(struct services *services, struct call *call,
                         const struct session_params *params)
{
    struct event_text id = params->session_id;
    char made[UUID_STR_LEN];
    msgpack_sbuffer fields;
    struct event event;
    uuid_t uuid;

    if (id.data == NULL) {
        uuid_generate_random(uuid);
        uuid_unparse_lower(uuid, made);
        id = (struct event_text){made, UUID_STR_LEN - 1};
    }
    msgpack_sbuffer_init(&fields);
    if (session_begin_event(&params->begin, id, &fields, &event) < 0) {
        call_fail(call, RPC_INTERNAL, "out of memory for the request");
    } else {
        submit(services, call, &event);
    }
    msgpack_sbuffer_destroy(&fields);
}

/* ---- begin and touch ---- */

static enum rpc_code find_owner(const struct call *call, uint64_t pid, struct owner *ret,
                                struct rpc_failure *failure)
{
    int r = owner_find((int64_t)pid, call->peer->uid, ret);

    if (r == 0) {
        return RPC_OK;
    }
    *failure = (struct rpc_failure){.code = r == OWNER_E_OTHER ? RPC_FORBIDDEN : RPC_INVALID_PARAMS,
                                    .field = "pid"};
    snprintf(failure->text, sizeof failure->text,
             r == OWNER_E_OTHER ? "process %" PRIu64 " belongs to another user"
                                : "there is no process %" PRIu64 " to own the session",
             pid);
    return failure->code;
}

void method_session_begin(struct services *services, struct call *call,
                          const msgpack_object *params)
{
    struct session_params session = {.with_begin = true};
    struct rpc_failure failure = {0};
    struct owner owner = {0};

    enum rpc_code code = params_read(params, session_params_read, &session, &failure);
    if (code == RPC_OK && session.pid != 0) {
        code = find_owner(call, session.pid, &owner, &failure);
        session.begin.owner =
            (struct session_owner){.pid = owner.pid,
                                   .start = owner.start,
                                   .boot_id = {owner.boot_id, strlen(owner.boot_id)}};
    }
    if (code != RPC_OK) {
        call_fail_with(call, &failure, NULL);
        return;
    }
    submit_begin(services, call, &session);
}

void method_session_touch(struct services *services, struct call *call,
                          const msgpack_object *params)
{
    struct session_params session = {.begin = {.touches = true}};
    struct rpc_failure failure = {0};

    enum rpc_code code = params_read(params, session_params_read, &session, &failure);
    if (code == RPC_OK && session.session_id.data == NULL) {
        code = id_missing(&failure);
    }
    if (code != RPC_OK) {
        call_fail_with(call, &failure, NULL);
        return;
    }
    submit_begin(services, call, &session);
}

/* ---- end ---- */

/* When the owner is gone by now, that is why it ends: the command came from who waited for it. */
static struct session_end end_of(const struct services *services, const struct event_text *id)
{
    struct session_end end = {.reason = SESSION_ENDED_COMMAND};
    char session_id[SESSION_ID_MAX + 1] = "";

    memcpy(session_id, id->data, id->size);
    const struct owner *owner = sessions_owner(services->sessions, session_id);
    if (owner != NULL && !owner_is_alive(owner)) {
        end.reason = SESSION_ENDED_OWNER_EXIT;
        end.owner = (struct session_owner){.pid = owner->pid,
                                           .start = owner->start,
                                           .boot_id = {owner->boot_id, strlen(owner->boot_id)}};
    }
    return end;
}

void method_session_end(struct services *services, struct call *call, const msgpack_object *params)
{
    struct session_params session = {.with_reason = true};
    struct rpc_failure failure = {0};
    msgpack_sbuffer fields;
    struct event event;

    enum rpc_code code = params_read(params, session_params_read, &session, &failure);
    if (code == RPC_OK && session.session_id.data == NULL) {
        code = id_missing(&failure);
    }
    if (code != RPC_OK) {
        call_fail_with(call, &failure, NULL);
        return;
    }
    struct session_end end = end_of(services, &session.session_id);
    msgpack_sbuffer_init(&fields);
    if (session_end_event(&end, session.session_id, &fields, &event) < 0) {
        call_fail(call, RPC_INTERNAL, "out of memory for the request");
    } else {
        event.reason = session.reason;
        submit(services, call, &event);
    }
    msgpack_sbuffer_destroy(&fields);
}
