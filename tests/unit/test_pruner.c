/* [history] keep in the background, and what a config that is read again makes of a pass that is
 * under way. The journal is a list of what was submitted, which the test answers when it likes. */
#include "store_fixture.h"

#include "broker/config.h"
#include "broker/event_prune.h"
#include "broker/pruner.h"
#include "broker/util/container.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

struct world {
    struct fixture store;
    uv_loop_t loop;
    struct mailbox mailbox;
    struct queries queries;
    struct emitter emitter;
    struct emission *submitted; /* that has no answer yet */
    unsigned submissions;
    struct log log;
    struct pruner pruner;
    uv_prepare_t prepare;
    uint32_t keep_then;
};

static void submit(struct emitter *emitter, struct emission *emission)
{
    struct world *world = container_of(emitter, struct world, emitter);

    assert_null(world->submitted);
    world->submitted = emission;
    world->submissions++;
}

/* The store has applied it. */
static void answer(struct world *world)
{
    struct emission *emission = world->submitted;

    assert_non_null(emission);
    world->submitted = NULL;
    emission->done(emission);
}

static int setup(void **state)
{
    struct world *world = calloc(1, sizeof *world);
    struct reader *reader;
    struct error err;

    fixture_init(&world->store);
    for (int i = 0; i < 5; i++) {
        fixture_put_json(&world->store, "m", "{'content':'tea'}");
    }
    log_init(&world->log, memfd_create("log", MFD_CLOEXEC), LOG_LEVEL_DEBUG);
    uv_loop_init(&world->loop);
    mailbox_init(&world->mailbox, &world->loop);
    assert_int_equal(reader_open(&reader, world->store.path, &err), 0);
    assert_int_equal(queries_start(&world->queries, QUERIES_READ, &world->loop, &world->mailbox,
                                   reader, world->store.seq, &err),
                     0);
    world->emitter.submit = submit;
    pruner_init(&world->pruner, &world->loop, &world->queries, &world->emitter, &world->log);
    uv_prepare_init(&world->loop, &world->prepare);
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;

    pruner_stop(&world->pruner);
    emission_free(world->submitted);
    queries_stop(&world->queries);
    pruner_deinit(&world->pruner);
    uv_close((uv_handle_t *)&world->pruner.timer, NULL);
    uv_close((uv_handle_t *)&world->prepare, NULL);
    mailbox_close(&world->mailbox);
    uv_run(&world->loop, UV_RUN_DEFAULT);
    uv_loop_close(&world->loop);
    close(world->log.fd);
    fixture_deinit(&world->store);
    free(world);
    return 0;
}

static void keep(struct world *world, uint32_t count)
{
    const struct config config = {.history_keep_count = count};

    pruner_configure(&world->pruner, &config);
}

/* Behind the timers of a turn, before what other threads have done is heard of. */
static void prepare_cb(uv_prepare_t *prepare)
{
    struct world *world = container_of(prepare, struct world, prepare);

    if (world->pruner.working) {
        uv_prepare_stop(prepare);
        keep(world, world->keep_then);
    }
}

static void keep_while_a_page_is_read(struct world *world, uint32_t count)
{
    world->keep_then = count;
    uv_prepare_start(&world->prepare, prepare_cb);
}

/* Turns the loop until a page was read, and written if there is something to write. */
static void run_page(struct world *world)
{
    do {
        uv_run(&world->loop, UV_RUN_ONCE);
    } while (world->pruner.working && world->submitted == NULL);
}

static uint64_t through_of(const struct world *world)
{
    const struct emission_item *item = &world->submitted->items[0];
    struct event event;
    uint64_t through;

    assert_int_equal(event_decode(item->payload, item->size, &event), 0);
    assert_int_equal(event_prune_read(event.fields, event.fields_size, &through), 0);
    return through;
}

static void test_old_versions_become_events(void **state)
{
    struct world *world = *state;

    keep(world, 2);
    run_page(world);
    assert_int_equal(world->submitted->count, 1);
    assert_int_equal(through_of(world), 3);
    answer(world);
    assert_false(world->pruner.working);
    assert_true(uv_is_active((uv_handle_t *)&world->pruner.timer)); /* the next pass */
}

static void test_keeping_all_from_now_on_ends_the_pass_that_is_under_way(void **state)
{
    struct world *world = *state;

    keep(world, 2);
    run_page(world);
    keep(world, 0); /* while its events are being written */
    answer(world);
    assert_false(world->pruner.working);
    assert_false(uv_is_active((uv_handle_t *)&world->pruner.timer)); /* nor an hour later */
}

static void test_what_the_old_rule_found_is_not_written_by_the_new_one(void **state)
{
    struct world *world = *state;

    keep(world, 1);
    keep_while_a_page_is_read(world, 4);
    while (world->submitted == NULL) {
        run_page(world);
    }
    assert_int_equal(world->submissions, 1);
    assert_int_equal(through_of(world), 1);
    answer(world);
}

static void test_keeping_all_from_now_on_writes_nothing_of_a_page_that_is_being_read(void **state)
{
    struct world *world = *state;

    keep(world, 1);
    keep_while_a_page_is_read(world, 0);
    run_page(world);
    assert_int_equal(world->submissions, 0);
    assert_false(uv_is_active((uv_handle_t *)&world->pruner.timer));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_old_versions_become_events),
        TEST(test_keeping_all_from_now_on_ends_the_pass_that_is_under_way),
        TEST(test_what_the_old_rule_found_is_not_written_by_the_new_one),
        TEST(test_keeping_all_from_now_on_writes_nothing_of_a_page_that_is_being_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
