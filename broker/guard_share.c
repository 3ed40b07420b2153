/* guard_share.c - see guard_share.h. */
#include "broker/guard_share.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

int guard_share_init(struct guard_share *share, unsigned percent, unsigned least, int64_t window_ms,
                     uint64_t live, struct guard_listener *listener)
{
    *share = (struct guard_share){.percent = percent,
                                  .least = least,
                                  .window_ms = window_ms,
                                  .live = live,
                                  .listener = listener,
                                  .now_ms = INT64_MIN};
    if (window_ms == 0) {
        return 0;
    }
    share->moments = calloc(GUARD_MOMENTS_MAX, sizeof *share->moments);
    return share->moments == NULL ? -ENOMEM : 0;
}

void guard_share_deinit(struct guard_share *share)
{
    free(share->moments);
    *share = (struct guard_share){0};
}

/* ---- the window ---- */

static struct guard_moment *moment_at(const struct guard_share *share, size_t i)
{
    return &share->moments[(share->first + i) % GUARD_MOMENTS_MAX];
}

static void leave_first(struct guard_share *share)
{
    struct guard_moment *moment = moment_at(share, 0);

    share->changed += moment->enter;
    share->changed -= moment->leave;
    share->born -= moment->born;
    share->first = (share->first + 1) % GUARD_MOMENTS_MAX;
    share->count--;
}

/* What the alert has counted is over: it counts in no other. */
static void forget_changes(struct guard_share *share)
{
    for (size_t i = 0; i < share->count; i++) {
        struct guard_moment *moment = moment_at(share, i);
        moment->leave = moment->enter = 0;
        moment->seq = 0;
    }
    share->changed = 0;
}

static void end_alarm(struct guard_share *share)
{
    const struct event_text session = {share->session, share->session_size};

    if (guard_alarm_pass(&share->alarm, session, share->now_ms, share->listener)) {
        forget_changes(share);
    }
}

static void leave_behind(struct guard_share *share)
{
    while (share->count > 0 && moment_at(share, 0)->at_ms <= share->now_ms - share->window_ms) {
        leave_first(share);
    }
    end_alarm(share);
}

void guard_share_pass(struct guard_share *share, int64_t now_ms)
{
    if (share->window_ms == 0) {
        return;
    }
    if (share->now_ms != INT64_MIN && now_ms < share->now_ms - share->window_ms) {
        share->now_ms = INT64_MAX; /* everything is over */
        leave_behind(share);
        share->now_ms = now_ms;
    } else if (now_ms > share->now_ms) {
        share->now_ms = now_ms;
        leave_behind(share);
    }
}

/* ---- moments ---- */

static void join(struct guard_moment *to, const struct guard_moment *from)
{
    bool mixed = to->mixed || from->mixed ||
                 (to->seq != 0 && from->seq != 0 && to->session != from->session);

    to->at_ms = from->at_ms; /* the later: nothing is left behind too early */
    to->born += from->born;
    to->leave += from->leave;
    to->enter += from->enter;
    to->session = to->seq != 0 ? to->session : from->session;
    to->seq = to->seq != 0 ? to->seq : from->seq;
    to->mixed = mixed;
}

/* Two and two become one. */
static void halve(struct guard_share *share)
{
    size_t kept = 0;

    for (size_t i = 0; i < share->count; i += 2) {
        struct guard_moment moment = *moment_at(share, i);
        if (i + 1 < share->count) {
            join(&moment, moment_at(share, i + 1));
        }
        *moment_at(share, kept++) = moment;
    }
    share->count = kept;
}

static struct guard_moment *moment_now(struct guard_share *share)
{
    if (share->count > 0 && moment_at(share, share->count - 1)->at_ms == share->now_ms) {
        return moment_at(share, share->count - 1);
    }
    if (share->count == GUARD_MOMENTS_MAX) {
        halve(share);
    }
    struct guard_moment *moment = moment_at(share, share->count++);
    *moment = (struct guard_moment){.at_ms = share->now_ms};
    return moment;
}

