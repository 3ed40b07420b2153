/* container.h - from a member back to the object that holds it. */
#ifndef MEMFERRY_UTIL_CONTAINER_H
#define MEMFERRY_UTIL_CONTAINER_H

#include <stddef.h>

#define container_of(pointer, type, member)                                                        \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

#endif
