/* Alerts on their way: one event of each at a time, none lost without a word. The journal is a list
 * of what was submitted, which the test answers when it likes. */
#include "broker/alerts.h"

#include "broker/util/container.h"

#include <errno.h>
#include <pthread.h>
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

#define SUBMITTED_MAX 1024

struct world {
    struct alerts alerts;
    struct emitter emitter;
    struct alerts_observer observer;
    struct log log;
    uv_loop_t loop;
    pthread_mutex_t lock;
    struct emission *submitted[SUBMITTED_MAX];
    size_t count;
    uint64_t told_count; /* of the last alert that the observer heard of */
    unsigned told;
    char text[1 << 16];
};

static void submit(struct emitter *emitter, struct emission *emission)
{
    struct world *world = container_of(emitter, struct world, emitter);

    pthread_mutex_lock(&world->lock);
    assert_true(world->count < SUBMITTED_MAX);
    world->submitted[world->count++] = emission;
    pthread_mutex_unlock(&world->lock);
}

static void raised(struct alerts_observer *observer, const struct alert *alert, uint64_t seq)
{
    struct world *world = container_of(observer, struct world, observer);

    assert_int_equal(seq, 7);
    world->told++;
    world->told_count = alert->count;
}

static int setup(void **state)
{
    struct world *world = calloc(1, sizeof *world);

    log_init(&world->log, memfd_create("log", MFD_CLOEXEC), LOG_LEVEL_DEBUG);
    pthread_mutex_init(&world->lock, NULL);
    uv_loop_init(&world->loop);
    world->emitter.submit = submit;
    world->observer.raised = raised;
    alerts_init(&world->alerts, &world->loop, &world->emitter, &world->log);
    world->alerts.observer = &world->observer;
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;

    alerts_stop(&world->alerts);
    for (size_t i = 0; i < world->count; i++) {
        emission_free(world->submitted[i]);
    }
    alerts_deinit(&world->alerts);
    uv_close((uv_handle_t *)&world->alerts.timer, NULL);
    uv_run(&world->loop, UV_RUN_DEFAULT);
    uv_loop_close(&world->loop);
    close(world->log.fd);
    pthread_mutex_destroy(&world->lock);
    free(world);
    return 0;
}

static const char *log_text(struct world *world)
{
    ssize_t size = pread(world->log.fd, world->text, sizeof world->text - 1, 0);

    world->text[size < 0 ? 0 : size] = '\0';
    return world->text;
}

static size_t count_of(const char *text, const char *wanted)
{
    size_t count = 0;

    for (; (text = strstr(text, wanted)) != NULL; text++) {
        count++;
    }
    return count;
}

/* The first event that was submitted, as an alert; borrowed from the emission. */
static struct alert first_alert(struct world *world)
{
    const struct emission_item *item = &world->submitted[0]->items[0];
    struct event event;
    struct alert alert;

    assert_true(world->count > 0);
    assert_int_equal(event_decode(item->payload, item->size, &event), 0);
    assert_int_equal(event.op, EVENT_ALERT);
    assert_int_equal(alert_decode(&event, &alert), 0);
    return alert;
}

/* Answers the first, which may submit more. */
static void answer(struct world *world, int status)
{
    struct emission *emission = world->submitted[0];
    struct error err;

    memmove(world->submitted, world->submitted + 1, --world->count * sizeof *world->submitted);
    error_set(&err, status, "the test says %d", status);
    emission->items[0].result = (struct apply_result){.outcome = APPLY_CHANGED, .seq = 7};
    emission_set_status(emission, 0, status, &err);
    emission->done(emission);
}

static void tell(struct world *world, const char *subject)
{
    alerts_tell(&world->alerts, "backend-gone", subject, MEMFERRY_SEVERITY_CRITICAL,
                "memferry backends resume flow", "Backend %s is gone", subject);
}

/* ---- the happy path ---- */

static void test_an_alert_is_logged_and_submitted(void **state)
{
    struct world *world = *state;

    tell(world, "flow");
    struct alert alert = first_alert(world);
    assert_int_equal(alert.id.size, strlen("backend-gone/flow"));
    assert_memory_equal(alert.id.data, "backend-gone/flow", alert.id.size);
    assert_int_equal(alert.count, 1);
    assert_true(alert.adds);
    assert_true(alert.at_ms > 0);
    assert_non_null(strstr(log_text(world), "alert: critical: Backend flow is gone"));
    assert_non_null(strstr(world->text, "memferry backends resume flow"));
    answer(world, 0);
    assert_int_equal(world->told, 1);
    assert_int_equal(world->alerts.count, 0);
}

static void test_what_changed_nothing_is_told_to_nobody(void **state)
{
    struct world *world = *state;

    tell(world, "flow");
    struct emission *emission = world->submitted[0];
    world->count = 0;
    emission->items[0].result = (struct apply_result){.outcome = APPLY_DUPLICATE, .seq = 3};
    emission->done(emission);
    assert_int_equal(world->told, 0);
}

static void test_a_storm_is_one_event_at_a_time(void **state)
{
    struct world *world = *state;

    for (int i = 0; i < 100; i++) {
        tell(world, "flow");
    }
    assert_int_equal(world->count, 1);
    assert_int_equal(count_of(log_text(world), "alert: critical"), 1);
    answer(world, 0);
    assert_int_equal(world->count, 1);
    assert_int_equal(first_alert(world).count, 99);
    answer(world, 0);
    assert_int_equal(world->count, 0);
    assert_int_equal(world->told_count, 99);
}

