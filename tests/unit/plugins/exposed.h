/* exposed.h - what the plugin exposed.so lets its test see: the host it was given. */
#ifndef MEMFERRY_TESTS_EXPOSED_H
#define MEMFERRY_TESTS_EXPOSED_H

#include <memferry/plugin.h>

struct exposed {
    const struct memferry_host *host;
};

#endif
