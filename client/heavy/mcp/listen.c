/*
 * listen.c - subscriptions/listen: a request that stays open for notifications.
 *
 * We have none to send: tools never change, and what becomes of memories is read when it is needed.
 * The acknowledgment says so, by naming nothing of what was asked for. It ends when it is
 * cancelled, or with the server.
 */
#include "client/heavy/mcp/call.h"

#define LISTEN_MAX 8 /* open at once: they take the places of calls */

static unsigned count_open(const struct mcp *mcp)
{
    unsigned count = 0;

    for (const struct call *call = mcp->calls; call != NULL; call = call->next) {
        count += call->is_listening;
    }
    return count;
}

static void write_subscription(struct json_writer *w, const struct call *call)
{
    json_write_key(w, "io.modelcontextprotocol/subscriptionId");
    json_write_raw(w, call->id.json, call->id.json_size);
}

static void acknowledge(struct call *call)
{
    struct json_writer *w = &call->out;
    size_t size;

    json_writer_reset(w);
    json_begin_object(w);
    json_write_key(w, "jsonrpc");
    json_write_text(w, "2.0");
    json_write_key(w, "method");
    json_write_text(w, "notifications/subscriptions/acknowledged");
    json_write_key(w, "params");
    json_begin_object(w);
    json_write_key(w, "_meta");
    json_begin_object(w);
    write_subscription(w, call);
    json_end_object(w);
    json_write_key(w, "notifications");
    json_begin_object(w);
    json_end_object(w);
    json_end_object(w);
    json_end_object(w);
    const char *line = json_writer_text(w, &size);
    if (line != NULL) {
        output_line(&call->mcp->out, line, size);
    }
}

void method_listen(struct call *call)
{
    if (memferry_node_kind(memferry_node_get(call->params, "notifications")) != MEMFERRY_NODE_MAP) {
        call_error(call, RPC_INVALID_PARAMS, "subscriptions/listen needs notifications, an object");
        return;
    }
    if (count_open(call->mcp) >= LISTEN_MAX) {
        call_error(call, RPC_INTERNAL, "%d subscriptions are open; cancel one", LISTEN_MAX);
        return;
    }
    call->is_listening = true;
    acknowledge(call);
}

void listen_end_all(struct mcp *mcp)
{
    struct call *call = mcp->calls;

    while (call != NULL) {
        struct call *next = call->next;
        if (call->is_listening) {
            call_result_begin(call);
            call_result_end(call);
        }
        call = next;
    }
}
