/*
 * journal_internal.h - what the files of the journal share; nobody else includes it but its tests.
 *
 * Who owns what: the writer thread its `struct journal_writer`; the pool's mutex the lists of
 * files; the queue's mutex what is queued and the statistics. No two mutexes are held at once.
 */
#ifndef MEMFERRY_JOURNAL_INTERNAL_H
#define MEMFERRY_JOURNAL_INTERNAL_H

#include "broker/journal.h"
#include "broker/journal_pool.h"
#include "broker/journal_recovery.h"
#include "broker/util/progress.h"

#include <pthread.h>

#define JOURNAL_GROUP_BYTES (4u << 20) /* of one write, unless one record is longer */
#define JOURNAL_GATHER_US   40u

/* ---- journal_lock.c ---- */

int journal_dir_open(const char *dir, int *ret_fd, struct error *err);
/* Takes the lock for life; it goes with the descriptor. JOURNAL_E_LOCKED names its owner. */
int journal_lock_take(int dir_fd, const char *dir, int *ret_fd, struct error *err);
/* For a reader that changes nothing. *ret_fd is -1 when there is no lock file. */
int journal_lock_share(int dir_fd, const char *dir, int *ret_fd, struct error *err);

/* ---- the journal itself ---- */

struct journal_queue {
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    struct journal_list records;
    size_t wake_at; /* as many records wake the writer */
    unsigned peers;
    int64_t observed_stamp_us;
    bool stop;
    struct journal_stats stats;
    struct progress progress; /* of the writer */
};

/* Of the writer thread, and of journal_open and journal_start before it runs. */
struct journal_writer {
    struct segment_header active; /* generation 0: there is no segment to write to */
    char active_name[JOURNAL_NAME_MAX];
    int fd; /* of the active segment, or -1 */
    uint64_t offset, number;
    uint64_t generation; /* the highest ever used */
    uint64_t next_seq;
    int64_t stamp_us; /* the last one given */
    struct segment_group group;
    size_t group_capacity;
    int gather_credit;
    unsigned gather_skipped;
    bool failed, full;
};

struct journal {
    char *dir;
    int dir_fd, lock_fd;
    struct log *log;
    const struct journal_disk *disk;
    uint8_t origin[SEGMENT_ORIGIN_BYTES];
    char origin_text[JOURNAL_ORIGIN_TEXT];
    unsigned gather_us;
    struct journal_pool pool;
    struct journal_queue queue;
    struct journal_writer writer;
    struct journal_recovery found;
    struct journal_observer *observer;
    pthread_t writer_thread, spare_thread;
    bool writer_runs, spare_runs;
};

/* journal_find and journal_open with another disk. `disk` is borrowed until journal_close. */
int journal_find_on(struct journal **ret, const struct journal_options *options, struct log *log,
                    const struct journal_disk *disk, struct error *err);
int journal_open_on(struct journal **ret, const struct journal_options *options, struct log *log,
                    const struct journal_disk *disk, struct journal_recovery *ret_found,
                    struct error *err);

/* ---- journal_writer.c ---- */

int writer_init(struct journal *journal);
void writer_deinit(struct journal *journal);
/* Goes on in a segment of a new generation. JOURNAL_E_FULL: there is none, nothing changed. */
int writer_begin_segment(struct journal *journal, struct segment_file *file);
int writer_next_segment(struct journal *journal);
void *writer_main(void *arg);

/* ---- journal_spare.c ---- */

void *spare_main(void *arg);
/* Makes one blank segment in the calling thread. */
int spare_make(struct journal *journal, struct segment_file **ret_file);

/* ---- journal_recover.c ---- */

/* Fills origin and pool; a new journal is made. base: see journal_options. */
int journal_recover_files(struct journal *journal, const struct journal_base *base,
                          struct error *err);
/* Fills found and where the writer goes on. */
int journal_recover_events(struct journal *journal, uint64_t stored_seq, struct error *err);

#endif
