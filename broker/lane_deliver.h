/*
 * lane_deliver.h - one batch handed to a plugin, and what became of each item in it: memories,
 * texts or alerts, all the same from here.
 *
 * Happy path: delivery_run calls the sink once with the whole batch, and every fate is DONE.
 *
 * Failure modes: memories whose request was refused as a whole (blame BATCH) are sent again in
 * halves until the one to blame stands alone; a batch with one poison record costs about
 * 2 × log2(n) further calls. The rest of the batch is left (FATE_LEFT: nobody's fault, nothing is
 * known) when the backend is to blame, when too many different memories failed with no success
 * between, or when the lane is asked to stop.
 *
 * Knows nothing of the store or of threads: it is tested with a function in place of a plugin.
 */
#ifndef MEMFERRY_LANE_DELIVER_H
#define MEMFERRY_LANE_DELIVER_H

#include "broker/reader.h"
#include "broker/streak.h"

#include <memferry/plugin.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DELIVERY_BATCH_MAX   10000
#define DELIVERY_RETRIES_MAX 5  /* different memories in a row, then the backend is to blame */
#define DELIVERY_REJECTS_MAX 20 /* likewise */

enum fate {
    FATE_LEFT = 0, /* not dealt with */
    FATE_DONE,
    FATE_RETRY, /* its own fault, for now */
    FATE_REJECT /* its own fault, for good */
};

struct delivery_result {
    enum fate fate;
    bool superseded;
    uint32_t retry_after_ms;
    struct memferry_reason reason; /* clean; RETRY, REJECT */
};

/* Why it ended. All but COMPLETE may leave memories behind. */
enum delivery_end {
    DELIVERY_COMPLETE = 1,
    DELIVERY_HELD,    /* asked to */
    DELIVERY_BACKEND, /* the plugin blames the backend */
    DELIVERY_GONE,    /* the backend says that it is gone for good */
    DELIVERY_RETRIES, /* so many different memories in a row were not taken */
    DELIVERY_REJECTS  /* so many different memories in a row were refused */
};

enum delivery_wish {
    DELIVERY_GO_ON = 0,
    DELIVERY_HOLD,  /* no further call, please */
    DELIVERY_CANCEL /* the call in progress was ended: a RETRY of it says nothing */
};

/* What stands for the plugin. */
struct delivery_sink {
    /* Hands over the items which[0 … n) of the batch; outcomes[i] is of which[i]. */
    void (*deliver)(struct delivery_sink *, const uint32_t *which, size_t n,
                    struct memferry_outcome *outcomes);
    enum delivery_wish (*wish)(struct delivery_sink *);
};

struct delivery {
    struct streak retries, rejects; /* over batches: only the caller clears them after an end */
    uint64_t round;                 /* of this batch; entries of the streaks carry it */
    struct delivery_result *results;
    enum delivery_end end;
    struct memferry_reason why; /* with an end that blames the backend; clean */
    uint32_t retry_after_ms;    /* that the backend asked for as a whole; 0: none */
    size_t done, retry, reject; /* how many have that fate */

    /* of the batch under way */
    struct delivery_sink *sink;
    const struct reader_batch_item *items;
    const struct streak *full; /* the streak that became full, NULL: none */
    size_t full_by;            /* the item that made it so */
    /* room for one call: a part of the batch, in the order of `order` */
    size_t capacity;
    uint32_t *order;
    struct memferry_outcome *outcomes;
};

/* capacity: 1 to DELIVERY_BATCH_MAX. NULL: out of memory. */
struct delivery *delivery_new(size_t capacity);
struct delivery *delivery_free(struct delivery *delivery);

/* Fills results[0 … n), end and what goes with it. n ≤ capacity. Everything is borrowed until the
 * return. */
void delivery_run(struct delivery *delivery, struct delivery_sink *sink,
                  const struct reader_batch_item *items, size_t n);

/* Attempts that memory i of the batch has behind it, with this one. A newer state starts anew: its
 * trouble may be gone. */
uint32_t delivery_attempts(const struct delivery *delivery, size_t i);

#endif
