/* search_indexer.c - see search_indexer.h. */
#include "broker/search_indexer.h"

#include "broker/util/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define BATCH_BYTES (2u << 20)
/* How long events gather while nobody waits: until none was applied for GATHER_QUIET_MS, or so
 * long, or there are so many. What callers write together is indexed behind it. */
#define GATHER_QUIET_MS 100
#define GATHER_MS       1000
#define GATHER_MAX      (16u * SEARCH_BATCH_MAX)
/* While callers write it works a part of the time, whatever the scheduler makes of its priority:
 * behind a step it pauses so many times as long. */
#define PAUSE_FACTOR 3
#define REST_MS      1000 /* after so long without work the memory of what was is given back */
#define RETRY_MIN_MS 1000
#define RETRY_MAX_MS 60000
#define NICENESS     10 /* receipts and reads go first */

struct search_indexer {
    char *store_path, *index_path, *vector_path, *origin;
    uint32_t dims;
    struct log *log;
    pthread_t thread;
    struct search_files files;
    /* the thread's own */
    struct reader *reader;
    bool is_open;
    int64_t retry_ms; /* how long the last failure waits; 0: the last step worked */
    bool rests;       /* nothing has come since it gave memory back */
    int64_t pause_ms; /* monotonic: until when it pauses */

    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t woken, moved;
    bool stopping, condemned;
    bool gathering; /* it looks by itself, and need not be woken before there is much */
    uint64_t applied_seq, indexed_seq, making;
    int64_t applied_ms; /* monotonic: when applied_seq grew */
    uint64_t documents, vectors;
    unsigned waiting; /* searches, for the index to be level */
    char why[256];    /* it was condemned */
};

/* ---- in its thread ---- */

/* With the mutex. */
static void take_counts(struct search_indexer *indexer)
{
    const struct search_files *files = &indexer->files;

    indexer->documents = search_index_count(files->index);
    indexer->vectors = vector_file_rows(files->vectors) - vector_file_dead(files->vectors);
}

static int open_files(struct search_indexer *indexer, struct error *err)
{
    struct reader_counts counts;
    bool fresh;
    int r = 0;

    if (indexer->reader == NULL) {
        r = reader_open(&indexer->reader, indexer->store_path, err);
    }
    if (r == 0) {
        r = reader_counts(indexer->reader, &counts, err);
    }
    if (r == 0) {
        r = search_files_open(&indexer->files, counts.applied_seq, &fresh, err);
    }
    if (r != 0) {
        return r;
    }
    if (fresh && err->text[0] != '\0') {
        log_write(indexer->log, LOG_LEVEL_WARNING, "search-anew",
                  "the search index is made anew: %s", err->text);
    }
    indexer->is_open = true;
    pthread_mutex_lock(&indexer->mutex);
    take_counts(indexer);
    indexer->indexed_seq = search_files_cursor(&indexer->files);
    indexer->making++;
    pthread_cond_broadcast(&indexer->moved);
    pthread_mutex_unlock(&indexer->mutex);
    return 0;
}

static void progress(struct search_indexer *indexer, uint64_t seq)
{
    pthread_mutex_lock(&indexer->mutex);
    if (seq > indexer->indexed_seq) {
        indexer->indexed_seq = seq;
    }
    take_counts(indexer);
    pthread_cond_broadcast(&indexer->moved);
    pthread_mutex_unlock(&indexer->mutex);
}

static int sweep_if_due(struct search_indexer *indexer, struct error *err)
{
    struct reader_counts counts;
    int r = reader_counts(indexer->reader, &counts, err);

    if (r != 0 || search_index_count(indexer->files.index) <= counts.memories + counts.deleted) {
        return r;
    }
    return search_files_sweep(&indexer->files, indexer->reader, err);
}

/* Level with the store, as it was at upto_seq or later. */
static int become_level(struct search_indexer *indexer, uint64_t upto_seq, struct error *err)
{
    int r = sweep_if_due(indexer, err);

    if (r == 0) {
        r = search_files_tidy(&indexer->files, err);
    }
    if (r == 0) {
        progress(indexer, upto_seq);
    }
    return r;
}

