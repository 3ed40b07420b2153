/* waits.c - reads how the lanes stand whenever one changed, until it is enough or too late. */
#include "broker/waits.h"

#include "broker/pack.h"
#include "broker/peer.h"
#include "broker/util/container.h"

#include <stdlib.h>
#include <string.h>

struct wait_lane {
    char name[65];
    bool paused, superseded;
    enum reader_delivery delivery; /* of a put */
    struct reader_lane lane;       /* of a flush */
    /* what the reader thread works on while `reading` */
    enum reader_delivery read_delivery;
    struct reader_lane read_lane;
};

struct wait {
    struct query query; /* of the reader; busy while `reading` */
    struct waits *waits;
    struct wait *next, *prev;
    struct call *call; /* NULL: answered */
    uv_timer_t timer;
    bool is_flush, reading, again, closed;
    uint64_t seq;
    char memory_id[MEMORY_ID_MAX + 1];
    msgpack_sbuffer receipt_head;
    size_t lane_count;
    struct wait_lane lanes[];
};

static void look(struct wait *wait);

/* ---- in the reader thread ---- */

static int read_lane(struct wait *wait, struct wait_lane *lane, struct reader *reader,
                     struct error *err)
{
    if (wait->is_flush) {
        return reader_lane(reader, lane->name, &lane->read_lane, err);
    }
    return reader_delivery(reader, lane->name, wait->memory_id, wait->seq, &lane->read_delivery,
                           err);
}

static int run(struct query *query, struct reader *reader, struct error *err)
{
    struct wait *wait = container_of(query, struct wait, query);
    int r = 0;

    for (size_t i = 0; r == 0 && i < wait->lane_count; i++) {
        r = read_lane(wait, &wait->lanes[i], reader, err);
    }
    return r;
}

/* ---- in the loop ---- */

static bool lane_is_level(const struct wait *wait, const struct wait_lane *lane)
{
    if (!wait->is_flush) {
        return lane->delivery != READER_DELIVERY_PENDING;
    }
    if (!lane->lane.exists) {
        return false;
    }
    /* The cursor does not move over what is not for this lane: then nothing is pending. A sink may
     * have what was asked for while more came. */
    bool passed = lane->lane.kind == LANE_SINK && lane->lane.cursor >= wait->seq;
    return lane->lane.pending == 0 || (passed && lane->lane.deferred == 0);
}

static const char *delivery_name(const struct wait_lane *lane)
{
    if (lane->paused) {
        return "paused";
    }
    if (lane->delivery == READER_DELIVERY_DEAD) {
        return "dead";
    }
    if (lane->delivery == READER_DELIVERY_DONE) {
        return lane->superseded ? "superseded" : "delivered";
    }
    return "pending";
}

static void pack_flush_lane(msgpack_packer *packer, const struct wait *wait,
                            const struct wait_lane *lane)
{
    msgpack_pack_map(packer, 5);
    pack_text_member(packer, "name", lane->name);
    pack_bool_member(packer, "level", lane_is_level(wait, lane));
    pack_uint_member(packer, "pending", lane->lane.pending);
    pack_uint_member(packer, "deferred", lane->lane.deferred);
    pack_uint_member(packer, "dead", lane->lane.dead);
}

/* The result, or the data of a timeout, which says the same. */
static void pack_state(const struct wait *wait, msgpack_sbuffer *out)
{
    msgpack_packer packer;

    msgpack_packer_init(&packer, out, msgpack_sbuffer_write);
    if (wait->is_flush) {
        msgpack_pack_map(&packer, 1);
        pack_key(&packer, "backends");
        msgpack_pack_array(&packer, wait->lane_count);
        for (size_t i = 0; i < wait->lane_count; i++) {
            pack_flush_lane(&packer, wait, &wait->lanes[i]);
        }
        return;
    }
    msgpack_sbuffer_write(out, wait->receipt_head.data, wait->receipt_head.size);
    pack_key(&packer, "backends");
    msgpack_pack_map(&packer, wait->lane_count);
    for (size_t i = 0; i < wait->lane_count; i++) {
        pack_text_member(&packer, wait->lanes[i].name, delivery_name(&wait->lanes[i]));
    }
}

