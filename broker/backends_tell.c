/*
 * backends_tell.c - what lanes tell, from their threads and the store's to the loop.
 *
 * Many changes make one note; what was superseded and what is wrong comes as a note each.
 */
#include "broker/backends_tell.h"

#include "broker/util/container.h"

#include <stdlib.h>
#include <string.h>

static void tell_embedder(struct backends *backends)
{
    for (size_t i = 0; i < backends->count; i++) {
        lane_set_embedder(backends->items[i].lane, backends->embedder_healthy);
    }
}

static void changed_read(struct note *note)
{
    struct backends *backends = container_of(note, struct backends, changed_note);

    backends->changed_posted = false;
    bool embedder_healthy = false;

    for (size_t i = 0; i < backends->count; i++) {
        struct lane_status status;
        lane_status(backends->items[i].lane, &status);
        backends->items[i].paused = status.paused;
        embedder_healthy |=
            status.kind == LANE_EMBEDDER && !status.paused && status.circuit == CIRCUIT_CLOSED;
    }
    if (embedder_healthy != backends->embedder_healthy) {
        backends->embedder_healthy = embedder_healthy;
        tell_embedder(backends);
    }
    backends->observer->changed(backends->observer);
}

/* In a lane's or the store's thread: many changes make one note. */
static void lane_changed(struct lane_observer *observer, const char *lane)
{
    struct backends *backends = container_of(observer, struct backends, lane_observer);

    (void)lane;
    if (!atomic_exchange(&backends->changed_posted, true)) {
        mailbox_post(backends->mailbox, &backends->changed_note);
    }
}

struct superseded_note {
    struct note note;
    struct backends *backends;
    uint64_t seq;
    char backend[65];
    char memory_id[];
};

static void superseded_read(struct note *note)
{
    struct superseded_note *said = container_of(note, struct superseded_note, note);
    struct backends_observer *observer = said->backends->observer;

    observer->superseded(observer, said->backend, said->memory_id, said->seq);
    free(said);
}

/* Without memory the news is lost, and a receipt says "delivered" instead of "superseded". */
static void lane_superseded(struct lane_observer *observer, const char *lane, const char *memory_id,
                            uint64_t seq)
{
    size_t size = strlen(memory_id) + 1;
    struct superseded_note *said = calloc(1, sizeof *said + size);

    if (said == NULL) {
        return;
    }
    said->note.read = superseded_read;
    said->backends = container_of(observer, struct backends, lane_observer);
    said->seq = seq;
    snprintf(said->backend, sizeof said->backend, "%s", lane);
    memcpy(said->memory_id, memory_id, size);
    mailbox_post(said->backends->mailbox, &said->note);
}

struct trouble_note {
    struct note note;
    struct backends *backends;
    enum lane_trouble trouble;
    char backend[65];
    char why[512];
};

static void trouble_read(struct note *note)
{
    struct trouble_note *said = container_of(note, struct trouble_note, note);
    struct backends_observer *observer = said->backends->observer;

    observer->trouble(observer, said->backend, said->trouble, said->why);
    free(said);
}

/* Without memory the log has it, and nobody else. */
static void lane_trouble(struct lane_observer *observer, const char *lane,
                         enum lane_trouble trouble, const char *why)
{
    struct trouble_note *said = calloc(1, sizeof *said);

    if (said == NULL) {
        return;
    }
    said->note.read = trouble_read;
    said->backends = container_of(observer, struct backends, lane_observer);
    said->trouble = trouble;
    snprintf(said->backend, sizeof said->backend, "%s", lane);
    snprintf(said->why, sizeof said->why, "%s", why);
    mailbox_post(said->backends->mailbox, &said->note);
}

void backends_listen(struct backends *backends)
{
    backends->lane_observer = (struct lane_observer){lane_changed, lane_superseded, lane_trouble};
    backends->changed_note = (struct note){.read = changed_read};
}
