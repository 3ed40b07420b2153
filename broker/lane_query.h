/*
 * lane_query.h - a search's text, embedded by an embedder's lane in its own thread.
 *
 * A job of one step, which takes turns with the contents that the lane carries.
 */
#ifndef MEMFERRY_LANE_QUERY_H
#define MEMFERRY_LANE_QUERY_H

#include "broker/event_embed.h"
#include "broker/lane.h"

struct lane_query {
    struct lane_job job;
    const char *text; /* borrowed until done */
    size_t size;
    float *vector;                       /* of the broker's dims; borrowed until done */
    char model[EMBEDDING_MODEL_MAX + 1]; /* whose vector it is */
};

/* Then lane_run(lane, &query->job); done comes once. */
void lane_query_init(struct lane_query *query, const char *text, size_t size, float *vector,
                     void (*done)(struct lane_job *, int status, const struct error *err));

#endif
