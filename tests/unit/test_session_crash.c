/*
 * test_session_crash.c - the session file when many processes begin at once, and when one of them
 * dies at any of its steps.
 */
#include "tests/lib/session_fixture.h"

#define PROCESSES 10
#define CRASHED   7
#define STEPS_MAX 100

/* ---- the steps: every call that changes or opens something ---- */

static int steps_left; /* 0: none is the last */

/* Ends the process before the step, as kill -9 would. */
static void step(void)
{
    if (steps_left > 0 && --steps_left == 0) {
        _exit(CRASHED);
    }
}

int __real_open64(const char *path, int flags, mode_t mode);
int __wrap_open64(const char *path, int flags, mode_t mode);
int __wrap_open64(const char *path, int flags, mode_t mode)
{
    step();
    return __real_open64(path, flags, mode);
}

int __real_flock(int fd, int operation);
int __wrap_flock(int fd, int operation);
int __wrap_flock(int fd, int operation)
{
    step();
    return __real_flock(fd, operation);
}

/* A step before it, and one in its middle. */
ssize_t __real_write(int fd, const void *data, size_t size);
ssize_t __wrap_write(int fd, const void *data, size_t size);
ssize_t __wrap_write(int fd, const void *data, size_t size)
{
    if (steps_left == 0) {
        return __real_write(fd, data, size);
    }
    step();
    ssize_t half = __real_write(fd, data, size / 2);
    step();
    return half < 0 ? half
                    : half + __real_write(fd, (const char *)data + half, size - (size_t)half);
}

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
    step();
    return __real_fsync(fd);
}

int __real_link(const char *from, const char *to);
int __wrap_link(const char *from, const char *to);
int __wrap_link(const char *from, const char *to)
{
    step();
    return __real_link(from, to);
}

int __real_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to)
{
    step();
    return __real_rename(from, to);
}

int __real_unlink(const char *path);
int __wrap_unlink(const char *path);
int __wrap_unlink(const char *path)
{
    step();
    return __real_unlink(path);
}

/* ---- how a file may stand before ---- */

static void nothing(const struct world *world)
{
    remove(world->file);
}

static void idle_one(const struct world *world)
{
    write_file(world, FOREIGN "\n");
    age(world->file, 31 * MINUTES);
}

static void torn_one(const struct world *world)
{
    write_file(world, "0b0e7c1e-22");
    age(world->file, 10);
}

static void live_one(const struct world *world)
{
    write_file(world, FOREIGN);
}

static int use(struct memferry *m)
{
    struct memferry_session session;

    return memferry_session_current(m, &session);
}

static int begin(struct memferry *m)
{
    struct memferry_session session;

    return memferry_session_begin(m, &session);
}

static int end(struct memferry *m)
{
    return memferry_session_end(m, FOREIGN);
}

/* ---- crashes ---- */

/* Runs a verb in a process that dies before its step n; false: it had fewer steps, and ended well.
 */
static bool dies_at(const struct world *world, int (*verb)(struct memferry *), int n)
{
    int status;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        struct memferry *m = client(world);
        steps_left = n;
        int rc = verb(m);
        _exit(rc == MEMFERRY_OK ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_true(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == CRASHED);
    return WEXITSTATUS(status) == CRASHED;
}

static void check_whole(const struct world *world)
{
    struct memferry_session first = current(world), second = current(world);

    assert_int_equal(strlen(first.id), 36);
    assert_string_equal(first.id, second.id);
    assert_false(second.begun);
}

static void test_a_crash_at_any_step_leaves_nothing_that_blocks(void **state)
{
    static const struct {
        void (*before)(const struct world *);
        int (*verb)(struct memferry *);
        int steps_min;
    } cases[] = {{nothing, use, 7},   {idle_one, use, 7},   {torn_one, use, 7}, {live_one, use, 1},
                 {nothing, begin, 7}, {live_one, begin, 7}, {live_one, end, 4}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int steps = 0;
        bool died;
        do {
            struct world world;
            world_make(&world);
            cases[i].before(&world);
            died = dies_at(&world, cases[i].verb, ++steps);
            check_whole(&world);
            world_free(&world);
            assert_true(steps < STEPS_MAX);
        } while (died);
        assert_true(steps > cases[i].steps_min);
    }
}

static void test_what_a_crash_left_does_not_pile_up(void **state)
{
    struct world world;

    (void)state;
    world_make(&world);
    for (int n = 1; n < 12; n++) {
        remove(world.file);
        dies_at(&world, use, n);
    }
    check_whole(&world);
    world_free(&world); /* fails when the directory holds more than id, id.lock and id.new */
}

/* ---- many at once ---- */

static void child(const struct world *world, int go, int out)
{
    struct memferry_session session;
    struct memferry *m = client(world);
    char byte;

    if (read(go, &byte, 1) != 0 || memferry_session_current(m, &session) != MEMFERRY_OK) {
        _exit(1);
    }
    _exit(write(out, session.id, 36) == 36 ? (session.begun ? 2 : 0) : 1);
}

/* All wait for the end of one pipe. */
static int begin_together(const struct world *world, char ids[PROCESSES][37])
{
    int go[2], out[2], status, begun = 0;

    assert_int_equal(pipe(go) | pipe(out), 0);
    for (int i = 0; i < PROCESSES; i++) {
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            close(go[1]);
            child(world, go[0], out[1]);
        }
    }
    close(go[0]);
    close(go[1]);
    for (int i = 0; i < PROCESSES; i++) {
        assert_true(wait(&status) > 0);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) != 1);
        begun += WEXITSTATUS(status) == 2;
        assert_int_equal(read(out[0], ids[i], 36), 36);
        ids[i][36] = '\0';
    }
    close(out[0]);
    close(out[1]);
    return begun;
}

static void test_ten_processes_that_begin_at_once_get_one_session(void **state)
{
    static void (*const befores[])(const struct world *) = {nothing, idle_one, torn_one};
    char ids[PROCESSES][37];
    struct world world;

    (void)state;
    world_make(&world);
    for (int round = 0; round < 30; round++) {
        befores[round % 3](&world);
        assert_int_equal(begin_together(&world, ids), 1);
        for (int i = 1; i < PROCESSES; i++) {
            assert_string_equal(ids[i], ids[0]);
        }
        file_holds(&world, ids[0]);
    }
    world_free(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_crash_at_any_step_leaves_nothing_that_blocks),
        cmocka_unit_test(test_what_a_crash_left_does_not_pile_up),
        cmocka_unit_test(test_ten_processes_that_begin_at_once_get_one_session),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
