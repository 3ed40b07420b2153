/* method_server.c - hello: who answers here. */
#include "broker/memory_params.h"
#include "broker/methods.h"
#include "broker/version.h"

#include <unistd.h>

static enum rpc_code hello_params_read(void *target, const struct param *param)
{
    struct event_text client;
    uint64_t protocol;

    (void)target;
    if (param_is(param, "client")) {
        return param_text(param, 0, 256, &client);
    }
    return param_is(param, "protocol") ? param_uint(param, 1, UINT32_MAX, &protocol)
                                       : RPC_METHOD_NOT_FOUND;
}

static void pack_limits(msgpack_packer *packer, const struct services *services)
{
    pack_key(packer, "limits");
    msgpack_pack_map(packer, 7);
    pack_uint_member(packer, "frame_bytes", WIRE_FRAME_MAX);
    pack_uint_member(packer, "depth", WIRE_DEPTH_MAX);
    pack_uint_member(packer, "content_bytes", CONTENT_MAX);
    pack_uint_member(packer, "in_flight", PEER_CALLS_MAX);
    pack_uint_member(packer, "in_flight_bytes", PEER_CALL_BYTES_MAX);
    pack_uint_member(packer, "connections", services->peers->max);
    pack_uint_member(packer, "dims", services->config->dims);
}

static void pack_methods(msgpack_packer *packer)
{
    size_t count = 0;

    while (methods[count].name != NULL) {
        count++;
    }
    pack_key(packer, "methods");
    msgpack_pack_array(packer, count);
    for (size_t i = 0; i < count; i++) {
        pack_key(packer, methods[i].name);
    }
}

void method_hello(struct services *services, struct call *call, const msgpack_object *params)
{
    struct rpc_failure failure = {0};
    msgpack_sbuffer result;
    msgpack_packer packer;

    if (params_read(params, hello_params_read, NULL, &failure) != RPC_OK) {
        call_fail_with(call, &failure, NULL);
        return;
    }
    msgpack_sbuffer_init(&result);
    msgpack_packer_init(&packer, &result, msgpack_sbuffer_write);
    msgpack_pack_map(&packer, 6);
    pack_text_member(&packer, "server", "memferryd");
    pack_text_member(&packer, "version", MEMFERRY_VERSION);
    pack_uint_member(&packer, "protocol", MEMFERRY_PROTOCOL);
    pack_uint_member(&packer, "pid", (uint64_t)getpid());
    pack_limits(&packer, services);
    pack_methods(&packer);
    call_reply(call, &result);
    msgpack_sbuffer_destroy(&result);
}
