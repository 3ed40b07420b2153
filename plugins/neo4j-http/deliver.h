/*
 * deliver.h - what the two ways of a delivery share: deliver_http.c and deliver_bolt.c send what is
 * open once, and settle it.
 */
#ifndef MEMFERRY_PLUGINS_NEO4J_DELIVER_H
#define MEMFERRY_PLUGINS_NEO4J_DELIVER_H

#include "plugins/neo4j-http/neo4j.h"

struct delivery {
    struct neo4j *graph;
    const struct memferry_memory *memories;
    struct memferry_outcome *outcomes; /* verdict 0: still open */
    size_t n;
    json_t **gone; /* per memory: names of props to remove; NULL: none known */
    size_t *open;  /* indices of open memories, ascending */
    size_t open_count;
    bool last_round;
};

/* Memories that go in one request. */
struct range {
    size_t first, count; /* of `open` */
};

/* So many requests as are worth their cost, at most `max`, which is at most HTTP_CONNECTIONS_MAX.
 */
size_t delivery_range_count(const struct delivery *d, size_t max);
struct range delivery_range(const struct delivery *d, size_t part, size_t parts);

void delivery_settle(struct delivery *d, const struct range *range,
                     struct memferry_outcome outcome);
/* `good` is what reading the reply said. `target` is who gave it. */
void delivery_settle_reply(struct delivery *d, const struct range *range,
                           const struct neo4j_reply *reply, bool good, const char *target);

void delivery_round_by_http(struct delivery *d);
void delivery_round_by_bolt(struct delivery *d);

#endif
