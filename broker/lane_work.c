/* lane_work.c - see lane_work.h. Knows nothing of a lane but its name: it may outlive it. */
#include "broker/lane_work.h"

#include "broker/util/container.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct lane_work *lane_work_new(enum lane_work_kind kind, const char *lane, size_t row_room)
{
    struct lane_work *work = calloc(1, sizeof *work);

    if (work == NULL) {
        return NULL;
    }
    work->kind = kind;
    snprintf(work->lane, sizeof work->lane, "%s", lane);
    lane_wait_init(&work->wait);
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
    free(work->model);
    lane_wait_deinit(&work->wait);
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

/* Where the lane stands, and that it makes the vectors from here on. */
static int write_ensure(struct lane_work *work, struct store *store, struct error *err)
{
    bool changed;
    int status = store_lane_ensure(store, work->lane, work->lane_kind, err);

    return status != 0 || work->model == NULL
               ? status
               : store_set_embedder(store, work->lane, work->model, &changed, err);
}

/* A pause may come before the lane's first look at the store has made its row. */
static int write_pause(struct lane_work *work, struct store *store, struct error *err)
{
    int status = store_lane_ensure(store, work->lane, work->lane_kind, err);

    return status != 0 ? status : store_lane_set_paused(store, work->lane, work->paused, err);
}

static int write_recovery(struct lane_work *work, struct store *store, struct error *err)
{
    int status = store_set_recovery(store, work->recovers ? work->lane : NULL, work->after, err);

    return status != 0 || work->recovers
               ? status
               : store_lane_progress(store, work->lane, work->cursor, NULL, 0, 0, err);
}

static int run(struct applier_work *base, struct store *store, struct error *err)
{
    struct lane_work *work = container_of(base, struct lane_work, work);

    switch (work->kind) {
    case LANE_WORK_ENSURE:
        return write_ensure(work, store, err);
    case LANE_WORK_PROGRESS:
        return store_lane_progress(store, work->lane, work->cursor, work->rows, work->row_count,
                                   work->delivered, err);
    case LANE_WORK_PAUSE:
        return write_pause(work, store, err);
    case LANE_WORK_RECOVERY:
        return write_recovery(work, store, err);
    }
    assert(false); /* a kind of work that is none */
    return -EINVAL;
}

void lane_work_let_go(struct lane_work *work)
{
    if (lane_wait_let_go(&work->wait)) {
        lane_work_free(work);
    }
}

static void done(struct applier_work *base, int status, const struct error *err)
{
    struct lane_work *work = container_of(base, struct lane_work, work);

    lane_wait_finish(&work->wait, status, err);
    lane_work_let_go(work);
}

void lane_work_submit(struct lane_work *work, struct applier *applier)
{
    work->work.run = run;
    work->work.done = done;
    applier_submit(applier, &work->work);
}

int lane_work_await(struct lane_work *work, struct error *err)
{
    int status = lane_wait_await(&work->wait, err);

    if (status == -ECANCELED) {
        error_set(err, status, "The store was not written before the lane stopped.");
    }
    return status;
}
