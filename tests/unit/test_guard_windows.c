/* test_guard_windows.c - the windows of the guard: to the millisecond, and as a slow model says. */
#include "broker/guard_rate.h"
#include "broker/guard_share.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define WINDOW   1000
#define TOLD_MAX 64

/* What was told, in order. */
struct ear {
    struct guard_listener listener;
    struct {
        bool is_new;
        uint64_t count, first_seq, last_seq;
        char session[65];
    } told[TOLD_MAX];
    size_t count;
};

static void hear(struct guard_listener *listener, const struct guard_alarm *alarm,
                 struct event_text session, bool is_new)
{
    struct ear *ear = (struct ear *)listener;

    assert_true(ear->count < TOLD_MAX);
    ear->told[ear->count].is_new = is_new;
    ear->told[ear->count].count = alarm->count;
    ear->told[ear->count].first_seq = alarm->first_seq;
    ear->told[ear->count].last_seq = alarm->last_seq;
    snprintf(ear->told[ear->count].session, sizeof ear->told[0].session, "%.*s", (int)session.size,
             session.size > 0 ? session.data : "");
    ear->count++;
}

static struct ear ear_new(void)
{
    return (struct ear){.listener = {.tell = hear}};
}

static struct event_text text(const char *name)
{
    return (struct event_text){.data = name, .size = name == NULL ? 0 : strlen(name)};
}

/* ---- rate ---- */

static void add(struct guard_rate *rate, const char *session, int64_t at_ms, uint64_t seq)
{
    guard_rate_add(rate, text(session), at_ms, seq);
}

static void test_one_over_the_limit_raises(void **state)
{
    struct ear ear = ear_new();
    struct guard_rate rate;

    (void)state;
    assert_int_equal(guard_rate_init(&rate, 3, WINDOW, &ear.listener), 0);
    for (uint64_t i = 1; i <= 3; i++) {
        add(&rate, "a", 100, i);
    }
    assert_int_equal(ear.count, 0);
    add(&rate, "a", 100, 4);
    assert_int_equal(ear.count, 1);
    assert_true(ear.told[0].is_new);
    assert_int_equal(ear.told[0].count, 4);
    assert_int_equal(ear.told[0].first_seq, 1);
    assert_int_equal(ear.told[0].last_seq, 4);
    assert_string_equal(ear.told[0].session, "a");
    guard_rate_deinit(&rate);
}

static void test_event_leaves_the_window_to_the_millisecond(void **state)
{
    (void)state;
    for (int64_t late = 0; late <= 1; late++) {
        struct ear ear = ear_new();
        struct guard_rate rate;
        guard_rate_init(&rate, 1, WINDOW, &ear.listener);
        add(&rate, "a", 0, 1);
        add(&rate, "a", WINDOW - 1 + late, 2);
        assert_int_equal(ear.count, late == 0 ? 1 : 0);
        guard_rate_deinit(&rate);
    }
}

static void test_two_sessions_below_the_limit_are_over_it_together(void **state)
{
    struct ear ear = ear_new();
    struct guard_rate rate;

    (void)state;
    guard_rate_init(&rate, 3, WINDOW, &ear.listener);
    add(&rate, "a", 0, 1);
    add(&rate, "b", 1, 2);
    add(&rate, "a", 2, 3);
    add(&rate, NULL, 3, 4);
    assert_int_equal(ear.count, 1);
    assert_string_equal(ear.told[0].session, "");
    assert_int_equal(ear.told[0].count, 4);
    guard_rate_deinit(&rate);
}

static void test_session_with_an_alert_of_its_own_is_not_counted_in_all(void **state)
{
    struct ear ear = ear_new();
    struct guard_rate rate;

    (void)state;
    guard_rate_init(&rate, 3, WINDOW, &ear.listener);
    for (uint64_t i = 1; i <= 5; i++) {
        add(&rate, "a", 0, i);
    }
    add(&rate, "b", 0, 6);
    add(&rate, "b", 0, 7);
    add(&rate, "b", 0, 8);
    assert_int_equal(ear.count, 1);
    add(&rate, "c", 0, 9);
    assert_int_equal(ear.count, 2);
    assert_string_equal(ear.told[1].session, "");
    assert_int_equal(ear.told[1].first_seq, 6);
    guard_rate_deinit(&rate);
}

