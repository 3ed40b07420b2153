/* test_owner.c - a process told from every other, with real ones. */
#include "broker/owner.h"

#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static pid_t child(void)
{
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        pause();
        _exit(0);
    }
    return pid;
}

static void test_a_process_is_found_and_lives_until_it_exits(void **state)
{
    pid_t pid = child();
    struct owner owner;
    siginfo_t info;

    (void)state;
    assert_int_equal(owner_find(pid, getuid(), &owner), 0);
    assert_int_equal(owner.pid, pid);
    assert_int_equal(strlen(owner.boot_id), 36);
    assert_true(owner_is_alive(&owner));
    kill(pid, SIGKILL);
    assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    assert_false(owner_is_alive(&owner)); /* nobody has waited for it yet */
    assert_int_equal(owner_find(pid, getuid(), &owner), OWNER_E_GONE);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_false(owner_is_alive(&owner));
    assert_int_equal(owner_find(pid, getuid(), &owner), OWNER_E_GONE);
}

static void test_its_exit_makes_the_descriptor_readable(void **state)
{
    pid_t pid = child();
    struct pollfd poll_fd = {.events = POLLIN};
    struct owner owner;

    (void)state;
    assert_int_equal(owner_find(pid, getuid(), &owner), 0);
    assert_int_equal(owner_watch(&owner, &poll_fd.fd), 0);
    assert_int_equal(poll(&poll_fd, 1, 0), 0);
    kill(pid, SIGKILL);
    assert_int_equal(poll(&poll_fd, 1, 20000), 1);
    close(poll_fd.fd);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(owner_watch(&owner, &poll_fd.fd), OWNER_E_GONE);
}

static void test_another_process_under_the_same_pid_is_not_it(void **state)
{
    struct owner owner, other;
    int fd;

    (void)state;
    assert_int_equal(owner_find(getpid(), getuid(), &owner), 0);
    other = owner;
    other.start++;
    assert_false(owner_is_alive(&other));
    assert_int_equal(owner_watch(&other, &fd), OWNER_E_GONE);
    other = owner;
    other.boot_id[0] = other.boot_id[0] == '0' ? '1' : '0';
    assert_false(owner_is_alive(&other));
}

static void test_only_root_names_a_process_of_another_user(void **state)
{
    struct owner owner;

    (void)state;
    assert_int_equal(owner_find(getpid(), getuid() + 1, &owner), OWNER_E_OTHER);
    assert_int_equal(owner_find(getpid(), 0, &owner), 0);
}

static void test_a_name_of_brackets_and_blanks_misleads_nobody(void **state)
{
    struct owner before, after;
    FILE *name = fopen("/proc/self/comm", "we");

    (void)state;
    assert_int_equal(owner_find(getpid(), getuid(), &before), 0);
    assert_non_null(name);
    fputs("a) Z 1 2 (b", name);
    assert_int_equal(fclose(name), 0);
    assert_int_equal(owner_find(getpid(), getuid(), &after), 0);
    assert_true(before.start == after.start);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_process_is_found_and_lives_until_it_exits),
        cmocka_unit_test(test_its_exit_makes_the_descriptor_readable),
        cmocka_unit_test(test_another_process_under_the_same_pid_is_not_it),
        cmocka_unit_test(test_only_root_names_a_process_of_another_user),
        cmocka_unit_test(test_a_name_of_brackets_and_blanks_misleads_nobody),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
