/* rfc3339.h - "2026-01-31T12:00:00.5+01:00" to milliseconds since the epoch. */
#ifndef MEMFERRY_RFC3339_H
#define MEMFERRY_RFC3339_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* False when it is no RFC 3339 date-time with an offset. Fractions below a millisecond are cut. A
 * leap second counts as the second after. */
bool rfc3339_parse(const char *text, size_t size, int64_t *ret_ms);

#endif