static void test_count_is_told_when_it_has_doubled_and_at_the_end(void **state)
{
    struct ear ear = ear_new();
    struct guard_rate rate;

    (void)state;
    guard_rate_init(&rate, 3, WINDOW, &ear.listener);
    for (uint64_t i = 1; i <= 9; i++) {
        add(&rate, "a", 0, i);
    }
    assert_int_equal(ear.count, 2); /* at 4, at 8 */
    assert_false(ear.told[1].is_new);
    assert_int_equal(ear.told[1].count, 8);
    guard_rate_pass(&rate, WINDOW - 1);
    assert_int_equal(ear.count, 2);
    assert_true(guard_rate_is_active(&rate));
    guard_rate_pass(&rate, WINDOW);
    assert_int_equal(ear.count, 3);
    assert_int_equal(ear.told[2].count, 9);
    assert_int_equal(ear.told[2].first_seq, 1);
    assert_false(guard_rate_is_active(&rate));
    guard_rate_deinit(&rate);
}

static void test_count_is_told_soon_after_the_storm(void **state)
{
    struct ear ear = ear_new();
    struct guard_rate rate;

    (void)state;
    guard_rate_init(&rate, 3, 10 * GUARD_QUIET_MS, &ear.listener);
    for (uint64_t i = 1; i <= 9; i++) {
        add(&rate, "a", 0, i);
    }
    guard_rate_pass(&rate, GUARD_QUIET_MS - 1);
    assert_int_equal(ear.count, 2);
    guard_rate_pass(&rate, GUARD_QUIET_MS);
    assert_int_equal(ear.count, 3);
    assert_int_equal(ear.told[2].count, 9);
    assert_true(guard_rate_is_active(&rate)); /* it counts on */
    guard_rate_pass(&rate, 2 * GUARD_QUIET_MS);
    assert_int_equal(ear.count, 3);
    add(&rate, "a", 2 * GUARD_QUIET_MS, 10);
    guard_rate_pass(&rate, 3 * GUARD_QUIET_MS);
    assert_int_equal(ear.told[3].count, 10);
    guard_rate_deinit(&rate);
}

static void test_next_alert_needs_as_many_events_again(void **state)
{
    struct ear ear = ear_new();
    struct guard_rate rate;

    (void)state;
    guard_rate_init(&rate, 3, WINDOW, &ear.listener);
    for (uint64_t i = 1; i <= 4; i++) {
        add(&rate, "a", 0, i);
    }
    for (uint64_t i = 5; i <= 7; i++) {
        add(&rate, "a", WINDOW, i);
    }
    assert_int_equal(ear.count, 1);
    add(&rate, "a", WINDOW, 8);
    assert_int_equal(ear.count, 2);
    assert_true(ear.told[1].is_new);
    assert_int_equal(ear.told[1].first_seq, 5);
    guard_rate_deinit(&rate);
}

static void test_clock_that_goes_back_a_little_stands_still(void **state)
{
    struct ear ear = ear_new();
    struct guard_rate rate;

    (void)state;
    guard_rate_init(&rate, 2, WINDOW, &ear.listener);
    add(&rate, "a", 5000, 1);
    add(&rate, "a", 4500, 2);
    add(&rate, "a", 5000 + WINDOW - 1, 3);
    assert_int_equal(ear.count, 1);
    guard_rate_deinit(&rate);
}

static void test_clock_that_goes_back_far_begins_anew(void **state)
{
    struct ear ear = ear_new();
    struct guard_rate rate;

    (void)state;
    guard_rate_init(&rate, 2, WINDOW, &ear.listener);
    add(&rate, "a", 90000, 1);
    add(&rate, "a", 90000, 2);
    add(&rate, "a", 10, 3);
    assert_int_equal(ear.count, 0);
    add(&rate, "a", 11, 4);
    add(&rate, "a", 12, 5);
    assert_int_equal(ear.count, 1);
    assert_int_equal(ear.told[0].first_seq, 3);
    guard_rate_deinit(&rate);
}

