/*
 * method_guard.c - guard.observe: a statement that somebody is about to run, or has run, elsewhere.
 *
 * It is masked before it is kept: what goes to the journal, and what is judged, is the masked
 * statement. The answer comes after the apply, with the alerts that the guard counts it in; a dry
 * run only judges.
 */
#include "broker/event_statement.h"
#include "broker/guard.h"
#include "broker/guard_mask.h"
#include "broker/guard_statement.h"
#include "broker/memory_params.h"
#include "broker/methods.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct observe_params {
    struct event event;
    struct event_statement observed;
    enum guard_language language;
    bool dry_run;
};

static enum rpc_code read_language(struct observe_params *params, const struct param *param)
{
    struct event_text name;

    if (param_text(param, 1, 16, &name) != RPC_OK) {
        return RPC_INVALID_PARAMS;
    }
    params->language = guard_language_of(name.data, name.size);
    return params->language != 0 ? RPC_OK
                                 : param_fail(param, "language must be sql, cypher, shell or auto");
}

static enum rpc_code observe_params_read(void *target, const struct param *param)
{
    struct observe_params *params = target;

    if (param_is(param, "statement")) {
        return param_text(param, 1, STATEMENT_MAX, &params->observed.statement);
    }
    if (param_is(param, "language")) {
        return read_language(params, param);
    }
    if (param_is(param, "source")) {
        return param_text(param, 1, STATEMENT_SOURCE_MAX, &params->observed.source);
    }
    if (param_is(param, "session_id")) {
        return param_text(param, 1, SESSION_ID_MAX, &params->event.session_id);
    }
    return param_is(param, "dry_run") ? param_bool(param, &params->dry_run) : RPC_METHOD_NOT_FOUND;
}

/* ---- answers ---- */

static void pack_rules(msgpack_packer *packer, const struct guard_finding *found)
{
    const char *const whats[CHANGE_ALERTS_MAX] = {[GUARD_SCHEMA_CHANGE] = found->schema_change,
                                                  [GUARD_MASS_STATEMENT] = found->mass_statement};

    pack_key(packer, "rules");
    msgpack_pack_array(packer, (size_t)(whats[0] != NULL) + (whats[1] != NULL));
    for (enum guard_rule rule = 0; rule < CHANGE_ALERTS_MAX; rule++) {
        if (whats[rule] != NULL) {
            msgpack_pack_map(packer, 2);
            pack_text_member(packer, "rule", guard_rule_name(rule));
            pack_text_member(packer, "what", whats[rule]);
        }
    }
}

static void pack_alerts(msgpack_packer *packer, const struct change *change)
{
    char id[GUARD_ALERT_ID_MAX];

    pack_key(packer, "alerts");
    msgpack_pack_array(packer, (size_t)(change->alerts[0].first_seq != 0) +
                                   (change->alerts[1].first_seq != 0));
    for (enum guard_rule rule = 0; rule < CHANGE_ALERTS_MAX; rule++) {
        if (change->alerts[rule].first_seq != 0) {
            guard_alert_id(rule, &change->alerts[rule], id);
            msgpack_pack_map(packer, 2);
            pack_text_member(packer, "id", id);
            pack_text_member(packer, "rule", guard_rule_name(rule));
        }
    }
}

static int judge(const struct event_statement *observed, struct guard_finding *ret)
{
    return guard_judge(guard_language_of(observed->language.data, observed->language.size),
                       observed->statement.data, observed->statement.size, ret);
}

static void answer(struct call *call, const struct change *change,
                   const struct guard_finding *found)
{
    msgpack_sbuffer result;
    msgpack_packer packer;

    msgpack_sbuffer_init(&result);
    msgpack_packer_init(&packer, &result, msgpack_sbuffer_write);
    msgpack_pack_map(&packer, change != NULL ? 3 : 1);
    pack_rules(&packer, found);
    if (change != NULL) {
        pack_uint_member(&packer, "seq", change->record.seq);
        pack_alerts(&packer, change);
    }
    call_reply(call, &result);
    msgpack_sbuffer_destroy(&result);
}

static void observed(struct write_request *request)
{
    const struct write *write = &request->items[0];
    struct rpc_failure failure;
    struct event event;
    struct event_statement statement;
    struct guard_finding found = {0};

    if (write_outcome(write, &failure) != RPC_OK) {
        call_fail_with(request->call, &failure, NULL);
        return;
    }
    write_event(write, &event);
    if (event_statement_read(event.fields, event.fields_size, &statement) != 0 ||
        judge(&statement, &found) < 0) {
        call_fail(request->call, RPC_INTERNAL, "out of memory for the request");
        return;
    }
    answer(request->call, &write->change, &found);
}

/* ---- the call ---- */

static void out_of_memory(struct call *call)
{
    call_fail(call, RPC_INTERNAL, "out of memory for the request");
}

static void submit(struct services *services, struct call *call, struct observe_params *params)
{
    struct write_request *request = write_request_new(call, 1);
    msgpack_sbuffer fields;

    if (request == NULL) {
        out_of_memory(call);
        return;
    }
    request->done = observed;
    msgpack_sbuffer_init(&fields);
    int r = event_statement_pack(&params->observed, &fields);
    if (r == 0) {
        params->event.fields = (const uint8_t *)fields.data;
        params->event.fields_size = fields.size;
        r = write_request_set(request, 0, &params->event);
    }
    msgpack_sbuffer_destroy(&fields);
    if (r < 0) {
        write_request_free(request);
        out_of_memory(call);
    } else {
        writes_submit(services->writes, request);
    }
}

/* `room` takes the masked statement, STATEMENT_MAX bytes. */
static void observe(struct services *services, struct call *call, struct observe_params *params,
                    char *room)
{
    struct event_statement *observed = &params->observed;
    const char *language = guard_language_name(params->language);
    struct guard_finding found;

    observed->language = (struct event_text){language, strlen(language)};
    observed->statement.size =
        guard_mask(observed->statement.data, observed->statement.size, room, STATEMENT_MAX);
    observed->statement.data = room;
    if (!params->dry_run) {
        submit(services, call, params);
    } else if (judge(observed, &found) < 0) {
        out_of_memory(call);
    } else {
        answer(call, NULL, &found);
    }
}

void method_guard_observe(struct services *services, struct call *call,
                          const msgpack_object *params)
{
    struct observe_params given = {.event = {.op = EVENT_STATEMENT, .peer_pid = call->peer_pid},
                                   .language = GUARD_AUTO};
    struct rpc_failure failure = {0};
    enum rpc_code code = params_read(params, observe_params_read, &given, &failure);

    if (code == RPC_OK && given.observed.statement.data == NULL) {
        failure = (struct rpc_failure){
            .code = RPC_INVALID_PARAMS, .field = "statement", .text = "statement is required"};
        code = RPC_INVALID_PARAMS;
    }
    if (code != RPC_OK) {
        call_fail_with(call, &failure, NULL);
        return;
    }
    char *room = malloc(STATEMENT_MAX);
    if (room == NULL) {
        out_of_memory(call);
        return;
    }
    observe(services, call, &given, room);
    free(room);
}
