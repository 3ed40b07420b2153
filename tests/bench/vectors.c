/*
 * vectors.c - what an exact search by meaning costs, beside reading the same bytes and nothing
 * else.
 *
 * Fills a file of vectors (ROWS of DIMS floats, in DIR), then takes turns: a search over all rows,
 * and a plain sweep that adds up the same mapped bytes. What counts is the ratio of the two: it
 * says how near the search is to what the memory gives.
 *
 *     vectors [ROWS [DIMS [DIR]]]        100000 768 /tmp
 */
#include "broker/util/clock.h"
#include "broker/vector_dot.h"
#include "broker/vector_file.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define TURNS 21
#define BEST  50

static uint32_t seed = 1;

static void fill_vector(float *vector, size_t dims)
{
    for (size_t i = 0; i < dims; i++) {
        seed = seed * 1664525 + 1013904223;
        vector[i] = (float)(seed >> 8) / (float)(1 << 24) - 0.5f;
    }
}

static void die(const struct error *err)
{
    fprintf(stderr, "vectors: %s\n", err->text);
    exit(1);
}

static struct vector_file *make_file(const char *path, size_t rows, uint32_t dims)
{
    struct vector_file *file;
    struct error err;
    float *vector = calloc(dims, sizeof *vector);
    int64_t at;

    if (vector == NULL || vector_file_make(&file, path, dims, 1, &err) != 0) {
        die(&err);
    }
    for (size_t i = 0; i < rows; i++) {
        const struct vector_row row = {.doc = (int64_t)i + 1, .model = 1};
        fill_vector(vector, dims);
        if (vector_file_append(file, &row, vector, false, &at, &err) != 0) {
            die(&err);
        }
    }
    vector_file_publish(file);
    free(vector);
    return file;
}

typedef uint64_t words __attribute__((vector_size(32), may_alias));

/* Touches every byte, four independent sums at once. */
static inline __attribute__((always_inline)) uint64_t sweep_inline(const words *map, size_t bytes)
{
    words sum0 = {0}, sum1 = {0}, sum2 = {0}, sum3 = {0};

    for (size_t i = 0; i + 4 <= bytes / sizeof *map; i += 4) {
        sum0 ^= map[i];
        sum1 ^= map[i + 1];
        sum2 ^= map[i + 2];
        sum3 ^= map[i + 3];
    }
    sum0 ^= sum1 ^ sum2 ^ sum3;
    return sum0[0] ^ sum0[1] ^ sum0[2] ^ sum0[3];
}

static uint64_t sweep_plain(const words *map, size_t bytes)
{
    return sweep_inline(map, bytes);
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static uint64_t sweep_avx2(const words *map, size_t bytes)
{
    return sweep_inline(map, bytes);
}
#else
#define sweep_avx2 sweep_plain
#endif

static int by_size(const void *left, const void *right)
{
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;

    return (a > b) - (a < b);
}

static double median_ms(int64_t *times_us)
{
    int64_t middle_us;

    qsort(times_us, TURNS, sizeof *times_us, by_size);
    middle_us = times_us[TURNS / 2];
    return (double)middle_us / 1000;
}

int main(int argc, char **argv)
{
    size_t rows = argc > 1 ? strtoull(argv[1], NULL, 10) : 100000;
    uint32_t dims = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 768;
    const char *kernel = vector_dots[0].name;
    int64_t search_us[TURNS], sweep_us[TURNS];
    struct vector_hit hits[BEST];
    char path[4096];
    struct stat stat;
    struct error err;
    uint64_t check = 0;
    size_t count;

    snprintf(path, sizeof path, "%s/vectors-%d.idx", argc > 3 ? argv[3] : "/tmp", (int)getpid());
    struct vector_file *file = make_file(path, rows, dims);
    int fd = open(path, O_RDONLY);
    if (fd < 0 || fstat(fd, &stat) < 0) {
        return 1;
    }
    /* without what is there for rows to come */
    size_t bytes = rows * (((size_t)dims * sizeof(float) + 32 + 31) / 32 * 32);
    bool wide = strcmp(vector_dots[0].name, "avx2") == 0 && vector_dots[0].is_supported();
    words *map = mmap(NULL, (size_t)stat.st_size, PROT_READ, MAP_SHARED, fd, 0);
    float *query = map == MAP_FAILED ? NULL : calloc(2 * (size_t)dims, sizeof *query);
    if (query == NULL) {
        return 1;
    }
    for (int turn = 0; turn < TURNS; turn++) {
        fill_vector(query, dims);
        vector_normalize(query, dims, query + dims);
        const struct vector_query how = {.vector = query + dims, .model = 1};
        int64_t began_us = clock_monotonic_us();
        if (vector_file_top(file, &how, BEST, hits, &count, &err) != 0) {
            die(&err);
        }
        search_us[turn] = clock_monotonic_us() - began_us;
        began_us = clock_monotonic_us();
        check ^= wide ? sweep_avx2(map, bytes) : sweep_plain(map, bytes);
        sweep_us[turn] = clock_monotonic_us() - began_us;
    }
    for (const struct vector_dot *dot = vector_dots; dot->name != NULL; dot++) {
        if (dot->run == vector_dot_best()) {
            kernel = dot->name;
        }
    }
    double search_ms = median_ms(search_us), sweep_ms = median_ms(sweep_us);
    printf(
        "%zu vectors of %u floats, %.0f MB, kernel %s: search %.3f ms, sweep %.3f ms (%.1f GB/s), "
        "ratio %.2f [%x]\n",
        rows, dims, (double)bytes / 1e6, kernel, search_ms, sweep_ms,
        (double)bytes / 1e6 / sweep_ms, search_ms / sweep_ms, (unsigned)(check & 0xf));
    unlink(path);
    free(query);
    vector_file_close(file);
    return 0;
}