static void free_wait(struct wait *wait)
{
    if (wait->reading || !wait->closed) {
        return;
    }
    msgpack_sbuffer_destroy(&wait->receipt_head);
    free(wait);
}

static void closed_cb(uv_handle_t *handle)
{
    struct wait *wait = container_of(handle, struct wait, timer);

    wait->closed = true;
    free_wait(wait);
}

static void end(struct wait *wait)
{
    struct waits *waits = wait->waits;

    wait->call = NULL;
    waits->count--;
    if (wait->prev != NULL) {
        wait->prev->next = wait->next;
    } else {
        waits->head = wait->next;
    }
    if (wait->next != NULL) {
        wait->next->prev = wait->prev;
    }
    uv_close((uv_handle_t *)&wait->timer, closed_cb);
}

static void succeed(struct wait *wait)
{
    msgpack_sbuffer result;

    msgpack_sbuffer_init(&result);
    pack_state(wait, &result);
    call_reply(wait->call, &result);
    msgpack_sbuffer_destroy(&result);
    end(wait);
}

static void time_out(struct wait *wait, const char *why)
{
    struct rpc_failure failure = {.code = RPC_TIMEOUT};
    msgpack_sbuffer data;
    msgpack_packer packer;

    snprintf(failure.text, sizeof failure.text, "%s; %s", why,
             wait->is_flush ? "the backends go on catching up"
                            : "the memory is durable here and will be delivered");
    msgpack_sbuffer_init(&data);
    msgpack_packer_init(&packer, &data, msgpack_sbuffer_write);
    if (wait->is_flush) {
        pack_state(wait, &data);
    } else {
        msgpack_pack_map(&packer, 1);
        pack_key(&packer, "receipt");
        pack_state(wait, &data);
    }
    call_fail_with(wait->call, &failure, &data);
    msgpack_sbuffer_destroy(&data);
    end(wait);
}

static bool is_level(const struct wait *wait)
{
    for (size_t i = 0; i < wait->lane_count; i++) {
        /* One that is paused would not get level: it is not waited for, and the answer says so. */
        if (!wait->lanes[i].paused && !lane_is_level(wait, &wait->lanes[i])) {
            return false;
        }
    }
    return true;
}

static void take_read(struct wait *wait)
{
    for (size_t i = 0; i < wait->lane_count; i++) {
        wait->lanes[i].delivery = wait->lanes[i].read_delivery;
        wait->lanes[i].lane = wait->lanes[i].read_lane;
    }
}

static void looked(struct query *query)
{
    struct wait *wait = container_of(query, struct wait, query);

    wait->reading = false;
    if (wait->call == NULL) {
        free_wait(wait);
        return;
    }
    if (query->status == 0 && !query->timed_out) {
        take_read(wait);
    }
    if (is_level(wait)) {
        succeed(wait);
    } else if (wait->again) {
        look(wait);
    }
}

/* One read at a time: what changes meanwhile is read again after it. */
static void look(struct wait *wait)
{
    if (wait->reading) {
        wait->again = true;
        return;
    }
    wait->again = false;
    wait->reading = true;
    for (size_t i = 0; i < wait->lane_count; i++) {
        const struct backend *backend = backends_find(wait->waits->backends, wait->lanes[i].name);
        wait->lanes[i].paused = backend != NULL && backend->paused;
    }
    wait->query.run = run;
    wait->query.done = looked;
    wait->query.timed_out = false;
    queries_submit(wait->waits->queries, &wait->query, wait->seq);
}

static void timer_cb(uv_timer_t *timer)
{
    struct wait *wait = container_of(timer, struct wait, timer);

    time_out(wait, wait->is_flush ? "not level in time" : "not delivered in time");
}

