/*
 * lane_job.c - long work of a lane's thread, a step at a time: reading a backend back to verify it,
 * or to recover from it.
 *
 * Happy path: lane_run leaves a request; the loop takes the job over; each step is a page, and
 * deliveries go on between them; the last step answers through `done`.
 *
 * Failure modes: a backend that can't be reached ends the job, and its circuit opens as after any
 * failed probe. A lane that stops cancels it. One job at a time.
 */
#include "broker/lane_internal.h"

#include "broker/util/container.h"

#include <errno.h>

static void not_begun(struct lane_reply *reply, int status, const struct error *err)
{
    struct lane_job *job = container_of(reply, struct lane_job, reply);

    job->done(job, status, err);
}

void lane_run(struct lane *lane, struct lane_job *job)
{
    job->reply.done = not_begun;
    lane_request(lane, LANE_REQUEST_JOB, &job->reply);
}

void lane_begin_job(struct lane *lane, struct lane_job *job)
{
    struct error err;

    if (lane->job == NULL) {
        lane->job = job;
        lane->job_turn = true;
        return;
    }
    error_set(&err, -EBUSY, "Backend %s is being read back already; wait for that to end.",
              lane->name);
    job->done(job, -EBUSY, &err);
}

static void end_job(struct lane *lane, int status, const struct error *err)
{
    struct lane_job *job = lane->job;

    lane->job = NULL;
    job->done(job, status, err);
}

static int step(struct lane *lane, struct error *err)
{
    int status = 0;

    if (lane->circuit.circuit != CIRCUIT_CLOSED || lane->instance == NULL) {
        status = lane_check(lane, err);
    }
    return status == 0 ? lane->job->step(lane->job, lane, err) : status;
}

void lane_step_job(struct lane *lane)
{
    struct error err = {0};
    int status = step(lane, &err);

    if (status != LANE_JOB_MORE) {
        end_job(lane, status, status != 0 ? &err : NULL);
    }
}

void lane_cancel_job(struct lane *lane)
{
    struct error err;

    if (lane->job != NULL) {
        error_set(&err, -ECANCELED, "Backend %s is being stopped.", lane->name);
        end_job(lane, -ECANCELED, &err);
    }
}
