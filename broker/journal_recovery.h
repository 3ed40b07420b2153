/* journal_recovery.h - the steps of recovery: find the segments, walk their events, save damage. */
#ifndef MEMFERRY_JOURNAL_RECOVERY_H
#define MEMFERRY_JOURNAL_RECOVERY_H

#include "broker/journal_pool.h"

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

/* -EIO, with what to do in err. */
int journal_refuse_unreadable(const char *dir, const char *name, struct error *err);
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
    uint64_t after_seq;      /* events up to this one are not visited, and segments that hold no
                                others are not read */
    journal_visit_fn *visit; /* NULL: none is */
    void *visit_arg;
    void (*damaged)(struct journal_walk *, const struct journal_damage *); /* or NULL */
    /* found on the way */
    uint64_t next_seq;
    int64_t stamp_us;
    uint64_t torn_bytes;
    bool unreadable; /* where events may be that nothing else tells of */
    uint8_t *bytes;  /* of one segment */
    size_t capacity;
};

/* Is the file passed over: all its events are at or below after_seq, and the next header says so?
 */
bool journal_walk_passes(const struct segment_file *file, uint64_t after_seq);
/* Sets last_seq of each file. -EIO: the disk cannot read where the newest events may be, or what
 * could be read a moment ago: going on would cut them off. A non-zero answer of visit ends it.
 * Frees what it allocates. */
int journal_walk_run(struct journal_walk *walk, const struct segment_queue *held, const char *dir,
                     struct error *err);

/* ---- journal_aside.c ---- */

/* Saves the bytes of a damaged piece under a name made of its seqs. *ret_new false: it was there
 * already. */
int journal_aside_save(int dir_fd, const struct journal_damage *damage, char name[JOURNAL_NAME_MAX],
                       uint64_t *ret_readable, bool *ret_new);

#endif
