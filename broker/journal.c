/*
 * journal.c - the journal as others see it: open, replay, start, append, close.
 *
 * Threads: the caller's opens and closes; the writer commits; the helper keeps segments ready. See
 * journal_internal.h for who owns what.
 */
#include "broker/journal.h"
#include "broker/journal_internal.h"
#include "broker/util/way_on.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- open and close ---- */

static void queue_init(struct journal_queue *queue)
{
    pthread_condattr_t attr;

    pthread_mutex_init(&queue->mutex, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&queue->wake, &attr);
    pthread_condattr_destroy(&attr);
}

static int check_options(const struct journal_options *options, struct error *err)
{
    uint64_t bytes = options->segment_bytes;

    if (bytes != 0 && (bytes % SEGMENT_BLOCK != 0 || bytes > JOURNAL_SEGMENT_BYTES_MAX ||
                       bytes < SEGMENT_HEADER_BYTES + 2 * SEGMENT_BLOCK)) {
        return error_set(err, -EINVAL,
                         "a journal segment of %" PRIu64
                         " bytes: must be a multiple of %u, from %u "
                         "to %u",
                         bytes, SEGMENT_BLOCK, SEGMENT_HEADER_BYTES + 2 * SEGMENT_BLOCK,
                         JOURNAL_SEGMENT_BYTES_MAX);
    }
    return 0;
}

static struct journal *journal_new(const struct journal_options *options, struct log *log,
                                   const struct journal_disk *disk)
{
    struct journal *journal = calloc(1, sizeof *journal);

    if (journal == NULL) {
        return NULL;
    }
    journal->dir_fd = -1;
    journal->lock_fd = -1;
    journal->log = log;
    journal->disk = disk;
    journal->gather_us = options->gather_us != 0 ? options->gather_us : JOURNAL_GATHER_US;
    pool_init(&journal->pool, options);
    queue_init(&journal->queue);
    journal->dir = strdup(options->dir);
    if (writer_init(journal) < 0 || journal->dir == NULL) {
        return journal_close(journal);
    }
    return journal;
}

static int open_steps(struct journal *journal, const struct journal_base *base, struct error *err)
{
    int r = journal_dir_open(journal->dir, &journal->dir_fd, err);

    if (r == 0) {
        r = journal_lock_take(journal->dir_fd, journal->dir, &journal->lock_fd, err);
    }
    if (r == 0) {
        r = journal_recover_files(journal, base, err);
    }
    return r;
}

int journal_find_on(struct journal **ret, const struct journal_options *options, struct log *log,
                    const struct journal_disk *disk, struct error *err)
{
    struct journal *journal;
    int r = check_options(options, err);

    assert(log != NULL);
    *ret = NULL;
    if (r < 0) {
        return r;
    }
    journal = journal_new(options, log, disk);
    if (journal == NULL) {
        error_set_errno(err, -ENOMEM, "cannot open the journal in %s", options->dir);
        return -ENOMEM;
    }
    r = open_steps(journal, options->base, err);
    if (r != 0) {
        journal_close(journal);
        return r;
    }
    *ret = journal;
    return 0;
}

int journal_find(struct journal **ret, const struct journal_options *options, struct log *log,
                 struct error *err)
{
    return journal_find_on(ret, options, log, &journal_disk_real, err);
}

int journal_recover(struct journal *journal, uint64_t stored_seq,
                    struct journal_recovery *ret_found, struct error *err)
{
    int r = journal_recover_events(journal, stored_seq, err);

    if (r == 0) {
        journal->queue.stats.committed_seq = journal->found.last_seq;
        *ret_found = journal->found;
    }
    return r;
}

int journal_open_on(struct journal **ret, const struct journal_options *options, struct log *log,
                    const struct journal_disk *disk, struct journal_recovery *ret_found,
                    struct error *err)
{
    struct journal *journal;
    int r = journal_find_on(&journal, options, log, disk, err);

    if (r != 0) {
        return r;
    }
    r = journal_recover(journal, 0, ret_found, err);
    *ret = r == 0 ? journal : journal_close(journal);
    return r;
}

int journal_open(struct journal **ret, const struct journal_options *options, struct log *log,
                 struct journal_recovery *ret_found, struct error *err)
{
    return journal_open_on(ret, options, log, &journal_disk_real, ret_found, err);
}

static void stop_writer(struct journal *journal)
{
    pthread_mutex_lock(&journal->queue.mutex);
    journal->queue.stop = true;
    pthread_cond_signal(&journal->queue.wake);
    pthread_mutex_unlock(&journal->queue.mutex);
    pthread_join(journal->writer_thread, NULL);
}

static void stop_spare(struct journal *journal)
{
    pthread_mutex_lock(&journal->pool.mutex);
    journal->pool.stop = true;
    pthread_cond_signal(&journal->pool.work);
    pthread_mutex_unlock(&journal->pool.mutex);
    pthread_join(journal->spare_thread, NULL);
    journal->spare_runs = false;
}

