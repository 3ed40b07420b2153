/*
 * One batch and a function in place of a plugin: poison is found by halving, and what the backend
 * is to blame for costs no memory anything.
 */
#include "broker/lane_deliver.h"

#include "broker/util/container.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MEMORIES_MAX 200

/* What the fake backend does with a memory, by the first letter of its id. */
enum { GOOD = 'g', POISON = 'p', RETRY = 'r', REJECT = 'x', DOWN = 'd', SILENT = 's', OLD = 'o' };

struct fake {
    struct delivery_sink sink;
    size_t calls, largest;
    enum memferry_verdict poison;    /* verdict of a batch that holds poison */
    size_t hold_after, cancel_after; /* calls; 0: never */
};

struct bench {
    struct fake fake;
    struct delivery *delivery;
    struct reader_batch_item items[MEMORIES_MAX];
    char ids[MEMORIES_MAX][16];
    size_t n;
};

static void answer(struct memferry_outcome *outcome, enum memferry_verdict verdict,
                   enum memferry_blame blame, const char *id)
{
    outcome->verdict = verdict;
    outcome->blame = blame;
    snprintf(outcome->reason.text, sizeof outcome->reason.text, "about %s", id);
}

static void answer_one(struct memferry_outcome *outcome, const char *id)
{
    switch (id[0]) {
    case RETRY:
        answer(outcome, MEMFERRY_RETRY, MEMFERRY_BLAME_RECORD, id);
        outcome->retry_after_ms = 70;
        break;
    case REJECT:
        answer(outcome, MEMFERRY_REJECT, MEMFERRY_BLAME_RECORD, id);
        break;
    case DOWN: /* out of contract on purpose: the backend is never to blame for good */
        answer(outcome, MEMFERRY_REJECT, MEMFERRY_BLAME_BACKEND, id);
        outcome->retry_after_ms = 500;
        break;
    case SILENT:
        break;
    default:
        outcome->verdict = MEMFERRY_DONE;
        outcome->superseded = id[0] == OLD;
    }
}

static void fake_deliver(struct delivery_sink *sink, const uint32_t *which, size_t n,
                         struct memferry_outcome *outcomes)
{
    struct fake *fake = container_of(sink, struct fake, sink);
    const struct bench *bench = container_of(fake, struct bench, fake);
    bool poisoned = false;

    fake->calls++;
    fake->largest = n > fake->largest ? n : fake->largest;
    for (size_t i = 0; i < n; i++) {
        poisoned |= bench->ids[which[i]][0] == POISON;
    }
    for (size_t i = 0; i < n; i++) {
        const char *id = bench->ids[which[i]];

        assert_int_equal(outcomes[i].verdict, 0);
        if (poisoned) {
            answer(&outcomes[i], fake->poison, MEMFERRY_BLAME_BATCH, id);
        } else {
            answer_one(&outcomes[i], id);
        }
    }
}

static enum delivery_wish fake_wish(struct delivery_sink *sink)
{
    struct fake *fake = container_of(sink, struct fake, sink);

    if (fake->cancel_after > 0 && fake->calls >= fake->cancel_after) {
        return DELIVERY_CANCEL;
    }
    return fake->hold_after > 0 && fake->calls >= fake->hold_after ? DELIVERY_HOLD : DELIVERY_GO_ON;
}

static int setup(void **state)
{
    struct bench *bench = calloc(1, sizeof *bench);

    bench->fake.sink = (struct delivery_sink){.deliver = fake_deliver, .wish = fake_wish};
    bench->fake.poison = MEMFERRY_REJECT;
    bench->delivery = delivery_new(MEMORIES_MAX);
    *state = bench;
    return bench->delivery == NULL;
}

static int teardown(void **state)
{
    struct bench *bench = *state;

    delivery_free(bench->delivery);
    free(bench);
    return 0;
}

/* `kinds` holds a letter for each memory. Ids differ from run to run by `first`. */
static void run_from(struct bench *bench, const char *kinds, size_t first)
{
    bench->n = strlen(kinds);
    for (size_t i = 0; i < bench->n; i++) {
        snprintf(bench->ids[i], sizeof bench->ids[i], "%c%zu", kinds[i], first + i);
        bench->items[i].id = bench->ids[i];
        bench->items[i].version = first + i + 1;
        bench->items[i].seq = first + i + 1;
    }
    bench->fake.calls = bench->fake.largest = 0;
    delivery_run(bench->delivery, &bench->fake.sink, bench->items, bench->n);
}

static void run(struct bench *bench, const char *kinds)
{
    run_from(bench, kinds, 0);
}

static const char *repeat(char kind, size_t n)
{
    static char kinds[MEMORIES_MAX + 1];

    memset(kinds, kind, n);
    kinds[n] = '\0';
    return kinds;
}

