/* How peers that write are held up while much is on its way to the store. */
#include "broker/brake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

struct world {
    uv_loop_t loop;
    struct peers peers;
    struct brake brake;
};

static int setup(void **state)
{
    struct world *world = calloc(1, sizeof *world);

    if (world == NULL || uv_loop_init(&world->loop) != 0) {
        free(world);
        return -1;
    }
    *state = world;
    return brake_init(&world->brake, &world->loop, &world->peers);
}

static int teardown(void **state)
{
    struct world *world = *state;

    uv_close((uv_handle_t *)&world->brake.timer, NULL);
    uv_run(&world->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&world->loop), 0);
    free(world);
    return 0;
}

static void add(struct world *world, size_t weight)
{
    brake_add(&world->brake, weight);
}

static bool are_paused(const struct world *world)
{
    return world->peers.writers_paused;
}

static void run_until(struct world *world, bool paused)
{
    while (are_paused(world) != paused) {
        uv_run(&world->loop, UV_RUN_ONCE);
    }
}

static void test_a_burst_is_read_as_fast_as_it_comes(void **state)
{
    struct world *world = *state;

    add(world, BRAKE_SOFT - 1);
    assert_false(are_paused(world));
    assert_false(uv_loop_alive(&world->loop));
}

static void test_a_small_event_weighs_more_than_its_bytes(void **state)
{
    struct world *world = *state;

    for (size_t i = 0; i < BRAKE_SOFT / BRAKE_EVENT; i++) {
        assert_false(are_paused(world));
        add(world, 1);
    }
    assert_true(are_paused(world));
    for (size_t i = 0; i < BRAKE_SOFT / BRAKE_EVENT; i++) {
        brake_remove(&world->brake, 1);
    }
    assert_false(are_paused(world));
}

static void test_with_much_on_its_way_a_portion_is_read_at_a_time(void **state)
{
    struct world *world = *state;

    add(world, BRAKE_SOFT);
    for (int portion = 0; portion < 3; portion++) {
        assert_true(are_paused(world));
        run_until(world, false);
        add(world, (size_t)1 << 20); /* more than one portion */
    }
    assert_true(are_paused(world));
}

static void test_at_the_most_nobody_is_read_before_the_store_has_applied_some(void **state)
{
    struct world *world = *state;

    add(world, BRAKE_MAX);
    for (int tick = 0; tick < 5; tick++) {
        uv_run(&world->loop, UV_RUN_ONCE);
        assert_true(are_paused(world));
    }
    brake_remove(&world->brake, BRAKE_MAX);
    assert_false(are_paused(world));
    assert_false(uv_loop_alive(&world->loop));
}

static void test_what_will_be_refused_is_read_whatever_there_is(void **state)
{
    struct world *world = *state;

    add(world, BRAKE_MAX);
    brake_release(&world->brake, true);
    assert_false(are_paused(world));
    add(world, BRAKE_MAX);
    assert_false(are_paused(world));
    brake_release(&world->brake, false);
    assert_true(are_paused(world));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_burst_is_read_as_fast_as_it_comes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_small_event_weighs_more_than_its_bytes, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_with_much_on_its_way_a_portion_is_read_at_a_time,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_at_the_most_nobody_is_read_before_the_store_has_applied_some, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_will_be_refused_is_read_whatever_there_is, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