struct journal *journal_close(struct journal *journal)
{
    if (journal == NULL) {
        return NULL;
    }
    if (journal->writer_runs) {
        stop_writer(journal); /* before the helper, which it may be waiting for */
    }
    if (journal->spare_runs) {
        stop_spare(journal);
    }
    writer_deinit(journal);
    pool_deinit(&journal->pool);
    pthread_cond_destroy(&journal->queue.wake);
    pthread_mutex_destroy(&journal->queue.mutex);
    if (journal->lock_fd >= 0) {
        close(journal->lock_fd);
    }
    if (journal->dir_fd >= 0) {
        close(journal->dir_fd);
    }
    free(journal->dir);
    free(journal);
    return NULL;
}

const char *journal_origin(const struct journal *journal)
{
    return journal->origin_text;
}

/* ---- before the start ---- */

/* The store has events that the journal lacks. */
static int go_on_behind(struct journal *journal, uint64_t seq, struct error *err)
{
    if (journal->found.last_seq == 0) {
        return error_set(err, JOURNAL_E_GAP,
                         "the journal in %s is empty, but the store has events up to %" PRIu64
                         "; put the journal back, or " WAY_ON,
                         journal->dir, seq);
    }
    log_write(journal->log, LOG_LEVEL_WARNING, "journal-behind",
              "the journal in %s ends with event %" PRIu64 ", the store has %" PRIu64
              "; going on behind that",
              journal->dir, journal->found.last_seq, seq);
    journal->writer.next_seq = seq + 1;
    journal->queue.stats.committed_seq = seq;
    return 0;
}

int journal_replay(struct journal *journal, uint64_t after_seq, journal_visit_fn *visit, void *arg,
                   struct error *err)
{
    struct journal_walk walk = {
        .dir_fd = journal->dir_fd, .after_seq = after_seq, .visit = visit, .visit_arg = arg};

    assert(!journal->writer_runs);
    if (after_seq + 1 < journal->found.first_seq) {
        return error_set(err, JOURNAL_E_GAP,
                         "the journal in %s begins with event %" PRIu64
                         ", but the store ends with %" PRIu64 ": put the store back, or " WAY_ON,
                         journal->dir, journal->found.first_seq, after_seq);
    }
    if (after_seq > journal->found.last_seq) {
        return go_on_behind(journal, after_seq, err);
    }
    if (after_seq == journal->found.last_seq) {
        return 0;
    }
    return journal_walk_run(&walk, &journal->pool.held, journal->dir, err);
}

static int start_thread(pthread_t *ret_thread, void *(*run)(void *), struct journal *journal)
{
    return -pthread_create(ret_thread, NULL, run, journal);
}

/* A new journal has its segment from journal_open. A full disk is no reason not to start: reads and
 * lanes need no room. */
static int begin_generation(struct journal *journal)
{
    int r;

    if (journal->writer.fd >= 0) {
        return 0;
    }
    r = writer_next_segment(journal);
    return r == JOURNAL_E_FULL ? 0 : r;
}

int journal_start(struct journal *journal, struct journal_observer *observer, struct error *err)
{
    int r;

    assert(!journal->writer_runs);
    journal->observer = observer;
    r = start_thread(&journal->spare_thread, spare_main, journal);
    if (r == 0) {
        journal->spare_runs = true;
        r = begin_generation(journal);
    }
    if (r == 0) {
        r = start_thread(&journal->writer_thread, writer_main, journal);
    }
    if (r < 0) {
        return error_set_errno(err, r, "cannot start the journal in %s", journal->dir);
    }
    journal->writer_runs = true;
    return 0;
}

/* ---- while it runs ---- */

void journal_append(struct journal *journal, struct journal_list *records, unsigned peers)
{
    struct journal_queue *queue = &journal->queue;
    bool wake;

    if (records->head == NULL) {
        return;
    }
    pthread_mutex_lock(&queue->mutex);
    journal_list_append(&queue->records, records);
    progress_wanted(&queue->progress);
    queue->peers = peers;
    wake = queue->records.count >= queue->wake_at;
    if (wake) {
        queue->wake_at = SIZE_MAX; /* one call is enough */
    }
    pthread_mutex_unlock(&queue->mutex);
    if (wake) {
        pthread_cond_signal(&queue->wake);
    }
}

void journal_observe_stamp(struct journal *journal, int64_t stamp_us)
{
    struct journal_queue *queue = &journal->queue;

    pthread_mutex_lock(&queue->mutex);
    if (queue->observed_stamp_us < stamp_us) {
        queue->observed_stamp_us = stamp_us;
    }
    pthread_mutex_unlock(&queue->mutex);
}

void journal_recycle(struct journal *journal, uint64_t upto_seq)
{
    pool_recycle(&journal->pool, upto_seq);
}

void journal_stats(struct journal *journal, struct journal_stats *ret)
{
    uint64_t first_seq = pool_first_seq(&journal->pool);
    uint32_t segments = pool_count(&journal->pool);

    pthread_mutex_lock(&journal->queue.mutex);
    *ret = journal->queue.stats;
    pthread_mutex_unlock(&journal->queue.mutex);
    ret->first_seq = first_seq;
    ret->segments = segments;
}

int64_t journal_stuck_ms(const struct journal *journal)
{
    return progress_age_ms(&journal->queue.progress);
}
