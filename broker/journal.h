/*
 * journal.h - the append-only log of events that a receipt stands on.
 *
 * Happy path: journal_find finds what is on disk and journal_recover reads of it what the store may
 * lack (journal_open does both, for all of it); journal_replay hands the events that the store
 * lacks to the caller; journal_start begins a segment of a new generation and starts the writer
 * thread. From then on journal_append queues records; the writer takes all that is queued, writes
 * one group, calls fdatasync once, and hands the records back through the observer.
 *
 * Failure modes: a full disk is told by status JOURNAL_E_FULL on each record (nothing of them is on
 * disk) and ends when there is room. A failed write or fsync is final: this and every later record
 * comes back with JOURNAL_E_FAILED. Damage found by recovery is set aside, never a reason not to
 * start.
 *
 * Nobody outside segment.c and journal.c knows the format.
 */
#ifndef MEMFERRY_JOURNAL_H
#define MEMFERRY_JOURNAL_H

#include "broker/util/error.h"
#include "broker/util/log.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JOURNAL_ORIGIN_TEXT 37 /* a UUID as text, with its NUL */

enum journal_outcome {
    JOURNAL_E_FULL = 1,  /* no room on the disk: nothing was written */
    JOURNAL_E_FAILED,    /* a write or fsync failed, or the journal stopped: final */
    JOURNAL_E_LOCKED,    /* another broker has this state directory */
    JOURNAL_E_TOO_LARGE, /* the payload is over JOURNAL_PAYLOAD_MAX */
    JOURNAL_E_GAP        /* the events that were asked for are not here any more */
};

#define JOURNAL_PAYLOAD_MAX (5u << 20)

/* One event on its way to disk. The caller owns it and embeds it in what is waiting for it; it
 * belongs to the journal from journal_append until it comes back through the observer. */
struct journal_record {
    struct journal_record *next;
    const uint8_t *payload; /* unchanged until the record has come back */
    size_t payload_size;
    /* set by the writer */
    uint64_t seq;     /* 1, 2, 3 …: no gap, never back */
    int64_t at_ms;    /* wall clock as it was */
    int64_t stamp_us; /* hybrid logical clock: never behind the wall clock, never back */
    int status;       /* 0: durable; JOURNAL_E_FULL, _FAILED, _TOO_LARGE (seq is 0 then) */
};

/* A queue of records in order. All zero is empty. */
struct journal_list {
    struct journal_record *head, *tail;
    size_t count;
    size_t bytes; /* of payload */
};

void journal_list_push(struct journal_list *list, struct journal_record *record);
struct journal_record *journal_list_pop(struct journal_list *list);             /* NULL: empty */
void journal_list_append(struct journal_list *list, struct journal_list *more); /* empties more */

/* Embedded by who wants to hear; called from the writer thread. */
struct journal_observer {
    /* The records of one group, in order, each exactly once, all with the same status. `done` is
     * the callee's to take apart. Must not block. */
    void (*committed)(struct journal_observer *, struct journal_list *done);
};

/* What a new journal goes on from, when it is not the first of its events. */
struct journal_base {
    const char *origin; /* a UUID as text */
    uint64_t seq;       /* of the last event that is elsewhere */
    int64_t stamp_us;   /* of the clock */
};

struct journal_options {
    const char *dir;         /* made (0700) if missing */
    uint64_t segment_bytes;  /* 0: 16 MiB */
    unsigned gather_us;      /* 0: 40. How long a group may wait for peers that were just active */
    bool keep_segments;      /* never reuse: the journal then holds everything, for rebuild tests */
    unsigned spare_segments; /* 0: 2. Zeroed segments that the helper thread keeps ready */
    const struct journal_base *base; /* NULL: a new journal begins with event 1 and a new origin */
};

struct journal_stats {
    uint64_t committed_seq;
    uint64_t first_seq; /* the oldest event still held; committed_seq + 1 when none */
    uint64_t groups, records, payload_bytes;
    uint32_t segments;
};

/* What recovery found. */
struct journal_recovery {
    uint64_t first_seq, last_seq; /* last_seq 0: empty */
    uint64_t torn_bytes;          /* cut from the last group, as far as can be told */
    uint32_t damaged_groups;      /* pieces set aside by this start: damage is told of once, and
                                     later starts pass over it (journal_check tells it always) */
    char aside[256];              /* file of the first of them, in `dir`; "" without */
    bool fresh;                   /* there was no journal: one was made */
};

struct journal;

/* Locks the directory and reads the headers of its segments. JOURNAL_E_LOCKED names the other
 * process in err; JOURNAL_E_FULL: no room for the first segment of a new journal. A new journal's
 * origin is on disk when this returns. */
int journal_find(struct journal **ret, const struct journal_options *options, struct log *log,
                 struct error *err);
/* Reads the events, sets damage aside, decides where writing goes on. stored_seq is the last event
 * that the store of this journal holds, 0 without: older segments that end at or below it are not
 * read, however many there are, and damage in them is not told of: nothing is lost by it. */
int journal_recover(struct journal *journal, uint64_t stored_seq,
                    struct journal_recovery *ret_found, struct error *err);
/* Both, and everything is read. */
int journal_open(struct journal **ret, const struct journal_options *options, struct log *log,
                 struct journal_recovery *ret_found, struct error *err);

/* Stops the writer after it has committed what is queued, joins, unlocks, frees. NULL is fine. */
struct journal *journal_close(struct journal *journal);

/* UUID of this journal as text. */
const char *journal_origin(const struct journal *journal);

/* Calls visit for each event with seq > after_seq, in order, before journal_start only. A non-zero
 * answer of visit ends it and is returned. record->payload is borrowed for the call.
 *
 * after_seq is the last event that the store has. JOURNAL_E_GAP, before the first visit: events
 * behind it have been recycled, or the journal is a new one and the store is not. An older journal
 * that ends before after_seq (its last group was cut, after the store had it) goes on behind
 * after_seq. */
typedef int journal_visit_fn(void *arg, const struct journal_record *record);
int journal_replay(struct journal *journal, uint64_t after_seq, journal_visit_fn *visit, void *arg,
                   struct error *err);

/* Begins a new generation and starts the writer. `observer` is borrowed until journal_close. */
int journal_start(struct journal *journal, struct journal_observer *observer, struct error *err);

/* Queues records; any thread, never blocks. Consumes the list: each record comes back through the
 * observer. `peers` is how many different connections were active of late: the hint for gathering.
 */
void journal_append(struct journal *journal, struct journal_list *records, unsigned peers);

/* Makes the clock go on from stamp_us at least. Any thread. */
void journal_observe_stamp(struct journal *journal, int64_t stamp_us);

/* All events up to upto_seq are in a checkpointed store: segments that hold no others may be
 * reused. Any thread, never blocks. */
void journal_recycle(struct journal *journal, uint64_t upto_seq);

/* Any thread. */
void journal_stats(struct journal *journal, struct journal_stats *ret);

/* How long the writer has had something to write without an end of a group. Any thread. */
int64_t journal_stuck_ms(const struct journal *journal);

/* Reads the journal in `dir` without changing it, for --check-journal: fills ret_found and calls
 * visit for each good event. Refused (JOURNAL_E_LOCKED) while a broker runs on it. */
int journal_check(const char *dir, journal_visit_fn *visit, void *arg,
                  struct journal_recovery *ret_found, struct error *err);

#endif