static int index_batch(struct search_indexer *indexer, uint64_t upto_seq, struct error *err)
{
    uint64_t cursor = search_files_cursor(&indexer->files);
    struct reader_batch *batch = NULL;

    int r =
        reader_batch_after(indexer->reader, "", cursor, SEARCH_BATCH_MAX, BATCH_BYTES, &batch, err);
    if (r != 0) {
        return r;
    }
    if (reader_batch_cursor(batch) == cursor) {
        reader_batch_free(batch);
        return become_level(indexer, upto_seq, err);
    }
    r = search_files_put(&indexer->files, batch, err);
    reader_batch_free(batch);
    cursor = search_files_cursor(&indexer->files);
    if (r == 0 && cursor >= upto_seq) {
        return become_level(indexer, cursor, err);
    }
    progress(indexer, r == 0 ? cursor : 0);
    return r;
}

static bool take_condemned(struct search_indexer *indexer, char why[static 256])
{
    pthread_mutex_lock(&indexer->mutex);
    bool condemned = indexer->condemned;
    indexer->condemned = false;
    memcpy(why, indexer->why, sizeof indexer->why);
    pthread_mutex_unlock(&indexer->mutex);
    return condemned;
}

static void discard(struct search_indexer *indexer, const char *why)
{
    log_write(indexer->log, LOG_LEVEL_WARNING, "search-anew", "the search index is made anew: %s",
              why);
    search_files_discard(&indexer->files);
    indexer->is_open = false;
}

static int step(struct search_indexer *indexer, uint64_t upto_seq, struct error *err)
{
    char why[256];

    if (take_condemned(indexer, why) && indexer->is_open) {
        discard(indexer, why);
    }
    return indexer->is_open ? index_batch(indexer, upto_seq, err) : open_files(indexer, err);
}

static void step_failed(struct search_indexer *indexer, int r, const struct error *err)
{
    bool again = indexer->retry_ms != 0;

    if (r == -ECANCELED) { /* it is to end */
        return;
    }
    log_write(indexer->log, again ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARNING, "search-failed",
              "the search index can't be brought up to date, and is tried again: %s", err->text);
    indexer->retry_ms = again ? indexer->retry_ms * 2 : RETRY_MIN_MS;
    if (indexer->retry_ms > RETRY_MAX_MS) {
        indexer->retry_ms = RETRY_MAX_MS;
    }
    if (r == -EIO && indexer->is_open) {
        discard(indexer, err->text);
    }
}

/* With the mutex. */
static void wait_ms(struct search_indexer *indexer, pthread_cond_t *condition, int64_t until_ms)
{
    struct timespec at = clock_timespec(until_ms * 1000);

    pthread_cond_timedwait(condition, &indexer->mutex, &at);
}

static bool has_much(const struct search_indexer *indexer)
{
    return indexer->applied_seq >= indexer->indexed_seq + GATHER_MAX;
}

/* With the mutex. A batch of one costs nearly what a batch of many does. */
static void gather(struct search_indexer *indexer)
{
    int64_t now_ms = clock_monotonic_ms(), until_ms = now_ms + GATHER_MS;

    indexer->gathering = true;
    while (!indexer->stopping && !indexer->condemned && indexer->waiting == 0 && indexer->is_open &&
           now_ms < indexer->applied_ms + GATHER_QUIET_MS &&
           (now_ms < indexer->pause_ms || (!has_much(indexer) && now_ms < until_ms))) {
        wait_ms(indexer, &indexer->woken, indexer->applied_ms + GATHER_QUIET_MS);
        now_ms = clock_monotonic_ms();
    }
    indexer->gathering = false;
}

