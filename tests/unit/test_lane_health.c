/*
 * A lane whose backend is in trouble, and one that is told to pause or to stop.
 * All around it is real but the backend, which the test scripts.
 */
#include "tests/unit/lane_world.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static bool is_paused(struct world *world)
{
    return world_status(world).paused;
}

static bool was_told(struct world *world, enum lane_trouble trouble)
{
    pthread_mutex_lock(&world->mutex);
    bool told = world->troubles[trouble] > 0;
    pthread_mutex_unlock(&world->mutex);
    return told;
}

static bool rejects_were_told(struct world *world)
{
    return was_told(world, LANE_TROUBLE_REJECTS);
}

static bool gone_was_told(struct world *world)
{
    return was_told(world, LANE_TROUBLE_GONE);
}

static bool twenty_are_deferred_and_none_dead(struct world *world)
{
    struct reader_lane row = world_row(world);

    return row.deferred == 20 && row.dead == 0;
}

/* ---- the backend is to blame ---- */

static void test_a_backend_that_is_down_costs_no_memory_an_attempt(void **state)
{
    struct world *world = *state;

    world->backend.down = true;
    world_start_lane(world);
    world_put_many(world, "g", 10);
    world_await_call(world);
    world_set(world, &world->backend.probe_fails, true);
    world_await(world, world_has_error);
    assert_int_equal(world_number(world, "SELECT count(*) FROM deferred"), 0);
    assert_int_equal(world_row(world).cursor, 0);
    assert_true(world_log_has(world, "lane-circuit-open"));
    world_set(world, &world->backend.down, false);
    world_set(world, &world->backend.probe_fails, false);
    world_await(world, world_is_level);
    assert_true(world_log_has(world, "lane-circuit-closed"));
    assert_int_equal(world_status(world).delivered, 10);
}

static void test_what_a_failing_backend_confirmed_is_kept_and_the_rest_waits_unblamed(void **state)
{
    struct world *world = *state;

    world_put_many(world, "g", 4);
    world_put(world, "d", "down with this one");
    world->options.backoff_min_ms = world->options.backoff_max_ms = 3600 * 1000;
    world_start_lane(world);
    world_await(world, world_has_error);
    assert_int_equal(world_status(world).cursor, 5);
    assert_int_equal(world_status(world).delivered, 4);
    assert_string_equal(world_status(world).last_error, "The backend is down: d");
    assert_int_equal(world_number(world, "SELECT count(*) FROM deferred"), 1);
    assert_int_equal(world_number(world, "SELECT attempts FROM deferred WHERE memory_id='d'"), 0);
    assert_true(world_status(world).next_probe_ms > 0);
    world_set(world, &world->backend.healed, true);
    assert_int_equal(world_probe(world, NULL), 0);
    world_await(world, world_nothing_is_left);
    assert_int_equal(world_given(world, "g0"), 1);
}

static void test_a_backend_that_names_a_delay_is_left_alone_for_it(void **state)
{
    struct world *world = *state;

    world->backend.down = true;
    world->backend.asked_ms = 3600 * 1000;
    world_start_lane(world);
    world_put(world, "g", "good");
    world_await(world, world_has_error);
    struct lane_status status = world_status(world);
    assert_true(status.next_probe_ms - status.last_error_ms > 3500 * 1000);
}

static void test_a_probe_that_names_a_delay_is_not_repeated_before(void **state)
{
    struct world *world = *state;

    world->backend.probe_fails = true;
    world->backend.probe_asks_ms = 3600 * 1000;
    world_start_lane(world);
    world_await(world, world_has_error);
    struct lane_status status = world_status(world);
    assert_true(status.next_probe_ms - status.last_error_ms > 3500 * 1000);
    world->backend.probe_asks_ms = 0; /* what one probe asked for is not the next one's */
    assert_true(world_probe(world, NULL) < 0);
    status = world_status(world);
    assert_true(status.next_probe_ms - status.last_error_ms < 3500 * 1000);
}

