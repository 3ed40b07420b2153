/*
 * plugin_bench.h - what a check of a plugin works with.
 *
 * Each check runs in a process of its own, so that a plugin that crashes or hangs costs the others
 * nothing; what it found lies in shared memory. The plugin is loaded by the broker's own loader.
 * What a call is handed is read-only while it runs, and out of reach behind it: a plugin that
 * writes there, or keeps a pointer, is ended by a signal, and the report says in what.
 *
 *   plugin_check.c     the verb: options, the list of checks, the report
 *   plugin_bench.c     processes, findings, loading, calls and what they answer
 *   plugin_samples.c   memories, texts and alerts, plain and odd
 *   plugin_place.c     a server before the backend's, that fails on request
 *   plugin_contract.c  checks of the table, the options, open, close and probe
 *   plugin_calls.c     checks of deliver, embed, notify and fetch
 *   plugin_faults.c    checks with faults, slowness and cancelling
 *   plugin_leaks.c     what many instances leave behind
 */
#ifndef MEMFERRY_HEAVY_PLUGIN_BENCH_H
#define MEMFERRY_HEAVY_PLUGIN_BENCH_H

#include "broker/plugin.h"

#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BENCH_CHECK_MS  120000 /* a check that takes longer hangs */
#define BENCH_DIMS      768
#define BENCH_BATCH_MAX 500
#define BENCH_STAMP     INT64_C(1700000000000000) /* of the first sample */
#define BENCH_SECRETS   16

enum bench_verdict { BENCH_OK = 1, BENCH_FAILED, BENCH_NOT_DONE };

/* In shared memory. */
struct bench_finding {
    enum bench_verdict verdict; /* 0: none yet */
    char text[900];             /* why, and what to do; may be "" with OK */
    char stage[200];            /* what was being done */
};

struct bench {
    const char *file;
    struct config_option *options; /* as given */
    size_t option_count;
    struct config_option *overridden; /* in a check's own process: options are these */
    const char *place_option; /* the one that names a server; NULL: the first that looks so */
    int64_t limit_ms;         /* for a call that was cancelled */
    bool verbose;
    char scratch[64]; /* a directory for state, made and removed around each check */
    const char *secrets[BENCH_SECRETS]; /* values that must never be told */
    size_t secret_count;
    struct bench_finding *finding;
    pthread_mutex_t lock; /* of the finding: some checks have two threads */
    int log_fd;           /* of a check: what the plugin logged */
    struct log log;
};

struct check {
    const char *name;
    void (*run)(struct bench *bench);
};

/* ---- findings: the first failure stays ---- */

void bench_ok(struct bench *bench, const char *format, ...) __attribute__((format(printf, 2, 3)));
void bench_fail(struct bench *bench, const char *format, ...) __attribute__((format(printf, 2, 3)));
void bench_not_done(struct bench *bench, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void bench_stage(struct bench *bench, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
bool bench_failed(struct bench *bench);

/* Runs a check in a process of its own; the finding is complete then. */
void bench_run(struct bench *bench, const struct check *check);

/* ---- the plugin ---- */

struct bench_plugin {
    struct plugin *plugin;
    struct instance *instance; /* NULL: not open */
    const struct memferry_plugin *table;
    void *self;
};

/* Loads it with the options given, of which `key` (may be NULL) has another value, or none if that
 * is NULL. err has the text. */
int bench_load_with(struct bench *bench, struct bench_plugin *ret, const char *key,
                    const char *value, struct error *err);
/* The same with the options as given; open. False: the finding says why. */
bool bench_open(struct bench *bench, struct bench_plugin *ret);
bool bench_open_with(struct bench *bench, struct bench_plugin *ret, const char *key,
                     const char *value);
/* And probe, until the broker would hand it something. False: there is a finding. */
bool bench_ready(struct bench *bench, struct bench_plugin *ret);
/* What probe answers; *why is checked. */
int bench_probe(struct bench *bench, const struct bench_plugin *it, struct memferry_reason *why);
void bench_close(struct bench_plugin *it);

/* Whether a sentence for a person is one: not empty, UTF-8, ended, and without a secret. */
bool bench_reason_good(struct bench *bench, const char *what, const struct memferry_reason *reason);

/* ---- calls ---- */

enum samples_kind { SAMPLES_PLAIN = 0, SAMPLES_ODD };

struct samples {
    uint8_t *arena;
    size_t arena_size, arena_used;
    struct memferry_memory *memories;
    struct memferry_text *texts;
    struct memferry_alert *alerts;
    const char **names; /* what is odd about each */
    size_t n;
    float *vectors; /* of embed; not in the arena */
    struct memferry_outcome *outcomes;
};

/* `n` counts for PLAIN only. Ids begin with `prefix`. False: out of memory, with a finding. */
bool samples_make(struct bench *bench, struct samples *ret, enum samples_kind kind, size_t n,
                  const char *prefix, int64_t stamp);
void samples_free(struct samples *samples);
/* How many odd ones there are. */
size_t samples_odd_count(void);
/* Read-only, or out of reach (between calls). */
void samples_protect(const struct samples *samples, bool reachable);

/* deliver, embed or notify, whichever it has, of samples from..from+n; outcomes beside them. False:
 * an answer is none that the contract knows; there is a finding. */
bool bench_hand(struct bench *bench, const struct bench_plugin *it, struct samples *samples,
                size_t from, size_t n);
/* Whether outcome i of the last call is DONE; else a finding. */
bool bench_is_done(struct bench *bench, const struct samples *samples, size_t i);
/* What it hands over: "memory", "text" or "alert"; NULL: it only fetches. */
const char *bench_thing(const struct bench_plugin *it);

/* ---- checks ---- */

extern const struct check contract_checks[], calls_checks[], faults_checks[],
    leaks_checks[]; /* end in a NULL name */

#endif
