/*
 * method_alert.c - alert.list and alert.ack.
 *
 * A list is read by the reader thread. An ack is an event as every change is, answered after its
 * apply: of one alert, of several (what failed stands in the list beside what worked), or of all
 * that are open when the store comes to it.
 */
#include "broker/alert.h"
#include "broker/memory_params.h"
#include "broker/methods.h"
#include "broker/util/container.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIMIT_DEFAULT 100
#define LIMIT_MAX     1000
#define AFTER_MAX     32
#define ACK_IDS_MAX   1000

/* ---- list ---- */

struct alert_query {
    struct query query;
    struct reader_alert_filter filter;
    uint64_t limit;
    char rule[ALERT_RULE_MAX + 1], session_id[SESSION_ID_MAX + 1], after[AFTER_MAX + 1];
    struct alerts_wait wait;
    struct services *services;
    struct call *call;
};

static int run_list(struct query *base, struct reader *reader, struct error *err)
{
    struct alert_query *query = container_of(base, struct alert_query, query);

    query->filter.limit = (uint32_t)query->limit;
    return reader_alert_list(reader, &query->filter, &base->result, err);
}

static void list_done(struct query *query)
{
    query_answer(query);
    query_deinit(query);
    free(container_of(query, struct alert_query, query));
}

static enum rpc_code read_acked(const struct param *param, enum reader_acked *ret)
{
    static const char *const names[] = {
        [READER_ACKED_NO] = "no", [READER_ACKED_ONLY] = "only", [READER_ACKED_ANY] = "any"};
    unsigned which = *ret;
    enum rpc_code code = param_choice(param, names, sizeof names / sizeof *names, &which);

    *ret = (enum reader_acked)which;
    return code;
}

static enum rpc_code list_params_read(void *target, const struct param *param)
{
    struct alert_query *query = target;
    struct reader_alert_filter *filter = &query->filter;

    if (param_is(param, "rule")) {
        return param_filter(param, ALERT_RULE_MAX, query->rule, &filter->rule);
    }
    if (param_is(param, "session_id")) {
        return param_filter(param, SESSION_ID_MAX, query->session_id, &filter->session_id);
    }
    if (param_is(param, "after")) {
        return param_filter(param, AFTER_MAX, query->after, &filter->after);
    }
    if (param_is(param, "since")) {
        return param_time(param, &filter->since_ms);
    }
    if (param_is(param, "until")) {
        return param_time(param, &filter->until_ms);
    }
    if (param_is(param, "acked")) {
        return read_acked(param, &filter->acked);
    }
    return param_is(param, "limit") ? param_uint(param, 1, LIMIT_MAX, &query->limit)
                                    : RPC_METHOD_NOT_FOUND;
}

/* What was told to whoever asks is in the list by now. */
static void settled(struct alerts_wait *wait)
{
    struct alert_query *query = container_of(wait, struct alert_query, wait);

    services_read(query->services, &query->query, query->call);
}

void method_alert_list(struct services *services, struct call *call, const msgpack_object *params)
{
    struct rpc_failure failure = {0};
    struct alert_query *query = calloc(1, sizeof *query);

    if (query == NULL) {
        call_fail(call, RPC_INTERNAL, "out of memory for the request");
        return;
    }
    query->limit = LIMIT_DEFAULT;
    query->query.run = run_list;
    query->query.done = list_done;
    if (params_read(params, list_params_read, query, &failure) != RPC_OK) {
        free(query);
        call_fail_with(call, &failure, NULL);
        return;
    }
    query->services = services;
    query->call = call;
    query->wait.settled = settled;
    alerts_settle(services->alerts, &query->wait);
}

/* ---- ack ---- */

struct ack_params {
    struct event event;
    const msgpack_object_array *ids; /* NULL: one id, or all */
    bool all;
};

static enum rpc_code ack_params_read(void *target, const struct param *param)
{
    struct ack_params *params = target;

    if (param_is(param, "id")) {
        return param_text(param, 1, ALERT_ID_MAX, &params->event.event_id);
    }
    if (param_is(param, "ids")) {
        return param_ids(param, ACK_IDS_MAX, ALERT_ID_MAX, &params->ids);
    }
    if (param_is(param, "all")) {
        return param_bool(param, &params->all);
    }
    return param_is(param, "session_id")
               ? param_text(param, 1, SESSION_ID_MAX, &params->event.session_id)
               : RPC_METHOD_NOT_FOUND;
}

static void pack_ack(msgpack_packer *packer, const struct write *write)
{
    struct rpc_failure failure;
    struct event event;
    bool worked = write_outcome(write, &failure) == RPC_OK;

    write_event(write, &event);
    msgpack_pack_map(packer, worked ? 4 : 2);
    pack_key(packer, "id");
    pack_text(packer, event.event_id.data, event.event_id.size);
    if (worked) {
        pack_uint_member(packer, "seq", write_seq(write));
        pack_bool_member(packer, "duplicate", write_is_duplicate(write));
        pack_bool_member(packer, "durable", true);
        return;
    }
    receipt_pack_error(packer, &failure);
}

static void list_acked(struct write_request *request)
{
    receipts_reply(request, pack_ack);
}

/* One alert, or all. */
static void acked(struct write_request *request)
{
    const struct write *write = &request->items[0];
    struct rpc_failure failure;
    struct event event;
    msgpack_sbuffer result;
    msgpack_packer packer;

    if (write_outcome(write, &failure) != RPC_OK) {
        call_fail_with(request->call, &failure, NULL);
        return;
    }
    write_event(write, &event);
    msgpack_sbuffer_init(&result);
    msgpack_packer_init(&packer, &result, msgpack_sbuffer_write);
    if (event.event_id.size > 0) {
        pack_ack(&packer, write);
    } else {
        msgpack_pack_map(&packer, 2);
        pack_uint_member(&packer, "count", write->change.result.version);
        pack_bool_member(&packer, "durable", true);
    }
    call_reply(request->call, &result);
    msgpack_sbuffer_destroy(&result);
}

static void submit_acks(struct services *services, struct call *call,
                        const struct ack_params *params)
{
    size_t count = params->ids != NULL ? params->ids->size : 1;
    struct write_request *request = write_request_new(call, count);
    int r = request == NULL ? -1 : 0;

    for (size_t i = 0; r == 0 && i < count; i++) {
        struct event event = params->event;
        if (params->ids != NULL) {
            const msgpack_object_str *id = &params->ids->ptr[i].via.str;
            event.event_id = (struct event_text){id->ptr, id->size};
        }
        r = write_request_set(request, i, &event);
    }
    if (r < 0) {
        call_fail(call, RPC_INTERNAL, "out of memory for the request");
        if (request != NULL) {
            write_request_free(request);
        }
        return;
    }
    request->services = services;
    request->done = params->ids != NULL ? list_acked : acked;
    writes_submit(services->writes, request);
}

void method_alert_ack(struct services *services, struct call *call, const msgpack_object *params)
{
    struct ack_params ack = {.event = {.op = EVENT_ALERT_ACK, .peer_pid = call->peer_pid}};
    struct rpc_failure failure = {0};

    if (params_read(params, ack_params_read, &ack, &failure) != RPC_OK) {
        call_fail_with(call, &failure, NULL);
        return;
    }
    if ((ack.event.event_id.data != NULL) + (ack.ids != NULL) + ack.all != 1) {
        failure = (struct rpc_failure){
            .code = RPC_INVALID_PARAMS, .field = "id", .text = "give an id, ids, or all: true"};
        call_fail_with(call, &failure, NULL);
        return;
    }
    submit_acks(services, call, &ack);
}
