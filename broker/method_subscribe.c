/* method_subscribe.c - event.subscribe: from now on, or from a seq on, this connection is told what
 * happens. */
#include "broker/methods.h"
#include "broker/pack.h"
#include "broker/params.h"
#include "broker/subscribers.h"

#define KINDS_ALL UINT32_MAX

struct subscribe_params {
    uint32_t kinds;
    uint64_t from_seq; /* 0: not given */
};

static bool add_kind(struct subscribe_params *params, const msgpack_object *name)
{
    enum event_op op;

    if (name->type != MSGPACK_OBJECT_STR ||
        !event_op_of((struct event_text){name->via.str.ptr, name->via.str.size}, &op) ||
        op == EVENT_PRUNE) { /* which leaves no event to tell of */
        return false;
    }
    params->kinds |= READER_EVENT_KIND(op);
    return true;
}

static enum rpc_code read_kinds(struct subscribe_params *params, const struct param *param)
{
    const msgpack_object *value = param->value;

    if (value->type != MSGPACK_OBJECT_ARRAY || value->via.array.size == 0) {
        return param_fail(param, "kinds must be a list of what to tell of, such as [\"alert\"]");
    }
    params->kinds = 0;
    for (uint32_t i = 0; i < value->via.array.size; i++) {
        if (!add_kind(params, &value->via.array.ptr[i])) {
            return param_fail(param, "kinds may hold put, delete, restore, embed, import, purge, "
                                     "session_begin, session_end, statement, alert, alert_ack");
        }
    }
    return RPC_OK;
}

static enum rpc_code params_read_one(void *target, const struct param *param)
{
    struct subscribe_params *params = target;

    if (param_is(param, "kinds")) {
        return read_kinds(params, param);
    }
    return param_is(param, "from_seq") ? param_uint(param, 1, INT64_MAX, &params->from_seq)
                                       : RPC_METHOD_NOT_FOUND;
}

static void refuse(struct call *call, enum rpc_code code)
{
    if (code == RPC_BUSY) {
        call_fail_busy(call, 5000, "%d connections have subscribed, and no more may",
                       SUBSCRIBERS_MAX);
    } else if (code == RPC_CONFLICT) {
        call_fail(call, code, "this connection has subscribed already; open another");
    } else {
        call_fail(call, code, "out of memory for the request");
    }
}

void method_event_subscribe(struct services *services, struct call *call,
                            const msgpack_object *params)
{
    struct subscribe_params subscribe = {.kinds = KINDS_ALL};
    struct rpc_failure failure = {0};
    msgpack_sbuffer result;
    msgpack_packer packer;

    if (params_read(params, params_read_one, &subscribe, &failure) != RPC_OK) {
        call_fail_with(call, &failure, NULL);
        return;
    }
    uint64_t cursor =
        subscribe.from_seq > 0 ? subscribe.from_seq - 1 : writes_seq_to_read(services->writes);
    enum rpc_code code =
        subscribers_add(services->subscribers, call->peer, subscribe.kinds, cursor);
    if (code != RPC_OK) {
        refuse(call, code);
        return;
    }
    msgpack_sbuffer_init(&result);
    msgpack_packer_init(&packer, &result, msgpack_sbuffer_write);
    msgpack_pack_map(&packer, 1);
    pack_uint_member(&packer, "from_seq", cursor + 1);
    call_reply(call, &result);
    msgpack_sbuffer_destroy(&result);
}
