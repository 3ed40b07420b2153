/* The histogram knows each value to 3 %, and keeps the tail. */
#include "broker/stats.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_an_empty_histogram_answers_zero(void **state)
{
    struct histogram histogram = {0};

    (void)state;
    assert_int_equal(histogram_at(&histogram, 0.99), 0);
}

static void test_a_single_value_is_known_to_three_percent(void **state)
{
    (void)state;
    for (uint64_t value = 1; value < (1ull << 31); value = value * 5 / 3 + 1) {
        struct histogram histogram = {0};
        histogram_add(&histogram, value);
        histogram_add(&histogram, 1ull << 33); /* so that the largest doesn't hide the bucket */
        uint64_t seen = histogram_at(&histogram, 0.5);
        assert_true(seen >= value);
        assert_true(seen - value <= value / 31);
    }
}

static void test_the_tail_is_kept(void **state)
{
    struct histogram histogram = {0};

    (void)state;
    for (int i = 0; i < 999; i++) {
        histogram_add(&histogram, 100);
    }
    histogram_add(&histogram, 5000000000ull);
    assert_true(histogram_at(&histogram, 0.99) < 105);
    assert_int_equal(histogram_at(&histogram, 1.0), histogram.max_us);
    assert_int_equal(histogram.max_us, 5000000000ull);
}

static void test_what_is_below_a_power_of_two_is_counted_exactly(void **state)
{
    struct histogram histogram = {0};

    (void)state;
    for (uint64_t value = 1; value <= 3000; value++) {
        histogram_add(&histogram, value);
    }
    for (unsigned exponent = 5; exponent <= 11; exponent++) {
        assert_int_equal(histogram_below(&histogram, exponent), (1u << exponent) - 1);
    }
    assert_int_equal(histogram_below(&histogram, 23), 3000);
    assert_int_equal(histogram.sum_us, 3000 * 3001 / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_empty_histogram_answers_zero),
        cmocka_unit_test(test_a_single_value_is_known_to_three_percent),
        cmocka_unit_test(test_the_tail_is_kept),
        cmocka_unit_test(test_what_is_below_a_power_of_two_is_counted_exactly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