static void test_five_memories_failing_in_a_row_open_the_circuit(void **state)
{
    struct world *world = *state;

    world->options.batch = 1;
    world->options.backoff_min_ms = world->options.backoff_max_ms = 3600 * 1000;
    world_put_many(world, "r", 8);
    world_start_lane(world);
    world_await(world, world_has_error);
    assert_int_equal(world->backend.calls, 5);
    assert_int_equal(world_row(world).deferred, 5);
    assert_int_equal(world_number(world, "SELECT count(*) FROM deferred WHERE attempts=1"), 5);
    assert_non_null(strstr(world_status(world).last_error, "5 different memories in a row"));
}

static void test_twenty_rejected_in_a_row_are_deferred_again_and_mean_the_backend(void **state)
{
    struct world *world = *state;

    world->options.batch = 1;
    world->options.backoff_min_ms = world->options.backoff_max_ms = 3600 * 1000;
    world_put_many(world, "x", 25);
    world_start_lane(world);
    world_await(world, world_has_error);
    assert_int_equal(world->backend.calls, 20);
    world_await(world, twenty_are_deferred_and_none_dead);
    world_await(world, rejects_were_told);
    assert_int_equal(world->troubles[LANE_TROUBLE_REJECTS], 1);
    assert_true(world_log_has(world, "lane-rejected-in-a-row"));
    assert_true(world_log_has(world, "lane-dead"));
    assert_int_equal(world_number(world, "SELECT count(*) FROM deferred WHERE due_ms > at_ms"), 20);
}

static void test_a_whole_batch_of_rejections_leaves_no_dead_letter(void **state)
{
    struct world *world = *state;

    world->options.backoff_min_ms = world->options.backoff_max_ms = 3600 * 1000;
    world_put_many(world, "x", 50);
    world_start_lane(world);
    world_await(world, world_has_error);
    assert_int_equal(world_row(world).dead, 0);
    assert_int_equal(world_row(world).deferred, 50);
    assert_int_equal(world->backend.calls, 1);
}

static void test_a_backend_that_cannot_be_opened_shows_why_and_heals(void **state)
{
    struct world *world = *state;

    world->backend.open_fails = true;
    world_put(world, "g", "good");
    world_start_lane(world);
    world_await(world, world_has_error);
    world_set(world, &world->backend.open_fails, false);
    world_await(world, world_is_level);
    assert_int_equal(world_given(world, "g"), 1);
}

static void test_a_corrected_password_file_heals_by_itself(void **state)
{
    struct world *world = *state;

    world->backend.password = "right";
    world_set_password_file(world, "wrong");
    world_put(world, "g", "good");
    world_start_lane(world);
    world_await(world, world_has_error);
    assert_string_equal(world_status(world).last_error, "The backend refused the password.");
    world_set_password_file(world, "right");
    world_await(world, world_is_level);
    assert_int_equal(world_given(world, "g"), 1);
}

static void test_a_probe_by_hand_heals_at_once_and_tells_what_the_plugin_said(void **state)
{
    struct world *world = *state;
    struct error err = {0};

    world->options.backoff_min_ms = world->options.backoff_max_ms = 3600 * 1000;
    world->backend.password = "right";
    world_set_password_file(world, "wrong");
    world_put(world, "g", "good");
    world_start_lane(world);
    world_await(world, world_has_error);
    assert_true(world_probe(world, &err) < 0);
    assert_string_equal(err.text, "The backend refused the password.");
    world_set_password_file(world, "right");
    assert_int_equal(world_probe(world, NULL), 0);
    world_await(world, world_is_level);
}

static void test_a_probe_by_hand_of_a_closed_circuit_opens_it_if_the_backend_is_away(void **state)
{
    struct world *world = *state;
    struct error err = {0};

    world->options.backoff_min_ms = world->options.backoff_max_ms = 3600 * 1000;
    world_start_lane(world);
    world_await(world, world_circuit_is_closed);
    assert_int_equal(world_probe(world, NULL), 0);
    assert_int_equal(world->backend.opens, 1);
    world->backend.probe_reason = "Away\x1b[2J.";
    world_set(world, &world->backend.probe_fails, true);
    assert_true(world_probe(world, &err) < 0);
    assert_int_equal(world_status(world).circuit, CIRCUIT_OPEN);
    assert_string_equal(world_status(world).last_error, "Away [2J.");
}

