/*
 * config_file.h - the lines of a config file, as sections and entries with their places.
 */
#ifndef MEMFERRY_CONFIG_FILE_H
#define MEMFERRY_CONFIG_FILE_H

#include "broker/config_place.h"

#include <stddef.h>

#define CONFIG_FILE_SIZE_MAX ((size_t)1024 * 1024)

/* Takes what the file holds, in its order. Texts are borrowed for the call. A negative answer, with
 * err filled, ends the reading. */
struct config_sink {
    int (*section)(struct config_sink *, const struct config_place *, const char *type,
                   const char *name /* [type "name"]; NULL: [type] */, struct error *);
    int (*entry)(struct config_sink *, const struct config_place *, const char *key,
                 const char *value, struct error *);
};

/* -EINVAL: what stands there is wrong; else the errno of what failed: -ENOENT, -EACCES … */
int config_file_read(const char *file, struct config_sink *sink, struct error *err);

#endif
