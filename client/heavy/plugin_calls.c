/*
 * plugin_calls.c - checks of deliver, embed, notify and fetch, on a backend that probe finds well.
 *
 * An odd one may be DONE or REJECT; RETRY would come again for ever.
 */
#include "client/heavy/plugin_bench.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define PAGE     7
#define MANY_MAX BENCH_BATCH_MAX

/* ---- a check with a plugin and samples ---- */

struct set_up {
    struct bench_plugin it;
    struct samples samples;
};

static bool set_up(struct bench *bench, struct set_up *ret, enum samples_kind kind, size_t n,
                   const char *prefix)
{
    if (!bench_ready(bench, &ret->it)) {
        return false;
    }
    if (bench_thing(&ret->it) == NULL) {
        bench_not_done(bench, "it only fetches");
    } else if (samples_make(bench, &ret->samples, kind, n, prefix, BENCH_STAMP)) {
        return true;
    }
    bench_close(&ret->it);
    return false;
}

static void tear_down(struct bench *bench, struct set_up *set)
{
    bench_stage(bench, "close");
    bench_close(&set->it);
    samples_free(&set->samples);
}

static void all_done(struct bench *bench, struct set_up *set, size_t from, size_t n)
{
    bool good = bench_hand(bench, &set->it, &set->samples, from, n);

    for (size_t i = from; good && i < from + n; i++) {
        good = bench_is_done(bench, &set->samples, i);
    }
}

static void check_one(struct bench *bench)
{
    struct set_up set;

    if (set_up(bench, &set, SAMPLES_PLAIN, 1, "bench-one-")) {
        all_done(bench, &set, 0, 1);
        tear_down(bench, &set);
    }
}

/* At least once: the same, and an older state behind a newer one. */
static void check_again(struct bench *bench)
{
    struct samples older;
    struct set_up set;

    if (!set_up(bench, &set, SAMPLES_PLAIN, 3, "bench-again-")) {
        return;
    }
    all_done(bench, &set, 0, 3);
    all_done(bench, &set, 0, 3);
    if (samples_make(bench, &older, SAMPLES_PLAIN, 3, "bench-again-", BENCH_STAMP - 1)) {
        struct samples newer = set.samples;
        set.samples = older;
        all_done(bench, &set, 0, 3);
        bench_ok(bench, "%s",
                 set.it.table->deliver == NULL || set.samples.outcomes[0].superseded
                     ? ""
                     : "an older state is DONE, and not superseded: right, if readers compare "
                       "(stamp, origin)");
        set.samples = newer;
        samples_free(&older);
    }
    tear_down(bench, &set);
}

static size_t batch_of(const struct bench_plugin *it)
{
    size_t batch = plugin_batch(it->plugin);

    return batch == 0 ? 100 : batch < MANY_MAX ? batch : MANY_MAX;
}

static void check_many(struct bench *bench)
{
    struct set_up set;

    if (set_up(bench, &set, SAMPLES_PLAIN, MANY_MAX, "bench-many-")) {
        size_t batch = batch_of(&set.it);
        all_done(bench, &set, 0, batch);
        bench_ok(bench, "%zu in a call", batch);
        tear_down(bench, &set);
    }
}

/* ---- odd ones ---- */

static bool taken_or_refused(struct bench *bench, const struct samples *samples, size_t i)
{
    const struct memferry_outcome *outcome = &samples->outcomes[i];

    if (outcome->verdict == MEMFERRY_DONE || outcome->verdict == MEMFERRY_REJECT ||
        outcome->blame == MEMFERRY_BLAME_BATCH) {
        return true;
    }
    return bench_is_done(bench, samples, i);
}

static void check_odd(struct bench *bench)
{
    size_t rejected = 0;
    struct set_up set;

    if (!set_up(bench, &set, SAMPLES_ODD, 0, "bench-odd-")) {
        return;
    }
    for (size_t i = 0; i < set.samples.n && !bench_failed(bench); i++) {
        if (bench_hand(bench, &set.it, &set.samples, i, 1)) {
            taken_or_refused(bench, &set.samples, i);
        }
        rejected += set.samples.outcomes[i].verdict == MEMFERRY_REJECT;
        if (set.samples.outcomes[i].blame == MEMFERRY_BLAME_BATCH &&
            set.samples.outcomes[i].verdict != MEMFERRY_DONE &&
            set.samples.outcomes[i].verdict != MEMFERRY_REJECT) {
            bench_fail(bench, "%s was alone in its call: the blame is the record's",
                       set.samples.names[i]);
        }
    }
    if (!bench_failed(bench) && bench_hand(bench, &set.it, &set.samples, 0, set.samples.n)) {
        for (size_t i = 0; i < set.samples.n; i++) {
            taken_or_refused(bench, &set.samples, i);
        }
    }
    bench_ok(bench, "%zu kinds%s", set.samples.n, rejected > 0 ? ", some REJECT" : "");
    tear_down(bench, &set);
}

