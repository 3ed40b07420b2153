/* peer.c - a connection's life: made, half-closed, drained, closed, freed when its last call ends.
 */
#include "broker/peer.h"

#include "broker/pack.h"
#include "broker/util/container.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

__attribute__((unused)) /* with NDEBUG */
static const bool state_moves[4][4] = {
    [PEER_OPEN] = {[PEER_HALF] = true, [PEER_DRAINING] = true, [PEER_CLOSING] = true},
    [PEER_HALF] = {[PEER_DRAINING] = true, [PEER_CLOSING] = true},
    [PEER_DRAINING] = {[PEER_CLOSING] = true},
};

void peer_set_state(struct peer *peer, enum peer_state state)
{
    if (peer->state == state) {
        return;
    }
    assert(state_moves[peer->state][state]);
    peer->state = state;
}

void peer_drain(struct peer *peer)
{
    peer_set_state(peer, PEER_DRAINING);
    peer_unpause(peer);
    if (!peer->ended) {
        peer_read_start(peer);
    }
    peer_mark_dirty(peer);
}

static void unlink_peer(struct peer *peer)
{
    struct peers *set = peer->set;

    if (set->turn == peer) {
        set->turn = peer->next;
    }
    if (peer->prev != NULL) {
        peer->prev->next = peer->next;
    } else {
        set->head = peer->next;
    }
    if (peer->next != NULL) {
        peer->next->prev = peer->prev;
    }
}

static void unlink_dirty(struct peer *peer)
{
    struct peer **link = &peer->set->dirty;

    while (peer->dirty && *link != NULL) {
        if (*link == peer) {
            *link = peer->next_dirty;
            peer->dirty = false;
        } else {
            link = &(*link)->next_dirty;
        }
    }
}

static void closed_cb(uv_handle_t *handle)
{
    struct peer *peer = container_of(handle, struct peer, pipe);
    struct peers *set = peer->set;

    unlink_peer(peer);
    set->handler->closed(set->handler, peer);
    peer_unref(peer);
    if (set->closing && set->head == NULL) {
        set->handler->all_closed(set->handler);
    }
}

static void timer_closed_cb(uv_handle_t *handle)
{
    peer_unref(container_of(handle, struct peer, drain_timer));
}

void peer_close(struct peer *peer)
{
    if (peer->state == PEER_CLOSING) {
        return;
    }
    peer_set_state(peer, PEER_CLOSING);
    unlink_dirty(peer);
    peer->connected = false;
    peer_unpause(peer);
    uv_close((uv_handle_t *)&peer->drain_timer, timer_closed_cb);
    uv_close((uv_handle_t *)&peer->pipe, closed_cb);
}

void peer_unref(struct peer *peer)
{
    assert(peer->references > 0);
    if (--peer->references > 0) {
        return;
    }
    *(peer->refused ? &peer->set->refused_count : &peer->set->count) -= 1;
    peer->set->buffered_bytes -= peer->in_capacity + peer->unread_counted;
    peer->set->unread_bytes -= peer->unread_counted;
    free(peer->in);
    msgpack_sbuffer_destroy(&peer->out);
    msgpack_sbuffer_destroy(&peer->sending);
    free(peer);
}

/* Time is up: for one over the limit that has not spoken, to be told so; for the rest, to go. */
static void drain_cb(uv_timer_t *timer)
{
    struct peer *peer = container_of(timer, struct peer, drain_timer);

    if (peer->refused && peer->state == PEER_OPEN) {
        peer->encoding = peer->encoding == WIRE_UNKNOWN ? WIRE_JSON : peer->encoding;
        peer_fail_framing(peer, RPC_BUSY,
                          "the broker has as many connections as it may; try again later");
    } else {
        peer_close(peer);
    }
}

static void start_drain_timer(struct peer *peer, uint64_t ms)
{
    if (!uv_is_active((uv_handle_t *)&peer->drain_timer)) {
        uv_timer_start(&peer->drain_timer, drain_cb, ms, 0);
    }
}

void peer_fail_framing(struct peer *peer, enum rpc_code code, const char *text)
{
    struct rpc_id id = {.encoding = peer->encoding, .present = true};
    struct rpc_failure failure = {.code = code};
    msgpack_sbuffer data;

    strncpy(failure.text, text, sizeof failure.text - 1);
    peer->set->errors++;
    msgpack_sbuffer_init(&data);
    if (code == RPC_BUSY) {
        pack_retry_after(&data, PEER_RETRY_MS);
    }
    int r = rpc_error(&peer->out, &id, &failure, data.data, data.size);
    msgpack_sbuffer_destroy(&data);
    if (r < 0) {
        peer_close(peer);
        return;
    }
    peer_drain(peer);
    start_drain_timer(peer, PEER_DRAIN_MS);
}

static void shutdown_output(struct peer *peer)
{
    uv_os_fd_t fd;

    if (uv_fileno((uv_handle_t *)&peer->pipe, &fd) == 0) {
        shutdown(fd, SHUT_WR);
    }
}

void peer_drain_on(struct peer *peer)
{
    uint64_t closing_ms = uv_now(peer->set->loop) - peer->set->closing_since_ms;

    if (peer->set->closing && uv_is_active((uv_handle_t *)&peer->drain_timer) &&
        peer_unread(peer) == 0 && closing_ms < PEER_STOP_DRAIN_MAX_MS) {
        uv_timer_start(&peer->drain_timer, drain_cb, PEER_STOP_DRAIN_MS, 0);
    }
}

void peer_finish(struct peer *peer)
{
    if (peer->state < PEER_HALF || peer->state == PEER_CLOSING) {
        return;
    }
    if (peer_unread(peer) > 0 && peer->set->closing) { /* one that never reads must not hold up */
        start_drain_timer(peer, PEER_STOP_DRAIN_MAX_MS);
    }
    if (peer_unread(peer) > 0 || peer->calls > 0) {
        return;
    }
    if (peer->state == PEER_DRAINING && !peer->ended) {
        shutdown_output(peer); /* the end of its input tells it that this was all */
        start_drain_timer(peer, peer->set->closing ? PEER_STOP_DRAIN_MS : PEER_DRAIN_MS);
    } else if (peer->state == PEER_DRAINING || peer->in_size == 0) {
        peer_close(peer);
    }
}

int peers_add(struct peers *set, int fd, uid_t uid, pid_t pid)
{
    struct peer *peer = calloc(1, sizeof *peer);

    if (peer == NULL) {
        close(fd);
        return -ENOMEM;
    }
    uv_pipe_init(set->loop, &peer->pipe, 0);
    uv_timer_init(set->loop, &peer->drain_timer);
    peer->set = set;
    peer->uid = uid;
    peer->pid = pid;
    peer->references = 2; /* of its two handles */
    peer->connected = true;
    peer->taken_seen = -1;
    peer->reads.peer = peer->searches.peer = peer;
    peer->refused = set->count >= set->max;
    msgpack_sbuffer_init(&peer->out);
    msgpack_sbuffer_init(&peer->sending);
    peer->next = set->head;
    if (set->head != NULL) {
        set->head->prev = peer;
    }
    set->head = peer;
    if (peer->refused) {
        set->refused_count++;
    } else {
        set->count++;
        set->most = set->count > set->most ? set->count : set->most;
    }
    int r = uv_pipe_open(&peer->pipe, fd);
    if (r < 0) {
        close(fd);
        peer_close(peer);
        return r;
    }
    peer_read_start(peer);
    if (peer->refused) {
        start_drain_timer(peer, PEER_REFUSED_MS);
    }
    return 0;
}
