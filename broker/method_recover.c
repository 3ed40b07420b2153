/*
 * method_recover.c - backend.recover and backend.recovery: begin, and look how far it is.
 *
 * Happy path: what the store holds is read first; only an empty one, or one that was being
 * recovered, is recovered into unless `merge` says so. The call is answered when the recovery has
 * begun; backend.recovery tells the rest.
 */
#include "broker/lane_verify.h"
#include "broker/methods.h"
#include "broker/pack.h"
#include "broker/params.h"
#include "broker/recovery.h"
#include "broker/store_call.h"
#include "broker/util/container.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct recover_params {
    char name[BACKEND_NAME_MAX + 1];
    bool merge, abandon;
};

struct recover_call {
    struct query query;
    struct services *services;
    struct recover_params params;
    struct reader_counts counts;
    struct reader_recovery stored;
};

/* ---- how far it is ---- */

static void pack_refusals(msgpack_packer *packer, const struct recovery *recovery)
{
    size_t count = 0;

    while (count < RECOVER_SAMPLES && recovery->refusals[count][0] != '\0') {
        count++;
    }
    pack_key(packer, "refusals");
    msgpack_pack_array(packer, count);
    for (size_t i = 0; i < count; i++) {
        pack_text(packer, recovery->refusals[i], strlen(recovery->refusals[i]));
    }
}

static void answer_state(struct recovery *recovery, struct call *call)
{
    struct recover_progress progress = recovery_progress(recovery);
    msgpack_sbuffer result;
    msgpack_packer packer;

    msgpack_sbuffer_init(&result);
    msgpack_packer_init(&packer, &result, msgpack_sbuffer_write);
    msgpack_pack_map(&packer, 9);
    pack_text_member(&packer, "state", recovery_state_name(recovery->state));
    pack_text_member(&packer, "name", recovery->backend);
    pack_uint_member(&packer, "fetched", progress.fetched);
    pack_uint_member(&packer, "imported", progress.imported);
    pack_uint_member(&packer, "refused", progress.refused);
    pack_bool_member(&packer, "verifying", progress.verifies);
    pack_uint_member(&packer, "compared", progress.compared);
    pack_refusals(&packer, recovery);
    pack_text_member(&packer, "error", recovery->err.text);
    call_reply(call, &result);
    msgpack_sbuffer_destroy(&result);
}

void method_backend_recovery(struct services *services, struct call *call,
                             const msgpack_object *params)
{
    struct rpc_failure failure = {0};

    if (params_none(params, &failure) != RPC_OK) {
        call_fail_with(call, &failure, NULL);
        return;
    }
    answer_state(services->recovery, call);
}

/* ---- begin ---- */

static int run_look(struct query *query, struct reader *reader, struct error *err)
{
    struct recover_call *recover = container_of(query, struct recover_call, query);
    int r = reader_counts(reader, &recover->counts, err);

    return r == 0 ? reader_recovery(reader, &recover->stored, err) : r;
}

static uint64_t memory_count(const struct recover_call *recover)
{
    return recover->counts.memories + recover->counts.deleted;
}

static bool is_fit(const struct recover_call *recover)
{
    return recover->params.merge || memory_count(recover) == 0 ||
           strcmp(recover->stored.backend, recover->params.name) == 0;
}

/* The store knows of it before anything is held, and after a crash. */
static int run_begin(struct store_call *work, struct store *store, struct error *err)
{
    return store_set_recovery(store, work->lanes[0], work->id, err);
}

static void begun(struct store_call *work)
{
    struct recovery *recovery = work->services->recovery;
    struct error err;

    if (work->status != 0) {
        recovery_unclaim(recovery);
        store_call_fail(work);
    } else if (recovery_start(recovery, work->id, &err) != 0) {
        call_fail(work->call, RPC_UNAVAILABLE, "%s", err.text);
    } else {
        answer_state(recovery, work->call);
    }
}

