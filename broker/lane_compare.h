/*
 * lane_compare.h - what a backend holds, held against the store: two lists by id, walked side by
 * side.
 *
 * Happy path: compare_init, then compare_step until it says COMPARE_END: each reads one page from
 * the backend, by the plugin's fetch, and as much of the store as belongs to it. What was found is
 * counted, with the first ids of each kind.
 *
 * Failure modes: the plugin's (it has logged its reason), one that gives ids out of order or twice
 * (-EPROTO), and the store's. Bounded: a page from either side, COMPARE_SAMPLES ids a kind, and
 * COMPARE_REPAIRS_MAX ids to send again a step.
 */
#ifndef MEMFERRY_LANE_COMPARE_H
#define MEMFERRY_LANE_COMPARE_H

#include "broker/lane_internal.h"
#include "broker/lane_place.h"

#define COMPARE_PAGE        200
#define COMPARE_PAGE_BYTES  (8u << 20)
#define COMPARE_REPAIRS_MAX 500
#define COMPARE_SAMPLES     10

enum compare_kind {
    COMPARE_SAME = 0,
    COMPARE_PENDING, /* the lane has not brought it there yet, or it is a dead letter */
    COMPARE_MISSING, /* it was brought there, and is not there */
    COMPARE_OLDER,   /* an older state is there */
    COMPARE_NEWER,   /* a newer state is there than here */
    COMPARE_CHANGED, /* the same state by its stamp, but somebody has changed it */
    COMPARE_DELETED, /* it is deleted there, and lives here */
    COMPARE_UNKNOWN, /* it is there, and not here */
    COMPARE_KINDS
};

/* same, pending, missing … */
const char *compare_kind_name(enum compare_kind kind);

struct compare_found {
    uint64_t count;
    size_t sampled;
    char ids[COMPARE_SAMPLES][MEMORY_ID_MAX + 1];
};

struct compare {
    struct compare_found found[COMPARE_KINDS];
    uint64_t here, there; /* memories looked at on either side */
    bool repair;          /* what sending again would mend is made due */
    bool for_recovery;    /* what is not there yet is older or missing there, and not pending */
    uint64_t repaired;

    /* its own */
    struct lane *lane;
    struct lane_place after; /* the last id that came from the backend */
    bool fetched_all, stored_all;
    char stored_after[MEMORY_ID_MAX + 1]; /* the last id of the store that was dealt with */
    struct reader_batch *page;            /* of the store */
    size_t at;
    struct lane_work *repairs; /* of this step; NULL: none yet */
    struct error err;          /* of a failure inside fetch */
};

void compare_init(struct compare *compare, struct lane *lane, bool repair);
void compare_deinit(struct compare *compare);
/* LANE_JOB_MORE, 0 at the end, or a negative errno with err filled. In the lane's thread. */
int compare_step(struct compare *compare, struct error *err);

#endif
