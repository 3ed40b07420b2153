/* vector_dot.c - see vector_dot.h. */
#include "broker/vector_dot.h"

#include <math.h>

#define LANES 8

/* Eight floats, wherever they lie. What a processor lacks in width the compiler makes of two. */
typedef float lanes __attribute__((vector_size(LANES * sizeof(float)), aligned(4), may_alias));

/* Four sums at once: an addition takes the time of several, and they need not wait for each other.
 */
static inline __attribute__((always_inline)) float dot(const float *a, const float *b, size_t count)
{
    lanes sum0 = {0}, sum1 = {0}, sum2 = {0}, sum3 = {0};
    float total = 0;
    size_t i = 0;

    for (; i + 4 * LANES <= count; i += 4 * LANES) {
        const lanes *left = (const lanes *)(a + i), *right = (const lanes *)(b + i);
        sum0 += left[0] * right[0];
        sum1 += left[1] * right[1];
        sum2 += left[2] * right[2];
        sum3 += left[3] * right[3];
    }
    sum0 += sum1;
    sum2 += sum3;
    sum0 += sum2;
    for (size_t lane = 0; lane < LANES; lane++) {
        total += sum0[lane];
    }
    for (; i < count; i++) {
        total += a[i] * b[i];
    }
    return total;
}

static bool always(void)
{
    return true;
}

static float dot_vector(const float *a, const float *b, size_t count)
{
    return dot(a, b, count);
}

static float dot_plain(const float *a, const float *b, size_t count)
{
    double total = 0;

    for (size_t i = 0; i < count; i++) {
        total += (double)a[i] * (double)b[i];
    }
    return (float)total;
}

#if defined(__x86_64__)
static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

__attribute__((target("avx2,fma"))) static float dot_avx2(const float *a, const float *b,
                                                          size_t count)
{
    return dot(a, b, count);
}
#endif

const struct vector_dot vector_dots[] = {
#if defined(__x86_64__)
    {"avx2", dot_avx2, has_avx2},
#endif
    {"vector", dot_vector, always}, /* what every processor of this kind has: SSE2, NEON */
    {"plain", dot_plain, always},
    {NULL, NULL, NULL},
};

vector_dot_fn *vector_dot_best(void)
{
    const struct vector_dot *best = vector_dots;

    while (!best->is_supported()) {
        best++;
    }
    return best->run;
}

bool vector_normalize(const float *vector, size_t count, float *ret)
{
    double sum = 0;

    for (size_t i = 0; i < count; i++) {
        sum += (double)vector[i] * (double)vector[i];
    }
    if (sum <= 0 || !isfinite(sum)) {
        return false;
    }
    double scale = 1 / sqrt(sum);
    for (size_t i = 0; i < count; i++) {
        ret[i] = (float)(vector[i] * scale);
    }
    return true;
}
