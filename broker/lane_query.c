/* lane_query.c - see lane_query.h. */
#include "broker/lane_query.h"

#include "broker/lane_internal.h"
#include "broker/reason.h"
#include "broker/util/container.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* A backend that is to blame is left alone from here on, as after a delivery; what was cancelled
 * says nothing of it. */
static int refused(struct lane *lane, struct memferry_outcome *outcome, struct error *err)
{
    reason_clean(&outcome->reason, "The plugin gave no reason.");
    if (outcome->verdict == MEMFERRY_RETRY && outcome->blame == MEMFERRY_BLAME_BACKEND &&
        !lane_is_stopping(lane)) {
        lane_trip(lane, CIRCUIT_BACKEND, outcome->retry_after_ms, outcome->reason.text);
    }
    return error_set(err, -EAGAIN, "Backend %s did not embed the query: %s", lane->name,
                     outcome->reason.text);
}

static int take_vector(const struct lane *lane, const struct lane_query *query, struct error *err)
{
    for (size_t i = 0; i < lane->room.dims; i++) {
        if (!isfinite(lane->room.part[i])) {
            return error_set(err, -EAGAIN,
                             "Backend %s made a vector that holds something else than numbers.",
                             lane->name);
        }
    }
    memcpy(query->vector, lane->room.part, lane->room.dims * sizeof *query->vector);
    return 0;
}

static int step(struct lane_job *job, struct lane *lane, struct error *err)
{
    struct lane_query *query = container_of(job, struct lane_query, job);
    struct lane_room *room = &lane->room;

    if (lane->table->embed == NULL) {
        return error_set(err, -ENOTSUP, "Backend %s is no embedder.", lane->name);
    }
    if (!lane_enter_call(lane, LANE_CALL_WORK)) {
        return error_set(err, -ECANCELED, "Backend %s is being stopped.", lane->name);
    }
    room->texts[0] =
        (struct memferry_text){.text = {.data = query->text, .size = query->size}, .query = true};
    room->outcomes[0] = (struct memferry_outcome){0};
    lane->table->embed(instance_self(lane->instance), room->texts, 1, room->part, room->outcomes);
    lane_leave_call(lane);
    snprintf(query->model, sizeof query->model, "%s", lane->model);
    return room->outcomes[0].verdict == MEMFERRY_DONE ? take_vector(lane, query, err)
                                                      : refused(lane, &room->outcomes[0], err);
}

void lane_query_init(struct lane_query *query, const char *text, size_t size, float *vector,
                     void (*done)(struct lane_job *, int status, const struct error *err))
{
    *query = (struct lane_query){
        .job = {.step = step, .done = done}, .text = text, .size = size, .vector = vector};
}
