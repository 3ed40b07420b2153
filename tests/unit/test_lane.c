/*
 * A lane with everything real around it (journal, store, applier, loader) but the backend, which
 * the test scripts: it brings the backend to the current state, once, and a record that it does not
 * take costs its neighbours nothing.
 */
#include "tests/unit/lane_world.h"

#include "broker/util/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* ---- conditions beyond those of the world ---- */

static bool ten_are_dead(struct world *world)
{
    return world_row(world).dead == 10 && world_is_level(world);
}

static bool none_is_pending(struct world *world)
{
    struct reader_lane row = world_row(world);

    return row.pending == row.deferred && row.exists &&
           world_status(world).cursor == world->applied_seq;
}

static bool three_are_deferred(struct world *world)
{
    return world_row(world).deferred == 3 && none_is_pending(world);
}

/* ---- the happy path ---- */

static void test_what_is_put_is_delivered_once_and_costs_no_row(void **state)
{
    struct world *world = *state;

    world_start_lane(world);
    world_put_many(world, "g", 250);
    world_await(world, world_is_level);
    assert_int_equal(world->backend.taped, 250);
    for (int i = 0; i < 250; i++) {
        char id[16];
        snprintf(id, sizeof id, "g%d", i);
        assert_int_equal(world_given(world, id), 1);
    }
    struct lane_status status = world_status(world);
    assert_int_equal(status.delivered, 250);
    assert_int_equal(status.cursor, 250);
    assert_string_equal(status.name, LANE);
    assert_string_equal(status.plugin, "scripted");
    assert_string_equal(status.last_error, "");
    assert_true(status.last_success_ms > 0);
    assert_false(status.busy);
    assert_int_equal(world_number(world, "SELECT count(*) FROM deferred"), 0);
    assert_int_equal(world_number(world, "SELECT delivered FROM lane"), 250);
}

static void test_a_lane_that_joins_later_gets_what_is_current(void **state)
{
    struct world *world = *state;

    world_put(world, "a", "first");
    world_put(world, "a", "second");
    world_put(world, "b", "gone");
    world_delete(world, "b");
    world_start_lane(world);
    world_await(world, world_is_level);
    assert_int_equal(world->backend.taped, 2);
    assert_string_equal(world_last_given(world, "a").content, "second");
    assert_true(world_last_given(world, "b").deleted);
    assert_int_equal(world_status(world).cursor, 4);
}

static void test_a_batch_is_no_larger_than_configured(void **state)
{
    struct world *world = *state;

    world->options.batch = 7;
    world_put_many(world, "g", 50);
    world_start_lane(world);
    world_await(world, world_is_level);
    assert_int_equal(world->backend.calls, 8);
    for (size_t i = 0; i < 50; i++) {
        assert_in_range(world->backend.tape[i].of, 1, 7);
    }
}

static void test_a_superseded_memory_is_told_and_done(void **state)
{
    struct world *world = *state;

    world_start_lane(world);
    world_put(world, "old", "loses");
    world_await(world, world_is_level);
    assert_int_equal(world->superseded, 1);
    assert_string_equal(world->superseded_id, "old");
}

/* ---- a record is to blame ---- */

static void test_a_rejected_memory_is_dead_and_costs_its_neighbours_nothing(void **state)
{
    struct world *world = *state;

    world_put(world, "x", "bad");
    world_put_many(world, "g", 20);
    world_start_lane(world);
    world_await(world, world_is_level);
    assert_int_equal(world_row(world).dead, 1);
    assert_int_equal(world_given(world, "x"), 1);
    assert_int_equal(world_status(world).delivered, 20);
    assert_string_equal(world_status(world).last_error, "Never: x");
    assert_int_equal(world_number(world, "SELECT count(*) FROM deferred WHERE reason='Never: x'"),
                     1);
    assert_true(world_log_has(world, "lane-dead: Backend graph: 1 of 21 memories"));
    assert_int_equal(world_status(world).circuit, CIRCUIT_CLOSED);
}

static void test_a_dead_memory_is_tried_again_on_request(void **state)
{
    struct world *world = *state;

    world_start_lane(world);
    world_put(world, "x", "bad");
    world_await(world, world_one_is_dead);
    world_put(world, "g", "good");
    world_await(world, world_is_level);
    assert_int_equal(world_given(world, "x"), 1);
    world_set(world, &world->backend.healed, true);
    world_dead_retry(world, "x", 0);
    world_await(world, world_nothing_is_left);
    assert_int_equal(world_given(world, "x"), 2);
}

static void test_a_newer_event_of_a_dead_memory_is_delivered_and_clears_it(void **state)
{
    struct world *world = *state;

    world_start_lane(world);
    world_put(world, "x", "bad");
    world_await(world, world_one_is_dead);
    world_set(world, &world->backend.healed, true);
    world_put(world, "x", "better");
    world_await(world, world_nothing_is_left);
    assert_string_equal(world_last_given(world, "x").content, "better");
}

/* The row says nothing of attempts, and is not due for long: it goes all the same. */
static void test_a_newer_event_of_a_deferred_memory_clears_its_row(void **state)
{
    struct world *world = *state;

    world_start_lane(world);
    world_put(world, "x", "bad");
    world_await(world, world_one_is_dead);
    world_dead_retry(world, "x", clock_wall_ms() + 3600 * 1000);
    world_set(world, &world->backend.healed, true);
    world_put(world, "x", "better");
    world_await(world, world_nothing_is_left);
    assert_int_equal(world_given(world, "x"), 2);
}