/* The moment that holds a time of the window: the first that is not before it. */
static struct guard_moment *moment_of(struct guard_share *share, int64_t at_ms)
{
    size_t low = 0, high = share->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (moment_at(share, middle)->at_ms < at_ms) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < share->count ? moment_at(share, low) : NULL;
}

/* ---- counting ---- */

static uint64_t hash_of(struct event_text session)
{
    return session.size == 0 ? 0 : XXH3_64bits(session.data, session.size) | 1;
}

/* True: there is one memory more. */
static bool count_change(struct guard_share *share, struct guard_moment *now,
                         const struct guard_change *change)
{
    bool is_first = change->before_ms <= share->now_ms - share->window_ms;
    struct guard_moment *before = is_first ? NULL : moment_of(share, change->before_ms);

    if (!is_first && (before == NULL || before == now)) {
        return false; /* the change before it stands for both */
    }
    if (now->seq == 0) {
        now->seq = change->seq;
        now->session = hash_of(change->session);
    } else if (now->session != hash_of(change->session)) {
        now->mixed = true;
    }
    now->leave++;
    if (is_first) {
        share->changed++;
    } else {
        before->enter++;
    }
    return is_first;
}

/* More than the share; of 100 %, all. */
static bool is_over(const struct guard_share *share)
{
    int64_t then = (int64_t)share->live - share->born;
    uint64_t all = (uint64_t)then, part = share->changed;

    return then >= (int64_t)share->least &&
           (part * 100 > all * share->percent || (share->percent == 100 && part == all));
}

/* The session that all changes in the window are of. */
static void find_session(struct guard_share *share, const struct guard_change *change)
{
    uint64_t hash = hash_of(change->session);
    bool all = hash != 0 && change->session.size <= sizeof share->session;

    for (size_t i = 0; i < share->count && all; i++) {
        const struct guard_moment *moment = moment_at(share, i);
        all = moment->seq == 0 || (!moment->mixed && moment->session == hash);
    }
    share->session_size = all ? change->session.size : 0;
    if (all) {
        memcpy(share->session, change->session.data, change->session.size);
    }
}

static void raise(struct guard_share *share, const struct guard_change *change)
{
    struct guard_alarm *alarm = &share->alarm;

    *alarm = (struct guard_alarm){.active = true,
                                  .at_ms = share->now_ms,
                                  .last_ms = share->now_ms,
                                  .until_ms = share->now_ms + share->window_ms,
                                  .last_seq = change->seq,
                                  .count = share->changed};
    for (size_t i = share->count; i-- > 0;) {
        uint64_t seq = moment_at(share, i)->seq;
        alarm->first_seq = seq != 0 ? seq : alarm->first_seq;
    }
    find_session(share, change);
    guard_alarm_tell_new(alarm, (struct event_text){share->session, share->session_size},
                         share->listener);
}

static void count_in(struct guard_share *share, const struct guard_change *change)
{
    struct guard_alarm *alarm = &share->alarm;

    if (share->session_size > 0 &&
        (share->session_size != change->session.size ||
         memcmp(share->session, change->session.data, share->session_size) != 0)) {
        share->session_size = 0; /* no longer one session's */
    }
    guard_alarm_count(alarm, share->now_ms, change->seq);
    guard_alarm_tell_more(alarm, (struct event_text){share->session, share->session_size},
                          share->listener);
}

void guard_share_add(struct guard_share *share, const struct guard_change *change)
{
    int32_t born = (int32_t)change->is_live - (int32_t)change->was_live;

    share->live = (uint64_t)((int64_t)share->live + born);
    if (share->window_ms == 0) {
        return;
    }
    guard_share_pass(share, change->at_ms);
    struct guard_moment *now = moment_now(share);
    now->born += born;
    share->born += born;
    if (!change->counts || !count_change(share, now, change)) {
        return;
    }
    if (share->alarm.active) {
        count_in(share, change);
    } else if (is_over(share)) {
        raise(share, change);
    }
}

void guard_share_resume(struct guard_share *share, const struct guard_known *known)
{
    if (share->window_ms == 0) {
        return;
    }
    guard_alarm_resume(&share->alarm, known, share->window_ms);
    share->session_size = known->session_size;
    memcpy(share->session, known->session, known->session_size);
}
