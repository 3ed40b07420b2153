/*
 * peer_read.c - a peer's input: bytes to frames to calls.
 *
 * Bytes land in the set's shared buffer; only what is left of an unfinished frame (or was not
 * processed because the peer is paused) is kept in a buffer of the peer's own.
 */
#include "broker/peer.h"
#include "broker/util/clock.h"
#include "broker/util/container.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define READ_SIZE ((size_t)64 << 10)

bool peer_should_pause(const struct peer *peer)
{
    return peer->calls >= PEER_CALLS_MAX || peer->call_bytes >= PEER_CALL_BYTES_MAX ||
           peer_unread(peer) > PEER_UNREAD_PAUSE || peer->over_budget ||
           (peer->writes && peer->set->writers_paused);
}

/* Grows the peer's own buffer to hold `size` bytes. A frame is bounded by the scanner, so this is.
 */
static int reserve(struct peer *peer, size_t size)
{
    if (size <= peer->in_capacity) {
        return 0;
    }
    size_t capacity = peer->in_capacity > 0 ? peer->in_capacity : READ_SIZE;
    while (capacity < size) {
        capacity *= 2;
    }
    uint8_t *grown = realloc(peer->in, capacity);
    if (grown == NULL) {
        return -ENOMEM;
    }
    peer->set->buffered_bytes += capacity - peer->in_capacity;
    peer->in = grown;
    peer->in_capacity = capacity;
    return 0;
}

static void release(struct peer *peer)
{
    peer->set->buffered_bytes -= peer->in_capacity;
    free(peer->in);
    peer->in = NULL;
    peer->in_size = peer->in_capacity = 0;
}

/* Keeps the `size` bytes at `data`, which may lie in the peer's own buffer. */
static int keep_rest(struct peer *peer, const uint8_t *data, size_t size)
{
    if (size == 0) {
        release(peer);
        return 0;
    }
    if (peer->in != NULL && data >= peer->in && data < peer->in + peer->in_capacity) {
        memmove(peer->in, data, size);
    } else {
        int r = reserve(peer, size);
        if (r < 0) {
            return r;
        }
        memcpy(peer->in, data, size);
    }
    peer->in_size = size;
    return 0;
}

static struct call *call_new(struct peer *peer, size_t frame_bytes)
{
    struct call *call = calloc(1, sizeof *call);

    if (call == NULL) {
        return NULL;
    }
    call->peer = peer;
    call->frame_bytes = frame_bytes;
    call->started_us = (uint64_t)clock_monotonic_us();
    call->peer_pid = peer->pid;
    peer->references++;
    peer->calls++;
    peer->call_bytes += frame_bytes;
    peer->set->buffered_bytes += frame_bytes + PEER_CALL_COST;
    return call;
}

/* A peer over the connection limit: its first request is answered, and that is all. */
static void refuse(struct peer *peer, struct call *call)
{
    call_fail_busy(call, 1000,
                   "the broker has %u connections, its limit; close some or try again later",
                   peer->set->max);
    peer_drain(peer);
}

static void handle_frame(struct peer *peer, const uint8_t *frame, size_t size)
{
    struct peers *set = peer->set;
    struct rpc_request request = {0};
    struct rpc_failure failure = {0};

    if (peer->encoding == WIRE_JSON && json_line_blank(frame, size)) {
        return;
    }
    struct call *call = call_new(peer, size);
    if (call == NULL) {
        peer_close(peer);
        return;
    }
    set->requests++;
    enum rpc_code code =
        rpc_request_decode(peer->encoding, frame, size, &set->zone, &request, &failure);
    call->id = request.id;
    if (peer->refused) {
        refuse(peer, call);
    } else if (code != RPC_OK) {
        failure.code = code;
        /* What can't be read as a request is answered with a null id, as JSON-RPC has it; what was
         * a notification, but a wrong one, is not. */
        if (!call->id.present && (code == RPC_PARSE_ERROR || code == RPC_INVALID_REQUEST)) {
            call->id = (struct rpc_id){.encoding = peer->encoding, .present = true};
        }
        call_fail_with(call, &failure, NULL);
    } else {
        set->handler->request(set->handler, call, &request);
    }
    msgpack_zone_clear(&set->zone);
}

static enum scan_status next_frame(struct peer *peer, const uint8_t *data, size_t size,
                                   size_t *ret_size)
{
    bool too_deep = false;

    if (peer->encoding == WIRE_MSGPACK) {
        return msgpack_scan(&peer->msgpack_scan, data, size, ret_size);
    }
    enum scan_status status = json_line_scan(&peer->json_scan, data, size, ret_size, &too_deep);
    return too_deep ? SCAN_TOO_DEEP : status;
}

static bool detect_encoding(struct peer *peer, uint8_t first)
{
    if (peer->encoding == WIRE_UNKNOWN) {
        peer->encoding = wire_detect(first);
    }
    if (peer->encoding == WIRE_UNKNOWN) {
        peer->encoding = WIRE_JSON;
        peer_fail_framing(peer, RPC_PARSE_ERROR,
                          "neither JSON nor MessagePack-RPC: a connection begins with '{' or a "
                          "MessagePack array");
        return false;
    }
    return true;
}