static size_t count_fate(struct bench *bench, enum fate fate)
{
    size_t count = 0;

    for (size_t i = 0; i < bench->n; i++) {
        count += bench->delivery->results[i].fate == fate;
    }
    return count;
}

static void test_a_good_batch_is_one_call(void **state)
{
    struct bench *bench = *state;

    run(bench, repeat(GOOD, 100));
    assert_int_equal(bench->fake.calls, 1);
    assert_int_equal(bench->delivery->end, DELIVERY_COMPLETE);
    assert_int_equal(bench->delivery->done, 100);
    assert_int_equal(count_fate(bench, FATE_DONE), 100);
}

static void test_outcomes_belong_to_their_memory(void **state)
{
    struct bench *bench = *state;
    struct delivery_result *results = bench->delivery->results;

    run(bench, "grxos");
    assert_int_equal(results[0].fate, FATE_DONE);
    assert_int_equal(results[1].fate, FATE_RETRY);
    assert_int_equal(results[1].retry_after_ms, 70);
    assert_string_equal(results[1].reason.text, "about r1");
    assert_int_equal(results[2].fate, FATE_REJECT);
    assert_string_equal(results[2].reason.text, "about x2");
    assert_true(results[3].superseded);
    assert_false(results[0].superseded);
    assert_int_equal(results[4].fate, FATE_RETRY);
    assert_non_null(strstr(results[4].reason.text, "no answer"));
}

/* The poison may lie anywhere: each place is found, alone, within 2 log2(n) further calls. */
static void test_poison_is_found_wherever_it_lies(void **state)
{
    struct bench *bench = *state;
    char kinds[65];

    for (size_t at = 0; at < 64; at++) {
        memset(kinds, GOOD, 64);
        kinds[64] = '\0';
        kinds[at] = POISON;
        run(bench, kinds);
        assert_int_equal(bench->delivery->end, DELIVERY_COMPLETE);
        assert_int_equal(count_fate(bench, FATE_DONE), 63);
        assert_int_equal(bench->delivery->results[at].fate, FATE_REJECT);
        assert_in_range(bench->fake.calls, 2, 1 + 2 * 6);
    }
}

static void test_several_poisons_are_found_among_outcomes_of_all_kinds(void **state)
{
    struct bench *bench = *state;
    const char *kinds = "gprgxpgoggrpg";

    run(bench, kinds);
    assert_int_equal(bench->delivery->end, DELIVERY_COMPLETE);
    for (size_t i = 0; kinds[i] != '\0'; i++) {
        enum fate expected = kinds[i] == POISON || kinds[i] == REJECT ? FATE_REJECT
                             : kinds[i] == RETRY                      ? FATE_RETRY
                                                                      : FATE_DONE;
        assert_int_equal(bench->delivery->results[i].fate, expected);
    }
}

static void test_a_lone_record_of_a_refused_batch_keeps_the_verdict(void **state)
{
    struct bench *bench = *state;

    bench->fake.poison = MEMFERRY_RETRY;
    run(bench, "gpg");
    assert_int_equal(bench->delivery->results[1].fate, FATE_RETRY);
    run(bench, "p");
    assert_int_equal(bench->delivery->results[0].fate, FATE_RETRY);
    assert_int_equal(bench->fake.calls, 1);
}

static void test_the_backends_blame_leaves_the_rest_and_keeps_what_is_done(void **state)
{
    struct bench *bench = *state;

    run(bench, "gdgxr");
    assert_int_equal(bench->delivery->end, DELIVERY_BACKEND);
    assert_string_equal(bench->delivery->why.text, "about d1");
    assert_int_equal(bench->delivery->retry_after_ms, 500);
    assert_int_equal(count_fate(bench, FATE_LEFT), 1);
    assert_int_equal(bench->delivery->results[1].fate, FATE_LEFT);
    assert_int_equal(bench->delivery->done, 2);
}

static void test_halving_ends_when_the_backend_is_to_blame(void **state)
{
    struct bench *bench = *state;

    run(bench, "ddddgggp");
    assert_int_equal(bench->delivery->end, DELIVERY_BACKEND);
    assert_int_equal(bench->fake.calls, 2);
    assert_int_equal(count_fate(bench, FATE_LEFT), 8);
}

static void test_five_memories_that_fail_in_a_row_mean_the_backend(void **state)
{
    struct bench *bench = *state;

    run(bench, "rrrr");
    assert_int_equal(bench->delivery->end, DELIVERY_COMPLETE);
    run_from(bench, "r", 4);
    assert_int_equal(bench->delivery->end, DELIVERY_RETRIES);
    assert_non_null(strstr(bench->delivery->why.text, "about r4"));
}

