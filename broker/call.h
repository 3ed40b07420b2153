/*
 * call.h - one request between its frame and its reply.
 *
 * A call is made by its peer, handed to a method, and answered exactly once by call_reply or
 * call_fail, which consume it. It may outlive its peer's connection: then the answer goes nowhere.
 * In the loop.
 */
#ifndef MEMFERRY_CALL_H
#define MEMFERRY_CALL_H

#include "client/wire/rpc.h"

#include <stdint.h>
#include <sys/types.h>

struct peer;

struct call {
    struct peer *peer; /* a reference */
    struct rpc_id id;
    size_t frame_bytes;  /* counted in the peer's window until the answer */
    uint64_t started_us; /* monotonic */
    pid_t peer_pid;
};

/* result: one msgpack object. */
void call_reply(struct call *call, const msgpack_sbuffer *result);

/* data: one msgpack map, or NULL. An internal error is logged here, under an id that data tells. */
void call_fail_with(struct call *call, const struct rpc_failure *failure,
                    const msgpack_sbuffer *data);
void call_fail(struct call *call, enum rpc_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void call_fail_busy(struct call *call, unsigned retry_after_ms, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
