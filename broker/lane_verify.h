/*
 * lane_verify.h - the job that holds a backend against the store, and can send again what differs.
 *
 * A backend that has lost more than half of what it confirmed (of VERIFY_CONFIRMED_MIN at least) is
 * told to the lane's observer, as LANE_TROUBLE_LOST.
 */
#ifndef MEMFERRY_LANE_VERIFY_H
#define MEMFERRY_LANE_VERIFY_H

#include "broker/lane_compare.h"

#define VERIFY_CONFIRMED_MIN 10

struct lane_verify {
    struct lane_job job;
    bool repair, begun;
    struct compare compare; /* the result, once the job is done */
};

/* done: as a lane_job's; lane_verify_deinit follows it. */
void lane_verify_init(struct lane_verify *verify, bool repair,
                      void (*done)(struct lane_job *, int status, const struct error *err));
void lane_verify_deinit(struct lane_verify *verify);

/* Whether the backend can be read back. -ENOTSUP with err filled. */
int lane_can_fetch(const struct lane *lane, struct error *err);

#endif
