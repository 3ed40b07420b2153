/* lane_place.c - see lane_place.h. */
#include "broker/lane_place.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const char *lane_place_id(const struct lane_place *place)
{
    return place->id != NULL ? place->id : "";
}

int lane_place_set(struct lane_place *place, const char *id, struct error *err)
{
    char *copy = strdup(id);

    if (copy == NULL) {
        return error_set(err, -ENOMEM, "out of memory while reading a backend");
    }
    free(place->id);
    place->id = copy;
    return 0;
}

void lane_place_deinit(struct lane_place *place)
{
    free(place->id);
    place->id = NULL;
}

int lane_place_fetch(const struct lane_place *place, const struct memferry_plugin *table,
                     void *self, size_t max, memferry_fetch_fn *fn, void *arg)
{
    char *after = strdup(lane_place_id(place));
    int n = after == NULL ? -ENOMEM : table->fetch(self, after, max, fn, arg);

    free(after);
    return n;
}