/* With the mutex, which is let go while memory is given back. */
static void wait_or_rest(struct search_indexer *indexer)
{
    int64_t until_ms = clock_monotonic_ms() + REST_MS;

    if (indexer->rests) {
        pthread_cond_wait(&indexer->woken, &indexer->mutex);
        return;
    }
    wait_ms(indexer, &indexer->woken, until_ms);
    if (clock_monotonic_ms() >= until_ms) {
        pthread_mutex_unlock(&indexer->mutex);
        reader_rest(indexer->reader);
        search_index_rest(indexer->files.index);
        pthread_mutex_lock(&indexer->mutex);
        indexer->rests = true;
    }
}

/* False: it is to end. *ret_upto_seq: what it is to be level with. */
static bool await_work(struct search_indexer *indexer, uint64_t *ret_upto_seq)
{
    int64_t until_ms = clock_monotonic_ms() + indexer->retry_ms;

    pthread_mutex_lock(&indexer->mutex);
    while (!indexer->stopping && indexer->retry_ms != 0 && clock_monotonic_ms() < until_ms) {
        wait_ms(indexer, &indexer->woken, until_ms);
    }
    while (!indexer->stopping && indexer->is_open && !indexer->condemned &&
           indexer->indexed_seq >= indexer->applied_seq) {
        wait_or_rest(indexer);
    }
    indexer->rests = false;
    gather(indexer);
    *ret_upto_seq = indexer->applied_seq;
    bool stopping = indexer->stopping;
    pthread_mutex_unlock(&indexer->mutex);
    return !stopping;
}

static void *indexer_main(void *arg)
{
    struct search_indexer *indexer = arg;
    uint64_t upto_seq;

    pthread_setname_np(pthread_self(), "indexer");
    setpriority(PRIO_PROCESS, (id_t)gettid(), NICENESS); /* of this thread, in Linux */
    while (await_work(indexer, &upto_seq)) {
        struct error err = {0};
        int64_t begun_ms = clock_monotonic_ms();
        int r = step(indexer, upto_seq, &err);
        indexer->pause_ms = PAUSE_FACTOR * (clock_monotonic_ms() - begun_ms) + clock_monotonic_ms();
        if (r != 0) {
            step_failed(indexer, r, &err);
        } else {
            indexer->retry_ms = 0;
        }
    }
    search_files_close(&indexer->files);
    indexer->reader = reader_close(indexer->reader);
    return NULL;
}

/* ---- start and stop ---- */

static void indexer_free(struct search_indexer *indexer)
{
    search_files_deinit(&indexer->files);
    pthread_cond_destroy(&indexer->woken);
    pthread_cond_destroy(&indexer->moved);
    pthread_mutex_destroy(&indexer->mutex);
    free(indexer->store_path);
    free(indexer->index_path);
    free(indexer->vector_path);
    free(indexer->origin);
    free(indexer);
}

static struct search_indexer *indexer_new(const struct search_indexer_options *options,
                                          struct log *log)
{
    struct search_indexer *indexer = calloc(1, sizeof *indexer);
    pthread_condattr_t monotonic;

    if (indexer == NULL) {
        return NULL;
    }
    indexer->log = log;
    indexer->applied_seq = options->applied_seq;
    indexer->dims = options->dims;
    indexer->store_path = strdup(options->store_path);
    indexer->index_path = strdup(options->index_path);
    indexer->vector_path = strdup(options->vector_path);
    indexer->origin = strdup(options->origin);
    pthread_mutex_init(&indexer->mutex, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&indexer->woken, &monotonic);
    pthread_cond_init(&indexer->moved, &monotonic);
    pthread_condattr_destroy(&monotonic);
    search_files_init(&indexer->files, indexer->index_path, indexer->vector_path, indexer->origin,
                      options->dims);
    if (indexer->store_path == NULL || indexer->index_path == NULL ||
        indexer->vector_path == NULL || indexer->origin == NULL) {
        indexer_free(indexer);
        return NULL;
    }
    return indexer;
}

