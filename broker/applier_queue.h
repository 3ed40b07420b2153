/*
 * applier_queue.h - records and works in one order, without a node of its own for either.
 *
 * Records count; a work remembers how many were queued before it, and is next once those are gone.
 */
#ifndef MEMFERRY_APPLIER_QUEUE_H
#define MEMFERRY_APPLIER_QUEUE_H

#include "broker/applier.h"

struct work_list {
    struct applier_work *head, *tail;
    size_t count;
};

struct applier_queue {
    struct journal_list records;
    struct work_list works;
    uint64_t first; /* position of the first record in the list */
};

bool applier_queue_is_empty(const struct applier_queue *queue);
void applier_queue_add_work(struct applier_queue *queue, struct applier_work *work);
/* The next in line is a work. */
bool applier_queue_work_is_next(const struct applier_queue *queue);
struct applier_work *applier_queue_pop_work(struct applier_queue *queue);
struct journal_record *applier_queue_pop_record(struct applier_queue *queue);

/* Moves what may go into one transaction, at most records_max records, into the empty batch. */
void applier_queue_take(struct applier_queue *queue, struct applier_queue *batch,
                        size_t records_max);
/* Puts a batch back before what has come since, and empties it. */
void applier_queue_return(struct applier_queue *queue, struct applier_queue *batch);

#endif
