/* method_health.c - health: how it goes, answered by the loop at once, whatever the other threads
 * do. */
#include "broker/health.h"
#include "broker/methods.h"
#include "broker/pack.h"

static size_t backend_count(const struct services *services)
{
    return backends_wanted_count(services->backends);
}

/* -1: it has no lane just now. */
static int64_t call_ms(const struct services *services, size_t i)
{
    struct backend *backend =
        backends_find(services->backends, backends_wanted(services->backends, i)->name);
    struct lane_status status;

    if (backend == NULL) {
        return -1;
    }
    lane_status(backend->lane, &status);
    return health_call_ms(&status);
}

static void pack_stuck(msgpack_packer *packer, const struct health_findings *found, size_t lanes)
{
    pack_key(packer, "stuck");
    msgpack_pack_array(packer, (size_t)found->writer_stuck + (size_t)found->store_stuck + lanes);
    if (found->writer_stuck) {
        pack_key(packer, "writer");
    }
    if (found->store_stuck) {
        pack_key(packer, "store");
    }
}

/* "stuck" with the backends behind the threads, and "backends" with each one's call. */
static void pack_all(msgpack_packer *packer, const struct services *services,
                     const struct health_findings *found)
{
    size_t count = backend_count(services), lanes = 0;
    int64_t calls[BACKENDS_MAX];

    for (size_t i = 0; i < count; i++) {
        calls[i] = call_ms(services, i);
        lanes += calls[i] >= HEALTH_CALL_MS;
    }
    pack_bool_member(packer, "ok",
                     !found->writer_stuck && !found->store_stuck && !found->full && lanes == 0);
    pack_stuck(packer, found, lanes);
    for (size_t i = 0; i < count; i++) {
        if (calls[i] >= HEALTH_CALL_MS) {
            pack_key(packer, backends_wanted(services->backends, i)->name);
        }
    }
    pack_key(packer, "backends");
    msgpack_pack_array(packer, count);
    for (size_t i = 0; i < count; i++) {
        msgpack_pack_map(packer, 2);
        pack_text_member(packer, "name", backends_wanted(services->backends, i)->name);
        pack_int_member(packer, "call_ms", calls[i]);
    }
}

void method_health(struct services *services, struct call *call, const msgpack_object *params)
{
    struct rpc_failure failure = {0};
    msgpack_sbuffer result;
    msgpack_packer packer;

    if (params_none(params, &failure) != RPC_OK) {
        call_fail_with(call, &failure, NULL);
        return;
    }
    struct health_findings found = health_look(services->health);
    msgpack_sbuffer_init(&result);
    msgpack_packer_init(&packer, &result, msgpack_sbuffer_write);
    msgpack_pack_map(&packer, 8);
    pack_all(&packer, services, &found);
    pack_int_member(&packer, "writer_ms", found.writer_ms);
    pack_int_member(&packer, "store_ms", found.store_ms);
    pack_uint_member(&packer, "unapplied", found.unapplied);
    pack_int_member(&packer, "unapplied_ms", found.unapplied_ms);
    pack_bool_member(&packer, "full", found.full);
    call_reply(call, &result);
    msgpack_sbuffer_destroy(&result);
}
