/* peer.c - a connection's life: made, half-closed, drained, closed, freed when its last call ends.
 */
#include "broker/peer.h"

#include "broker/util/container.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const bool state_moves[4][4] = {
    [PEER_OPEN] = {[PEER_HALF] = true, [PEER_DRAINING] = true, [PEER_CLOSING] = true},
    [PEER_HALF] = {[PEER_DRAINING] = true, [PEER_CLOSING] = true},
    [PEER_DRAINING] = {[PEER_CLOSING] = true},
};

static void drain_cb(uv_timer_t *timer)
{
    peer_close(container_of(timer, struct peer, drain_timer));
}

void peer_set_state(struct peer *peer, enum peer_state state)
{
    if (peer->state == state) {
        return;
    }
    assert(state_moves[peer->state][state]);
    peer->state = state;
    if (state == PEER_DRAINING) {
        /* It is read on for a while, so that its own write doesn't fail before it has read why. */
        uv_timer_start(&peer->drain_timer, drain_cb, PEER_DRAIN_MS, 0);
        peer_mark_dirty(peer);
    }
}

static void unlink_peer(struct peer *peer)
{
    struct peers *set = peer->set;

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
    if (peer->refused) {
        set->refused_count--;
    } else {
        set->count--;
    }
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
    if (peer->paused) {
        peer->paused = false;
        peer->set->paused_count--;
    }
    uv_close((uv_handle_t *)&peer->drain_timer, timer_closed_cb);
    uv_close((uv_handle_t *)&peer->pipe, closed_cb);
}

void peer_unref(struct peer *peer)
{
    assert(peer->references > 0);
    if (--peer->references > 0) {
        return;
    }
    peer->set->buffered_bytes -= peer->in_capacity;
    free(peer->in);
    msgpack_sbuffer_destroy(&peer->out);
    msgpack_sbuffer_destroy(&peer->sending);
    free(peer);
}

void peer_fail_framing(struct peer *peer, enum rpc_code code, const char *text)
{
    struct rpc_id id = {.encoding = peer->encoding, .present = true};
    struct rpc_failure failure = {.code = code};

    strncpy(failure.text, text, sizeof failure.text - 1);
    peer->set->errors++;
    if (rpc_error(&peer->out, &id, &failure, NULL, 0) < 0) {
        peer_close(peer);
        return;
    }
    peer_set_state(peer, PEER_DRAINING);
}

static void shutdown_output(struct peer *peer)
{
    uv_os_fd_t fd;

    if (uv_fileno((uv_handle_t *)&peer->pipe, &fd) == 0) {
        shutdown(fd, SHUT_WR);
    }
}

void peer_finish(struct peer *peer)
{
    bool closing = peer->set->closing;

    if (peer->state == PEER_CLOSING || peer->calls > 0 || peer_unread(peer) > 0) {
        return;
    }
    if (closing || (peer->state == PEER_HALF && peer->in_size == 0)) {
        peer_close(peer);
    } else if (peer->state == PEER_DRAINING) {
        shutdown_output(peer); /* the end of its input tells it that this was all */
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
    return 0;
}
