/*
 * config_place.h - where in the config something stands, for messages: "FILE:LINE: what; what to
 * do". Shared by the config and the plugin loader.
 */
#ifndef MEMFERRY_CONFIG_PLACE_H
#define MEMFERRY_CONFIG_PLACE_H

#include "broker/util/error.h"

struct config_place {
    const char *file; /* NULL: none, the text stands alone */
    unsigned line;
};

/* Fills err with the place and the text, and returns -EINVAL. */
int config_error(struct error *err, const struct config_place *place, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Refuses a value. `allowed` says what would be right: "give a whole number from 1 to 5". */
int config_bad_value(struct error *err, const struct config_place *place, const char *key,
                     const char *value, const char *allowed);

#endif