/* ---- two instances, two threads ---- */

struct worker {
    struct bench *bench;
    struct set_up *set;
};

static void *work(void *arg)
{
    struct worker *worker = arg;

    for (size_t i = 0; i + 20 <= worker->set->samples.n; i += 20) {
        all_done(worker->bench, worker->set, i, 20);
    }
    return NULL;
}

static void check_two(struct bench *bench)
{
    struct set_up first, second;
    pthread_t thread;

    if (!set_up(bench, &first, SAMPLES_PLAIN, 200, "bench-two-a-")) {
        return;
    }
    if (set_up(bench, &second, SAMPLES_PLAIN, 200, "bench-two-b-")) {
        struct worker here = {bench, &first}, there = {bench, &second};
        if (pthread_create(&thread, NULL, work, &there) == 0) {
            work(&here);
            pthread_join(thread, NULL);
        }
        tear_down(bench, &second);
    }
    tear_down(bench, &first);
}

/* ---- fetch ---- */

struct fetched {
    struct bench *bench;
    char last[257];
    size_t count, mine; /* ids of ours among them */
    bool stop;
};

static int take(void *arg, const struct memferry_memory *memory)
{
    struct fetched *fetched = arg;

    if (memory->id.size == 0 || memory->id.size > 256 || memory->id.data[memory->id.size] != '\0') {
        bench_fail(fetched->bench, "fetch gives an id of %zu bytes, or one without its NUL",
                   memory->id.size);
    } else if (strcmp(memory->id.data, fetched->last) <= 0) {
        bench_fail(fetched->bench,
                   "fetch gives %.60s behind %.60s; ids come in order of bytes, "
                   "each once, greater than after_id",
                   memory->id.data, fetched->last);
    } else {
        strcpy(fetched->last, memory->id.data);
    }
    if (memory->origin.size != 36 || memory->stamp <= 0) {
        bench_fail(fetched->bench, "fetch gives %.60s without its stamp or origin",
                   memory->id.data);
    }
    fetched->count++;
    fetched->mine += strncmp(memory->id.data, "bench-fetch-", 12) == 0;
    return fetched->stop || bench_failed(fetched->bench) ? 77 : 0;
}

static void fetch_pages(struct bench *bench, const struct bench_plugin *it, size_t expected)
{
    struct fetched fetched = {.bench = bench};
    char after[257] = "";
    int got = PAGE;

    while (got == PAGE && !bench_failed(bench)) {
        size_t before = fetched.count;
        bench_stage(bench, "fetch after \"%.80s\"", after);
        got = it->table->fetch(it->self, after, PAGE, take, &fetched);
        if (!bench_failed(bench) && (got < 0 || (size_t)got != fetched.count - before)) {
            bench_fail(bench, "fetch answers %d, having given %zu", got, fetched.count - before);
        }
        strcpy(after, fetched.last);
    }
    if (!bench_failed(bench) && fetched.mine != expected) {
        bench_fail(bench, "of %zu that were delivered fetch gives %zu", expected, fetched.mine);
    }
    fetched = (struct fetched){.bench = bench, .stop = true};
    got = bench_failed(bench) ? 77 : it->table->fetch(it->self, "", PAGE, take, &fetched);
    if (got != 77) {
        bench_fail(bench, "fetch answers %d when its taker says stop (77); answer what it said",
                   got);
    }
    bench_ok(bench, "in pages of %d", PAGE);
}

static void check_fetch(struct bench *bench)
{
    struct bench_plugin probe_first;
    struct set_up set;
    struct error err;

    if (bench_load_with(bench, &probe_first, NULL, NULL, &err) != 0) {
        bench_not_done(bench, "it does not load");
        return;
    }
    bool has = probe_first.table->fetch != NULL && probe_first.table->deliver != NULL;
    bench_close(&probe_first);
    if (!has) {
        bench_not_done(bench, "it has no fetch: a backend of it cannot be verified, nor recovered "
                              "from");
        return;
    }
    if (set_up(bench, &set, SAMPLES_PLAIN, 20, "bench-fetch-")) {
        all_done(bench, &set, 0, 20);
        fetch_pages(bench, &set.it, 20);
        tear_down(bench, &set);
    }
}

const struct check calls_checks[] = {
    {"one", check_one},
    {"the same again, and an older one", check_again},
    {"many in a call", check_many},
    {"odd ones", check_odd},
    {"two instances in two threads", check_two},
    {"fetch", check_fetch},
    {NULL, NULL},
};
