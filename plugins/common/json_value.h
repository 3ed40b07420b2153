/* json_value.h - a property's value as JSON, as every plugin writes it. */
#ifndef MEMFERRY_PLUGINS_JSON_VALUE_H
#define MEMFERRY_PLUGINS_JSON_VALUE_H

#include "plugins/common/json_writer.h"

#include <memferry/memory.h>

/* Integers stay integers and floats stay floats; a list is an array. */
void json_write_value(struct json_writer *w, const struct memferry_value *value);

#endif