static void fail_scan(struct peer *peer, enum scan_status status)
{
    peer_fail_framing(peer, status == SCAN_MALFORMED ? RPC_PARSE_ERROR : RPC_INVALID_REQUEST,
                      scan_status_text(status));
}

/* Processes frames in [data, data + size); returns how many bytes are done with. */
static size_t process_bytes(struct peer *peer, const uint8_t *data, size_t size)
{
    size_t done = 0;

    if (size > 0 && !detect_encoding(peer, data[0])) {
        return size;
    }
    while (done < size && peer->state <= PEER_HALF && !peer_should_pause(peer)) {
        size_t frame = 0;
        enum scan_status status = next_frame(peer, data + done, size - done, &frame);
        if (status == SCAN_MORE) {
            return done;
        }
        if (status != SCAN_COMPLETE) {
            fail_scan(peer, status);
            return size;
        }
        handle_frame(peer, data + done, frame);
        done += frame;
        peer_check_budget(peer);
    }
    return peer->state <= PEER_HALF ? done : size;
}

/* At the end of input a last JSON line needs no newline; half a frame is nothing. */
static void process_end(struct peer *peer)
{
    if (peer->state == PEER_HALF && peer->in_size > 0 && !peer_should_pause(peer)) {
        if (peer->encoding == WIRE_JSON && peer->connected) {
            handle_frame(peer, peer->in, peer->in_size);
        }
        release(peer);
    }
}

void peer_process(struct peer *peer)
{
    if (peer->in_size > 0) {
        size_t done = process_bytes(peer, peer->in, peer->in_size);
        if (keep_rest(peer, peer->in + done, peer->in_size - done) < 0) {
            peer_close(peer);
            return;
        }
    }
    process_end(peer);
}

static void alloc_cb(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_buffer)
{
    struct peer *peer = container_of(handle, struct peer, pipe);

    (void)suggested;
    if (peer->in_size == 0 || peer->state == PEER_DRAINING) {
        *ret_buffer = uv_buf_init((char *)peer->set->read_buffer, (unsigned)READ_SIZE);
    } else if (reserve(peer, peer->in_size + READ_SIZE) == 0) {
        *ret_buffer = uv_buf_init((char *)peer->in + peer->in_size,
                                  (unsigned)(peer->in_capacity - peer->in_size));
    } else {
        *ret_buffer = uv_buf_init(NULL, 0); /* read_cb gets UV_ENOBUFS */
    }
}

void peer_pause(struct peer *peer)
{
    if (!peer->paused) {
        peer->paused = true;
        peer->set->paused_count++;
        uv_read_stop((uv_stream_t *)&peer->pipe);
    }
}

void peer_unpause(struct peer *peer)
{
    if (peer->paused) {
        peer->paused = false;
        peer->set->paused_count--;
    }
}

bool peer_is_gone(const struct peer *peer)
{
    uv_os_fd_t fd;
    struct pollfd poll_fd = {.events = 0};

    if (uv_fileno((const uv_handle_t *)&peer->pipe, &fd) < 0) {
        return true;
    }
    poll_fd.fd = fd;
    return poll(&poll_fd, 1, 0) > 0 && (poll_fd.revents & (POLLHUP | POLLERR)) != 0;
}

static void input_ended(struct peer *peer)
{
    uv_read_stop((uv_stream_t *)&peer->pipe);
    peer->ended = true;
    if (peer->state == PEER_OPEN) {
        peer_set_state(peer, PEER_HALF);
        peer_process(peer);
        if (peer->state == PEER_HALF && peer->in_size > 0) {
            peer_pause(peer); /* what is left is processed when its limit is lifted */
        }
    }
    if (peer_is_gone(peer)) {
        peer_close(peer);
    } else {
        peer_mark_dirty(peer);
    }
}

static void input_came(struct peer *peer, const uint8_t *data, size_t size)
{
    if (peer->state == PEER_DRAINING) {
        peer_drain_on(peer);
        return;
    }
    if (peer->in != NULL && data >= peer->in && data < peer->in + peer->in_capacity) {
        peer->in_size += size;
        peer_process(peer);
    } else {
        size_t done = process_bytes(peer, data, size);
        if (keep_rest(peer, data + done, size - done) < 0) {
            peer_close(peer);
            return;
        }
    }
    if (peer->state == PEER_OPEN && peer_should_pause(peer)) {
        peer_pause(peer);
    }
    peer_check_budget(peer);
}

static void read_cb(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
    struct peer *peer = container_of(stream, struct peer, pipe);

    if (size > 0) {
        input_came(peer, (const uint8_t *)buffer->base, (size_t)size);
    } else if (size == UV_EOF) {
        input_ended(peer);
    } else if (size < 0) {
        peer_close(peer);
    }
}

void peer_read_start(struct peer *peer)
{
    uv_read_start((uv_stream_t *)&peer->pipe, alloc_cb, read_cb);
}
