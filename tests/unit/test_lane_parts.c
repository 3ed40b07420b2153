/* The lane's small parts: back-off, circuit, streak, and the cleaning of a plugin's sentence. */
#include "broker/backoff.h"
#include "broker/circuit.h"
#include "broker/reason.h"
#include "broker/streak.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void test_a_wait_lies_between_min_and_a_ceiling_that_doubles(void **state)
{
    struct backoff backoff;

    (void)state;
    backoff_init(&backoff, 1000, 600000, 42);
    for (uint32_t attempts = 1; attempts < 40; attempts++) {
        uint64_t ceiling = attempts < 10 ? UINT64_C(1000) << attempts : 600000;
        for (int i = 0; i < 200; i++) {
            assert_in_range(backoff_delay_ms(&backoff, attempts, 0), 1000, ceiling);
        }
    }
}

/* Full jitter: the whole range is used, not a band around its end. */
static void test_waits_spread_over_the_whole_range(void **state)
{
    struct backoff backoff;
    unsigned tenths[10] = {0};

    (void)state;
    backoff_init(&backoff, 1000, 600000, 7);
    for (int i = 0; i < 10000; i++) {
        tenths[(backoff_delay_ms(&backoff, 30, 0) - 1000) / 59901]++;
    }
    for (int i = 0; i < 10; i++) {
        assert_in_range(tenths[i], 800, 1200);
    }
}

static void test_the_same_seed_gives_the_same_waits_and_chance_does_not(void **state)
{
    struct backoff a, b, c, d;
    bool differ = false;

    (void)state;
    backoff_init(&a, 0, 0, 9);
    backoff_init(&b, 0, 0, 9);
    backoff_init(&c, 0, 0, 0);
    backoff_init(&d, 0, 0, 0);
    for (int i = 0; i < 50; i++) {
        assert_int_equal(backoff_delay_ms(&a, 30, 0), backoff_delay_ms(&b, 30, 0));
        differ |= backoff_delay_ms(&c, 30, 0) != backoff_delay_ms(&d, 30, 0);
    }
    assert_true(differ);
}

static void test_an_asked_delay_wins_and_is_bounded(void **state)
{
    struct backoff backoff;

    (void)state;
    backoff_init(&backoff, 0, 0, 1);
    assert_int_equal(backoff_delay_ms(&backoff, 1, 5), 5);
    assert_int_equal(backoff_delay_ms(&backoff, 30, 3600000), 3600000);
    assert_int_equal(backoff_delay_ms(&backoff, 1, UINT32_MAX), BACKOFF_ASKED_MAX_MS);
}

static void test_the_time_spent_grows_with_the_attempts(void **state)
{
    struct backoff backoff;

    (void)state;
    backoff_init(&backoff, 1000, 8000, 1);
    assert_int_equal(backoff_spent_ms(&backoff, 0), 0);
    assert_int_equal(backoff_spent_ms(&backoff, 1), 1500);
    assert_int_equal(backoff_spent_ms(&backoff, 2), 1500 + 2500);
    assert_int_equal(backoff_spent_ms(&backoff, 5), 1500 + 2500 + 3 * 4500);
    assert_int_equal(backoff_spent_ms(&backoff, UINT32_MAX),
                     1500 + 2500 + (UINT64_C(0xffffffff) - 2) * 4500);
}

static void test_a_circuit_begins_open_with_a_probe_due(void **state)
{
    struct circuit_state circuit;

    (void)state;
    circuit_init(&circuit, 100);
    assert_int_equal(circuit.circuit, CIRCUIT_OPEN);
    assert_true(circuit_probe_due(&circuit, 100));
    circuit_probe(&circuit);
    assert_false(circuit_probe_due(&circuit, 100));
    assert_string_equal(circuit_name(circuit.circuit), "probing");
    circuit_close(&circuit, 100);
    assert_string_equal(circuit_name(circuit.circuit), "closed");
}

static void test_only_a_delivery_shortens_the_wait_of_a_circuit(void **state)
{
    struct backoff backoff;
    struct circuit_state circuit;

    (void)state;
    backoff_init(&backoff, 1000, 600000, 3);
    circuit_init(&circuit, 0);
    for (uint32_t i = 1; i < 6; i++) {
        circuit_probe(&circuit);
        circuit_close(&circuit, 0);
        circuit_fail(&circuit, CIRCUIT_BACKEND, &backoff, 0, 0);
        assert_int_equal(circuit.failures, i);
        assert_string_equal(circuit_name(circuit.circuit), "open");
    }
    circuit_probe(&circuit);
    circuit_close(&circuit, 0);
    circuit_delivered(&circuit);
    circuit_fail(&circuit, CIRCUIT_BACKEND, &backoff, 0, 0);
    assert_int_equal(circuit.failures, 1);
    assert_in_range(circuit.probe_at_ms, 1000, 2000);
}