/* Years away: no wait of ours, so the clock was set back since. */
static void test_a_clock_that_was_set_back_holds_no_record_up(void **state)
{
    struct world *world = *state;

    world_start_lane(world);
    world_put(world, "x", "bad");
    world_await(world, world_one_is_dead);
    world_set(world, &world->backend.healed, true);
    world_dead_retry(world, "x", clock_wall_ms() + INT64_C(1000) * 86400 * 365);
    world_await(world, world_nothing_is_left);
}

static void test_the_poison_of_a_batch_alone_ends_in_the_dead_letters(void **state)
{
    struct world *world = *state;

    world_put_many(world, "g", 60);
    world_put(world, "p", "poison");
    world_put_many(world, "z", 39);
    world_start_lane(world);
    world_await(world, world_one_is_dead);
    world_await(world, world_is_level);
    assert_int_equal(world_number(world, "SELECT count(*) FROM deferred WHERE memory_id='p'"), 1);
    assert_int_equal(world_number(world, "SELECT count(*) FROM deferred"), 1);
    assert_int_equal(world_status(world).delivered, 99);
}

static void test_a_retried_memory_is_deferred_and_the_cursor_goes_on(void **state)
{
    struct world *world = *state;

    world->backend.retry_after_ms = 3600 * 1000;
    world_start_lane(world);
    world_put_many(world, "r", 3);
    world_put(world, "g", "good");
    world_await(world, three_are_deferred);
    world_await(world, world_circuit_is_closed);
    assert_int_equal(world_given(world, "g"), 1);
    assert_int_equal(world_number(world, "SELECT attempts FROM deferred LIMIT 1"), 1);
    /* What the backend asked for wins over the few milliseconds of the back-off. */
    assert_true(world_number(world, "SELECT min(due_ms - at_ms) FROM deferred") > 3500 * 1000);
    /* A newer event does not wait for it. */
    world_set(world, &world->backend.healed, true);
    world_put_many(world, "r", 3);
    world_await(world, world_nothing_is_left);
}

static void test_a_deferred_memory_is_tried_until_it_is_taken(void **state)
{
    struct world *world = *state;

    world_start_lane(world);
    world_put(world, "r", "stubborn");
    while (world_given(world, "r") < 6) {
        world_await_call(world);
    }
    world_set(world, &world->backend.healed, true);
    world_await(world, world_nothing_is_left);
    assert_int_equal(world_status(world).circuit, CIRCUIT_CLOSED);
}

static void test_due_records_and_new_events_alternate(void **state)
{
    struct world *world = *state;

    world->options.batch = 1;
    world_put_many(world, "x", 10);
    world_start_lane(world);
    world_await(world, ten_are_dead);
    assert_int_equal(world_pause(world, true), 0);
    world_put_many(world, "g", 10);
    world_set(world, &world->backend.healed, true);
    world_dead_retry(world, NULL, 0);
    assert_int_equal(world_pause(world, false), 0);
    world_await(world, world_nothing_is_left);
    for (size_t i = 10; i < 28; i += 2) {
        assert_int_not_equal(world->backend.tape[i].id[0], world->backend.tape[i + 1].id[0]);
    }
}

/* Three records that are due all the time, and news all the time: both go on. */
static void test_due_records_and_new_events_take_turns(void **state)
{
    struct world *world = *state;

    world->options.batch = 1;
    world_put_many(world, "r", 3);
    world_put_many(world, "g", 100);
    world_start_lane(world);
    while (world_given(world, "g99") < 1) {
        world_await_call(world);
    }
    assert_true(world_given(world, "r0") + world_given(world, "r1") + world_given(world, "r2") > 6);
    world_set(world, &world->backend.healed, true);
    world_await(world, world_nothing_is_left);
}

static void test_a_memory_deferred_for_too_long_is_dead(void **state)
{
    struct world *world = *state;

    world->options.max_age_ms = 10;
    world_start_lane(world);
    world_put(world, "r", "stubborn");
    world_await(world, world_one_is_dead);
    assert_true(world_given(world, "r") > 3);
    assert_true(world_number(world, "SELECT attempts FROM deferred") > 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_what_is_put_is_delivered_once_and_costs_no_row),
        TEST(test_a_lane_that_joins_later_gets_what_is_current),
        TEST(test_a_batch_is_no_larger_than_configured),
        TEST(test_a_superseded_memory_is_told_and_done),
        TEST(test_a_rejected_memory_is_dead_and_costs_its_neighbours_nothing),
        TEST(test_a_dead_memory_is_tried_again_on_request),
        TEST(test_a_newer_event_of_a_dead_memory_is_delivered_and_clears_it),
        TEST(test_a_newer_event_of_a_deferred_memory_clears_its_row),
        TEST(test_a_clock_that_was_set_back_holds_no_record_up),
        TEST(test_the_poison_of_a_batch_alone_ends_in_the_dead_letters),
        TEST(test_a_retried_memory_is_deferred_and_the_cursor_goes_on),
        TEST(test_a_deferred_memory_is_tried_until_it_is_taken),
        TEST(test_due_records_and_new_events_alternate),
        TEST(test_due_records_and_new_events_take_turns),
        TEST(test_a_memory_deferred_for_too_long_is_dead),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
