/*
 * plugin_faults.c - checks with faults: a broker that stops, a server that is gone or silent, a
 * process without descriptors, a disk that is full.
 *
 * What a server does is played by one that stands before it (plugin_place.c), where an option of
 * the plugin is an address: http://HOST:PORT/…
 */
#include "client/cli/times.h"
#include "client/heavy/plugin_bench.h"
#include "client/heavy/plugin_place.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define CANCEL_AT_MS  5
#define SILENT_MS     60000 /* a server without an answer is waited for no longer */
#define SHORT_TIMEOUT "2s"

/* ---- options of a check's own process ---- */

/* The given options with this one; kept until the process ends. */
static void override(struct bench *bench, const char *key, const char *value)
{
    struct config_option *options = calloc(bench->option_count + 1, sizeof *options);
    size_t count = 0;

    if (options == NULL) {
        return;
    }
    for (size_t i = 0; i < bench->option_count; i++) {
        if (strcmp(bench->options[i].key, key) != 0) {
            options[count++] = bench->options[i];
        }
    }
    options[count++] = (struct config_option){.key = strdup(key), .value = strdup(value)};
    free(bench->overridden);
    bench->options = bench->overridden = options;
    bench->option_count = count;
}

/* The option that is the server's address, and its value; NULL: there is none. */
static const struct config_option *find_address(const struct bench *bench)
{
    for (size_t i = 0; i < bench->option_count; i++) {
        const struct config_option *option = &bench->options[i];
        if (bench->place_option != NULL ? strcmp(option->key, bench->place_option) == 0
                                        : place_is_address(option->value)) {
            return option;
        }
    }
    return NULL;
}

/* A short one, where the plugin has an option of that name. */
static void shorten_timeout(struct bench *bench)
{
    struct bench_plugin it;
    struct error err;

    if (bench_load_with(bench, &it, "timeout", SHORT_TIMEOUT, &err) == 0) {
        override(bench, "timeout", SHORT_TIMEOUT);
        bench_close(&it);
    }
}

/* ---- a plugin behind a place of ours ---- */

struct rig {
    struct place place;
    struct bench_plugin it;
    struct samples samples;
};

static bool rig_open(struct bench *bench, struct rig *rig, const char *prefix)
{
    const struct config_option *address = find_address(bench);

    if (address == NULL || !place_is_address(address->value)) {
        bench_not_done(bench, "no option is the address of a server, http://HOST:PORT/…; --place "
                              "names it");
        return false;
    }
    if (!place_start(&rig->place, address->value)) {
        bench_not_done(bench, "cannot stand before %s", address->value);
        return false;
    }
    override(bench, address->key, rig->place.value);
    shorten_timeout(bench);
    if (!bench_ready(bench, &rig->it)) {
        place_stop(&rig->place);
        return false;
    }
    return samples_make(bench, &rig->samples, SAMPLES_PLAIN, 20, prefix, BENCH_STAMP);
}

static void rig_close(struct bench *bench, struct rig *rig)
{
    bench_stage(bench, "close");
    bench_close(&rig->it);
    samples_free(&rig->samples);
    place_stop(&rig->place);
}

static void must_blame_backend(struct bench *bench, const struct samples *samples, const char *what)
{
    for (size_t i = 0; i < samples->n && !bench_failed(bench); i++) {
        const struct memferry_outcome *outcome = &samples->outcomes[i];
        if (outcome->verdict == MEMFERRY_DONE) {
            bench_fail(bench, "%s, and it says DONE; DONE is what the place has confirmed", what);
        } else if (outcome->verdict == MEMFERRY_REJECT) {
            bench_fail(bench, "%s, and it says REJECT, which is for ever; say RETRY", what);
        } else if (outcome->verdict == 0 || outcome->blame != MEMFERRY_BLAME_BACKEND) {
            bench_fail(bench, "%s, and a record is blamed; say RETRY with MEMFERRY_BLAME_BACKEND",
                       what);
        }
    }
}

static void comes_back(struct bench *bench, struct rig *rig)
{
    struct memferry_reason why;

    place_set(&rig->place, PLACE_PASSES);
    if (bench_failed(bench)) {
        return;
    }
    if (bench_probe(bench, &rig->it, &why) != 0) {
        bench_fail(bench, "the server is back, and probe says: %s", why.text);
    } else if (bench_hand(bench, &rig->it, &rig->samples, 0, 1)) {
        bench_is_done(bench, &rig->samples, 0);
    }
}

static void check_gone(struct bench *bench)
{
    struct memferry_reason why;
    struct rig rig;

    if (!rig_open(bench, &rig, "bench-gone-")) {
        return;
    }
    place_set(&rig.place, PLACE_REFUSES);
    if (bench_hand(bench, &rig.it, &rig.samples, 0, rig.samples.n)) {
        must_blame_backend(bench, &rig.samples, "the server closes every connection");
    }
    if (!bench_failed(bench) && bench_probe(bench, &rig.it, &why) == 0) {
        bench_fail(bench, "the server closes every connection, and probe answers 0");
    }
    comes_back(bench, &rig);
    rig_close(bench, &rig);
}

