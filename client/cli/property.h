/* property.h - "name=value" on the command line, as a typed property. Pure. */
#ifndef MEMFERRY_CLI_PROPERTY_H
#define MEMFERRY_CLI_PROPERTY_H

#include "memferry/client.h"

#include <stdbool.h>

/* The type of a plain value by its form: true and false are bool; what JSON would call an integer
 * that fits 64 bits is int; what JSON would call another number, and is finite, is float; all else
 * is a string. `text` is borrowed. */
void property_value(struct memferry_property *property, const char *text);

#endif
