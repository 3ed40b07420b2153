/* lane_work.c - see lane_work.h. Knows nothing of a lane but its name: it may outlive it. */
#include "broker/lane_work.h"

#include "broker/util/container.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct lane_work *lane_work_new(enum lane_work_kind kind, const char *lane, size_t row_room)
{
    struct lane_work *work = calloc(1, sizeof *work);
    pthread_condattr_t attributes;

    if (work == NULL) {
        return NULL;
    }
    work->kind = kind;
    snprintf(work->lane, sizeof work->lane, "%s", lane);
    pthread_mutex_init(&work->mutex, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&work->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    work->row_room = row_room;
    work->rows = row_room > 0 ? calloc(row_room, sizeof *work->rows) : NULL;
    return row_room > 0 && work->rows == NULL ? lane_work_free(work) : work;
}

struct lane_work *lane_work_free(struct lane_work *work)
{
    if (work == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < work->row_count; i++) {
        free(work->rows[i].memory_id);
        free(work->rows[i].reason);
    }
    free(work->rows);
    pthread_cond_destroy(&work->changed);
    pthread_mutex_destroy(&work->mutex);
    free(work);
    return NULL;
}

int lane_work_add(struct lane_work *work, const struct lane_row *row)
{
    assert(work->row_count < work->row_room);
    struct lane_row copy = *row;

    copy.memory_id = strdup(row->memory_id);
    copy.reason = row->reason != NULL ? strdup(row->reason) : NULL;
    if (copy.memory_id == NULL || (row->reason != NULL && copy.reason == NULL)) {
        free(copy.memory_id);
        free(copy.reason);
        return -ENOMEM;
    }
    work->rows[work->row_count++] = copy;
    return 0;
}

/* A pause may come before the lane's first look at the store has made its row. */
static int write_pause(struct lane_work *work, struct store *store, struct error *err)
{
    int status = store_lane_ensure(store, work->lane, err);

    return status != 0 ? status : store_lane_set_paused(store, work->lane, work->paused, err);
}

static int run(struct applier_work *base, struct store *store, struct error *err)
{
    struct lane_work *work = container_of(base, struct lane_work, work);

    switch (work->kind) {
    case LANE_WORK_ENSURE:
        return store_lane_ensure(store, work->lane, err);
    case LANE_WORK_PROGRESS:
        return store_lane_progress(store, work->lane, work->cursor, work->rows, work->row_count,
                                   work->delivered, err);
    case LANE_WORK_PAUSE:
        return write_pause(work, store, err);
    }
    assert(false); /* a kind of work that is none */
    return -EINVAL;
}

void lane_work_let_go(struct lane_work *work)
{
    pthread_mutex_lock(&work->mutex);
    bool last = --work->holders == 0;
    pthread_mutex_unlock(&work->mutex);
    if (last) {
        lane_work_free(work);
    }
}

static void done(struct applier_work *base, int status, const struct error *err)
{
    struct lane_work *work = container_of(base, struct lane_work, work);

    pthread_mutex_lock(&work->mutex);
    work->written = true;
    work->status = status;
    if (err != NULL) {
        work->err = *err;
    }
    pthread_cond_broadcast(&work->changed);
    pthread_mutex_unlock(&work->mutex);
    lane_work_let_go(work);
}

void lane_work_submit(struct lane_work *work, struct applier *applier)
{
    work->work.run = run;
    work->work.done = done;
    work->holders = 2;
    applier_submit(applier, &work->work);
}

void lane_work_hurry(struct lane_work *work, int64_t left_ms)
{
    pthread_mutex_lock(&work->mutex);
    work->left_ms = work->hurry ? work->left_ms : left_ms;
    work->hurry = true;
    pthread_cond_broadcast(&work->changed);
    pthread_mutex_unlock(&work->mutex);
}

static struct timespec deadline_in(int64_t ms)
{
    struct timespec at;

    clock_gettime(CLOCK_MONOTONIC, &at);
    int64_t nanoseconds = at.tv_nsec + ms % 1000 * 1000000;
    at.tv_sec += (time_t)(ms / 1000 + nanoseconds / 1000000000);
    at.tv_nsec = (long)(nanoseconds % 1000000000);
    return at;
}

int lane_work_await(struct lane_work *work, struct error *err)
{
    int waited = 0;

    pthread_mutex_lock(&work->mutex);
    while (!work->written && !work->hurry) {
        pthread_cond_wait(&work->changed, &work->mutex);
    }
    struct timespec deadline = deadline_in(work->left_ms);
    while (!work->written && waited == 0) {
        waited = pthread_cond_timedwait(&work->changed, &work->mutex, &deadline);
    }
    int status = work->status;
    if (!work->written) {
        status = error_set(err, -ECANCELED, "The store was not written before the lane stopped.");
    } else if (status != 0 && err != NULL) {
        *err = work->err;
    }
    pthread_mutex_unlock(&work->mutex);
    return status;
}