static struct wait *wait_new(struct waits *waits, struct call *call, size_t lane_count,
                             uint64_t seq, int timeout_ms)
{
    struct wait *wait = calloc(1, sizeof *wait + lane_count * sizeof(struct wait_lane));

    if (wait == NULL) {
        call_fail(call, RPC_INTERNAL, "out of memory for a wait");
        return NULL;
    }
    wait->waits = waits;
    wait->call = call;
    wait->seq = seq;
    wait->lane_count = lane_count;
    msgpack_sbuffer_init(&wait->receipt_head);
    wait->next = waits->head;
    if (waits->head != NULL) {
        waits->head->prev = wait;
    }
    waits->head = wait;
    waits->count++;
    uv_timer_init(waits->loop, &wait->timer);
    uv_timer_start(&wait->timer, timer_cb, (uint64_t)timeout_ms, 0);
    return wait;
}

void waits_init(struct waits *waits, uv_loop_t *loop, struct queries *queries,
                struct backends *backends)
{
    *waits = (struct waits){.loop = loop, .queries = queries, .backends = backends};
}

static void begin(struct wait *wait)
{
    if (wait->waits->stopped) {
        time_out(wait, "the broker is stopping");
    } else if (!wait->call->peer->connected) {
        time_out(wait, "the connection was closed");
    } else {
        look(wait);
    }
}

void waits_delivered(struct waits *waits, struct call *call, const char *memory_id, uint64_t seq,
                     const msgpack_sbuffer *receipt_head, int timeout_ms)
{
    const struct backends *backends = waits->backends;
    size_t count = backends_sink_count(backends), n = 0;
    struct wait *wait = wait_new(waits, call, count, seq, timeout_ms);

    if (wait == NULL) {
        return;
    }
    snprintf(wait->memory_id, sizeof wait->memory_id, "%s", memory_id);
    msgpack_sbuffer_write(&wait->receipt_head, receipt_head->data, receipt_head->size);
    for (size_t i = 0; i < backends_wanted_count(backends); i++) {
        if (backends_is_sink(backends, i)) {
            struct wait_lane *lane = &wait->lanes[n++];
            snprintf(lane->name, sizeof lane->name, "%s", backends_wanted(backends, i)->name);
        }
    }
    begin(wait);
}

void waits_flush(struct waits *waits, struct call *call, char (*names)[65], size_t name_count,
                 uint64_t seq, int timeout_ms)
{
    struct wait *wait = wait_new(waits, call, name_count, seq, timeout_ms);

    if (wait == NULL) {
        return;
    }
    wait->is_flush = true;
    for (size_t i = 0; i < name_count; i++) {
        memcpy(wait->lanes[i].name, names[i], sizeof names[i]);
    }
    begin(wait);
}

void waits_changed(struct waits *waits)
{
    for (struct wait *wait = waits->head; wait != NULL; wait = wait->next) {
        look(wait);
    }
}

void waits_superseded(struct waits *waits, const char *backend, const char *memory_id, uint64_t seq)
{
    for (struct wait *wait = waits->head; wait != NULL; wait = wait->next) {
        if (wait->is_flush || wait->seq > seq || strcmp(wait->memory_id, memory_id) != 0) {
            continue;
        }
        for (size_t i = 0; i < wait->lane_count; i++) {
            if (strcmp(wait->lanes[i].name, backend) == 0) {
                wait->lanes[i].superseded = true;
            }
        }
    }
}

void waits_peer_closed(struct waits *waits, const struct peer *peer)
{
    struct wait *next;

    for (struct wait *wait = waits->head; wait != NULL; wait = next) {
        next = wait->next;
        if (wait->call->peer == peer) {
            time_out(wait, "the connection was closed");
        }
    }
}

void waits_stop(struct waits *waits)
{
    waits->stopped = true;
    while (waits->head != NULL) {
        time_out(waits->head, "the broker is stopping");
    }
}