static void test_rule_that_is_off_tells_nothing(void **state)
{
    struct ear ear = ear_new();
    struct guard_share share;
    struct guard_rate rate;

    (void)state;
    assert_int_equal(guard_rate_init(&rate, 0, 0, &ear.listener), 0);
    add(&rate, "a", 0, 1);
    guard_rate_pass(&rate, 5);
    assert_false(guard_rate_is_active(&rate));
    assert_int_equal(guard_share_init(&share, 50, 1, 0, 2, &ear.listener), 0);
    guard_share_add(&share,
                    &(struct guard_change){.at_ms = 5, .seq = 1, .was_live = true, .counts = true});
    assert_int_equal(ear.count, 0);
    guard_share_deinit(&share);
    guard_rate_deinit(&rate);
}

static void test_alert_that_is_known_counts_on_and_is_not_raised_again(void **state)
{
    const struct guard_known known = {
        .session = "a", .session_size = 1, .at_ms = 100, .first_seq = 1, .told = 4};
    struct ear ear = ear_new();
    struct guard_rate rate;

    (void)state;
    guard_rate_init(&rate, 3, WINDOW, &ear.listener);
    guard_rate_resume(&rate, &known);
    for (uint64_t i = 1; i <= 7; i++) { /* those that it was raised for come again */
        add(&rate, "a", 90 + (int64_t)i, i);
    }
    assert_int_equal(ear.count, 0);
    guard_rate_pass(&rate, 100 + WINDOW);
    assert_int_equal(ear.count, 1);
    assert_false(ear.told[0].is_new);
    assert_int_equal(ear.told[0].count, 7);
    assert_int_equal(ear.told[0].first_seq, 1);
    guard_rate_deinit(&rate);
}

static void test_more_sessions_than_fit_count_in_all(void **state)
{
    struct ear ear = ear_new();
    struct guard_rate rate;
    uint64_t seq = 0;

    (void)state;
    guard_rate_init(&rate, GUARD_SESSIONS_MAX + 9, WINDOW, &ear.listener);
    for (unsigned i = 0; i < GUARD_SESSIONS_MAX + 10; i++) {
        char name[16];
        snprintf(name, sizeof name, "s%u", i);
        add(&rate, name, 0, ++seq);
    }
    assert_int_equal(ear.count, 1);
    assert_int_equal(ear.told[0].count, GUARD_SESSIONS_MAX + 10);
    guard_rate_deinit(&rate);
}

/* The slow model: every event is looked at again for each. */
static void test_rate_raises_when_the_model_says_so(void **state)
{
    enum { EVENTS = 3000, LIMIT = 4 };
    static int64_t at[EVENTS];
    static int who[EVENTS];
    static bool taken[EVENTS];
    static const char *const names[] = {"a", "b", NULL};
    int64_t until[2] = {INT64_MIN, INT64_MIN}, all_until = INT64_MIN, now = 0;
    unsigned raised = 0;

    (void)state;
    srandom(7);
    memset(taken, 0, sizeof taken);
    struct guard_rate rate;
    struct ear ear = ear_new();
    guard_rate_init(&rate, LIMIT, WINDOW, &ear.listener);
    for (int i = 0; i < EVENTS; i++) {
        now += random() % (random() % 50 == 0 ? 3 * WINDOW : WINDOW / 2);
        at[i] = now;
        who[i] = (int)(random() % 3);
        unsigned own = 0, all = 0;
        bool counted = (who[i] < 2 && now < until[who[i]]) || now < all_until;
        taken[i] = counted;
        for (int k = 0; k <= i; k++) {
            bool in = !taken[k] && at[k] > now - WINDOW;
            own += in && who[k] == who[i] && who[k] < 2;
            all += in;
        }
        bool raises = !counted && (own > LIMIT || all > LIMIT);
        if (raises) {
            *(own > LIMIT ? &until[who[i]] : &all_until) = now + WINDOW;
            for (int k = 0; k <= i; k++) {
                taken[k] = taken[k] || own <= LIMIT || who[k] == who[i];
            }
        }
        ear.count = 0;
        add(&rate, names[who[i]], now, (uint64_t)i + 1);
        bool told_new = false;
        for (size_t k = 0; k < ear.count; k++) {
            told_new |= ear.told[k].is_new;
        }
        assert_int_equal(told_new, raises);
        raised += raises;
    }
    assert_true(raised > 20);
    guard_rate_deinit(&rate);
}

