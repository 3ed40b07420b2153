/* emitter.c - see emitter.h. */
#include "broker/emitter.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

struct emission *emission_new(size_t count)
{
    assert(count > 0 && count <= EMISSION_EVENTS_MAX);
    struct emission *emission = calloc(1, sizeof *emission + count * sizeof(struct emission_item));

    if (emission != NULL) {
        emission->count = count;
        lane_wait_init(&emission->wait);
    }
    return emission;
}

struct emission *emission_free(struct emission *emission)
{
    if (emission == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < emission->count; i++) {
        free(emission->items[i].payload);
    }
    lane_wait_deinit(&emission->wait);
    free(emission);
    return NULL;
}

int emission_set(struct emission *emission, size_t i, const struct event *event)
{
    struct emission_item *item = &emission->items[i];

    assert(i < emission->count && item->payload == NULL);
    item->payload = malloc(event_size_max(event));
    if (item->payload == NULL) {
        return -ENOMEM;
    }
    item->size = event_encode(event, item->payload);
    return 0;
}

void emission_set_status(struct emission *emission, size_t i, int status, const struct error *err)
{
    emission->items[i].status = status;
    if (status != 0 && emission->status == 0) {
        emission->status = status;
        emission->err = *err;
    }
}

/* ---- for a thread that waits ---- */

static void finish_wait(struct emission *emission)
{
    lane_wait_finish(&emission->wait, emission->status,
                     emission->status != 0 ? &emission->err : NULL);
    emission_let_go(emission);
}

void emission_submit(struct emission *emission, struct emitter *emitter)
{
    emission->done = finish_wait;
    emitter->submit(emitter, emission);
}

int emission_await(struct emission *emission, struct error *err)
{
    int status = lane_wait_await(&emission->wait, err);

    if (status == -ECANCELED) {
        error_set(err, status, "The journal was not written before the wait had to end.");
    }
    return status;
}

void emission_let_go(struct emission *emission)
{
    if (lane_wait_let_go(&emission->wait)) {
        emission_free(emission);
    }
}
