/* method_dead.c - dead.list, dead.retry, dead.drop: memories that a backend will not take. */
#include "broker/memory_params.h"
#include "broker/methods.h"
#include "broker/store_call.h"
#include "broker/util/clock.h"
#include "broker/util/container.h"

#include <stdlib.h>

#define NAME_MAX_BYTES 64
#define LIMIT_DEFAULT  100
#define LIMIT_MAX      1000
#define AFTER_MAX      512

/* ---- list ---- */

struct dead_query {
    struct query query;
    char backend[NAME_MAX_BYTES + 1], after[AFTER_MAX + 1];
    uint64_t limit;
};

static int run_list(struct query *base, struct reader *reader, struct error *err)
{
    struct dead_query *query = container_of(base, struct dead_query, query);

    return reader_dead_list(reader, query->backend[0] != '\0' ? query->backend : NULL,
                            (uint32_t)query->limit, query->after[0] != '\0' ? query->after : NULL,
                            &base->result, err);
}

static void list_done(struct query *query)
{
    query_answer(query);
    query_deinit(query);
    free(container_of(query, struct dead_query, query));
}

static enum rpc_code list_params_read(void *target, const struct param *param)
{
    struct dead_query *query = target;

    if (param_is(param, "backend")) {
        return param_copy(param, 1, NAME_MAX_BYTES, query->backend);
    }
    if (param_is(param, "after")) {
        return param_copy(param, 1, AFTER_MAX, query->after);
    }
    return param_is(param, "limit") ? param_uint(param, 1, LIMIT_MAX, &query->limit)
                                    : RPC_METHOD_NOT_FOUND;
}

void method_dead_list(struct services *services, struct call *call, const msgpack_object *params)
{
    struct rpc_failure failure = {0};
    struct dead_query *query = calloc(1, sizeof *query);

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
    services_read_long(services, &query->query, call);
}

/* ---- retry and drop ---- */

struct dead_params {
    char backend[NAME_MAX_BYTES + 1], id[MEMORY_ID_MAX + 1];
    bool all;
};

static enum rpc_code change_params_read(void *target, const struct param *param)
{
    struct dead_params *params = target;

    if (param_is(param, "backend")) {
        return param_copy(param, 1, NAME_MAX_BYTES, params->backend);
    }
    if (param_is(param, "id")) {
        return param_copy(param, 1, MEMORY_ID_MAX, params->id);
    }
    return param_is(param, "all") ? param_bool(param, &params->all) : RPC_METHOD_NOT_FOUND;
}

typedef int change_fn(struct store *, const char *lane, const char *id, uint64_t *ret_count,
                      struct error *err);

static int change_lanes(struct store_call *work, struct store *store, change_fn *change,
                        struct error *err)
{
    const char *id = work->has_id ? work->id : NULL;
    int r = 0;

    work->count = 0; /* it may be run again */
    for (size_t i = 0; r == 0 && i < work->lane_count; i++) {
        uint64_t count = 0;
        r = change(store, work->lanes[i], id, &count, err);
        work->count += count;
    }
    return r;
}

static int retry_lane(struct store *store, const char *lane, const char *id, uint64_t *ret_count,
                      struct error *err)
{
    return store_dead_retry(store, lane, id, clock_wall_ms(), ret_count, err);
}

static int run_retry(struct store_call *work, struct store *store, struct error *err)
{
    return change_lanes(work, store, retry_lane, err);
}

static int run_drop(struct store_call *work, struct store *store, struct error *err)
{
    return change_lanes(work, store, store_dead_drop, err);
}

static void kick_lanes(struct store_call *work)
{
    for (size_t i = 0; i < work->lane_count; i++) {
        struct backend *backend = backends_find(work->services->backends, work->lanes[i]);
        if (backend != NULL) {
            lane_kick(backend->lane);
        }
    }
}

/* A name that is in no config and has no dead letters left from an older one is a slip of the pen.
 */
static bool names_nobody(const struct store_call *work)
{
    return work->count == 0 && work->lane_count == 1 &&
           backends_find(work->services->backends, work->lanes[0]) == NULL;
}

static void changed(struct store_call *work)
{
    msgpack_sbuffer result;
    msgpack_packer packer;

    kick_lanes(work);
    if (work->status != 0) {
        store_call_fail(work);
    } else if (names_nobody(work)) {
        call_fail(work->call, RPC_NOT_FOUND, "there is no backend %s; memferry backends lists them",
                  work->lanes[0]);
    } else if (work->has_id && work->count == 0) {
        call_fail(work->call, RPC_NOT_FOUND, "no backend has a dead letter of memory %.150s",
                  work->id);
    } else {
        msgpack_sbuffer_init(&result);
        msgpack_packer_init(&packer, &result, msgpack_sbuffer_write);
        msgpack_pack_map(&packer, 1);
        pack_uint_member(&packer, "count", work->count);
        call_reply(work->call, &result);
        msgpack_sbuffer_destroy(&result);
    }
}

static void add_lanes(struct store_call *work, const struct services *services, const char *backend)
{
    if (backend[0] != '\0') {
        store_call_add_lane(work, backend);
        return;
    }
    for (size_t i = 0; i < backends_wanted_count(services->backends); i++) {
        store_call_add_lane(work, backends_wanted(services->backends, i)->name);
    }
}

static void change(struct services *services, struct call *call, const msgpack_object *params,
                   int (*run)(struct store_call *, struct store *, struct error *))
{
    struct dead_params dead = {0};
    struct rpc_failure failure = {0};

    if (params_read(params, change_params_read, &dead, &failure) != RPC_OK) {
        call_fail_with(call, &failure, NULL);
        return;
    }
    if ((dead.id[0] != '\0') == dead.all) {
        failure = (struct rpc_failure){
            .code = RPC_INVALID_PARAMS, .field = "id", .text = "give either an id or all: true"};
        call_fail_with(call, &failure, NULL);
        return;
    }
    struct store_call *work = store_call_new(services, call, run, changed);
    if (work == NULL) {
        return;
    }
    work->has_id = !dead.all;
    snprintf(work->id, sizeof work->id, "%s", dead.id);
    add_lanes(work, services, dead.backend);
    store_call_submit(work);
}

void method_dead_retry(struct services *services, struct call *call, const msgpack_object *params)
{
    change(services, call, params, run_retry);
}

void method_dead_drop(struct services *services, struct call *call, const msgpack_object *params)
{
    change(services, call, params, run_drop);
}
