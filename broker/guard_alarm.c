/* guard_alarm.c - see guard_alarm.h. */
#include "broker/guard_alarm.h"

void guard_alarm_sample(struct guard_alarm *alarm, uint64_t seq)
{
    if (alarm->sample_count < GUARD_SAMPLES_MAX) {
        alarm->samples[alarm->sample_count++] = seq;
    }
}

void guard_alarm_count(struct guard_alarm *alarm, int64_t at_ms, uint64_t seq)
{
    guard_alarm_sample(alarm, seq);
    alarm->count++;
    alarm->last_ms = at_ms;
    alarm->last_seq = seq;
}

void guard_alarm_tell_new(struct guard_alarm *alarm, struct event_text session,
                          struct guard_listener *listener)
{
    alarm->told = alarm->count;
    listener->tell(listener, alarm, session, true);
}

static void tell_count(struct guard_alarm *alarm, struct event_text session,
                       struct guard_listener *listener)
{
    if (alarm->count > alarm->told) {
        alarm->told = alarm->count;
        listener->tell(listener, alarm, session, false);
    }
}

void guard_alarm_tell_more(struct guard_alarm *alarm, struct event_text session,
                           struct guard_listener *listener)
{
    if (alarm->count >= 2 * alarm->told) {
        tell_count(alarm, session, listener);
    }
}

bool guard_alarm_pass(struct guard_alarm *alarm, struct event_text session, int64_t now_ms,
                      struct guard_listener *listener)
{
    bool ends = alarm->active && alarm->until_ms <= now_ms;

    if (ends || (alarm->active && alarm->last_ms + GUARD_QUIET_MS <= now_ms)) {
        tell_count(alarm, session, listener);
    }
    alarm->active = alarm->active && !ends;
    return ends;
}

void guard_alarm_resume(struct guard_alarm *alarm, const struct guard_known *known,
                        int64_t window_ms)
{
    *alarm = (struct guard_alarm){.active = true,
                                  .at_ms = known->at_ms,
                                  .last_ms = known->at_ms,
                                  .until_ms = known->at_ms + window_ms,
                                  .first_seq = known->first_seq,
                                  .told = known->told};
}
