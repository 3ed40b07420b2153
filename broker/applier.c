/*
 * applier.c - the store thread.
 *
 * Happy path: take what is queued, up to a bound, as one batch; begin, apply records and run works
 * in the order they came, commit; then tell, in the same order, and checkpoint when the WAL has
 * grown. Nobody waits for a checkpoint: it comes after the answers.
 *
 * Events that nobody waits for gather until no more have come for a moment, within GATHER_ bounds:
 * while callers write, the machine is theirs, and many events to a transaction cost less each.
 * What has begun goes on until few are left.
 *
 *     gather ─▶ take ─▶ attempt ─ 0 ──────────────▶ told
 *               │  ▲
 *               │  ├─ full, locked ─ wait ─┐   the same batch again
 *               │  └───────────────────────┘
 *               ├─ an event fails, with others ─▶ all back to the queue, taken one by one
 *               ├─ an event fails alone ─▶ again, the third time it is skipped
 *               └─ anything else ─▶ failed: all that is queued comes back with -EIO, for ever
 *
 * A wait that is cut short (applier_hurry, applier_stop) gives up for ever too: what came behind
 * the batch must not be applied without it, or the next start would not find the hole.
 */
#include "broker/applier_attempt.h"
#include "broker/util/clock.h"
#include "broker/util/container.h"
#include "broker/util/progress.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BATCH_RECORDS_MAX 2000

/* How long events gather: until none has come for GATHER_QUIET_MS, or the first is so old, or there
 * are so many. */
#define GATHER_QUIET_MS    2
#define GATHER_MS          200
#define GATHER_RECORDS_MAX 32768
#define GATHER_BYTES_MAX   ((size_t)24 << 20)
#define GATHER_FEW         256

#define RETRY_FULL_MS    1000
#define CHECKPOINT_BYTES ((uint64_t)32 << 20)
/* A checkpoint that had to wait for a reader is tried again after so much more. */
#define CHECKPOINT_STEP_BYTES ((uint64_t)1 << 20)

#define ALONE_ATTEMPTS 3

/* After so long without anything to do, the memory of what was is given back. */
#define REST_MS 1000

struct applier {
    struct store *store;
    struct journal *journal;
    struct applier_observer *observer;
    struct applier_watch *watch;
    struct log *log;
    unsigned retry_full_ms;
    uint64_t checkpoint_bytes;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    /* under the mutex */
    struct applier_queue queue;
    uint64_t wanted; /* position up to which somebody waits */
    bool gathers;    /* the thread waits, though there is something to do */
    bool stopping, hurry;
    struct progress progress;
    /* the thread's own */
    struct applier_queue batch;
    bool drains;       /* it does not gather before few are left */
    size_t alone_left; /* records to take one by one, after one of them failed */
    unsigned attempts; /* of the record that is alone now */
    uint64_t next_checkpoint_bytes;
    bool is_full, has_failed;
    bool gave_up; /* something was left out: nothing may follow it */
    bool rests;   /* nothing has come since it gave memory back */
};

static struct change *change_of(struct journal_record *record)
{
    return container_of(record, struct change, record);
}

/* There is no more to wait for: with the mutex. */
static bool is_due(const struct applier *applier)
{
    const struct applier_queue *queue = &applier->queue;

    return queue->works.count > 0 || queue->first < applier->wanted ||
           queue->records.count >= GATHER_RECORDS_MAX || queue->records.bytes >= GATHER_BYTES_MAX ||
           applier->stopping || applier->hurry;
}

void applier_apply(struct applier *applier, struct journal_list *records)
{
    pthread_mutex_lock(&applier->mutex);
    journal_list_append(&applier->queue.records, records);
    progress_wanted(&applier->progress);
    if (!applier->gathers || is_due(applier)) {
        pthread_cond_signal(&applier->wake);
    }
    pthread_mutex_unlock(&applier->mutex);
}

