/*
 * applier.h - the store thread: the only one that writes the database.
 *
 * Happy path: committed events come in by applier_apply, in journal order, and lane work by
 * applier_submit; the thread takes all that is queued, once somebody waits for it or for a moment
 * no more has come, applies it in one transaction, and hands the
 * changes back through the observer. Between transactions it checkpoints and tells the journal what
 * may be recycled.
 *
 * Failure modes: a full disk keeps the queue and tries again (observer->full tells when it begins
 * and ends); an event that fails alone three times is set aside with an error in the log, and its
 * change comes back with status -EBADMSG; anything else is final (observer->failed), and what is
 * queued comes back with status -EIO.
 */
#ifndef MEMFERRY_APPLIER_H
#define MEMFERRY_APPLIER_H

#include "broker/journal.h"
#include "broker/store.h"

/* An event on its way through journal and store. Embeds the journal's part; is embedded by what
 * waits for it. */
#define CHANGE_ALERTS_MAX 2

/* An alert that a watch counts the change in, by numbers of its own. */
struct change_alert {
    uint64_t first_seq; /* 0: none */
    uint32_t mark;
};

struct change {
    struct journal_record record;
    int apply_status;           /* 0, or a negative errno when it was not applied */
    struct apply_result result; /* valid with apply_status 0 */
    struct change_alert alerts[CHANGE_ALERTS_MAX];
};

/* Work other than events. `run` is called in the store thread within a transaction; when it returns
 * non-zero its own effects are rolled back alone (a savepoint), never its neighbours'; `done` is
 * called once after the commit, in the store thread, with what run returned (or why the commit
 * failed), and frees the work. `run` is called again when the transaction had to be begun anew (a
 * full disk, an event that was set aside): it changes nothing but the store. */
struct applier_work {
    struct applier_work *next;
    /* the applier's own */
    uint64_t position; /* records that were queued before it */
    int status;
    struct error error;
    int (*run)(struct applier_work *, struct store *, struct error *err);
    void (*done)(struct applier_work *, int status, const struct error *err);
};

/* Called from the store thread; must not block. */
struct applier_observer {
    /* Changes that were applied and committed (or set aside), in order; the callee's to take apart.
     */
    void (*applied)(struct applier_observer *, struct journal_list *done, uint64_t applied_seq);
    void (*full)(struct applier_observer *, bool is_full);
    void (*failed)(struct applier_observer *, const struct error *err);
};

/* Looks at what was committed, in the store thread, before the observer hears of it. No receipt of
 * a plain put waits for it: those were given after the journal's sync. */
struct applier_watch {
    /* `changes` are borrowed; alerts[] may be filled. A batch's, in order. */
    void (*committed)(struct applier_watch *, struct store *, const struct journal_list *changes);
};

struct applier_options {
    struct applier_watch *watch; /* NULL: none; borrowed */
    unsigned retry_full_ms;      /* 0: 1000. How soon a full disk is tried again */
    uint64_t checkpoint_bytes;   /* 0: 32 MiB of WAL */
};

struct applier;

/* Takes over the store (consumed: closed by applier_stop). The journal and observer are borrowed.
 */
int applier_start(struct applier **ret, struct store *store, struct journal *journal,
                  struct applier_observer *observer, const struct applier_options *options,
                  struct log *log, struct error *err);
/* The broker is about to stop: room and locks are waited for no longer. When one is missing, what
 * is queued and what still comes is given back with -EIO; it stays in the journal. Any thread. */
void applier_hurry(struct applier *applier);
/* Applies what is queued (as after applier_hurry), checkpoints, joins, closes the store, frees.
 * NULL is fine. */
struct applier *applier_stop(struct applier *applier);

/* Any thread; consumes the list (records embedded in struct change). */
void applier_apply(struct applier *applier, struct journal_list *records);
/* Somebody waits for what has come so far: it is applied at once. Any thread. */
void applier_want(struct applier *applier);
/* Any thread; consumes the work, which is waited for. */
void applier_submit(struct applier *applier, struct applier_work *work);
/* How long there has been something to do without the end of an attempt; a full disk is tried again
 * and again, and is none. Any thread. */
int64_t applier_stuck_ms(const struct applier *applier);

#endif