static void test_the_same_memories_failing_again_are_no_streak(void **state)
{
    struct bench *bench = *state;

    for (int i = 0; i < 10; i++) {
        run(bench, "rrrr");
        assert_int_equal(bench->delivery->end, DELIVERY_COMPLETE);
    }
}

static void test_a_success_ends_a_streak(void **state)
{
    struct bench *bench = *state;

    for (size_t i = 0; i < 10; i++) {
        run_from(bench, "rrrr", i * 10);
        assert_int_equal(bench->delivery->end, DELIVERY_COMPLETE);
        run_from(bench, "g", i * 10 + 4);
    }
    run(bench, "rrrrrrrrg");
    assert_int_equal(bench->delivery->end, DELIVERY_COMPLETE);
    assert_int_equal(bench->delivery->retry, 8);
}

/* A backend that answers 500 to everything, blaming batches: not 2 n calls, but a few. */
static void test_a_streak_of_lone_records_ends_the_halving(void **state)
{
    struct bench *bench = *state;

    bench->fake.poison = MEMFERRY_RETRY;
    run(bench, repeat(POISON, 128));
    assert_int_equal(bench->delivery->end, DELIVERY_RETRIES);
    assert_in_range(bench->fake.calls, 5, 20);
    assert_int_equal(count_fate(bench, FATE_RETRY), DELIVERY_RETRIES_MAX);
    assert_int_equal(count_fate(bench, FATE_LEFT), 128 - DELIVERY_RETRIES_MAX);
}

static void test_twenty_memories_rejected_in_a_row_mean_the_backend(void **state)
{
    struct bench *bench = *state;

    run(bench, repeat(REJECT, 19));
    assert_int_equal(bench->delivery->end, DELIVERY_COMPLETE);
    run_from(bench, repeat(REJECT, 30), 18); /* the first is one of the nineteen */
    assert_int_equal(bench->delivery->end, DELIVERY_REJECTS);
    assert_int_equal(bench->delivery->reject, 30);
    assert_non_null(strstr(bench->delivery->why.text, "rejected"));
}

static void test_a_pause_ends_the_halving_between_two_calls(void **state)
{
    struct bench *bench = *state;

    bench->fake.hold_after = 2;
    run(bench, "ggggpgggg");
    assert_int_equal(bench->fake.calls, 2);
    assert_int_equal(bench->delivery->end, DELIVERY_HELD);
    assert_int_equal(count_fate(bench, FATE_DONE), 4);
    assert_int_equal(count_fate(bench, FATE_LEFT), 5);
}

static void test_a_cancelled_call_blames_nobody_but_keeps_what_is_done(void **state)
{
    struct bench *bench = *state;

    bench->fake.cancel_after = 1;
    run(bench, "grdgs");
    assert_int_equal(bench->delivery->end, DELIVERY_HELD);
    assert_int_equal(count_fate(bench, FATE_DONE), 2);
    assert_int_equal(count_fate(bench, FATE_LEFT), 3);
    assert_int_equal(bench->delivery->retries.count, 0);
}

static void test_attempts_go_on_for_a_deferred_state_and_begin_anew_for_a_newer_one(void **state)
{
    struct bench *bench = *state;

    run(bench, "gg");
    bench->items[0] = (struct reader_batch_item){.seq = 0, .attempts = 6};
    bench->items[1] = (struct reader_batch_item){.seq = 9, .attempts = 6};
    assert_int_equal(delivery_attempts(bench->delivery, 0), 7);
    assert_int_equal(delivery_attempts(bench->delivery, 1), 1);
    bench->items[0].attempts = UINT32_MAX;
    assert_int_equal(delivery_attempts(bench->delivery, 0), UINT32_MAX);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_good_batch_is_one_call),
        TEST(test_outcomes_belong_to_their_memory),
        TEST(test_poison_is_found_wherever_it_lies),
        TEST(test_several_poisons_are_found_among_outcomes_of_all_kinds),
        TEST(test_a_lone_record_of_a_refused_batch_keeps_the_verdict),
        TEST(test_the_backends_blame_leaves_the_rest_and_keeps_what_is_done),
        TEST(test_halving_ends_when_the_backend_is_to_blame),
        TEST(test_five_memories_that_fail_in_a_row_mean_the_backend),
        TEST(test_the_same_memories_failing_again_are_no_streak),
        TEST(test_a_success_ends_a_streak),
        TEST(test_a_streak_of_lone_records_ends_the_halving),
        TEST(test_twenty_memories_rejected_in_a_row_mean_the_backend),
        TEST(test_a_pause_ends_the_halving_between_two_calls),
        TEST(test_a_cancelled_call_blames_nobody_but_keeps_what_is_done),
        TEST(test_attempts_go_on_for_a_deferred_state_and_begin_anew_for_a_newer_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
