/* A mapped file that is cut, or that its disk cannot read, is an error to its reader and no more.
 */
#include "broker/util/guarded_map.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define PAGE  4096
#define PAGES 8

/* A file without a name, each page full of its number, from 1. */
static int make_file(void)
{
    char name[] = "/tmp/guarded_map.XXXXXX", bytes[PAGE];
    int fd = mkstemp(name);

    assert_true(fd >= 0);
    unlink(name);
    for (int i = 0; i < PAGES; i++) {
        memset(bytes, i + 1, sizeof bytes);
        assert_int_equal(write(fd, bytes, sizeof bytes), sizeof bytes);
    }
    return fd;
}

static struct guarded_map *map_file(int fd)
{
    struct guarded_map *map;

    assert_int_equal(guarded_map_new(&map, fd, (size_t)PAGES * PAGE), 0);
    return map;
}

static void test_what_was_cut_reads_as_zeros_and_the_map_says_so(void **state)
{
    int fd = make_file();
    struct guarded_map *map = map_file(fd);
    const volatile uint8_t *bytes = guarded_map_bytes(map);

    (void)state;
    assert_int_equal(ftruncate(fd, 2L * PAGE), 0);
    assert_int_equal(bytes[2 * PAGE - 1], 2);
    assert_false(guarded_map_is_broken(map));
    assert_int_equal(bytes[2 * PAGE], 0);
    assert_int_equal(bytes[PAGES * PAGE - 1], 0);
    assert_int_equal(bytes[0], 1);
    assert_true(guarded_map_is_broken(map));
    guarded_map_free(map);
    close(fd);
}

static void test_one_that_breaks_leaves_the_others_alone(void **state)
{
    int fd = make_file(), other_fd = make_file();
    struct guarded_map *map = map_file(fd), *other = map_file(other_fd);

    (void)state;
    assert_int_equal(ftruncate(fd, 0), 0);
    assert_int_equal(*(const volatile uint8_t *)guarded_map_bytes(map), 0);
    assert_true(guarded_map_is_broken(map));
    assert_false(guarded_map_is_broken(other));
    assert_int_equal(guarded_map_bytes(other)[0], 1);
    guarded_map_free(map);
    guarded_map_free(other);
    close(fd);
    close(other_fd);
}

static void test_a_place_in_the_table_is_used_again_and_whole_again(void **state)
{
    struct guarded_map *maps[GUARDED_MAPS_MAX], *more;
    int fd = make_file(), cut_fd = make_file();

    (void)state;
    for (size_t i = 0; i < GUARDED_MAPS_MAX; i++) {
        maps[i] = map_file(i == 0 ? cut_fd : fd);
    }
    assert_int_equal(guarded_map_new(&more, fd, PAGE), -EMFILE);
    assert_null(more);
    assert_int_equal(ftruncate(cut_fd, 0), 0);
    assert_int_equal(*(const volatile uint8_t *)guarded_map_bytes(maps[0]), 0);
    guarded_map_free(maps[0]);
    maps[0] = map_file(fd);
    assert_false(guarded_map_is_broken(maps[0]));
    for (size_t i = 0; i < GUARDED_MAPS_MAX; i++) {
        guarded_map_free(maps[i]);
    }
    close(fd);
    close(cut_fd);
}

/* In a process of its own. */
static void touch_what_nobody_guards(void)
{
    signal(SIGBUS, SIG_DFL); /* and not what cmocka makes of it */
    int fd = make_file();
    struct guarded_map *map = map_file(fd);
    const volatile uint8_t *own = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
    if (own == MAP_FAILED || ftruncate(fd, 0) < 0 || own[0] == 0) {
        _exit(guarded_map_is_broken(map) ? 2 : 1);
    }
    _exit(0);
}

static void send_it_to_ourselves(void)
{
    signal(SIGBUS, SIG_DFL);
    map_file(make_file());
    kill(getpid(), SIGBUS);
    _exit(0);
}

static void assert_ended_by_sigbus(void (*child)(void))
{
    int status;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        const struct rlimit none = {0};
        setrlimit(RLIMIT_CORE, &none);
        child();
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
}

static void test_a_fault_elsewhere_ends_the_process_as_before(void **state)
{
    (void)state;
    assert_ended_by_sigbus(touch_what_nobody_guards);
}

static void test_a_signal_that_was_sent_ends_the_process_as_before(void **state)
{
    (void)state;
    assert_ended_by_sigbus(send_it_to_ourselves);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_was_cut_reads_as_zeros_and_the_map_says_so),
        cmocka_unit_test(test_one_that_breaks_leaves_the_others_alone),
        cmocka_unit_test(test_a_place_in_the_table_is_used_again_and_whole_again),
        cmocka_unit_test(test_a_fault_elsewhere_ends_the_process_as_before),
        cmocka_unit_test(test_a_signal_that_was_sent_ends_the_process_as_before),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