static void test_whole_counts_are_not_added(void **state)
{
    struct world *world = *state;
    struct alert alert = {.id = {"x", 1},
                          .rule = {"rapid-delete", 12},
                          .severity = MEMFERRY_SEVERITY_WARNING,
                          .count = 11};

    alerts_raise(&world->alerts, &alert);
    alert.count = 30;
    alerts_raise(&world->alerts, &alert);
    alert.count = 20;
    alerts_raise(&world->alerts, &alert);
    answer(world, 0);
    assert_int_equal(first_alert(world).count, 30);
}

static void test_different_alerts_do_not_wait_for_each_other(void **state)
{
    struct world *world = *state;

    tell(world, "flow");
    tell(world, "graph");
    assert_int_equal(world->count, 2);
}

/* ---- what fails ---- */

static void run_until_submitted(struct world *world)
{
    while (world->count == 0) {
        uv_run(&world->loop, UV_RUN_ONCE);
    }
}

static void test_a_full_journal_is_tried_again(void **state)
{
    struct world *world = *state;

    world->alerts.retry_ms = 1;
    tell(world, "flow");
    tell(world, "flow");
    answer(world, -ENOSPC);
    assert_int_equal(world->count, 0);
    run_until_submitted(world);
    assert_int_equal(first_alert(world).count, 2); /* also what was raised meanwhile */
    answer(world, -ENOSPC);
    run_until_submitted(world);
    answer(world, 0);
    assert_int_equal(world->told_count, 2);
    assert_null(strstr(log_text(world), "alert-lost"));
}

static void test_failed_storage_loses_nothing_silently(void **state)
{
    struct world *world = *state;

    tell(world, "flow");
    answer(world, -EIO);
    assert_non_null(strstr(log_text(world), "alert-lost: alert backend-gone/flow could not be kept "
                                            "(the test says -5)"));
    assert_non_null(strstr(world->text, "Backend flow is gone"));
    assert_int_equal(world->told, 0);
    assert_int_equal(world->alerts.count, 0);
}

static void test_what_waits_at_the_end_is_logged(void **state)
{
    struct world *world = *state;

    tell(world, "flow");
    answer(world, -ENOSPC);
    tell(world, "graph"); /* on its way */
    alerts_stop(&world->alerts);
    assert_int_equal(count_of(log_text(world), "alert-lost: alert backend-gone/flow"), 1);
    assert_int_equal(count_of(world->text, "alert-lost: alert backend-gone/graph"), 0);
    answer(world, -EIO);
    assert_int_equal(count_of(log_text(world), "alert-lost: alert backend-gone/graph"), 1);
    tell(world, "late");
    assert_int_equal(count_of(log_text(world), "alert-lost: alert backend-gone/late"), 1);
    assert_int_equal(world->count, 0);
}

static void test_there_is_a_bound(void **state)
{
    struct world *world = *state;
    char subject[16];

    for (int i = 0; i <= ALERTS_WAITING_MAX; i++) {
        snprintf(subject, sizeof subject, "b%d", i);
        tell(world, subject);
    }
    assert_int_equal(world->count, ALERTS_WAITING_MAX);
    assert_int_equal(count_of(log_text(world), "alert-lost"), 1);
    assert_non_null(strstr(world->text, "too many others wait"));
}

/* ---- threads ---- */

#define RAISES 300

static void *raise_many(void *arg)
{
    for (int i = 0; i < RAISES; i++) {
        tell(arg, "flow");
    }
    return NULL;
}

static void test_threads_lose_no_count(void **state)
{
    struct world *world = *state;
    pthread_t threads[3];
    uint64_t total = 0;
    int running = 3;

    for (int i = 0; i < 3; i++) {
        pthread_create(&threads[i], NULL, raise_many, world);
    }
    while (total < (uint64_t)3 * RAISES) {
        pthread_mutex_lock(&world->lock);
        bool some = world->count > 0;
        uint64_t count = some ? first_alert(world).count : 0;
        struct emission *emission = some ? world->submitted[--world->count] : NULL;
        pthread_mutex_unlock(&world->lock);
        total += count;
        if (some) {
            emission->items[0].result = (struct apply_result){.outcome = APPLY_CHANGED, .seq = 7};
            emission->done(emission);
        } else {
            sched_yield();
        }
    }
    while (running > 0) {
        pthread_join(threads[--running], NULL);
    }
    assert_int_equal(total, 3 * RAISES);
    assert_int_equal(world->count, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_an_alert_is_logged_and_submitted),
        TEST(test_what_changed_nothing_is_told_to_nobody),
        TEST(test_a_storm_is_one_event_at_a_time),
        TEST(test_whole_counts_are_not_added),
        TEST(test_different_alerts_do_not_wait_for_each_other),
        TEST(test_a_full_journal_is_tried_again),
        TEST(test_failed_storage_loses_nothing_silently),
        TEST(test_what_waits_at_the_end_is_logged),
        TEST(test_there_is_a_bound),
        TEST(test_threads_lose_no_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
