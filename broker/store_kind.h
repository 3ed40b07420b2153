/* store_kind.h - what a lane carries, as its row in the store tells. */
#ifndef MEMFERRY_STORE_KIND_H
#define MEMFERRY_STORE_KIND_H

#include <stdbool.h>

enum lane_kind {
    LANE_SINK = 0, /* memories, to a backend that keeps them */
    LANE_EMBEDDER, /* contents, to one that makes vectors of them */
    LANE_ALERTS    /* alerts, to one that tells people */
};

/* sink, embedder, alerts. */
const char *lane_kind_name(enum lane_kind kind);
/* False: it is none of them. */
bool lane_kind_of(const char *name, enum lane_kind *ret);

#endif
