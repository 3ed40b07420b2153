/* lane_wait.c - see lane_wait.h. */
#include "broker/lane_wait.h"

#include "broker/util/clock.h"

#include <errno.h>
#include <string.h>

void lane_wait_init(struct lane_wait *wait)
{
    pthread_condattr_t attributes;

    memset(wait, 0, sizeof *wait);
    pthread_mutex_init(&wait->mutex, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&wait->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    wait->holders = 2;
}

void lane_wait_deinit(struct lane_wait *wait)
{
    pthread_cond_destroy(&wait->changed);
    pthread_mutex_destroy(&wait->mutex);
}

void lane_wait_finish(struct lane_wait *wait, int status, const struct error *err)
{
    pthread_mutex_lock(&wait->mutex);
    wait->finished = true;
    wait->status = status;
    if (err != NULL) {
        wait->err = *err;
    }
    pthread_cond_broadcast(&wait->changed);
    pthread_mutex_unlock(&wait->mutex);
}

void lane_wait_hurry(struct lane_wait *wait, int64_t left_ms)
{
    pthread_mutex_lock(&wait->mutex);
    wait->left_ms = wait->hurry ? wait->left_ms : left_ms;
    wait->hurry = true;
    pthread_cond_broadcast(&wait->changed);
    pthread_mutex_unlock(&wait->mutex);
}

int lane_wait_await(struct lane_wait *wait, struct error *err)
{
    int waited = 0;

    pthread_mutex_lock(&wait->mutex);
    while (!wait->finished && !wait->hurry) {
        pthread_cond_wait(&wait->changed, &wait->mutex);
    }
    struct timespec deadline = clock_timespec(clock_monotonic_us() + wait->left_ms * 1000);
    while (!wait->finished && waited == 0) {
        waited = pthread_cond_timedwait(&wait->changed, &wait->mutex, &deadline);
    }
    int status = wait->finished ? wait->status : -ECANCELED;
    if (wait->finished && status != 0 && err != NULL) {
        *err = wait->err;
    }
    pthread_mutex_unlock(&wait->mutex);
    return status;
}

bool lane_wait_let_go(struct lane_wait *wait)
{
    pthread_mutex_lock(&wait->mutex);
    bool last = --wait->holders == 0;
    pthread_mutex_unlock(&wait->mutex);
    return last;
}
