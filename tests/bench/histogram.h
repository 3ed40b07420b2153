/*
 * histogram.h - latencies in buckets that are 1/64 wide of their value: small, and the tail is
 * kept.
 */
#ifndef BENCH_HISTOGRAM_H
#define BENCH_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_SUB_BITS 6
#define HISTOGRAM_SUB      (1u << HISTOGRAM_SUB_BITS)
#define HISTOGRAM_BUCKETS  ((64u - HISTOGRAM_SUB_BITS + 1u) * HISTOGRAM_SUB)

struct histogram {
    uint64_t counts[HISTOGRAM_BUCKETS];
    uint64_t total;
    uint64_t max;
};

void histogram_add(struct histogram *h, uint64_t value);
/* The value that `share` (0 to 1) of all are at or below, up to the width of a bucket; never above
 * the largest value seen. 0 when empty. */
uint64_t histogram_quantile(const struct histogram *h, double share);

#endif
