/* guard_rate.c - see guard_rate.h. */
#include "broker/guard_rate.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct event_text nobody;

int guard_rate_init(struct guard_rate *rate, uint32_t limit, int64_t window_ms,
                    struct guard_listener *listener)
{
    *rate = (struct guard_rate){
        .limit = limit, .window_ms = window_ms, .listener = listener, .now_ms = INT64_MIN};
    if (window_ms == 0) {
        return 0;
    }
    assert(limit <= GUARD_LIMIT_MAX);
    rate->marks = calloc((size_t)limit + 1, sizeof *rate->marks);
    rate->sessions = calloc(GUARD_SESSIONS_MAX, sizeof *rate->sessions);
    if (rate->marks == NULL || rate->sessions == NULL) {
        guard_rate_deinit(rate);
        return -ENOMEM;
    }
    return 0;
}

void guard_rate_deinit(struct guard_rate *rate)
{
    free(rate->marks);
    free(rate->sessions);
    *rate = (struct guard_rate){0};
}

/* ---- sessions ---- */

static struct event_text name_of(const struct guard_session *session)
{
    return (struct event_text){.data = session->id, .size = session->size};
}

static struct guard_session *find_session(struct guard_rate *rate, struct event_text id)
{
    struct guard_session *free_one = NULL;

    if (id.size == 0 || id.size > GUARD_SESSION_SIZE) {
        return NULL;
    }
    for (size_t i = 0; i < GUARD_SESSIONS_MAX; i++) {
        struct guard_session *session = &rate->sessions[i];
        if (session->size == id.size && memcmp(session->id, id.data, id.size) == 0) {
            return session;
        }
        if (session->count == 0 && !session->alarm.active && free_one == NULL) {
            free_one = session;
        }
    }
    if (free_one != NULL) {
        *free_one = (struct guard_session){.size = id.size};
        memcpy(free_one->id, id.data, id.size);
    }
    return free_one;
}

/* ---- the window ---- */

static struct guard_mark *mark_at(const struct guard_rate *rate, size_t i)
{
    return &rate->marks[(rate->first + i) % ((size_t)rate->limit + 1)];
}

static void drop_first(struct guard_rate *rate)
{
    struct guard_mark *mark = mark_at(rate, 0);

    if (mark->session != NULL) {
        mark->session->count--;
    }
    rate->first = (rate->first + 1) % ((size_t)rate->limit + 1);
    rate->count--;
}

static void leave_behind(struct guard_rate *rate)
{
    while (rate->count > 0 && mark_at(rate, 0)->at_ms <= rate->now_ms - rate->window_ms) {
        drop_first(rate);
    }
    guard_alarm_pass(&rate->alarm, nobody, rate->now_ms, rate->listener);
    for (size_t i = 0; i < GUARD_SESSIONS_MAX; i++) {
        struct guard_session *session = &rate->sessions[i];
        guard_alarm_pass(&session->alarm, name_of(session), rate->now_ms, rate->listener);
    }
}

static void begin_anew(struct guard_rate *rate, int64_t now_ms)
{
    rate->now_ms = INT64_MAX; /* everything is over */
    leave_behind(rate);
    rate->now_ms = now_ms;
}

void guard_rate_pass(struct guard_rate *rate, int64_t now_ms)
{
    if (rate->window_ms == 0) {
        return;
    }
    if (rate->now_ms != INT64_MIN && now_ms < rate->now_ms - rate->window_ms) {
        begin_anew(rate, now_ms);
    } else if (now_ms > rate->now_ms) {
        rate->now_ms = now_ms;
        leave_behind(rate);
    }
}

bool guard_rate_is_active(const struct guard_rate *rate)
{
    bool active = rate->alarm.active;

    for (size_t i = 0; rate->window_ms != 0 && i < GUARD_SESSIONS_MAX && !active; i++) {
        active = rate->sessions[i].alarm.active;
    }
    return active;
}

/* ---- raising ---- */

/* Takes the marks of a session, or all, out of the window and into the alarm. */
static void take_marks(struct guard_rate *rate, const struct guard_session *session,
                       struct guard_alarm *alarm)
{
    size_t kept = 0;

    for (size_t i = 0; i < rate->count; i++) {
        struct guard_mark mark = *mark_at(rate, i);
        if (session != NULL && mark.session != session) {
            *mark_at(rate, kept++) = mark;
            continue;
        }
        if (alarm->count == 0) {
            alarm->first_seq = mark.seq;
        }
        guard_alarm_count(alarm, mark.at_ms, mark.seq);
        if (mark.session != NULL) {
            mark.session->count--;
        }
    }
    rate->count = kept;
}

static const struct guard_alarm *raise(struct guard_rate *rate, struct guard_session *session,
                                       int64_t at_ms)
{
    struct guard_alarm *alarm = session != NULL ? &session->alarm : &rate->alarm;

    *alarm =
        (struct guard_alarm){.active = true, .at_ms = at_ms, .until_ms = at_ms + rate->window_ms};
    take_marks(rate, session, alarm);
    guard_alarm_tell_new(alarm, session != NULL ? name_of(session) : nobody, rate->listener);
    return alarm;
}

static const struct guard_alarm *count_in(struct guard_rate *rate, struct guard_alarm *alarm,
                                          struct event_text session, uint64_t seq)
{
    guard_alarm_count(alarm, rate->now_ms, seq);
    guard_alarm_tell_more(alarm, session, rate->listener);
    return alarm;
}

const struct guard_alarm *guard_rate_add(struct guard_rate *rate, struct event_text id,
                                         int64_t at_ms, uint64_t seq)
{
    if (rate->window_ms == 0) {
        return NULL;
    }
    guard_rate_pass(rate, at_ms);
    struct guard_session *session = find_session(rate, id);
    if (session != NULL && session->alarm.active) {
        return count_in(rate, &session->alarm, name_of(session), seq);
    }
    if (rate->alarm.active) {
        return count_in(rate, &rate->alarm, nobody, seq);
    }
    *mark_at(rate, rate->count++) =
        (struct guard_mark){.at_ms = rate->now_ms, .seq = seq, .session = session};
    if (session != NULL && ++session->count > rate->limit) {
        return raise(rate, session, rate->now_ms);
    }
    return rate->count > rate->limit ? raise(rate, NULL, rate->now_ms) : NULL;
}

void guard_rate_resume(struct guard_rate *rate, const struct guard_known *known)
{
    if (rate->window_ms == 0) {
        return;
    }
    struct guard_session *session =
        find_session(rate, (struct event_text){known->session, known->session_size});
    if (session != NULL || known->session_size == 0) {
        guard_alarm_resume(session != NULL ? &session->alarm : &rate->alarm, known,
                           rate->window_ms);
    }
}