static void test_a_backend_that_is_gone_for_good_pauses_its_lane_and_blames_nobody(void **state)
{
    struct world *world = *state;

    world_start_lane(world);
    world_put(world, "e", "refused for ever");
    world_await(world, is_paused);
    assert_string_equal(world_status(world).last_error, "Gone for good: e");
    world_await(world, gone_was_told);
    assert_int_equal(world->troubles[LANE_TROUBLE_GONE], 1);
    assert_int_equal(world_row(world).dead, 0);
    assert_true(world_row(world).paused);
    assert_int_equal(world_given(world, "e"), 1);
    world_set(world, &world->backend.healed, true);
    assert_int_equal(world_pause(world, false), 0);
    world_await(world, world_nothing_is_left);
    assert_int_equal(world_given(world, "e"), 2);
}

static void test_a_probe_that_finds_the_backend_gone_for_good_pauses_its_lane(void **state)
{
    struct world *world = *state;

    world->backend.probe_fails = world->backend.probe_gone = true;
    world_start_lane(world);
    world_await(world, is_paused);
    world_await(world, gone_was_told);
    assert_true(world_row(world).paused);
    assert_int_equal(world->backend.probes, 1);
    world_set(world, &world->backend.probe_fails, false);
    world_put(world, "a", "content");
    assert_int_equal(world_pause(world, false), 0);
    world_await(world, world_nothing_is_left);
    assert_int_equal(world->troubles[LANE_TROUBLE_GONE], 1);
}

/* ---- pause, stop ---- */

static void test_a_paused_lane_delivers_nothing_and_stays_paused_over_a_restart(void **state)
{
    struct world *world = *state;

    world_start_lane(world);
    world_await(world, world_circuit_is_closed);
    assert_int_equal(world_pause(world, true), 0);
    assert_int_equal(world_number(world, "SELECT paused FROM lane"), 1);
    assert_true(world_status(world).paused);
    assert_int_equal(world_status(world).circuit, CIRCUIT_CLOSED);
    for (int i = 0; i < 3; i++) {
        char content[16];
        snprintf(content, sizeof content, "state %d", i);
        world_put(world, "a", content);
    }
    world_stop_lane(world);
    world_start_lane(world);
    world_await(world, is_paused);
    for (int i = 0; i < 20; i++) { /* between two of them it would deliver */
        assert_int_equal(world_probe(world, NULL), 0);
    }
    assert_int_equal(world->backend.calls, 0);
    assert_int_equal(world_pause(world, false), 0);
    world_await(world, world_is_level);
    assert_int_equal(world->backend.taped, 1);
    assert_string_equal(world->backend.tape[0].content, "state 2");
    assert_int_equal(world_number(world, "SELECT paused FROM lane"), 0);
}

static void ignore_answer(struct lane_reply *reply, int status, const struct error *err)
{
    assert_int_equal(status, 0);
    assert_null(err);
    reply->request = 0;
}

/* The poison would cost many calls more: a pause waits for the one in progress only. */
static void test_a_pause_ends_a_batch_that_is_being_halved(void **state)
{
    struct world *world = *state;
    struct lane_reply first = {.done = ignore_answer};

    world->backend.hold = true;
    world_put_many(world, "g", 20);
    world_put(world, "p", "poison");
    world_start_lane(world);
    world_await_call(world);
    lane_set_paused(world->lane, true, &first);
    world_release_calls(world);
    assert_int_equal(world_pause(world, true), 0);
    assert_int_equal(world->backend.calls, 1);
    assert_int_equal(world_row(world).cursor, 0);
    assert_int_equal(world_pause(world, false), 0);
    world_await(world, world_one_is_dead);
    world_await(world, world_is_level);
    assert_int_equal(world_status(world).delivered, 20);
}