static void write_begin(struct recover_call *recover, struct call *call)
{
    struct recovery *recovery = recover->services->recovery;
    bool goes_on = strcmp(recover->stored.backend, recover->params.name) == 0;

    if (!recovery_claim(recovery, recover->params.name)) {
        call_fail_busy(call, 1000, "a recovery runs already: backend.recovery tells how far it is");
        return;
    }
    struct store_call *work = store_call_new(recover->services, call, run_begin, begun);
    if (work == NULL) {
        recovery_unclaim(recovery);
        return;
    }
    store_call_add_lane(work, recover->params.name);
    snprintf(work->id, sizeof work->id, "%s", goes_on ? recover->stored.after : "");
    store_call_submit(work);
}

static void begin(struct recover_call *recover, struct call *call)
{
    struct services *services = recover->services;
    struct backend *backend = backends_find(services->backends, recover->params.name);
    struct error err;

    if (backend == NULL) {
        call_fail(call, RPC_UNAVAILABLE, "backend %s " BACKEND_WITHOUT_LANE, recover->params.name);
    } else if (lane_can_fetch(backend->lane, &err) != 0) {
        call_fail(call, RPC_UNAVAILABLE, "%s", err.text);
    } else if (!is_fit(recover)) {
        call_fail(call, RPC_CONFLICT,
                  "this journal is not empty, it holds %llu memories; with merge (--merge) what is "
                  "newer of each wins, and nothing is lost",
                  (unsigned long long)memory_count(recover));
    } else {
        write_begin(recover, call);
    }
}

static void looked(struct query *query)
{
    struct recover_call *recover = container_of(query, struct recover_call, query);

    if (query->timed_out || query->abandoned || query->status != 0) {
        query_answer(query);
    } else {
        begin(recover, query->call);
    }
    query_deinit(query);
    free(recover);
}

/* ---- abandon ---- */

static int run_abandon(struct store_call *work, struct store *store, struct error *err)
{
    (void)work;
    return store_set_recovery(store, NULL, NULL, err);
}

static void abandoned(struct store_call *work)
{
    if (work->status != 0) {
        store_call_fail(work);
        return;
    }
    recovery_abandon(work->services->recovery);
    answer_state(work->services->recovery, work->call);
}

static void abandon(struct services *services, struct call *call)
{
    if (services->recovery->state != RECOVERY_FAILED) {
        call_fail(call, RPC_NOT_FOUND, "no recovery has stopped half-way");
        return;
    }
    struct store_call *work = store_call_new(services, call, run_abandon, abandoned);
    if (work != NULL) {
        store_call_submit(work);
    }
}

/* ---- the call ---- */

static enum rpc_code recover_params_read(void *target, const struct param *param)
{
    struct recover_params *params = target;

    if (param_is(param, "name")) {
        return param_copy(param, 1, BACKEND_NAME_MAX, params->name);
    }
    if (param_is(param, "merge")) {
        return param_bool(param, &params->merge);
    }
    return param_is(param, "abandon") ? param_bool(param, &params->abandon) : RPC_METHOD_NOT_FOUND;
}

static enum rpc_code check(const struct recover_params *params, struct rpc_failure *failure)
{
    if (params->abandon == (params->name[0] != '\0')) {
        *failure = (struct rpc_failure){.code = RPC_INVALID_PARAMS,
                                        .field = "name",
                                        .text = "give either name, or abandon: true"};
        return RPC_INVALID_PARAMS;
    }
    return RPC_OK;
}

void method_backend_recover(struct services *services, struct call *call,
                            const msgpack_object *params)
{
    struct recover_params given = {0};
    struct rpc_failure failure = {0};

    if (params_read(params, recover_params_read, &given, &failure) != RPC_OK ||
        check(&given, &failure) != RPC_OK) {
        call_fail_with(call, &failure, NULL);
        return;
    }
    if (given.abandon) {
        abandon(services, call);
        return;
    }
    if (!backends_is_wanted(services->backends, given.name)) {
        call_fail(call, RPC_NOT_FOUND, "there is no backend %s", given.name);
        return;
    }
    struct recover_call *recover = calloc(1, sizeof *recover);
    if (recover == NULL) {
        call_fail(call, RPC_INTERNAL, "out of memory for the request");
        return;
    }
    recover->services = services;
    recover->params = given;
    recover->query.run = run_look;
    recover->query.done = looked;
    services_read(services, &recover->query, call);
}
