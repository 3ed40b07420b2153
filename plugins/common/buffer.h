/*
 * buffer.h - bytes that grow as they are needed.
 */
#ifndef MEMFERRY_PLUGINS_BUFFER_H
#define MEMFERRY_PLUGINS_BUFFER_H

#include <stdbool.h>
#include <stddef.h>

/* Room for `need` bytes at *data, at least; what is there stays. By doubling, from a page on.
 * False: out of memory, and nothing has changed. */
bool buffer_reserve(char **data, size_t *capacity, size_t need);

#endif
