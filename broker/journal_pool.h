/* journal_pool.h - which file holds what: in use, free, or blank. */
#ifndef MEMFERRY_JOURNAL_POOL_H
#define MEMFERRY_JOURNAL_POOL_H

#include "broker/journal_disk.h"
#include "broker/segment.h"

#include <pthread.h>

#define JOURNAL_SEGMENT_BYTES     (16u << 20)
#define JOURNAL_SPARES            2u
#define JOURNAL_SPARES_SURPLUS    4u /* free segments kept beyond the spares; more are removed */
#define JOURNAL_SEGMENT_BYTES_MAX (1u << 30)

struct segment_file {
    struct segment_file *next;
    char name[JOURNAL_NAME_MAX];
    uint64_t bytes;
    struct segment_header header; /* generation 0: blank */
    uint64_t last_seq;            /* base_seq - 1: empty; UINT64_MAX: being written */
    bool pinned;                  /* damaged and not saved aside: never reused in this run */
};

struct segment_queue {
    struct segment_file *head, *tail;
    unsigned count;
};

struct journal_pool {
    pthread_mutex_t mutex;
    pthread_cond_t work;        /* for the helper */
    pthread_cond_t ready;       /* for the writer: a segment is there, or an attempt has failed */
    struct segment_queue held;  /* in the order of their events; the last may be being written */
    struct segment_queue freed; /* hold nothing that is needed, oldest first */
    struct segment_queue blank; /* zeroed, never used */
    uint64_t segment_bytes;
    unsigned spares;
    bool keep;
    uint64_t recycled_seq;
    uint64_t next_name;
    uint64_t wanted, answered; /* attempts to make a spare: asked for, done */
    int failure;               /* of the last attempt: negative errno */
    bool stop;
};

void segment_queue_push(struct segment_queue *queue, struct segment_file *file);
struct segment_file *segment_queue_pop(struct segment_queue *queue);
void segment_queue_clear(struct segment_queue *queue);

void pool_init(struct journal_pool *pool, const struct journal_options *options);
void pool_deinit(struct journal_pool *pool);
/* A freed or blank segment of the right size; waits for the helper to make one. JOURNAL_E_FULL, or
 * a negative errno when none can be made. The caller owns it. */
int pool_take(struct journal_pool *pool, struct segment_file **ret_file);
/* Puts what pool_take gave to the end of the held ones, as being written. Consumes it. */
void pool_hold(struct journal_pool *pool, struct segment_file *file);
/* The last one held is not written any more. */
void pool_finish(struct journal_pool *pool, uint64_t last_seq);
void pool_recycle(struct journal_pool *pool, uint64_t upto_seq);
uint64_t pool_first_seq(struct journal_pool *pool); /* 0: nothing is held */
uint32_t pool_count(struct journal_pool *pool);

#endif