int search_indexer_start(struct search_indexer **ret, const struct search_indexer_options *options,
                         struct log *log, struct error *err)
{
    struct search_indexer *indexer = indexer_new(options, log);

    *ret = NULL;
    if (indexer == NULL) {
        return error_set(err, -ENOMEM, "out of memory for the search index");
    }
    int r = pthread_create(&indexer->thread, NULL, indexer_main, indexer);
    if (r != 0) {
        indexer_free(indexer);
        return error_set_errno(err, -r, "cannot start the thread of the search index");
    }
    *ret = indexer;
    return 0;
}

struct search_indexer *search_indexer_stop(struct search_indexer *indexer)
{
    if (indexer != NULL) {
        pthread_mutex_lock(&indexer->mutex);
        indexer->stopping = true;
        atomic_store(&indexer->files.hurry, true);
        pthread_cond_broadcast(&indexer->woken);
        pthread_cond_broadcast(&indexer->moved);
        pthread_mutex_unlock(&indexer->mutex);
        pthread_join(indexer->thread, NULL);
        indexer_free(indexer);
    }
    return NULL;
}

/* ---- from other threads ---- */

void search_indexer_wake(struct search_indexer *indexer, uint64_t applied_seq)
{
    pthread_mutex_lock(&indexer->mutex);
    if (applied_seq > indexer->applied_seq) {
        indexer->applied_seq = applied_seq;
        indexer->applied_ms = clock_monotonic_ms();
        if (!indexer->gathering || has_much(indexer)) {
            pthread_cond_signal(&indexer->woken);
        }
    }
    pthread_mutex_unlock(&indexer->mutex);
}

void search_indexer_stats(struct search_indexer *indexer, struct search_stats *ret)
{
    pthread_mutex_lock(&indexer->mutex);
    *ret = (struct search_stats){.documents = indexer->documents,
                                 .vectors = indexer->vectors,
                                 .indexed_seq = indexer->indexed_seq};
    if (indexer->applied_seq > indexer->indexed_seq) {
        ret->behind = indexer->applied_seq - indexer->indexed_seq;
    }
    pthread_mutex_unlock(&indexer->mutex);
}

uint64_t search_indexer_await(struct search_indexer *indexer, uint64_t seq, int64_t timeout_ms)
{
    int64_t until_ms = clock_monotonic_ms() + timeout_ms;

    pthread_mutex_lock(&indexer->mutex);
    indexer->waiting++;
    pthread_cond_signal(&indexer->woken);
    while ((indexer->indexed_seq < seq || indexer->making == 0) && !indexer->stopping &&
           clock_monotonic_ms() < until_ms) {
        wait_ms(indexer, &indexer->moved, until_ms);
    }
    indexer->waiting--;
    uint64_t behind = indexer->indexed_seq < seq ? seq - indexer->indexed_seq : 0;
    pthread_mutex_unlock(&indexer->mutex);
    return behind;
}

uint64_t search_indexer_making(struct search_indexer *indexer)
{
    pthread_mutex_lock(&indexer->mutex);
    uint64_t making = indexer->making;
    pthread_mutex_unlock(&indexer->mutex);
    return making;
}

const char *search_indexer_path(const struct search_indexer *indexer)
{
    return indexer->index_path;
}

uint32_t search_indexer_dims(const struct search_indexer *indexer)
{
    return indexer->dims;
}

void search_indexer_condemn(struct search_indexer *indexer, uint64_t making, const char *why)
{
    pthread_mutex_lock(&indexer->mutex);
    if (making == indexer->making && !indexer->condemned) {
        indexer->condemned = true;
        snprintf(indexer->why, sizeof indexer->why, "%s", why);
        pthread_cond_signal(&indexer->woken);
    }
    pthread_mutex_unlock(&indexer->mutex);
}

int search_indexer_top(struct search_indexer *indexer, const struct vector_query *query, size_t max,
                       struct vector_hit *ret, size_t *ret_count, struct error *err)
{
    return search_files_top(&indexer->files, query, max, ret, ret_count, err);
}
