/* peers.c - the set of connections: what they may hold together, and what is done once a turn. */
#include "broker/peer.h"
#include "broker/util/clock.h"
#include "broker/util/container.h"

#include <errno.h>
#include <stdlib.h>

#define READ_BUFFER_SIZE ((size_t)64 << 10)
#define ZONE_CHUNK_SIZE  ((size_t)16 << 10)
#define BUDGET_TICK_MS   1000 /* only while the total limit holds somebody up */

int peers_init(struct peers *set, uv_loop_t *loop, struct peer_handler *handler, struct log *log,
               unsigned max)
{
    *set = (struct peers){.loop = loop, .handler = handler, .log = log, .max = max};
    set->read_buffer = malloc(READ_BUFFER_SIZE);
    if (set->read_buffer == NULL || !msgpack_zone_init(&set->zone, ZONE_CHUNK_SIZE)) {
        free(set->read_buffer);
        return -ENOMEM;
    }
    return uv_timer_init(loop, &set->budget_timer);
}

void peers_deinit(struct peers *set)
{
    free(set->read_buffer);
    msgpack_zone_destroy(&set->zone);
}

/* Reads on where the limit that stopped a peer is no longer reached. */
static void resume(struct peer *peer)
{
    if (!peer->paused || peer_should_pause(peer)) {
        return;
    }
    peer_unpause(peer);
    peer_process(peer);
    if (peer->state > PEER_HALF) {
        return;
    }
    if (peer_should_pause(peer)) {
        peer_pause(peer);
    } else if (peer->state == PEER_OPEN && !peer->set->closing) {
        peer_read_start(peer);
    }
    peer_mark_dirty(peer);
}

/* The brake (brake.h) may let only some go on: the next time begins behind those. */
static void resume_paused(struct peers *set)
{
    struct peer *first = set->turn != NULL ? set->turn : set->head, *peer = first;

    while (peer != NULL && set->paused_count > 0) {
        struct peer *next = peer->next != NULL ? peer->next : set->head;
        if (!set->writers_paused) {
            set->turn = next;
        }
        resume(peer);
        peer = next != first ? next : NULL;
    }
}

static void flush_dirty(struct peers *set)
{
    while (set->dirty != NULL) {
        struct peer *peer = set->dirty;
        set->dirty = peer->next_dirty;
        peer->dirty = false;
        peer_flush(peer);
        peer_finish(peer);
    }
}

void peers_turn(struct peers *set)
{
    flush_dirty(set);
    if (set->paused_count > 0 && !set->closing) {
        resume_paused(set);
        flush_dirty(set);
    }
    peers_check_budget(set); /* replies count, too */
}

void peers_pause_writers(struct peers *set, bool paused)
{
    set->writers_paused = paused;
}

static size_t peer_holds(const struct peer *peer)
{
    return peer->in_capacity + peer->call_bytes + peer->calls * PEER_CALL_COST + peer_unread(peer);
}

static struct peer *largest_unpaused(struct peers *set)
{
    struct peer *largest = NULL;

    for (struct peer *peer = set->head; peer != NULL; peer = peer->next) {
        if (peer->state <= PEER_HALF && !peer->over_budget &&
            peer_holds(peer) > PEER_BUDGET_SMALL &&
            (largest == NULL || peer_holds(peer) > peer_holds(largest))) {
            largest = peer;
        }
    }
    return largest;
}

static void pause_for_budget(struct peer *peer)
{
    peer->over_budget = true;
    peer->over_budget_since_ms = uv_now(peer->set->loop);
    peer_pause(peer);
}

static void lift_budget(struct peers *set)
{
    for (struct peer *peer = set->head; peer != NULL; peer = peer->next) {
        peer->over_budget = false;
        peer->taken_seen = -1;
    }
    uv_timer_stop(&set->budget_timer);
}

static void close_one_stuck(struct peer *peer)
{
    log_write(peer->set->log, LOG_LEVEL_WARNING, "peer-budget",
              "the buffers of all connections are full; closing the one of pid %d", (int)peer->pid);
    peer_fail_framing(peer, RPC_BUSY, "the broker's buffers are full; try again later");
    peer_flush(peer);
    peer_close(peer);
}

/* Whether a peer has left its replies lying since the last tick. */
static bool leaves_lying(struct peer *peer)
{
    size_t queued = uv_stream_get_write_queue_size((uv_stream_t *)&peer->pipe);
    int64_t taken = peer->given_bytes - (int64_t)queued;
    bool lies = queued > PEER_BUDGET_SMALL && peer->taken_seen >= 0 &&
                taken - peer->taken_seen < (int64_t)PEER_BUDGET_SMALL;

    peer->taken_seen = taken;
    return lies;
}

static bool has_waited_long(const struct peer *peer, uint64_t now_ms)
{
    return peer->over_budget && peer->calls == 0 &&
           now_ms - peer->over_budget_since_ms > PEER_BUDGET_MS;
}

/* Halves of frames and replies that nobody takes can hold the whole budget, and then nobody would
 * ever go on: who takes nothing, or waited longest, is told busy and closed. Who has hung up is not
 * noticed by reading, since that is stopped. */
static void close_stuck(struct peers *set, uint64_t now_ms)
{
    struct peer *next;

    for (struct peer *peer = set->head; peer != NULL; peer = next) {
        next = peer->next;
        if (peer->state > PEER_HALF) {
            continue;
        }
        if (peer->over_budget && peer_is_gone(peer)) {
            peer_close(peer);
        } else if (leaves_lying(peer) || has_waited_long(peer, now_ms)) {
            close_one_stuck(peer);
        }
    }
}

static void budget_cb(uv_timer_t *timer)
{
    struct peers *set = container_of(timer, struct peers, budget_timer);

    if (set->buffered_bytes < PEERS_BYTES_MAX / 4 * 3) {
        lift_budget(set);
    } else {
        close_stuck(set, uv_now(set->loop));
    }
}

static void start_ticking(struct peers *set)
{
    if (!uv_is_active((uv_handle_t *)&set->budget_timer)) {
        uv_timer_start(&set->budget_timer, budget_cb, BUDGET_TICK_MS, BUDGET_TICK_MS);
    }
}

void peers_check_budget(struct peers *set)
{
    if (set->buffered_bytes <= PEERS_BYTES_MAX || set->closing) {
        return;
    }
    struct peer *largest = largest_unpaused(set);
    if (largest != NULL) {
        pause_for_budget(largest);
    }
    start_ticking(set);
}

void peer_check_budget(struct peer *peer)
{
    struct peers *set = peer->set;

    if (set->buffered_bytes > PEERS_BYTES_MAX && !set->closing && peer->state <= PEER_HALF &&
        !peer->over_budget && peer_holds(peer) > PEER_BUDGET_SMALL) {
        pause_for_budget(peer);
        start_ticking(set);
    }
}

void peers_close(struct peers *set)
{
    struct peer *next;

    set->closing = true;
    set->closing_since_ms = uv_now(set->loop);
    uv_close((uv_handle_t *)&set->budget_timer, NULL);
    if (set->head == NULL) {
        set->handler->all_closed(set->handler);
        return;
    }
    for (struct peer *peer = set->head; peer != NULL; peer = next) {
        next = peer->next;
        if (peer->state < PEER_DRAINING) {
            peer_drain(peer);
        }
    }
}