/* ---- share ---- */

struct memories {
    struct guard_share share;
    struct ear ear;
    uint64_t seq;
    int64_t changed_ms[64];
    bool live[64];
};

static void begin(struct memories *m, unsigned percent, unsigned least, unsigned live)
{
    *m = (struct memories){.ear = ear_new()};
    guard_share_init(&m->share, percent, least, WINDOW, live, &m->ear.listener);
    for (unsigned i = 0; i < live; i++) {
        m->live[i] = true;
        m->changed_ms[i] = -100 * WINDOW;
    }
}

static void change(struct memories *m, unsigned id, bool lives, int64_t at_ms, const char *session)
{
    const struct guard_change event = {.at_ms = at_ms,
                                       .seq = ++m->seq,
                                       .session = text(session),
                                       .was_live = m->live[id],
                                       .is_live = lives,
                                       .counts = m->live[id],
                                       .before_ms = m->changed_ms[id]};

    guard_share_add(&m->share, &event);
    m->live[id] = lives;
    m->changed_ms[id] = at_ms;
}

static void test_more_than_half_of_the_memories_raises(void **state)
{
    struct memories m;

    (void)state;
    begin(&m, 50, 10, 20);
    for (unsigned i = 0; i < 10; i++) {
        change(&m, i, i % 2 == 0, 0, "a");
    }
    assert_int_equal(m.ear.count, 0);
    change(&m, 10, false, 1, "a");
    assert_int_equal(m.ear.count, 1);
    assert_int_equal(m.ear.told[0].count, 11);
    assert_int_equal(m.ear.told[0].first_seq, 1);
    assert_string_equal(m.ear.told[0].session, "a");
    guard_share_deinit(&m.share);
}

static void test_share_of_100_percent_is_all_of_them(void **state)
{
    struct memories m;

    (void)state;
    begin(&m, 100, 10, 12);
    for (unsigned i = 0; i < 12; i++) {
        assert_int_equal(m.ear.count, 0);
        change(&m, i, true, 0, "a");
    }
    assert_int_equal(m.ear.count, 1);
    guard_share_deinit(&m.share);
}

static void test_memory_that_changes_twice_counts_once(void **state)
{
    struct memories m;

    (void)state;
    begin(&m, 50, 10, 20);
    for (unsigned i = 0; i < 100; i++) {
        change(&m, i % 10, true, i, "a");
    }
    assert_int_equal(m.ear.count, 0);
    guard_share_deinit(&m.share);
}

static void test_memory_made_within_the_window_does_not_count(void **state)
{
    struct memories m;

    (void)state;
    begin(&m, 50, 10, 20);
    for (unsigned i = 20; i < 60; i++) {
        change(&m, i, true, 0, "a");
        change(&m, i, true, 1, "a");
        change(&m, i, false, 2, "a");
    }
    assert_int_equal(m.ear.count, 0);
    guard_share_deinit(&m.share);
}

static void test_fewer_memories_than_the_least_raise_nothing(void **state)
{
    struct memories m;

    (void)state;
    begin(&m, 50, 10, 9);
    for (unsigned i = 0; i < 9; i++) {
        change(&m, i, false, 0, "a");
    }
    assert_int_equal(m.ear.count, 0);
    guard_share_deinit(&m.share);
}

static void test_changes_spread_over_more_than_the_window_raise_nothing(void **state)
{
    struct memories m;

    (void)state;
    begin(&m, 50, 10, 20);
    for (unsigned i = 0; i < 20; i++) {
        change(&m, i, true, (int64_t)i * WINDOW / 10, "a");
    }
    assert_int_equal(m.ear.count, 0);
    guard_share_deinit(&m.share);
}

static void test_alert_of_several_sessions_is_of_none(void **state)
{
    struct memories m;

    (void)state;
    begin(&m, 50, 10, 20);
    for (unsigned i = 0; i < 12; i++) {
        change(&m, i, false, 0, i == 3 ? "b" : "a");
    }
    assert_int_equal(m.ear.told[0].count, 11);
    assert_string_equal(m.ear.told[0].session, "");
    guard_share_deinit(&m.share);
}