static void test_stop_ends_the_call_and_what_was_not_confirmed_is_delivered_later(void **state)
{
    struct world *world = *state;

    world->backend.hold = true;
    world_start_lane(world);
    world_put(world, "g", "good");
    world_await_call(world);
    struct lane_status status = world_status(world);
    assert_true(status.busy);
    assert_true(status.busy_since_ms > 0);
    world_stop_lane(world);
    assert_int_equal(world_number(world, "SELECT cursor FROM lane"), 0);
    assert_int_equal(world_number(world, "SELECT count(*) FROM deferred"), 0);
    assert_int_equal(world->backend.opens, world->backend.closes);
    world_set(world, &world->backend.hold, false);
    world_start_lane(world);
    world_await(world, world_is_level);
    assert_int_equal(world_given(world, "g"), 2);
    assert_int_equal(world_status(world).delivered, 1);
}

static void cancelled(struct lane_reply *reply, int status, const struct error *err)
{
    assert_non_null(err);
    reply->request = status;
}

static void test_requests_that_a_stop_overtakes_are_answered(void **state)
{
    struct world *world = *state;
    struct lane_reply reply = {.done = cancelled};

    world_start_lane(world);
    lane_stop(world->lane);
    lane_probe(world->lane, &reply);
    world_stop_lane(world);
    assert_int_equal(reply.request, -ECANCELED);
}

static void test_a_probe_that_a_stop_cancelled_says_nothing_of_the_backend(void **state)
{
    struct world *world = *state;

    world->backend.hold_probe = true;
    world_start_lane(world);
    world_await_call(world);
    assert_int_equal(world_status(world).circuit, CIRCUIT_PROBING);
    world_stop_lane(world);
    assert_false(world_log_has(world, "lane-circuit-open"));
}

static void test_a_lane_stops_while_its_backend_is_away(void **state)
{
    struct world *world = *state;

    world->options.backoff_min_ms = world->options.backoff_max_ms = 3600 * 1000;
    world->backend.probe_fails = true;
    world_start_lane(world);
    world_await(world, world_has_error);
    world_stop_lane(world);
}

/* Its thread stays in the call until the process ends. */
static void test_a_plugin_that_ignores_its_end_is_left_behind(void **state)
{
    struct world *world = *state;
    struct lane_reply reply = {.done = cancelled};

    world->options.join_ms = 50;
    world->backend.hold = world->backend.deaf = true;
    world_start_lane(world);
    world_put(world, "g", "good");
    world_await_call(world);
    lane_probe(world->lane, &reply);
    world_stop_lane(world);
    assert_int_equal(reply.request, -ECANCELED);
    assert_true(world_log_has(world, "lane-stuck"));
    assert_int_equal(world_number(world, "SELECT cursor FROM lane"), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_backend_that_is_down_costs_no_memory_an_attempt),
        TEST(test_what_a_failing_backend_confirmed_is_kept_and_the_rest_waits_unblamed),
        TEST(test_a_backend_that_names_a_delay_is_left_alone_for_it),
        TEST(test_a_probe_that_names_a_delay_is_not_repeated_before),
        TEST(test_five_memories_failing_in_a_row_open_the_circuit),
        TEST(test_twenty_rejected_in_a_row_are_deferred_again_and_mean_the_backend),
        TEST(test_a_whole_batch_of_rejections_leaves_no_dead_letter),
        TEST(test_a_backend_that_cannot_be_opened_shows_why_and_heals),
        TEST(test_a_corrected_password_file_heals_by_itself),
        TEST(test_a_probe_by_hand_heals_at_once_and_tells_what_the_plugin_said),
        TEST(test_a_probe_by_hand_of_a_closed_circuit_opens_it_if_the_backend_is_away),
        TEST(test_a_backend_that_is_gone_for_good_pauses_its_lane_and_blames_nobody),
        TEST(test_a_probe_that_finds_the_backend_gone_for_good_pauses_its_lane),
        TEST(test_a_paused_lane_delivers_nothing_and_stays_paused_over_a_restart),
        TEST(test_a_pause_ends_a_batch_that_is_being_halved),
        TEST(test_stop_ends_the_call_and_what_was_not_confirmed_is_delivered_later),
        TEST(test_requests_that_a_stop_overtakes_are_answered),
        TEST(test_a_probe_that_a_stop_cancelled_says_nothing_of_the_backend),
        TEST(test_a_lane_stops_while_its_backend_is_away),
        TEST(test_a_plugin_that_ignores_its_end_is_left_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
