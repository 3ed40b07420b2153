/*
 * stats.h - counters and one latency histogram of the loop, as numbers. In the loop only.
 *
 * The histogram has 32 buckets to each power of two, so a value is known to 3 %; it keeps the tail.
 */
#ifndef MEMFERRY_STATS_H
#define MEMFERRY_STATS_H

#include <stdint.h>

#define HISTOGRAM_BUCKETS 1024 /* up to 2^32 µs */

struct histogram {
    uint64_t count, sum_us, max_us;
    uint64_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *histogram, uint64_t value_us);
/* The value that `fraction` (0 to 1) of all are at or below; 0 when empty. */
uint64_t histogram_at(const struct histogram *histogram, double fraction);

/* How many are below 2^exponent µs, exactly; from 2^5 on. */
uint64_t histogram_below(const struct histogram *histogram, unsigned exponent);

struct stats {
    int64_t started_ms;
    int64_t config_ms; /* when the config in force was read */
    struct histogram put;
};

void stats_put_answered(struct stats *stats, uint64_t latency_us);

#endif