void applier_want(struct applier *applier)
{
    pthread_mutex_lock(&applier->mutex);
    applier->wanted = applier->queue.first + applier->queue.records.count;
    if (applier->gathers) {
        pthread_cond_signal(&applier->wake);
    }
    pthread_mutex_unlock(&applier->mutex);
}

void applier_submit(struct applier *applier, struct applier_work *work)
{
    pthread_mutex_lock(&applier->mutex);
    applier_queue_add_work(&applier->queue, work);
    progress_wanted(&applier->progress);
    pthread_cond_signal(&applier->wake);
    pthread_mutex_unlock(&applier->mutex);
}

int64_t applier_stuck_ms(const struct applier *applier)
{
    return progress_age_ms(&applier->progress);
}

/* Puts the batch back, to be taken one by one. */
static void return_batch(struct applier *applier)
{
    applier->alone_left = applier->batch.records.count;
    pthread_mutex_lock(&applier->mutex);
    applier_queue_return(&applier->queue, &applier->batch);
    pthread_mutex_unlock(&applier->mutex);
}

/* ---- telling ---- */

static void tell_changes(struct applier *applier, struct journal_list *done)
{
    if (done->count > 0) {
        applier->observer->applied(applier->observer, done, store_applied_seq(applier->store));
    }
}

/* Hands records and works back in the order they came. */
static void tell_batch(struct applier *applier)
{
    struct applier_queue *batch = &applier->batch;
    struct journal_list done = {0};

    while (!applier_queue_is_empty(batch)) {
        if (applier_queue_work_is_next(batch)) {
            struct applier_work *work = applier_queue_pop_work(batch);
            tell_changes(applier, &done);
            memset(&done, 0, sizeof done);
            work->done(work, work->status, work->status == 0 ? NULL : &work->error);
        } else {
            journal_list_push(&done, applier_queue_pop_record(batch));
        }
    }
    tell_changes(applier, &done);
}

/* ---- what an attempt came to ---- */

static void set_full(struct applier *applier, bool is_full)
{
    if (applier->is_full != is_full) {
        applier->is_full = is_full;
        applier->observer->full(applier->observer, is_full);
    }
}

static void fail(struct applier *applier, const struct error *err)
{
    applier->has_failed = true;
    log_write(applier->log, LOG_LEVEL_ERROR, "store-failed", "%s", err->text);
    applier->observer->failed(applier->observer, err);
}

/* Gives the batch back undone: its events are in the journal, and come again at the next start. */
static void refuse_batch(struct applier *applier)
{
    for (struct journal_record *record = applier->batch.records.head; record != NULL;
         record = record->next) {
        change_of(record)->apply_status = -EIO;
    }
    for (struct applier_work *work = applier->batch.works.head; work != NULL; work = work->next) {
        work->status = error_set(&work->error, -EIO, "the store has stopped: see the log");
    }
    tell_batch(applier);
}

/* Waits, unless it is to end. True: it is. */
static bool pause_or_end(struct applier *applier)
{
    struct timespec until =
        clock_timespec(clock_monotonic_us() + (int64_t)applier->retry_full_ms * 1000);

    pthread_mutex_lock(&applier->mutex);
    int r = 0;
    while (!applier->stopping && !applier->hurry && r == 0) {
        r = pthread_cond_timedwait(&applier->wake, &applier->mutex, &until);
    }
    bool ends = applier->stopping || applier->hurry;
    pthread_mutex_unlock(&applier->mutex);
    return ends;
}

static void log_set_aside(struct applier *applier, const struct error *err)
{
    log_write(applier->log, LOG_LEVEL_ERROR, "event-set-aside",
              "%s; it was set aside, and its memory stays as it was", err->text);
}

