/*
 * plugin_leaks.c - what many instances leave behind: memory, descriptors, threads.
 *
 * Instances are opened, used and closed, round by round, in windows; what has grown in every one of
 * these is a leak.
 */
#include "client/heavy/plugin_bench.h"

#include <dirent.h>
#include <malloc.h>

#define WARM_ROUNDS   10
#define WINDOWS       3
#define WINDOW_ROUNDS 20
#define LEAK_BYTES    24 /* a round, in every window: malloc's least is 32 */

struct left {
    size_t bytes, descriptors, threads;
};

static size_t count_in(const char *path)
{
    DIR *dir = opendir(path);
    size_t count = 0;

    while (dir != NULL && readdir(dir) != NULL) {
        count++;
    }
    if (dir != NULL) {
        closedir(dir);
    }
    return count;
}

static struct left look(void)
{
    return (struct left){.bytes = mallinfo2().uordblks,
                         .descriptors = count_in("/proc/self/fd"),
                         .threads = count_in("/proc/self/task")};
}

/* A life of an instance. False: a finding. */
static bool live(struct bench *bench, struct bench_plugin *it, struct samples *samples)
{
    struct memferry_reason why;
    struct error err;

    bench_stage(bench, "open");
    if (instance_open(&it->instance, it->plugin, &err) != 0) {
        bench_fail(bench, "%s", err.text);
        return false;
    }
    it->self = instance_self(it->instance);
    if (bench_probe(bench, it, &why) == 0 && bench_thing(it) != NULL) {
        bench_hand(bench, it, samples, 0, samples->n);
    }
    bench_stage(bench, "close");
    it->instance = instance_close(it->instance);
    return !bench_failed(bench);
}

/* A leak grows in every window; caches fill, and what malloc keeps for later comes and goes. */
static void compare(struct bench *bench, const struct left at[WINDOWS + 1])
{
    const struct left *first = &at[0], *last = &at[WINDOWS];
    size_t growing = 0;

    for (size_t i = 0; i < WINDOWS; i++) {
        growing += at[i + 1].bytes >= at[i].bytes + (size_t)WINDOW_ROUNDS * LEAK_BYTES;
    }
    if (last->descriptors > first->descriptors) {
        bench_fail(bench, "%zu descriptors are left open by %d instances; close them in close",
                   last->descriptors - first->descriptors, WINDOWS * WINDOW_ROUNDS);
    }
    if (last->threads > first->threads) {
        bench_fail(bench, "%zu threads are left by %d instances; join them in close",
                   last->threads - first->threads, WINDOWS * WINDOW_ROUNDS);
    }
    if (growing == WINDOWS) {
        bench_fail(bench,
                   "%zu bytes are left by %d instances; -fsanitize=address or valgrind shows where",
                   last->bytes - first->bytes, WINDOWS * WINDOW_ROUNDS);
    }
    bench_ok(bench, "%d instances", WINDOWS * WINDOW_ROUNDS);
}

static bool live_rounds(struct bench *bench, struct bench_plugin *it, struct samples *samples,
                        size_t rounds)
{
    bool good = true;

    for (size_t i = 0; good && i < rounds; i++) {
        good = live(bench, it, samples);
    }
    return good;
}

static void check_leaks(struct bench *bench)
{
    struct left at[WINDOWS + 1];
    struct bench_plugin it;
    struct samples samples;
    struct error err;

    if (bench_load_with(bench, &it, NULL, NULL, &err) != 0) {
        bench_not_done(bench, "it does not load");
        return;
    }
    if (samples_make(bench, &samples, SAMPLES_PLAIN, 3, "bench-leak-", BENCH_STAMP)) {
        bool good = live_rounds(bench, &it, &samples, WARM_ROUNDS);
        at[0] = look();
        for (size_t i = 0; good && i < WINDOWS; i++) {
            good = live_rounds(bench, &it, &samples, WINDOW_ROUNDS);
            at[i + 1] = look();
        }
        if (good) {
            compare(bench, at);
        }
        samples_free(&samples);
    }
    bench_close(&it);
}

const struct check leaks_checks[] = {
    {"nothing is left behind", check_leaks},
    {NULL, NULL},
};
