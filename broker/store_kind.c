/* store_kind.c - see store_kind.h. */
#include "broker/store_kind.h"

#include <stddef.h>
#include <string.h>

static const char *const names[] = {
    [LANE_SINK] = "sink", [LANE_EMBEDDER] = "embedder", [LANE_ALERTS] = "alerts"};

const char *lane_kind_name(enum lane_kind kind)
{
    return names[kind];
}

bool lane_kind_of(const char *name, enum lane_kind *ret)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(names[i], name) == 0) {
            *ret = (enum lane_kind)i;
            return true;
        }
    }
    return false;
}