/* The disk is full, or another process has the lock: the batch stays. */
static void wait_for_room(struct applier *applier, int r, const struct error *err)
{
    if (r == -EBUSY) {
        log_write(applier->log, LOG_LEVEL_WARNING, "store-locked", "%s", err->text);
    } else if (!applier->is_full) { /* said once, not at every try */
        log_write(applier->log, LOG_LEVEL_WARNING, "store-full", "%s", err->text);
        set_full(applier, true);
    }
    if (pause_or_end(applier)) {
        log_write(applier->log, LOG_LEVEL_WARNING, "store-behind",
                  "the events behind %llu are in the journal only; the next start applies them",
                  (unsigned long long)store_applied_seq(applier->store));
        applier->gave_up = true;
        refuse_batch(applier);
    }
}

static void attempt_failed(struct applier *applier, int r, const struct error *err)
{
    if (r == STORE_E_FULL || r == -EBUSY) {
        wait_for_room(applier, r, err);
        return;
    }
    if (r == STORE_E_EVENT && applier->batch.records.count > 1) {
        return_batch(applier);
        return;
    }
    if (r == STORE_E_EVENT && applier->batch.records.count == 1) {
        if (++applier->attempts == ALONE_ATTEMPTS) {
            log_set_aside(applier, err);
        }
        return;
    }
    fail(applier, err);
    refuse_batch(applier);
}

static void attempt_succeeded(struct applier *applier)
{
    set_full(applier, false);
    applier->attempts = 0;
    if (applier->alone_left > 0) {
        applier->alone_left -= applier->batch.records.count;
    }
    if (applier->watch != NULL && applier->batch.records.count > 0) {
        applier->watch->committed(applier->watch, applier->store, &applier->batch.records);
    }
    tell_batch(applier);
}

/* ---- checkpoints ---- */

static void checkpoint(struct applier *applier)
{
    uint64_t safe_seq = 0;
    struct error err;

    int r = store_checkpoint(applier->store, &safe_seq, &err);
    if (r == STORE_E_FULL || r == -EBUSY) {
        log_write(applier->log, LOG_LEVEL_WARNING, "store-full", "%s", err.text);
    } else if (r != 0) {
        fail(applier, &err);
    } else if (safe_seq > 0) {
        journal_recycle(applier->journal, safe_seq);
    }
    uint64_t wal_bytes = store_wal_bytes(applier->store);
    applier->next_checkpoint_bytes = wal_bytes < applier->checkpoint_bytes
                                         ? applier->checkpoint_bytes
                                         : wal_bytes + CHECKPOINT_STEP_BYTES;
}

/* ---- the thread ---- */

/* With the mutex, which is let go while memory is given back. */
static void wait_or_rest(struct applier *applier)
{
    if (applier->rests) {
        pthread_cond_wait(&applier->wake, &applier->mutex);
        return;
    }
    struct timespec until = clock_timespec(clock_monotonic_us() + REST_MS * 1000);
    if (pthread_cond_timedwait(&applier->wake, &applier->mutex, &until) == ETIMEDOUT) {
        pthread_mutex_unlock(&applier->mutex);
        store_forget_pages(applier->store);
        pthread_mutex_lock(&applier->mutex);
        applier->rests = true;
    }
}

/* With the mutex, and something in the queue. Nobody wakes it for an event: it looks by itself. */
static void gather(struct applier *applier)
{
    uint64_t seen = 0, came = applier->queue.first + applier->queue.records.count;
    int64_t until_ms = clock_monotonic_ms() + GATHER_MS;

    applier->gathers = true;
    while (!is_due(applier) && came != seen && clock_monotonic_ms() < until_ms) {
        struct timespec until = clock_timespec(clock_monotonic_us() + GATHER_QUIET_MS * 1000);
        seen = came;
        pthread_cond_timedwait(&applier->wake, &applier->mutex, &until);
        came = applier->queue.first + applier->queue.records.count;
    }
    applier->gathers = false;
    applier->drains = true;
}

