/* canceller.h - a thread that cancels a host's calls once the server has got so many requests. */
#ifndef MEMFERRY_TESTS_CANCELLER_H
#define MEMFERRY_TESTS_CANCELLER_H

#include "tests/lib/fake_host.h"
#include "tests/lib/fault_server.h"

#include <pthread.h>

struct canceller {
    struct fault_server *server;
    struct fake_host *host;
    size_t requests;
    pthread_t thread;
};

/* server, host and requests are set. */
void canceller_start(struct canceller *canceller);
void canceller_join(struct canceller *canceller);

#endif
