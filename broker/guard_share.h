/*
 * guard_share.h - more than a share of the memories that lived a window ago, changed or deleted
 * since.
 *
 * Counted are different memories: one that is changed twice counts once, one that was made within
 * the window not at all. For that each change says when its memory was changed before: a change
 * counts from then on by what lies a window behind, so no memory needs to be remembered.
 *
 * Happy path: each change is added with its time; the one that makes it more than the share, of at
 * least so many memories, raises an alert, which counts on until a window has passed.
 *
 * Exact to the millisecond as long as there are at most GUARD_MOMENTS_MAX different milliseconds
 * with changes in the window, as 60 s always have; with more, neighbours are put together. A clock
 * that goes back is treated as in guard_rate.h.
 *
 * Bounded: GUARD_MOMENTS_MAX moments (3 MiB), taken when there is a change.
 */
#ifndef MEMFERRY_GUARD_SHARE_H
#define MEMFERRY_GUARD_SHARE_H

#include "broker/guard_alarm.h"

#define GUARD_MOMENTS_MAX 65536u

struct guard_change {
    int64_t at_ms;
    uint64_t seq;
    struct event_text session;
    bool was_live, is_live;
    bool counts;       /* what lived became another */
    int64_t before_ms; /* when it was changed before; with `counts` */
};

/* What one millisecond brought. */
struct guard_moment {
    int64_t at_ms;
    int32_t born;     /* made, less deleted */
    uint32_t leave;   /* changes that count no longer when it is left behind */
    uint32_t enter;   /* changes that count from then on */
    uint64_t seq;     /* of its first change that counts; 0: none */
    uint64_t session; /* hash of whose they are; 0: nobody's */
    bool mixed;       /* several sessions' */
};

struct guard_share {
    unsigned percent, least;
    int64_t window_ms; /* 0: the rule is off */
    struct guard_listener *listener;
    int64_t now_ms;
    struct guard_moment *moments; /* a ring, by time */
    size_t first, count;
    uint64_t live;    /* now */
    int64_t born;     /* within the window */
    uint64_t changed; /* different memories that lived a window ago */
    struct guard_alarm alarm;
    char session[64]; /* of the alarm */
    size_t session_size;
};

/* live: how many memories there are. The listener is borrowed. 0 or -ENOMEM. */
int guard_share_init(struct guard_share *share, unsigned percent, unsigned least, int64_t window_ms,
                     uint64_t live, struct guard_listener *listener);
void guard_share_deinit(struct guard_share *share);

/* Changes come by rising seq; also those that only make memories. */
void guard_share_add(struct guard_share *share, const struct guard_change *change);
void guard_share_pass(struct guard_share *share, int64_t now_ms);
/* After a start, before its first change comes again. */
void guard_share_resume(struct guard_share *share, const struct guard_known *known);

#endif