/* Waits for something to do. False: it is to stop, and nothing is left. */
static bool next_batch(struct applier *applier)
{
    pthread_mutex_lock(&applier->mutex);
    while (applier_queue_is_empty(&applier->queue) && !applier->stopping) {
        progress_idle(&applier->progress);
        wait_or_rest(applier);
    }
    applier->rests = false;
    if (applier->queue.records.count < GATHER_FEW) {
        applier->drains = false;
    }
    if (!applier_queue_is_empty(&applier->queue) && !applier->drains && applier->alone_left == 0) {
        gather(applier);
    }
    applier_queue_take(&applier->queue, &applier->batch,
                       applier->alone_left > 0 ? 1 : BATCH_RECORDS_MAX);
    pthread_mutex_unlock(&applier->mutex);
    return !applier_queue_is_empty(&applier->batch);
}

static void process_batch(struct applier *applier)
{
    struct error err = {0};

    while (!applier_queue_is_empty(&applier->batch)) {
        if (applier->has_failed || applier->gave_up) {
            refuse_batch(applier);
            return;
        }
        int r = applier_attempt(applier->store, &applier->batch,
                                applier->attempts == ALONE_ATTEMPTS, &err);
        if (r == 0) {
            attempt_succeeded(applier);
        } else {
            attempt_failed(applier, r, &err);
        }
        progress_step(&applier->progress);
    }
}

static void *applier_main(void *arg)
{
    struct applier *applier = arg;

    pthread_setname_np(pthread_self(), "store");
    while (next_batch(applier)) {
        process_batch(applier);
        if (!applier->has_failed &&
            store_wal_bytes(applier->store) >= applier->next_checkpoint_bytes) {
            checkpoint(applier);
            progress_step(&applier->progress);
        }
    }
    if (!applier->has_failed) {
        checkpoint(applier);
    }
    return NULL;
}

static int make_wake(pthread_cond_t *wake)
{
    pthread_condattr_t attributes;

    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    int r = -pthread_cond_init(wake, &attributes);
    pthread_condattr_destroy(&attributes);
    return r;
}

int applier_start(struct applier **ret, struct store *store, struct journal *journal,
                  struct applier_observer *observer, const struct applier_options *options,
                  struct log *log, struct error *err)
{
    struct applier *applier = calloc(1, sizeof *applier);

    *ret = NULL;
    if (applier == NULL) {
        store_close(store);
        return error_set(err, -ENOMEM, "out of memory while starting the store thread");
    }
    applier->store = store;
    applier->journal = journal;
    applier->observer = observer;
    applier->watch = options->watch;
    applier->log = log;
    applier->retry_full_ms = options->retry_full_ms != 0 ? options->retry_full_ms : RETRY_FULL_MS;
    applier->checkpoint_bytes =
        options->checkpoint_bytes != 0 ? options->checkpoint_bytes : CHECKPOINT_BYTES;
    applier->next_checkpoint_bytes = applier->checkpoint_bytes;
    pthread_mutex_init(&applier->mutex, NULL);
    make_wake(&applier->wake);
    int r = -pthread_create(&applier->thread, NULL, applier_main, applier);
    if (r < 0) {
        pthread_cond_destroy(&applier->wake);
        pthread_mutex_destroy(&applier->mutex);
        free(applier);
        store_close(store);
        return error_set_errno(err, r, "cannot start the store thread");
    }
    *ret = applier;
    return 0;
}

void applier_hurry(struct applier *applier)
{
    pthread_mutex_lock(&applier->mutex);
    applier->hurry = true;
    pthread_cond_signal(&applier->wake);
    pthread_mutex_unlock(&applier->mutex);
}

struct applier *applier_stop(struct applier *applier)
{
    if (applier == NULL) {
        return NULL;
    }
    pthread_mutex_lock(&applier->mutex);
    applier->stopping = true;
    pthread_cond_signal(&applier->wake);
    pthread_mutex_unlock(&applier->mutex);
    pthread_join(applier->thread, NULL);
    pthread_cond_destroy(&applier->wake);
    pthread_mutex_destroy(&applier->mutex);
    store_close(applier->store);
    free(applier);
    return NULL;
}