static void test_records_with_their_own_back_off_do_not_slow_the_circuit(void **state)
{
    struct backoff backoff;
    struct circuit_state circuit;

    (void)state;
    backoff_init(&backoff, 1000, 600000, 3);
    circuit_init(&circuit, 0);
    for (int i = 0; i < 20; i++) {
        circuit_probe(&circuit);
        circuit_close(&circuit, 0);
        circuit_fail(&circuit, CIRCUIT_RECORDS, &backoff, 0, 0);
        assert_in_range(circuit.probe_at_ms, 1000, 2000);
    }
}

static void test_a_backend_that_asks_for_a_delay_is_probed_then(void **state)
{
    struct backoff backoff;
    struct circuit_state circuit;

    (void)state;
    backoff_init(&backoff, 1000, 600000, 3);
    circuit_init(&circuit, 0);
    circuit_probe(&circuit);
    circuit_fail(&circuit, CIRCUIT_BACKEND, &backoff, 90000, 500);
    assert_false(circuit_probe_due(&circuit, 90499));
    assert_true(circuit_probe_due(&circuit, 90500));
}

static void test_a_circuit_long_closed_begins_anew(void **state)
{
    struct backoff backoff;
    struct circuit_state circuit;

    (void)state;
    backoff_init(&backoff, 1000, 600000, 3);
    circuit_init(&circuit, 0);
    circuit.failures = 12;
    circuit_probe(&circuit);
    circuit_close(&circuit, 0);
    circuit_fail(&circuit, CIRCUIT_BACKEND, &backoff, 0, 600001);
    assert_int_equal(circuit.failures, 1);
}

static void add(struct streak *streak, const char *id)
{
    struct streak_entry entry = {.attempts = 1};

    snprintf(entry.id, sizeof entry.id, "%s", id);
    streak_add(streak, &entry);
}

static void test_a_streak_counts_different_memories(void **state)
{
    struct streak streak;

    (void)state;
    streak_init(&streak, 3);
    for (int i = 0; i < 10; i++) {
        add(&streak, "a");
        add(&streak, "b");
    }
    assert_int_equal(streak.count, 2);
    assert_false(streak_is_full(&streak));
    add(&streak, "c");
    assert_true(streak_is_full(&streak));
    add(&streak, "d");
    assert_int_equal(streak.count, 3);
    streak_clear(&streak);
    assert_false(streak_is_full(&streak));
}

static void check_reason(const char *given, const char *expected)
{
    struct memferry_reason reason = {0};

    memcpy(reason.text, given, strlen(given));
    reason_clean(&reason, "nothing said");
    assert_string_equal(reason.text, expected);
}

static void test_a_reason_is_one_clean_line(void **state)
{
    (void)state;
    check_reason("all is well", "all is well");
    check_reason("a\nb\tc\x1b[31m\x7f", "a b c [31m ");
    check_reason("h\xc2\x9bllo \xe2\x82\xac", "h  llo \xe2\x82\xac");
    check_reason("bad \xff byte", "bad ? byte");
    check_reason("", "nothing said");
    check_reason(" \n ", "nothing said");
}

static void test_a_reason_without_an_end_or_cut_in_a_character_is_cut_whole(void **state)
{
    struct memferry_reason reason;

    (void)state;
    memset(reason.text, 'x', sizeof reason.text);
    memcpy(reason.text + sizeof reason.text - 3, "\xe2\x82\xac", 3);
    reason_clean(&reason, "");
    assert_int_equal(strlen(reason.text), sizeof reason.text - 3);
    assert_int_equal(strspn(reason.text, "x"), sizeof reason.text - 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_wait_lies_between_min_and_a_ceiling_that_doubles),
        cmocka_unit_test(test_waits_spread_over_the_whole_range),
        cmocka_unit_test(test_the_same_seed_gives_the_same_waits_and_chance_does_not),
        cmocka_unit_test(test_an_asked_delay_wins_and_is_bounded),
        cmocka_unit_test(test_the_time_spent_grows_with_the_attempts),
        cmocka_unit_test(test_a_circuit_begins_open_with_a_probe_due),
        cmocka_unit_test(test_only_a_delivery_shortens_the_wait_of_a_circuit),
        cmocka_unit_test(test_records_with_their_own_back_off_do_not_slow_the_circuit),
        cmocka_unit_test(test_a_backend_that_asks_for_a_delay_is_probed_then),
        cmocka_unit_test(test_a_circuit_long_closed_begins_anew),
        cmocka_unit_test(test_a_streak_counts_different_memories),
        cmocka_unit_test(test_a_reason_is_one_clean_line),
        cmocka_unit_test(test_a_reason_without_an_end_or_cut_in_a_character_is_cut_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
