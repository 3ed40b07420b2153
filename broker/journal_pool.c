/*
 * journal_pool.c - which file holds what: in use, free, or blank.
 *
 * A segment is freed when its events are in a checkpointed store. Freed ones are used again, or
 * removed, oldest first: were a later one overwritten before an earlier, a crash would leave a hole
 * between those that remain.
 */
#include "broker/journal_pool.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

void segment_queue_push(struct segment_queue *queue, struct segment_file *file)
{
    file->next = NULL;
    if (queue->tail != NULL) {
        queue->tail->next = file;
    } else {
        queue->head = file;
    }
    queue->tail = file;
    queue->count++;
}

struct segment_file *segment_queue_pop(struct segment_queue *queue)
{
    struct segment_file *file = queue->head;

    if (file == NULL) {
        return NULL;
    }
    queue->head = file->next;
    if (queue->head == NULL) {
        queue->tail = NULL;
    }
    queue->count--;
    file->next = NULL;
    return file;
}

void segment_queue_clear(struct segment_queue *queue)
{
    struct segment_file *file;

    while ((file = segment_queue_pop(queue)) != NULL) {
        free(file);
    }
}

void pool_init(struct journal_pool *pool, const struct journal_options *options)
{
    *pool = (struct journal_pool){
        .segment_bytes =
            options->segment_bytes != 0 ? options->segment_bytes : JOURNAL_SEGMENT_BYTES,
        .spares = options->spare_segments != 0 ? options->spare_segments : JOURNAL_SPARES,
        .keep = options->keep_segments,
        .next_name = 1,
    };
    pthread_mutex_init(&pool->mutex, NULL);
    pthread_cond_init(&pool->work, NULL);
    pthread_cond_init(&pool->ready, NULL);
}

void pool_deinit(struct journal_pool *pool)
{
    segment_queue_clear(&pool->held);
    segment_queue_clear(&pool->freed);
    segment_queue_clear(&pool->blank);
    pthread_cond_destroy(&pool->ready);
    pthread_cond_destroy(&pool->work);
    pthread_mutex_destroy(&pool->mutex);
}

/* Freed ones of another size wait for the helper to remove them. */
static struct segment_file *take_ready(struct journal_pool *pool)
{
    if (pool->freed.head != NULL && pool->freed.head->bytes == pool->segment_bytes) {
        return segment_queue_pop(&pool->freed);
    }
    return segment_queue_pop(&pool->blank);
}

int pool_take(struct journal_pool *pool, struct segment_file **ret_file)
{
    struct segment_file *file;
    uint64_t attempt;
    int failure;

    pthread_mutex_lock(&pool->mutex);
    attempt = ++pool->wanted;
    pthread_cond_signal(&pool->work);
    while ((file = take_ready(pool)) == NULL && pool->answered < attempt) {
        pthread_cond_wait(&pool->ready, &pool->mutex);
    }
    failure = pool->failure;
    pthread_mutex_unlock(&pool->mutex);

    if (file != NULL) {
        *ret_file = file;
        return 0;
    }
    assert(failure < 0);
    return failure == -ENOSPC || failure == -EDQUOT ? JOURNAL_E_FULL : failure;
}

void pool_hold(struct journal_pool *pool, struct segment_file *file)
{
    pthread_mutex_lock(&pool->mutex);
    file->last_seq = UINT64_MAX;
    segment_queue_push(&pool->held, file);
    pthread_mutex_unlock(&pool->mutex);
}

static bool is_empty(const struct segment_file *file)
{
    return file->last_seq < file->header.base_seq;
}

/* Empty ones go whatever stands before them: without events there is no hole. The newest stays in
 * any case: its header says where the seqs go on. */
static void free_held(struct journal_pool *pool)
{
    struct segment_queue rest = {0};
    struct segment_file *file;
    bool older_kept = false;

    while ((file = segment_queue_pop(&pool->held)) != NULL) {
        bool newest = pool->held.head == NULL;
        bool done = !pool->keep && !older_kept && file->last_seq <= pool->recycled_seq;
        if (!newest && !file->pinned && (done || is_empty(file))) {
            segment_queue_push(&pool->freed, file);
        } else {
            older_kept = true;
            segment_queue_push(&rest, file);
        }
    }
    pool->held = rest;
}

void pool_finish(struct journal_pool *pool, uint64_t last_seq)
{
    pthread_mutex_lock(&pool->mutex);
    assert(pool->held.tail != NULL && pool->held.tail->last_seq == UINT64_MAX);
    pool->held.tail->last_seq = last_seq;
    pthread_mutex_unlock(&pool->mutex);
}

void pool_recycle(struct journal_pool *pool, uint64_t upto_seq)
{
    pthread_mutex_lock(&pool->mutex);
    if (upto_seq > pool->recycled_seq) {
        pool->recycled_seq = upto_seq;
    }
    free_held(pool);
    pthread_cond_signal(&pool->work);
    pthread_cond_signal(&pool->ready);
    pthread_mutex_unlock(&pool->mutex);
}

uint64_t pool_first_seq(struct journal_pool *pool)
{
    uint64_t first_seq;

    pthread_mutex_lock(&pool->mutex);
    first_seq = pool->held.head != NULL ? pool->held.head->header.base_seq : 0;
    pthread_mutex_unlock(&pool->mutex);
    return first_seq;
}

uint32_t pool_count(struct journal_pool *pool)
{
    uint32_t count;

    pthread_mutex_lock(&pool->mutex);
    count = pool->held.count + pool->freed.count + pool->blank.count;
    pthread_mutex_unlock(&pool->mutex);
    return count;
}
