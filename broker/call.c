/* call.c - answers a call exactly once: writes the reply and lets the peer's window go. */
#include "broker/call.h"

#include "broker/pack.h"
#include "broker/peer.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uuid/uuid.h>

#define RETRY_AFTER_MS 1000 /* of a busy that names no time */

static void call_end(struct call *call)
{
    struct peer *peer = call->peer;

    assert(peer->calls > 0);
    peer->calls--;
    peer->call_bytes -= call->frame_bytes;
    peer->set->buffered_bytes -= call->frame_bytes + PEER_CALL_COST;
    peer_mark_dirty(peer);
    free(call);
    peer_unref(peer);
}

/* Out of memory for a reply: the connection can't go on, because its caller would wait for ever. */
static void check_written(struct peer *peer, int r)
{
    if (r < 0) {
        log_write(peer->set->log, LOG_LEVEL_ERROR, "peer-memory",
                  "out of memory for a reply to pid %d; closing its connection", (int)peer->pid);
        peer_close(peer);
    }
}

void call_reply(struct call *call, const msgpack_sbuffer *result)
{
    struct peer *peer = call->peer;

    if (call->id.present && peer->connected) {
        check_written(peer, rpc_reply(&peer->out, &call->id, result->data, result->size));
    }
    call_end(call);
}

/* A bug, or damage: an id leads from what the caller was told to the log. */
static void log_internal(struct call *call, const struct rpc_failure *failure,
                         msgpack_sbuffer *ret_data)
{
    char id[UUID_STR_LEN];
    msgpack_packer packer;
    uuid_t uuid;

    uuid_generate_random(uuid);
    uuid_unparse_lower(uuid, id);
    log_write(call->peer->set->log, LOG_LEVEL_ERROR, "internal", "%s, for pid %d: %s", id,
              (int)call->peer_pid, failure->text);
    msgpack_packer_init(&packer, ret_data, msgpack_sbuffer_write);
    msgpack_pack_map(&packer, 1);
    pack_text_member(&packer, "id", id);
}

void call_fail_with(struct call *call, const struct rpc_failure *failure,
                    const msgpack_sbuffer *data)
{
    struct peer *peer = call->peer;
    msgpack_sbuffer own;

    msgpack_sbuffer_init(&own);
    if (failure->code == RPC_INTERNAL && data == NULL) {
        log_internal(call, failure, &own);
        data = &own;
    } else if (failure->code == RPC_BUSY && data == NULL) {
        pack_retry_after(&own, RETRY_AFTER_MS);
        data = &own;
    }
    peer->set->errors++;
    if (call->id.present && peer->connected) {
        check_written(peer, rpc_error(&peer->out, &call->id, failure, data ? data->data : NULL,
                                      data ? data->size : 0));
    }
    msgpack_sbuffer_destroy(&own);
    call_end(call);
}

void call_fail(struct call *call, enum rpc_code code, const char *format, ...)
{
    struct rpc_failure failure = {.code = code};
    va_list args;

    va_start(args, format);
    vsnprintf(failure.text, sizeof failure.text, format, args);
    va_end(args);
    call_fail_with(call, &failure, NULL);
}

void call_fail_busy(struct call *call, unsigned retry_after_ms, const char *format, ...)
{
    struct rpc_failure failure = {.code = RPC_BUSY};
    msgpack_sbuffer data;
    va_list args;

    va_start(args, format);
    vsnprintf(failure.text, sizeof failure.text, format, args);
    va_end(args);
    msgpack_sbuffer_init(&data);
    pack_retry_after(&data, retry_after_ms);
    call_fail_with(call, &failure, &data);
    msgpack_sbuffer_destroy(&data);
}