/* The slow model: all that ever happened is looked at again for each change. */
static void test_share_counts_what_the_model_counts(void **state)
{
    enum { EVENTS = 3000, MEMORIES = 40 };
    static struct {
        int64_t at_ms;
        unsigned id;
        bool was, is;
    } all[EVENTS];
    struct memories m;
    int64_t now = 0;

    (void)state;
    srandom(3);
    begin(&m, 100, 1000, 20);
    for (unsigned i = 0; i < EVENTS; i++) {
        now += random() % 60;
        all[i].at_ms = now;
        all[i].id = (unsigned)random() % MEMORIES;
        all[i].was = m.live[all[i].id];
        all[i].is = !all[i].was || random() % 3 != 0;
        change(&m, all[i].id, all[i].is, now, "a");
        unsigned changed = 0, then = 0;
        for (unsigned id = 0; id < MEMORIES; id++) {
            bool lived = id < 20, touched = false;
            for (unsigned k = 0; k <= i; k++) {
                if (all[k].id == id && all[k].at_ms <= now - WINDOW) {
                    lived = all[k].is;
                }
                touched |= all[k].id == id && all[k].at_ms > now - WINDOW;
            }
            then += lived;
            changed += lived && touched;
        }
        assert_int_equal(m.share.changed, changed);
        assert_int_equal((int64_t)m.share.live - m.share.born, then);
    }
    guard_share_deinit(&m.share);
}

static void test_more_moments_than_fit_are_put_together(void **state)
{
    enum { MANY = 3 * GUARD_MOMENTS_MAX };
    struct ear ear = ear_new();
    struct guard_share share;

    (void)state;
    guard_share_init(&share, 50, 10, 2 * MANY, MANY * 2, &ear.listener);
    for (uint64_t i = 0; i < MANY; i++) {
        guard_share_add(&share, &(struct guard_change){.at_ms = (int64_t)i,
                                                       .seq = i + 1,
                                                       .was_live = true,
                                                       .is_live = true,
                                                       .counts = true,
                                                       .before_ms = INT64_MIN / 2});
    }
    assert_int_equal(share.changed, MANY);
    assert_true(share.count <= GUARD_MOMENTS_MAX);
    assert_int_equal(ear.count, 0);
    guard_share_pass(&share, 10 * MANY);
    assert_int_equal(share.changed, 0);
    guard_share_deinit(&share);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_over_the_limit_raises),
        cmocka_unit_test(test_event_leaves_the_window_to_the_millisecond),
        cmocka_unit_test(test_two_sessions_below_the_limit_are_over_it_together),
        cmocka_unit_test(test_session_with_an_alert_of_its_own_is_not_counted_in_all),
        cmocka_unit_test(test_count_is_told_when_it_has_doubled_and_at_the_end),
        cmocka_unit_test(test_count_is_told_soon_after_the_storm),
        cmocka_unit_test(test_next_alert_needs_as_many_events_again),
        cmocka_unit_test(test_clock_that_goes_back_a_little_stands_still),
        cmocka_unit_test(test_clock_that_goes_back_far_begins_anew),
        cmocka_unit_test(test_rule_that_is_off_tells_nothing),
        cmocka_unit_test(test_alert_that_is_known_counts_on_and_is_not_raised_again),
        cmocka_unit_test(test_more_sessions_than_fit_count_in_all),
        cmocka_unit_test(test_rate_raises_when_the_model_says_so),
        cmocka_unit_test(test_more_than_half_of_the_memories_raises),
        cmocka_unit_test(test_share_of_100_percent_is_all_of_them),
        cmocka_unit_test(test_memory_that_changes_twice_counts_once),
        cmocka_unit_test(test_memory_made_within_the_window_does_not_count),
        cmocka_unit_test(test_fewer_memories_than_the_least_raise_nothing),
        cmocka_unit_test(test_changes_spread_over_more_than_the_window_raise_nothing),
        cmocka_unit_test(test_alert_of_several_sessions_is_of_none),
        cmocka_unit_test(test_share_counts_what_the_model_counts),
        cmocka_unit_test(test_more_moments_than_fit_are_put_together),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
