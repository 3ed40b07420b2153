/*
 * method_verify.c - backend.verify: what a backend holds, held against the store.
 *
 * As any read it waits until the store shows every write that had its receipt; then the lane's
 * thread does it, and the answer comes when it is through.
 */
#include "broker/lane_verify.h"
#include "broker/methods.h"
#include "broker/pack.h"
#include "broker/params.h"
#include "broker/util/container.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct verify_call {
    struct lane_verify verify;
    struct query query;
    struct note note;
    struct services *services;
    struct call *call;
    char name[BACKEND_NAME_MAX + 1];
    int status;
    struct error err;
};

struct verify_params {
    char name[BACKEND_NAME_MAX + 1];
    bool repair;
};

/* ---- the answer ---- */

static void pack_samples(msgpack_packer *packer, const struct compare *compare)
{
    size_t kinds = 0;

    for (size_t kind = 0; kind < COMPARE_KINDS; kind++) {
        kinds += compare->found[kind].sampled > 0;
    }
    pack_key(packer, "samples");
    msgpack_pack_map(packer, kinds);
    for (size_t kind = 0; kind < COMPARE_KINDS; kind++) {
        const struct compare_found *found = &compare->found[kind];
        if (found->sampled == 0) {
            continue;
        }
        pack_key(packer, compare_kind_name((enum compare_kind)kind));
        msgpack_pack_array(packer, found->sampled);
        for (size_t i = 0; i < found->sampled; i++) {
            pack_text(packer, found->ids[i], strlen(found->ids[i]));
        }
    }
}

static void answer(const struct verify_call *verify)
{
    const struct compare *compare = &verify->verify.compare;
    msgpack_sbuffer result;
    msgpack_packer packer;

    msgpack_sbuffer_init(&result);
    msgpack_packer_init(&packer, &result, msgpack_sbuffer_write);
    msgpack_pack_map(&packer, 5 + COMPARE_KINDS);
    pack_text_member(&packer, "name", verify->name);
    pack_uint_member(&packer, "here", compare->here);
    pack_uint_member(&packer, "there", compare->there);
    for (size_t kind = 0; kind < COMPARE_KINDS; kind++) {
        pack_uint_member(&packer, compare_kind_name((enum compare_kind)kind),
                         compare->found[kind].count);
    }
    pack_uint_member(&packer, "repaired", compare->repaired);
    pack_samples(&packer, compare);
    call_reply(verify->call, &result);
    msgpack_sbuffer_destroy(&result);
}

static void verify_free(struct verify_call *verify)
{
    lane_verify_deinit(&verify->verify);
    free(verify);
}

static void note_read(struct note *note)
{
    struct verify_call *verify = container_of(note, struct verify_call, note);

    if (verify->status == 0) {
        answer(verify);
    } else if (verify->status == -EBUSY) {
        call_fail_busy(verify->call, 1000, "%s", verify->err.text);
    } else {
        call_fail(verify->call, RPC_UNAVAILABLE, "%s", verify->err.text);
    }
    verify_free(verify);
}

/* In the lane's thread. */
static void done(struct lane_job *job, int status, const struct error *err)
{
    struct verify_call *verify =
        container_of(container_of(job, struct lane_verify, job), struct verify_call, verify);

    verify->status = status;
    if (status != 0) {
        verify->err = *err;
    }
    mailbox_post(verify->services->mailbox, &verify->note);
}

/* ---- the call ---- */

/* The store shows everything: now the lane, if it is still there. */
static void begin(struct query *query)
{
    struct verify_call *verify = container_of(query, struct verify_call, query);
    struct backend *backend = backends_find(verify->services->backends, verify->name);

    if (!query->timed_out && !query->abandoned && query->status == 0 && backend != NULL) {
        query_deinit(query);
        lane_run(backend->lane, &verify->verify.job);
        return;
    }
    if (backend == NULL) {
        call_fail(verify->call, RPC_UNAVAILABLE, "backend %s " BACKEND_WITHOUT_LANE, verify->name);
    } else {
        query_answer(query);
    }
    query_deinit(query);
    verify_free(verify);
}

static enum rpc_code verify_params_read(void *target, const struct param *param)
{
    struct verify_params *params = target;

    if (param_is(param, "name")) {
        return param_copy(param, 1, BACKEND_NAME_MAX, params->name);
    }
    if (param_is(param, "repair")) {
        return param_bool(param, &params->repair);
    }
    return RPC_METHOD_NOT_FOUND;
}

void method_backend_verify(struct services *services, struct call *call,
                           const msgpack_object *params)
{
    struct verify_params given = {0};
    struct lane *lane;

    if (!backend_params_read(services, call, params, verify_params_read, &given, given.name,
                             &lane)) {
        return;
    }
    struct verify_call *verify = calloc(1, sizeof *verify);
    if (verify == NULL) {
        call_fail(call, RPC_INTERNAL, "out of memory for the request");
        return;
    }
    lane_verify_init(&verify->verify, given.repair, done);
    verify->note.read = note_read;
    verify->services = services;
    verify->call = call;
    memcpy(verify->name, given.name, sizeof verify->name);
    verify->query.run = query_run_nothing;
    verify->query.done = begin;
    services_read(services, &verify->query, call);
}
