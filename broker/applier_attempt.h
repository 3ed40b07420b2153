/*
 * applier_attempt.h - one transaction of the store thread: a batch's records and works in the order
 * they came, all committed or all undone.
 */
#ifndef MEMFERRY_APPLIER_ATTEMPT_H
#define MEMFERRY_APPLIER_ATTEMPT_H

#include "broker/applier_queue.h"

/* Fills the results of the changes and the status of the works, and leaves the batch as it is.
 * set_aside: the batch's only record is skipped. What it returns is the store's; nothing is left of
 * an attempt that failed. */
int applier_attempt(struct store *store, const struct applier_queue *batch, bool set_aside,
                    struct error *err);

#endif
