/*
 * An embedder's lane with a real journal and store around it: what lives and has no vector gets
 * one, once, and everybody else is shown it by an event.
 */
#include "tests/unit/lane_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static int setup(void **state)
{
    world_setup(state);
    struct world *world = *state;
    world->plugin = "scripted_embedder";
    return 0;
}

static int64_t vectors(struct world *world)
{
    return world_number(world, "SELECT count(*) FROM memory WHERE vector_seq<>0");
}

static void test_every_content_gets_its_vector_once(void **state)
{
    struct world *world = *state;

    world_put(world, "a", "apple");
    world_start_lane(world);
    world_put_many(world, "good", 250);
    world_await(world, world_is_level);
    assert_int_equal(vectors(world), 251);
    assert_int_equal(world->backend.taped, 251);
    assert_int_equal(world_number(world, "SELECT count(*) FROM event WHERE op='embed'"), 251);
    world_put(world, "a", "apple"); /* the same content: a new version, and no new vector */
    world_await(world, world_is_level);
    assert_int_equal(world->backend.taped, 251);
    assert_int_equal(vectors(world), 251);
}

static void test_a_vector_touches_the_memory_and_leaves_its_version(void **state)
{
    struct world *world = *state;

    world_put(world, "a", "apple");
    world_start_lane(world);
    world_await(world, world_is_level);
    assert_int_equal(world_number(world, "SELECT version FROM memory"), 1);
    assert_int_equal(world_number(world, "SELECT touched_seq FROM memory"), 2);
    assert_int_equal(world_number(world, "SELECT model='first' FROM embedding"), 1);
    assert_int_equal(world_number(world, "SELECT length(vector) FROM embedding"), 16);
}

static void test_what_is_deleted_is_not_embedded(void **state)
{
    struct world *world = *state;

    world_put(world, "a", "apple");
    world_delete(world, "a");
    world_start_lane(world);
    world_await(world, world_is_level);
    assert_int_equal(world->backend.calls, 0);
}

static void test_an_embedder_that_is_away_blames_no_memory_and_embeds_all_when_it_is_back(
    void **state)
{
    struct world *world = *state;

    world->backend.down = true;
    world_start_lane(world);
    world_put(world, "a", "apple");
    world_put(world, "b", "bread");
    world_await(world, world_has_error);
    assert_int_equal(vectors(world), 0);
    world_set(world, &world->backend.down, false);
    world_await(world, world_nothing_is_left);
    assert_int_equal(vectors(world), 2);
}

static void test_a_text_that_is_refused_goes_without_and_its_neighbours_do_not(void **state)
{
    struct world *world = *state;

    world_put(world, "a", "apple");
    world_put(world, "x", "xylophone");
    world_put(world, "b", "bread");
    world_start_lane(world);
    world_await(world, world_one_is_dead);
    world_await(world, world_is_level);
    assert_int_equal(vectors(world), 2);
}

static void test_a_vector_without_numbers_is_the_embedders_trouble(void **state)
{
    struct world *world = *state;

    world_put(world, "n", "nothing");
    world_start_lane(world);
    world_await(world, world_has_error);
    assert_int_equal(vectors(world), 0);
    assert_string_equal(world_status(world).last_error,
                        "The embedder made a vector that holds something else than numbers.");
    world_set(world, &world->backend.healed, true);
    world_await(world, world_nothing_is_left);
    assert_int_equal(vectors(world), 1);
}

static void test_a_text_that_was_cut_is_marked(void **state)
{
    struct world *world = *state;

    world_put(world, "c", "cut off");
    world_put(world, "a", "apple");
    world_start_lane(world);
    world_await(world, world_is_level);
    assert_int_equal(world_number(world, "SELECT count(*) FROM embedding WHERE truncated=1"), 1);
}

static void test_another_model_embeds_everything_anew_and_takes_the_old_vectors_place(void **state)
{
    struct world *world = *state;

    world_put_many(world, "good", 20);
    world_start_lane(world);
    world_await(world, world_is_level);
    world_stop_lane(world);
    world->model = "second";
    world_start_lane(world);
    world_await(world, world_is_level);
    assert_int_equal(world->backend.taped, 40);
    assert_int_equal(world_number(world, "SELECT count(*) FROM embedding"), 20);
    assert_int_equal(world_number(world, "SELECT count(*) FROM embedding WHERE model='second'"),
                     20);
}

static void test_a_content_that_changed_under_way_gets_the_vector_of_what_it_is_now(void **state)
{
    struct world *world = *state;

    world->backend.hold = true;
    world_start_lane(world);
    world_put(world, "a", "apple");
    world_await_call(world);
    world_put(world, "a", "a longer text");
    world_set(world, &world->backend.hold, false);
    world_release_calls(world);
    world_await(world, world_is_level);
    assert_int_equal(vectors(world), 1);
    assert_int_equal(world->backend.taped, 2);
    assert_int_equal(world_number(world, "SELECT count(*) FROM event WHERE op='embed'"), 1);
}

static void test_a_restart_in_the_middle_embeds_what_is_left(void **state)
{
    struct world *world = *state;

    world->options.batch = 10;
    world->backend.hold = true;
    world_put_many(world, "good", 30);
    world_start_lane(world);
    world_await_call(world);
    world_stop_lane(world);
    world_set(world, &world->backend.hold, false);
    world_start_lane(world);
    world_await(world, world_is_level);
    assert_int_equal(vectors(world), 30);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_every_content_gets_its_vector_once),
        TEST(test_a_vector_touches_the_memory_and_leaves_its_version),
        TEST(test_what_is_deleted_is_not_embedded),
        TEST(test_an_embedder_that_is_away_blames_no_memory_and_embeds_all_when_it_is_back),
        TEST(test_a_text_that_is_refused_goes_without_and_its_neighbours_do_not),
        TEST(test_a_vector_without_numbers_is_the_embedders_trouble),
        TEST(test_a_text_that_was_cut_is_marked),
        TEST(test_another_model_embeds_everything_anew_and_takes_the_old_vectors_place),
        TEST(test_a_content_that_changed_under_way_gets_the_vector_of_what_it_is_now),
        TEST(test_a_restart_in_the_middle_embeds_what_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
