/*
 * journal_spare.c - the helper thread that keeps segments ready ahead of need, so that the writer
 * never waits for 16 MB of zeros.
 *
 * After a failure (most often a full disk) it tries again when a segment is asked for: each request
 * that comes meanwhile is one attempt, and the first one after there is room goes through.
 */
#include "broker/journal_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int spare_make(struct journal *journal, struct segment_file **ret_file)
{
    struct journal_pool *pool = &journal->pool;
    struct segment_file *file = calloc(1, sizeof *file);
    uint64_t number;
    int r;

    if (file == NULL) {
        return -ENOMEM;
    }
    pthread_mutex_lock(&pool->mutex);
    number = pool->next_name++;
    pthread_mutex_unlock(&pool->mutex);
    snprintf(file->name, sizeof file->name, "%08" PRIu64 ".seg", number);
    file->bytes = pool->segment_bytes;
    r = disk_make_blank(journal->disk, journal->dir_fd, file->name, file->bytes);
    if (r < 0) {
        free(file);
        return r;
    }
    *ret_file = file;
    return 0;
}

/* Called with the mutex held, which is let go for the work. */
static void make_one(struct journal *journal)
{
    struct journal_pool *pool = &journal->pool;
    struct segment_file *file = NULL;
    uint64_t attempt = pool->wanted;
    bool first = pool->failure == 0;
    int r;

    pthread_mutex_unlock(&pool->mutex);
    r = spare_make(journal, &file);
    if (r < 0 && first) {
        log_write(journal->log, LOG_LEVEL_WARNING, "journal-no-spare",
                  "cannot make another segment of %" PRIu64
                  " bytes in %s: %s; make room before the "
                  "present one is full",
                  pool->segment_bytes, journal->dir, strerrordesc_np(-r) ?: "unknown error");
    }
    pthread_mutex_lock(&pool->mutex);
    if (r == 0) {
        segment_queue_push(&pool->blank, file);
    }
    pool->failure = r;
    pool->answered = attempt;
    pthread_cond_signal(&pool->ready);
}

/* A freed segment too many, or of a size that is not made any more; the oldest only. */
static bool has_surplus(const struct journal_pool *pool)
{
    return pool->freed.head != NULL &&
           (pool->freed.head->bytes != pool->segment_bytes ||
            pool->freed.count + pool->blank.count > pool->spares + JOURNAL_SPARES_SURPLUS);
}

/* As make_one. The directory is synced each time, so that they go in order. */
static void remove_one(struct journal *journal)
{
    struct journal_pool *pool = &journal->pool;
    struct segment_file *file = segment_queue_pop(&pool->freed);
    int r;

    pthread_mutex_unlock(&pool->mutex);
    r = unlinkat(journal->dir_fd, file->name, 0) < 0 ? -errno : disk_sync_dir(journal->dir_fd);
    if (r < 0) {
        log_write(journal->log, LOG_LEVEL_WARNING, "journal-remove", "cannot remove %s/%s: %s",
                  journal->dir, file->name, strerrordesc_np(-r) ?: "unknown error");
    }
    free(file);
    pthread_mutex_lock(&pool->mutex);
}

void *spare_main(void *arg)
{
    struct journal *journal = arg;
    struct journal_pool *pool = &journal->pool;

    pthread_mutex_lock(&pool->mutex);
    while (!pool->stop) {
        bool short_of = pool->freed.count + pool->blank.count < pool->spares;
        if (has_surplus(pool)) {
            remove_one(journal);
        } else if (short_of && (pool->failure == 0 || pool->wanted > pool->answered)) {
            make_one(journal);
        } else {
            pool->answered = pool->wanted;
            pthread_cond_signal(&pool->ready);
            pthread_cond_wait(&pool->work, &pool->mutex);
        }
    }
    pthread_mutex_unlock(&pool->mutex);
    return NULL;
}
