/*
 * journal_rig.h - a journal in a directory of its own, for tests: it remembers what was
 * acknowledged and can compare that with what is on disk.
 */
#ifndef MEMFERRY_TESTS_JOURNAL_RIG_H
#define MEMFERRY_TESTS_JOURNAL_RIG_H

#include "broker/journal_internal.h"

#include <pthread.h>

#define RIG_EVENTS_MAX 20000

struct rig_event {
    uint64_t seq;
    int64_t stamp_us, at_ms;
    size_t size;
    uint8_t *payload;
};

struct rig {
    char dir[64];
    struct log log;
    struct journal_options options;
    const struct journal_disk *disk;
    struct journal *journal;
    struct journal_recovery found;
    struct error err;
    struct journal_observer observer;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    size_t returned, in_flight; /* records */
    int last_status;
    struct rig_event acked[RIG_EVENTS_MAX]; /* in the order of the acknowledgements */
    size_t acked_count;
};

struct rig *rig_new(void); /* segments of 64 KiB, one spare */
void rig_free(struct rig *rig);

int rig_open(struct rig *rig);
void rig_start(struct rig *rig); /* opens and starts; both must work */
void rig_close(struct rig *rig);

/* Appends one record of `size` bytes made of `number` and waits; returns its status. */
int rig_put(struct rig *rig, unsigned number, size_t size);
/* Appends without waiting: count records in one list. */
void rig_send(struct rig *rig, unsigned number, size_t size, unsigned count, unsigned peers);
void rig_wait(struct rig *rig); /* until nothing is in flight */

/* Opens the journal and replays it: it must hold the acknowledged events with seq in
 * [from, upto], and no other, as they were. Leaves it open. */
void rig_expect(struct rig *rig, uint64_t from, uint64_t upto);
/* Forgets acknowledged events above seq: a test has destroyed them. */
void rig_forget_above(struct rig *rig, uint64_t seq);

/* The path of the segment with the n-th lowest generation, 0 the first. */
void rig_segment_path(struct rig *rig, unsigned n, char *path, size_t size);
unsigned rig_segment_count(struct rig *rig); /* that have a generation */
uint8_t *rig_read_segment(struct rig *rig, unsigned n, size_t *ret_size);
void rig_write_segment(struct rig *rig, unsigned n, const uint8_t *bytes, size_t size);
/* Where the k-th group of a segment lies. */
struct segment_span rig_group(const uint8_t *bytes, size_t size, unsigned k);
unsigned rig_group_count(const uint8_t *bytes, size_t size);

#endif
