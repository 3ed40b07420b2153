/* A lane whose store is in trouble: nothing is lost, and a stop does not wait for it. */
#include "tests/unit/lane_world.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_a_transaction_that_failed_is_delivered_again(void **state)
{
    struct world *world = *state;

    world_start_lane(world);
    world_await(world, world_circuit_is_closed);
    world_fail_writes(2);
    world_put(world, "g", "good");
    world_await(world, world_is_level);
    assert_int_equal(world_given(world, "g"), 3);
    assert_int_equal(world_status(world).delivered, 1);
    assert_non_null(strstr(world_status(world).last_error, "the disk is on fire"));
    assert_true(world_log_has(world, "lane-store-failed"));
}

static void test_a_lane_whose_start_failed_in_the_store_tries_again(void **state)
{
    struct world *world = *state;

    world_fail_writes(2);
    world_put(world, "g", "good");
    world_start_lane(world);
    world_await(world, world_is_level);
    assert_int_equal(world_given(world, "g"), 1);
}

static void test_a_pause_that_was_not_stored_is_refused_and_does_not_hold(void **state)
{
    struct world *world = *state;

    world_start_lane(world);
    world_await(world, world_circuit_is_closed);
    world_fail_writes(1);
    assert_int_equal(world_pause(world, true), -EIO);
    assert_false(world_status(world).paused);
    world_put(world, "g", "good");
    world_await(world, world_is_level);
}

/* The store may hang on a full disk: a stop does not wait for it, and what it writes in the end is
 * still true. */
static void test_a_stop_does_not_wait_for_a_store_that_hangs(void **state)
{
    struct world *world = *state;

    world_start_lane(world);
    world_await(world, world_circuit_is_closed);
    world_hold_writes();
    world_put(world, "g", "good");
    world_await_held_write();
    world_stop_lane(world);
    world_release_writes(world);
    world_start_lane(world);
    world_await(world, world_is_level);
    assert_in_range(world_given(world, "g"), 1, 2); /* again, if it looked before the write */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_transaction_that_failed_is_delivered_again),
        TEST(test_a_lane_whose_start_failed_in_the_store_tries_again),
        TEST(test_a_pause_that_was_not_stored_is_refused_and_does_not_hold),
        TEST(test_a_stop_does_not_wait_for_a_store_that_hangs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
