/* json_reader_internal.h - what json_reader.c (structure) and json_scalar.c (strings and numbers)
 * share. */
#ifndef MEMFERRY_PLUGINS_JSON_READER_INTERNAL_H
#define MEMFERRY_PLUGINS_JSON_READER_INTERNAL_H

#include "plugins/common/json_reader.h"

/* Always false. */
bool json_reader_fail(struct json_reader *r);
/* Passes over the string that begins here. */
bool json_pass_string(struct json_reader *r);

#endif
