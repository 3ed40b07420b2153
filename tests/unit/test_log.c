/* The log writes one clean line for each call, with its level and id, and never more than a line.
 */
#include "broker/util/log.h"

#include "broker/util/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
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

/* ---- a file of its own ---- */

struct file_fixture {
    char directory[64], path[96], old[96];
    struct log log;
};

static int setup_file(void **state)
{
    struct file_fixture *f = calloc(1, sizeof *f);

    assert_non_null(f);
    snprintf(f->directory, sizeof f->directory, "/tmp/mf-log-XXXXXX");
    assert_non_null(mkdtemp(f->directory));
    snprintf(f->path, sizeof f->path, "%s/log", f->directory);
    snprintf(f->old, sizeof f->old, "%s/log.1", f->directory);
    int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    log_init(&f->log, fd, LOG_LEVEL_INFO);
    *state = f;
    return 0;
}

static int teardown_file(void **state)
{
    struct file_fixture *f = *state;

    close(f->log.fd);
    unlink(f->path);
    unlink(f->old);
    rmdir(f->directory);
    free(f);
    return 0;
}

static off_t size_of(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0 ? status.st_size : -1;
}

static size_t lines_of(const char *path)
{
    FILE *file = fopen(path, "r");
    size_t lines = 0;
    int c;

    if (file == NULL) {
        return 0;
    }
    while ((c = getc(file)) != EOF) {
        lines += c == '\n';
    }
    fclose(file);
    return lines;
}

static void test_a_file_is_bounded_and_the_newest_lines_are_in_it(void **state)
{
    struct file_fixture *f = *state;
    char newest[256] = "";

    assert_int_equal(log_to_file(&f->log, f->path, 4096), 0);
    for (int i = 0; i < 1000; i++) {
        log_write(&f->log, LOG_LEVEL_INFO, "test", "line %d", i);
        assert_true(size_of(f->path) < 4096);
    }
    assert_true(size_of(f->old) >= 4096 && size_of(f->old) < 4096 + 256);
    FILE *file = fopen(f->path, "r");
    assert_non_null(file);
    while (fgets(newest, sizeof newest, file) != NULL) {
    }
    fclose(file);
    assert_non_null(strstr(newest, "test: line 999\n"));
}

static void test_a_file_that_is_full_already_is_put_aside_at_once(void **state)
{
    struct file_fixture *f = *state;

    assert_int_equal(log_to_file(&f->log, f->path, 1 << 20), 0);
    for (int i = 0; i < 100; i++) {
        log_write(&f->log, LOG_LEVEL_INFO, "test", "line %d", i);
    }
    assert_int_equal(log_to_file(&f->log, f->path, 1024), 0);
    assert_int_equal(size_of(f->path), 0);
    assert_int_equal(lines_of(f->old), 100);
}

static void test_a_file_that_cannot_be_opened_changes_nothing(void **state)
{
    struct file_fixture *f = *state;

    assert_int_equal(symlink("/dev/null", f->path), 0);
    assert_int_equal(log_to_file(&f->log, f->path, 1024), -ELOOP);
    assert_null(f->log.file);
}

static void test_a_file_that_cannot_be_renamed_is_emptied(void **state)
{
    struct file_fixture *f = *state;

    assert_int_equal(mkdir(f->old, 0700), 0);
    assert_int_equal(log_to_file(&f->log, f->path, 2048), 0);
    for (int i = 0; i < 500; i++) {
        log_write(&f->log, LOG_LEVEL_INFO, "test", "line %d", i);
    }
    assert_true(size_of(f->path) >= 0 && size_of(f->path) < 2048);
    assert_int_equal(rmdir(f->old), 0);
}

#define WRITERS      4
#define WRITER_LINES 2000

static void *write_lines(void *arg)
{
    for (int i = 0; i < WRITER_LINES; i++) {
        log_write(arg, LOG_LEVEL_INFO, "test", "line %d", i);
    }
    return NULL;
}

static void test_no_line_is_lost_when_a_file_is_put_aside(void **state)
{
    struct file_fixture *f = *state;
    pthread_t threads[WRITERS];

    /* Half of what is written fills it. */
    assert_int_equal(log_to_file(&f->log, f->path, 250000), 0);
    for (int i = 0; i < WRITERS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, write_lines, &f->log), 0);
    }
    for (int i = 0; i < WRITERS; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_true(lines_of(f->old) > 0);
    assert_int_equal(lines_of(f->path) + lines_of(f->old), WRITERS * WRITER_LINES);
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
        cmocka_unit_test_setup_teardown(test_a_file_is_bounded_and_the_newest_lines_are_in_it,
                                        setup_file, teardown_file),
        cmocka_unit_test_setup_teardown(test_a_file_that_is_full_already_is_put_aside_at_once,
                                        setup_file, teardown_file),
        cmocka_unit_test_setup_teardown(test_a_file_that_cannot_be_opened_changes_nothing,
                                        setup_file, teardown_file),
        cmocka_unit_test_setup_teardown(test_a_file_that_cannot_be_renamed_is_emptied, setup_file,
                                        teardown_file),
        cmocka_unit_test_setup_teardown(test_no_line_is_lost_when_a_file_is_put_aside, setup_file,
                                        teardown_file),
        cmocka_unit_test(test_levels_are_parsed_by_name),
        cmocka_unit_test(test_clocks_agree_with_themselves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
