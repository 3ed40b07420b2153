/* The log writes one clean line for each call, with its level and id, and never more than a line.
 */
#include "broker/util/log.h"

#include "broker/util/clock.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
    int fds[2];
    struct log log;
    char out[8192];
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    unsetenv("JOURNAL_STREAM");
    if (f == NULL || pipe(f->fds) != 0) {
        return -1;
    }
    log_init(&f->log, f->fds[1], LOG_LEVEL_INFO);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    close(f->fds[0]);
    free(f);
    return 0;
}

/* Closes the log's end and reads all that was written. */
static const char *written(struct fixture *f)
{
    size_t size = 0;
    ssize_t got;

    close(f->fds[1]);
    while ((got = read(f->fds[0], f->out + size, sizeof f->out - 1 - size)) > 0) {
        size += (size_t)got;
    }
    f->out[size] = '\0';
    return f->out;
}

static void test_a_line_has_time_level_id_and_text(void **state)
{
    struct fixture *f = *state;
    int year, month, day, hour, minute, second, ms;
    char tail[100];

    log_write(&f->log, LOG_LEVEL_WARNING, "tea-cold", "pot %d is cold", 4);
    assert_int_equal(sscanf(written(f), "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ %99[^\n]", &year, &month,
                            &day, &hour, &minute, &second, &ms, tail),
                     8);
    assert_string_equal(tail, "warning tea-cold: pot 4 is cold");
    assert_int_equal(f->out[strlen(f->out) - 1], '\n');
}

static void test_what_is_above_the_level_is_dropped(void **state)
{
    struct fixture *f = *state;

    log_write(&f->log, LOG_LEVEL_DEBUG, "a", "unseen");
    log_write(&f->log, LOG_LEVEL_ERROR, "b", "seen");
    f->log.level = LOG_LEVEL_DEBUG;
    log_write(&f->log, LOG_LEVEL_DEBUG, "c", "now seen");
    assert_null(strstr(written(f), "unseen"));
    assert_non_null(strstr(f->out, "b: seen\n"));
    assert_non_null(strstr(f->out, "c: now seen\n"));
}

static void test_a_text_is_one_line_whatever_is_in_it(void **state)
{
    struct fixture *f = *state;

    log_write(&f->log, LOG_LEVEL_INFO, "x", "%s", "a\nb\r\tc\x1b[31m\x7f d\xc3\xa9");
    assert_non_null(strstr(written(f), "x: a b  c [31m  d\xc3\xa9\n"));
    assert_ptr_equal(strchr(f->out, '\n'), f->out + strlen(f->out) - 1);
}

static void test_a_long_text_is_cut_at_a_whole_character(void **state)
{
    struct fixture *f = *state;
    char text[4000];

    memset(text, 'a', 2);
    for (size_t i = 2; i + 4 < sizeof text; i += 3) {
        memcpy(text + i, "\xe2\x82\xac\0", 4);
    }
    log_write(&f->log, LOG_LEVEL_INFO, "long", "%s", text);
    size_t size = strlen(written(f));
    assert_in_range(size, 2000, 2048);
    assert_string_equal(f->out + size - 7, "\xe2\x82\xac...\n");
}

static void test_journald_gets_the_level_and_no_time(void **state)
{
    struct fixture *f = *state;
    struct stat st;
    char stream[64];

    assert_int_equal(fstat(f->fds[1], &st), 0);
    snprintf(stream, sizeof stream, "%llu:%llu", (unsigned long long)st.st_dev,
             (unsigned long long)st.st_ino);
    setenv("JOURNAL_STREAM", stream, 1);
    log_init(&f->log, f->fds[1], LOG_LEVEL_INFO);
    log_write(&f->log, LOG_LEVEL_ERROR, "x", "y");
    assert_string_equal(written(f), "<3>x: y\n");
}

static void test_a_journal_stream_of_another_descriptor_is_not_ours(void **state)
{
    struct fixture *f = *state;

    setenv("JOURNAL_STREAM", "1:1", 1);
    log_init(&f->log, f->fds[1], LOG_LEVEL_INFO);
    assert_int_equal(f->log.journald, 0);
    setenv("JOURNAL_STREAM", "nonsense", 1);
    log_init(&f->log, f->fds[1], LOG_LEVEL_INFO);
    assert_int_equal(f->log.journald, 0);
    close(f->fds[1]);
}

static void test_a_closed_log_loses_the_line_and_keeps_errno(void **state)
{
    struct fixture *f = *state;

    close(f->fds[1]);
    f->log.fd = -1;
    errno = ENOSPC;
    log_write(&f->log, LOG_LEVEL_ERROR, "x", "y");
    assert_int_equal(errno, ENOSPC);
}

static void test_levels_are_parsed_by_name(void **state)
{
    enum log_level level = LOG_LEVEL_ERROR;

    (void)state;
    assert_int_equal(log_level_parse("debug", &level), 0);
    assert_int_equal(level, LOG_LEVEL_DEBUG);
    assert_int_equal(log_level_parse("warning", &level), 0);
    assert_int_equal(level, LOG_LEVEL_WARNING);
    assert_int_equal(log_level_parse("loud", &level), -EINVAL);
    assert_int_equal(log_level_parse("", &level), -EINVAL);
    assert_int_equal(level, LOG_LEVEL_WARNING);
}

static void test_clocks_agree_with_themselves(void **state)
{
    (void)state;
    int64_t wall_us = clock_wall_us();
    int64_t monotonic_us = clock_monotonic_us();

    assert_true(wall_us > INT64_C(1500000000) * 1000000); /* after 2017 */
    assert_true(clock_wall_ms() / 1000 <= clock_wall_us() / 1000000);
    assert_true(clock_monotonic_us() >= monotonic_us);
    assert_true(clock_monotonic_ms() >= monotonic_us / 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_line_has_time_level_id_and_text, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_is_above_the_level_is_dropped, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_text_is_one_line_whatever_is_in_it, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_long_text_is_cut_at_a_whole_character, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_journald_gets_the_level_and_no_time, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_journal_stream_of_another_descriptor_is_not_ours,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_closed_log_loses_the_line_and_keeps_errno, setup,
                                        teardown),
        cmocka_unit_test(test_levels_are_parsed_by_name),
        cmocka_unit_test(test_clocks_agree_with_themselves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