static void check_silent(struct bench *bench)
{
    struct rig rig;

    if (!rig_open(bench, &rig, "bench-silent-")) {
        return;
    }
    place_set(&rig.place, PLACE_SILENT);
    int64_t began = monotonic_ms();
    if (bench_hand(bench, &rig.it, &rig.samples, 0, rig.samples.n)) {
        must_blame_backend(bench, &rig.samples, "the server answers nothing");
    }
    int64_t took = monotonic_ms() - began;
    if (took > SILENT_MS) {
        bench_fail(bench, "it waited %lld s for a server that answers nothing; limit it",
                   (long long)took / 1000);
    }
    comes_back(bench, &rig);
    bench_ok(bench, "it waits for %.1f s", (double)took / 1000);
    rig_close(bench, &rig);
}

/* ---- a broker that stops ---- */

struct canceller {
    struct bench_plugin *it;
    struct place *place; /* NULL: after CANCEL_AT_MS */
    _Atomic int64_t at_ms;
};

static void *cancel(void *arg)
{
    struct canceller *canceller = arg;

    if (canceller->place != NULL) {
        place_wait_request(canceller->place, 0);
    }
    poll(NULL, 0, CANCEL_AT_MS);
    canceller->at_ms = monotonic_ms();
    plugin_cancel(canceller->it->plugin);
    return NULL;
}

static void hold_to_limit(struct bench *bench, int64_t took_ms)
{
    if (took_ms > bench->limit_ms) {
        bench_fail(bench,
                   "it went on for %lld ms after it was cancelled, over the limit of %lld; "
                   "poll host->wake_fd beside your sockets",
                   (long long)took_ms, (long long)bench->limit_ms);
    }
    bench_ok(bench, "it ends within %lld ms", (long long)took_ms);
}

static void check_cancelled(struct bench *bench)
{
    struct bench_plugin it;
    struct samples samples;

    if (!bench_ready(bench, &it)) {
        return;
    }
    if (bench_thing(&it) == NULL || !samples_make(bench, &samples, SAMPLES_PLAIN, BENCH_BATCH_MAX,
                                                  "bench-cancel-", BENCH_STAMP)) {
        bench_close(&it);
        return;
    }
    struct canceller canceller = {.it = &it};
    pthread_t thread;
    if (pthread_create(&thread, NULL, cancel, &canceller) == 0) {
        while (canceller.at_ms == 0 && bench_hand(bench, &it, &samples, 0, samples.n)) {
        }
        int64_t took = canceller.at_ms == 0 ? 0 : monotonic_ms() - canceller.at_ms;
        pthread_join(thread, NULL);
        int64_t began = monotonic_ms();
        bench_hand(bench, &it, &samples, 0, samples.n); /* it is told so from the start */
        int64_t again = monotonic_ms() - began;
        hold_to_limit(bench, took > again ? took : again);
    }
    bench_close(&it);
    samples_free(&samples);
}

static void check_cancelled_silent(struct bench *bench)
{
    struct rig rig;
    pthread_t thread;

    if (!rig_open(bench, &rig, "bench-hang-")) {
        return;
    }
    struct canceller canceller = {.it = &rig.it, .place = &rig.place};
    place_set(&rig.place, PLACE_SILENT);
    rig.place.requests = 0;
    if (pthread_create(&thread, NULL, cancel, &canceller) == 0) {
        bench_hand(bench, &rig.it, &rig.samples, 0, rig.samples.n);
        int64_t ended = monotonic_ms();
        pthread_join(thread, NULL);
        hold_to_limit(bench, ended > canceller.at_ms ? ended - canceller.at_ms : 0);
    }
    rig_close(bench, &rig);
}

/* ---- a process that may not ---- */

static rlim_t lower(__rlimit_resource_t resource, rlim_t to)
{
    struct rlimit limit;

    getrlimit(resource, &limit);
    rlim_t before = limit.rlim_cur;
    limit.rlim_cur = to;
    setrlimit(resource, &limit);
    return before;
}

static void check_limited(struct bench *bench, __rlimit_resource_t resource, const char *what)
{
    struct memferry_reason why;
    struct bench_plugin it;
    struct samples samples;

    if (!bench_ready(bench, &it)) {
        return;
    }
    if (bench_thing(&it) == NULL ||
        !samples_make(bench, &samples, SAMPLES_PLAIN, 20, "bench-limit-", BENCH_STAMP)) {
        bench_close(&it);
        return;
    }
    signal(SIGXFSZ, SIG_IGN); /* as in the broker */
    rlim_t before = lower(resource, 0);
    bool good = bench_hand(bench, &it, &samples, 0, samples.n);
    lower(resource, before);
    if (good && samples.outcomes[0].verdict == MEMFERRY_DONE) {
        bench_ok(bench, "it needs none");
    } else if (good) {
        must_blame_backend(bench, &samples, what);
    }
    if (!bench_failed(bench) && bench_probe(bench, &it, &why) != 0) {
        bench_fail(bench, "when that is over, probe says: %s", why.text);
    }
    if (!bench_failed(bench) && bench_hand(bench, &it, &samples, 0, 1)) {
        bench_is_done(bench, &samples, 0);
    }
    bench_close(&it);
    samples_free(&samples);
}

static void check_descriptors(struct bench *bench)
{
    check_limited(bench, RLIMIT_NOFILE, "no file and no socket can be opened");
}

static void check_full(struct bench *bench)
{
    check_limited(bench, RLIMIT_FSIZE, "no file can grow");
}

const struct check faults_checks[] = {
    {"the broker stops in a call", check_cancelled},
    {"the server is gone", check_gone},
    {"the server is silent", check_silent},
    {"the broker stops while the server is silent", check_cancelled_silent},
    {"no descriptors are left", check_descriptors},
    {"the disk is full", check_full},
    {NULL, NULL},
};
