/* stats.c - a histogram by powers of two, each cut in 32. */
#include "broker/stats.h"

#define SUB_BITS 5
#define SUB      (1u << SUB_BITS)

static unsigned bucket_of(uint64_t value)
{
    if (value < SUB) {
        return (unsigned)value;
    }
    unsigned exponent = 63u - (unsigned)__builtin_clzll(value);
    unsigned bucket =
        (exponent - SUB_BITS + 1) * SUB + (unsigned)((value >> (exponent - SUB_BITS)) & (SUB - 1));
    return bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1;
}

/* The largest value that falls into the bucket. */
static uint64_t bucket_top(unsigned bucket)
{
    if (bucket < SUB) {
        return bucket;
    }
    unsigned exponent = bucket / SUB - 1 + SUB_BITS;
    uint64_t base = (uint64_t)(SUB + bucket % SUB) << (exponent - SUB_BITS);
    return base + ((uint64_t)1 << (exponent - SUB_BITS)) - 1;
}

void histogram_add(struct histogram *histogram, uint64_t value_us)
{
    histogram->count++;
    histogram->sum_us += value_us;
    histogram->buckets[bucket_of(value_us)]++;
    if (value_us > histogram->max_us) {
        histogram->max_us = value_us;
    }
}

uint64_t histogram_at(const struct histogram *histogram, double fraction)
{
    double wanted = fraction * (double)histogram->count;
    uint64_t seen = 0;

    if (histogram->count == 0) {
        return 0;
    }
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += histogram->buckets[i];
        if ((double)seen >= wanted && seen > 0) {
            uint64_t top = bucket_top(i);
            return top < histogram->max_us ? top : histogram->max_us;
        }
    }
    return histogram->max_us;
}

uint64_t histogram_below(const struct histogram *histogram, unsigned exponent)
{
    unsigned end = bucket_of(UINT64_C(1) << exponent);
    uint64_t seen = 0;

    for (unsigned i = 0; i < end; i++) {
        seen += histogram->buckets[i];
    }
    return seen;
}

void stats_put_answered(struct stats *stats, uint64_t latency_us)
{
    histogram_add(&stats->put, latency_us);
}
