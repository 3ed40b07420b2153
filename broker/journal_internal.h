/*
 * journal_internal.h - what the files of the journal share; nobody else includes it but its tests.
 *
 * Who owns what: the writer thread its `struct journal_writer`; the pool's mutex the lists of
 * files; the queue's mutex what is queued and the statistics. No two mutexes are held at once.
 */
#ifndef MEMFERRY_JOURNAL_INTERNAL_H
#define MEMFERRY_JOURNAL_INTERNAL_H

#include "broker/journal.h"
#include "broker/segment.h"

#include <pthread.h>
#include <sys/types.h>

#define JOURNAL_SEGMENT_BYTES     (16u << 20)
#define JOURNAL_SEGMENT_BYTES_MAX (1u << 30)
#define JOURNAL_GROUP_BYTES       (4u << 20) /* of one write, unless one record is longer */
#define JOURNAL_GATHER_US         40u
#define JOURNAL_SPARES            2u
#define JOURNAL_SPARES_SURPLUS    4u /* free segments kept beyond the spares; more are removed */
#define JOURNAL_NAME_MAX          64

/* ---- journal_disk.c: the calls that change the disk, replaceable by tests ---- */

/* Each answers with a negative errno when it fails. Embedded by a test's own state. */
struct journal_disk {
    int (*open)(const struct journal_disk *, int dir_fd, const char *name, int flags);
    ssize_t (*pwrite)(const struct journal_disk *, int fd, const void *bytes, size_t size,
                      off_t offset);
    int (*fdatasync)(const struct journal_disk *, int fd);
    int (*reserve)(const struct journal_disk *, int fd, off_t size);
};

extern const struct journal_disk journal_disk_real;

/* Opens past the page cache where the file system can, so that what is read is what the disk holds;
 * else as usual. `bytes` of the calls below are aligned to SEGMENT_BLOCK. */
int disk_open(const struct journal_disk *disk, int dir_fd, const char *name, int flags,
              int *ret_fd);
int disk_write(const struct journal_disk *disk, int fd, const uint8_t *bytes, size_t size,
               off_t offset);
/* Reads up to size bytes, in whole blocks, from the beginning; `bytes` is from disk_alloc. Blocks
 * that cannot be read become zeros. */
int disk_read(int fd, uint8_t *bytes, size_t size, size_t *ret_size);
int disk_sync_dir(int dir_fd);
/* Makes a zeroed segment under `name`, durable. */
int disk_make_blank(const struct journal_disk *disk, int dir_fd, const char *name, uint64_t bytes);
uint8_t *disk_alloc(size_t bytes); /* NULL: no memory */

/* ---- journal_lock.c ---- */

int journal_dir_open(const char *dir, int *ret_fd, struct error *err);
/* Takes the lock for life; it goes with the descriptor. JOURNAL_E_LOCKED names its owner. */
int journal_lock_take(int dir_fd, const char *dir, int *ret_fd, struct error *err);
/* For a reader that changes nothing. *ret_fd is -1 when there is no lock file. */
int journal_lock_share(int dir_fd, const char *dir, int *ret_fd, struct error *err);

/* ---- journal_pool.c: which file holds what ---- */

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

/* journal_open with another disk. `disk` is borrowed until journal_close. */
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

/* ---- journal_files.c: what lies in the directory ---- */

struct journal_files {
    struct segment_queue held;  /* by generation; those with events that count */
    struct segment_queue freed; /* by generation */
    struct segment_queue blank;
    uint8_t origin[SEGMENT_ORIGIN_BYTES];
    bool fresh;          /* there is no journal yet */
    uint64_t generation; /* the highest seen */
    uint64_t next_name;  /* for a new file */
    int64_t stamp_us;    /* the highest in a header */
};

/* log NULL: changes nothing (half-made files and unreadable ones are left where they are). */
int journal_files_list(struct journal_files *ret_files, int dir_fd, const char *dir,
                       struct log *log, struct error *err);

/* ---- journal_walk.c: the events of all segments in order ---- */

/* A piece that should hold events first_seq … next_seq - 1 and doesn't. */
struct journal_damage {
    struct segment_file *file;
    const struct segment_scan *scan;
    struct segment_span span; /* the bytes they should be in */
};

struct journal_walk {
    int dir_fd;
    uint64_t after_seq;      /* events up to this one are not visited */
    journal_visit_fn *visit; /* NULL: none is */
    void *visit_arg;
    void (*damaged)(struct journal_walk *, const struct journal_damage *); /* or NULL */
    /* found on the way */
    uint64_t next_seq;
    int64_t stamp_us;
    uint64_t torn_bytes;
    uint8_t *bytes; /* of one segment */
    size_t capacity;
};

/* Sets last_seq of each file. A non-zero answer of visit ends it. Frees what it allocates. */
int journal_walk_run(struct journal_walk *walk, const struct segment_queue *held, const char *dir,
                     struct error *err);

/* ---- journal_recover.c ---- */

/* Fills origin, pool, found and where the writer goes on. */
int journal_recover(struct journal *journal, struct error *err);

/* ---- journal_aside.c ---- */

/* Saves the bytes of a damaged piece under a name made of its seqs. *ret_new false: it was there
 * already. */
int journal_aside_save(int dir_fd, const struct journal_damage *damage, char name[JOURNAL_NAME_MAX],
                       uint64_t *ret_readable, bool *ret_new);

#endif
