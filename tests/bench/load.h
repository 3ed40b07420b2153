/*
 * load.h - the load generator: connections that keep requests in flight, and when each is due.
 */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include "histogram.h"
#include "speak.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOAD_CONNECTIONS_MAX 1000
#define LOAD_DEPTH_MAX       1024

struct connection;

struct load {
    const struct speaker *speaker;
    const char *socket; /* NULL: port */
    unsigned port;      /* on 127.0.0.1 */
    unsigned connections, depth;
    size_t size;
    double seconds, warm_up;
    uint64_t count; /* requests in all; 0: for `seconds` */
    double rate;    /* requests a second that are due, answered or not; 0: the closed loop */

    int epoll;
    char *request;
    size_t request_size;
    struct connection **all;
    uint64_t unique, sent, answered, begin_ns, end_ns, drained_ns;
    uint64_t due_ns, step_ns; /* of the open loop: when the next request is due */
    unsigned turn;            /* whose it is */
    struct histogram latencies;
};

/* Connects, sends and receives until the end, and frees the connections. Exits with 1 when the
 * server does not play along. */
void load_run(struct load *load);

#endif
