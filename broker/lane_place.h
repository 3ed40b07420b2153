/*
 * lane_place.h - where a fetch goes on: the last id that the backend gave, however long it is. Cut
 * to what an id may be it would bring the same memory again, and no end.
 */
#ifndef MEMFERRY_LANE_PLACE_H
#define MEMFERRY_LANE_PLACE_H

#include "broker/util/error.h"

#include <memferry/plugin.h>

struct lane_place {
    char *id; /* NULL: the start */
};

#define LANE_PLACE_SHOWN 65 /* bytes of an id in a sentence, with its NUL */

const char *lane_place_id(const struct lane_place *place); /* "" at the start */
/* -ENOMEM */
int lane_place_set(struct lane_place *place, const char *id, struct error *err);
void lane_place_deinit(struct lane_place *place); /* and it is the start */

/* One call of fetch from the place on. `fn` may set it meanwhile: the plugin is given a copy. */
int lane_place_fetch(const struct lane_place *place, const struct memferry_plugin *table,
                     void *self, size_t max, memferry_fetch_fn *fn, void *arg);

#endif
