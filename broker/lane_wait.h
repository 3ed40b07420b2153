/*
 * lane_wait.h - a thread waits for what another one finishes, and may have to give up.
 *
 * Happy path: embedded in what both hold; lane_wait_init; the other thread calls lane_wait_finish;
 * lane_wait_await returns its status. Each of the two lets go once, and the last one frees.
 *
 * Failure modes: a waiter that is hurried (lane_wait_hurry) gives up after the time it is left,
 * with -ECANCELED; what was waited for then belongs to the other side alone.
 */
#ifndef MEMFERRY_LANE_WAIT_H
#define MEMFERRY_LANE_WAIT_H

#include "broker/util/error.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct lane_wait {
    pthread_mutex_t mutex; /* guards what is below */
    pthread_cond_t changed;
    unsigned holders;
    bool hurry, finished;
    int64_t left_ms; /* with hurry */
    int status;
    struct error err;
};

/* With two holders. */
void lane_wait_init(struct lane_wait *wait);
void lane_wait_deinit(struct lane_wait *wait);
/* err: with a status that is not 0. */
void lane_wait_finish(struct lane_wait *wait, int status, const struct error *err);
/* Until it is finished, or was hurried too long (-ECANCELED, without err's text). */
int lane_wait_await(struct lane_wait *wait, struct error *err);
/* Any thread, before the waiter lets go: the wait may go on for left_ms at most. The first one
 * counts. */
void lane_wait_hurry(struct lane_wait *wait, int64_t left_ms);
/* True: this was the last holder, and what embeds it is to be freed. */
bool lane_wait_let_go(struct lane_wait *wait);

#endif
