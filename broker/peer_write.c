/*
 * peer_write.c - a peer's output: replies collect in `out` during a turn of the loop and go as one
 * write. What the socket doesn't take at once moves to `sending`, which the uv_write owns.
 */
#include "broker/peer.h"
#include "broker/util/container.h"

#include <assert.h>
#include <string.h>

#define OUT_KEEP ((size_t)16 << 10) /* a larger buffer is not kept for the next reply */

size_t peer_unread(const struct peer *peer)
{
    return peer->out.size + (peer->writing ? peer->sending.size : 0);
}

/* Brings the set's count of what is buffered up to date. */
static void count_unread(struct peer *peer)
{
    size_t unread = peer_unread(peer);

    peer->set->buffered_bytes += unread - peer->unread_counted;
    peer->set->unread_bytes += unread - peer->unread_counted;
    peer->unread_counted = unread;
}

bool peer_takes_replies(const struct peer *peer)
{
    const struct peers *set = peer->set;

    if (!peer->connected || set->buffered_bytes <= PEERS_BYTES_MAX) {
        return !peer->connected || peer_unread(peer) <= PEER_UNREAD_PAUSE;
    }
    return set->unread_bytes <= PEERS_UNREAD_FULL && peer_unread(peer) <= PEER_BUDGET_SMALL;
}

void peer_mark_dirty(struct peer *peer)
{
    count_unread(peer);
    if (!peer->dirty && peer->connected) {
        peer->dirty = true;
        peer->next_dirty = peer->set->dirty;
        peer->set->dirty = peer;
    }
}

static void out_empty(struct peer *peer)
{
    if (peer->out.alloc > OUT_KEEP) {
        msgpack_sbuffer_destroy(&peer->out);
        msgpack_sbuffer_init(&peer->out);
    } else {
        msgpack_sbuffer_clear(&peer->out);
    }
}

static void write_cb(uv_write_t *write, int status)
{
    struct peer *peer = container_of(write, struct peer, write);

    peer->writing = false;
    msgpack_sbuffer_destroy(&peer->sending);
    msgpack_sbuffer_init(&peer->sending);
    if (status < 0) {
        count_unread(peer);
        peer_close(peer);
    } else {
        if (peer->set->closing && peer->calls > 0) { /* it reads, and there is more to come */
            uv_timer_stop(&peer->drain_timer);
        }
        peer_mark_dirty(peer);
    }
    peer_unref(peer);
}

/* Gives what is left of `out` behind the first `sent` bytes to uv_write. */
static void send_rest(struct peer *peer, size_t sent)
{
    assert(!peer->writing);
    peer->sending = peer->out;
    msgpack_sbuffer_init(&peer->out);
    uv_buf_t buffer = uv_buf_init(peer->sending.data + sent, (unsigned)(peer->sending.size - sent));
    peer->writing = true;
    peer->given_bytes += (int64_t)buffer.len;
    peer->references++;
    int r = uv_write(&peer->write, (uv_stream_t *)&peer->pipe, &buffer, 1, write_cb);
    if (r < 0) {
        write_cb(&peer->write, r);
    }
}

void peer_flush(struct peer *peer)
{
    if (!peer->connected || peer->out.size == 0) {
        return;
    }
    if (peer_unread(peer) > PEER_UNREAD_MAX) {
        log_write(peer->set->log, LOG_LEVEL_WARNING, "peer-unread",
                  "pid %d does not read its replies (%zu bytes wait); closing its connection",
                  (int)peer->pid, peer_unread(peer));
        peer_close(peer);
        return;
    }
    if (peer->writing) {
        return;
    }
    uv_buf_t buffer = uv_buf_init(peer->out.data, (unsigned)peer->out.size);
    int sent = uv_try_write((uv_stream_t *)&peer->pipe, &buffer, 1);
    if (sent < 0 && sent != UV_EAGAIN) {
        peer_close(peer);
    } else if (sent >= 0 && (size_t)sent == peer->out.size) {
        out_empty(peer);
        count_unread(peer);
    } else {
        send_rest(peer, sent > 0 ? (size_t)sent : 0);
    }
}
