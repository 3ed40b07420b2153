/*
 * lane_work.h - what a lane asks the store thread to write, and the wait for it.
 *
 * Happy path: lane_work_new, lane_work_add, then lane_work_submit, lane_work_await,
 * lane_work_let_go (lane_write in lane.c is these three).
 *
 * Failure modes: the store's error is passed on. A lane that is asked to stop while it waits
 * (lane_wait_hurry) gives up after the time it is left with -ECANCELED: the work then belongs to
 * the applier alone, which writes it or not. Either is right: a batch without its outcomes is
 * delivered once more.
 */
#ifndef MEMFERRY_LANE_WORK_H
#define MEMFERRY_LANE_WORK_H

#include "broker/applier.h"
#include "broker/lane_wait.h"
#include "broker/store.h"
#include "broker/util/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum lane_work_kind {
    LANE_WORK_ENSURE = 1,
    LANE_WORK_PROGRESS,
    LANE_WORK_PAUSE,
    LANE_WORK_RECOVERY /* how far a recovery from this backend is, or that it is through */
};

struct lane_work {
    struct applier_work work;
    enum lane_work_kind kind;
    char lane[65];
    enum lane_kind lane_kind; /* ENSURE, PAUSE */
    char *model;              /* ENSURE of an embedder; owned */
    bool paused;              /* PAUSE */
    bool recovers;   /* RECOVERY: it goes on; else it is through, and the cursor is moved */
    char after[257]; /* RECOVERY */
    /* PROGRESS */
    uint64_t cursor, delivered;
    struct lane_row *rows; /* owned, with their strings */
    size_t row_count, row_room;
    struct lane_wait wait; /* held by the lane and the applier; the last one frees */
};

/* NULL: out of memory. row_room: rows that lane_work_add may add. */
struct lane_work *lane_work_new(enum lane_work_kind kind, const char *lane, size_t row_room);
/* Before it is submitted. NULL is fine. */
struct lane_work *lane_work_free(struct lane_work *work);

/* Adds a copy of the row. -ENOMEM. */
int lane_work_add(struct lane_work *work, const struct lane_row *row);

/* Hands it to the applier; from here on it is waited for and let go, nothing else. */
void lane_work_submit(struct lane_work *work, struct applier *applier);
/* Until it is committed (0), failed, or was hurried too long (-ECANCELED). */
int lane_work_await(struct lane_work *work, struct error *err);
/* After lane_work_submit, once: the work is the applier's alone, or freed. */
void lane_work_let_go(struct lane_work *work);

#endif
