/* test_session_file.c - the file that names the session in force, alone and beside other programs.
 */
#include "tests/lib/session_fixture.h"

/* What the library does while it waits is the test's to say. */
int __real_nanosleep(const struct timespec *time, struct timespec *rest);
int __wrap_nanosleep(const struct timespec *time, struct timespec *rest);

static void (*while_waiting)(void);

int __wrap_nanosleep(const struct timespec *time, struct timespec *rest)
{
    if (while_waiting != NULL) {
        while_waiting();
    }
    return __real_nanosleep(time, rest);
}

/* ---- one program ---- */

static void test_the_first_use_begins_a_session_in_a_private_file(void **state)
{
    struct memferry_session first, second;
    struct stat status;
    struct world world;

    (void)state;
    world_make(&world);
    umask(0);
    first = current(&world);
    umask(022);
    assert_true(first.begun && !first.from_environment);
    assert_int_equal(strlen(first.id), 36);
    assert_int_equal(first.id[14], '4');
    file_holds(&world, first.id);
    assert_int_equal(stat(world.file, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
    second = current(&world);
    assert_string_equal(second.id, first.id);
    assert_false(second.begun);
    world_free(&world);
}

static void test_one_connection_sees_what_others_do_to_the_file(void **state)
{
    struct memferry_session session, begun;
    struct world world;

    (void)state;
    world_make(&world);
    struct memferry *m = client(&world);
    for (int i = 0; i < 20; i++) {
        write_file(&world, FOREIGN);
        age(world.file, i % 3);
        assert_int_equal(memferry_session_current(m, &session), MEMFERRY_OK);
        assert_int_equal(memferry_session_current(m, &session), MEMFERRY_OK);
        assert_string_equal(session.id, FOREIGN);
        assert_int_equal(remove(world.file), 0);
        assert_int_equal(memferry_session_current(m, &begun), MEMFERRY_OK);
        assert_true(begun.begun);
        assert_string_not_equal(begun.id, FOREIGN);
    }
    memferry_close(m);
    world_free(&world);
}

static void test_a_use_moves_the_files_time(void **state)
{
    struct stat before, after;
    struct world world;

    (void)state;
    world_make(&world);
    write_file(&world, FOREIGN "\n");
    age(world.file, 29 * MINUTES);
    assert_int_equal(stat(world.file, &before), 0);
    assert_string_equal(current(&world).id, FOREIGN);
    assert_int_equal(stat(world.file, &after), 0);
    assert_true(after.st_mtim.tv_sec > before.st_mtim.tv_sec + 28 * MINUTES);
    world_free(&world);
}

static void test_an_idle_session_has_ended_and_the_next_use_begins_another(void **state)
{
    struct memferry_session session;
    struct world world;

    (void)state;
    world_make(&world);
    write_file(&world, FOREIGN "\n");
    age(world.file, 31 * MINUTES);
    session = current(&world);
    assert_true(session.begun);
    assert_string_not_equal(session.id, FOREIGN);
    file_holds(&world, session.id);
    assert_string_equal(current(&world).id, session.id);
    world_free(&world);
}

static void test_how_long_a_session_may_be_idle_is_a_setting(void **state)
{
    struct memferry_settings settings = {.size = sizeof settings, .session_idle_ms = 5000};
    struct memferry_session session;
    struct memferry *m;
    struct world world;

    (void)state;
    world_make(&world);
    settings.session_file = world.file;
    write_file(&world, FOREIGN);
    age(world.file, 6);
    assert_int_equal(memferry_open(&m, &settings), MEMFERRY_OK);
    assert_int_equal(memferry_session_peek(m, &session), MEMFERRY_E_NOT_FOUND);
    memferry_close(m);
    assert_string_equal(current(&world).id, FOREIGN);

    age(world.file, 100);
    setenv("MEMFERRY_SESSION_IDLE", "1m", 1);
    assert_true(current(&world).begun);
    setenv("MEMFERRY_SESSION_IDLE", "soon", 1);
    m = client(&world);
    assert_int_equal(memferry_session_current(m, &session), MEMFERRY_E_SESSION);
    assert_non_null(strstr(memferry_error(m), "MEMFERRY_SESSION_IDLE"));
    memferry_close(m);
    settings.session_idle_ms = -1;
    assert_int_equal(memferry_open(&m, &settings), MEMFERRY_E_INVALID);
    world_free(&world);
}

static void test_a_time_in_the_future_is_no_idleness_and_heals(void **state)
{
    struct stat status;
    struct world world;

    (void)state;
    world_make(&world);
    write_file(&world, FOREIGN);
    age(world.file, -3000 * MINUTES);
    assert_string_equal(current(&world).id, FOREIGN);
    assert_int_equal(stat(world.file, &status), 0);
    assert_true(status.st_mtim.tv_sec <= time(NULL) + 1);
    world_free(&world);
}

static void test_the_environment_wins_over_the_file(void **state)
{
    struct memferry_session session;
    struct world world;

    (void)state;
    world_make(&world);
    setenv("MEMFERRY_SESSION_ID", "any text", 1);
    struct memferry *m = client(&world);
    assert_int_equal(memferry_session_current(m, &session), MEMFERRY_OK);
    assert_true(session.from_environment && !session.begun);
    assert_string_equal(session.id, "any text");
    assert_int_equal(memferry_session_begin(m, &session), MEMFERRY_OK);
    assert_string_equal(session.id, "any text");
    assert_int_equal(access(world.file, F_OK), -1);
    setenv("MEMFERRY_SESSION_ID",
           "12345678901234567890123456789012345678901234567890123456789012345", 1);
    assert_int_equal(memferry_session_current(m, &session), MEMFERRY_E_INVALID);
    unsetenv("MEMFERRY_SESSION_ID");
    memferry_close(m);
    world_free(&world);
}

static void test_begin_replaces_and_end_removes_only_its_own(void **state)
{
    struct memferry_session first, second;
    struct world world;

    (void)state;
    world_make(&world);
    first = current(&world);
    struct memferry *m = client(&world);
    assert_int_equal(memferry_session_begin(m, &second), MEMFERRY_OK);
    assert_true(second.begun);
    assert_string_not_equal(first.id, second.id);
    assert_int_equal(memferry_session_end(m, first.id), MEMFERRY_E_NOT_FOUND);
    file_holds(&world, second.id);
    assert_int_equal(memferry_session_end(m, second.id), MEMFERRY_OK);
    assert_int_equal(access(world.file, F_OK), -1);
    assert_int_equal(memferry_session_end(m, second.id), MEMFERRY_E_NOT_FOUND);
    assert_int_equal(memferry_session_peek(m, &first), MEMFERRY_E_NOT_FOUND);
    assert_int_equal(access(world.file, F_OK), -1);
    assert_int_equal(memferry_session_end(m, NULL), MEMFERRY_E_INVALID);
    memferry_close(m);
    world_free(&world);
}

static void test_without_a_file_there_is_a_session_only_in_the_environment(void **state)
{
    struct memferry_settings settings = {.size = sizeof settings, .session_file = ""};
    struct memferry_session session;
    struct memferry *m;

    (void)state;
    assert_int_equal(memferry_open(&m, &settings), MEMFERRY_OK);
    assert_int_equal(memferry_session_current(m, &session), MEMFERRY_E_SESSION);
    setenv("MEMFERRY_SESSION_ID", FOREIGN, 1);
    assert_int_equal(memferry_session_current(m, &session), MEMFERRY_OK);
    unsetenv("MEMFERRY_SESSION_ID");
    memferry_close(m);
}

static void test_the_file_is_in_the_home_directory_unless_it_is_named(void **state)
{
    struct memferry_session session;
    char path[PATH_SIZE + 20];
    struct world world;
    struct memferry *m;

    (void)state;
    world_make(&world);
    setenv("HOME", world.directory, 1);
    unsetenv("MEMFERRY_SESSION_FILE");
    assert_int_equal(memferry_open(&m, NULL), MEMFERRY_OK);
    assert_int_equal(memferry_session_current(m, &session), MEMFERRY_OK);
    memferry_close(m);
    snprintf(path, sizeof path, "%s/.claude-session-id", world.directory);
    assert_int_equal(unlink(path), 0);
    strcat(path, ".lock");
    assert_int_equal(unlink(path), 0);

    setenv("MEMFERRY_SESSION_FILE", world.file, 1);
    assert_int_equal(memferry_open(&m, NULL), MEMFERRY_OK);
    assert_int_equal(memferry_session_current(m, &session), MEMFERRY_OK);
    memferry_close(m);
    file_holds(&world, session.id);
    unsetenv("MEMFERRY_SESSION_FILE");
    world_free(&world);
}

/* ---- beside others ---- */

static void test_what_others_write_is_taken_over_as_it_is_written(void **state)
{
    static const struct {
        const char *text, *id;
    } files[] = {
        {FOREIGN, FOREIGN},
        {FOREIGN "\r\n", FOREIGN},
        {"  \t" FOREIGN " \n\n", FOREIGN},
        {"0B0E7C1E-2222-4111-8000-0123456789AB\n", "0B0E7C1E-2222-4111-8000-0123456789AB"},
        {"0b0e7c1e-2222-1111-c000-0123456789ab", "0b0e7c1e-2222-1111-c000-0123456789ab"},
    };
    struct world world;

    (void)state;
    world_make(&world);
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        write_file(&world, files[i].text);
        assert_string_equal(current(&world).id, files[i].id);
    }
    struct memferry *m = client(&world);
    assert_int_equal(memferry_session_end(m, "0B0E7C1E-2222-1111-C000-0123456789AB"), MEMFERRY_OK);
    memferry_close(m);
    world_free(&world);
}

/* The file is refused with this word, and as it was. */
static void is_refused(const struct world *world, const char *word)
{
    struct memferry_session session;
    struct memferry *m = client(world);
    struct stat before, after;

    assert_int_equal(lstat(world->file, &before), 0);
    assert_int_equal(memferry_session_current(m, &session), MEMFERRY_E_SESSION);
    assert_non_null(strstr(memferry_error(m), word));
    assert_non_null(strstr(memferry_error(m), world->file));
    assert_int_equal(memferry_session_begin(m, &session), MEMFERRY_E_SESSION);
    assert_int_equal(memferry_session_peek(m, &session), MEMFERRY_E_SESSION);
    assert_int_equal(memferry_session_end(m, FOREIGN), MEMFERRY_E_SESSION);
    assert_int_equal(lstat(world->file, &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    assert_int_equal(before.st_size, after.st_size);
    assert_int_equal(before.st_mtim.tv_sec, after.st_mtim.tv_sec);
    memferry_close(m);
}

static void test_a_file_that_holds_something_else_is_left_alone(void **state)
{
    static const char *const texts[] = {"hello\n",
                                        "{" FOREIGN "}",
                                        FOREIGN "\nand more",
                                        FOREIGN "0",
                                        "0b0e7c1e_2222_4111_8000_0123456789ab",
                                        "0b0e7c1e 2222"};
    char large[500];
    struct world world;

    (void)state;
    world_make(&world);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        write_file(&world, texts[i]);
        age(world.file, 60 * MINUTES);
        is_refused(&world, "something else than a UUID");
    }
    memset(large, ' ', sizeof large);
    memcpy(large, FOREIGN, 36);
    write_text(world.file, large, sizeof large, 0600);
    is_refused(&world, "something else than a UUID");
    write_text(world.file, "\0\t", 2, 0600); /* zeros are no blanks */
    is_refused(&world, "something else than a UUID");
    write_text(world.file, "\0" FOREIGN, 37, 0600);
    is_refused(&world, "something else than a UUID");
    world_free(&world);
}

static void test_what_is_no_file_of_ours_is_refused(void **state)
{
    char target[PATH_SIZE];
    struct world world;

    (void)state;
    world_make(&world);
    snprintf(target, sizeof target, "%s/target", world.directory);
    write_text(target, FOREIGN, 36, 0600);
    assert_int_equal(symlink(target, world.file), 0);
    is_refused(&world, "symbolic link");
    remove(world.file);
    remove(target);
    assert_int_equal(mkfifo(world.file, 0600), 0);
    is_refused(&world, "no regular file");
    remove(world.file);
    assert_int_equal(mkdir(world.file, 0700), 0);
    is_refused(&world, "no regular file");
    if (geteuid() == 0) {
        rmdir(world.file);
        write_file(&world, FOREIGN);
        assert_int_equal(chown(world.file, 1, 1), 0);
        is_refused(&world, "another user");
    }
    world_free(&world);
}

static void test_a_lock_or_new_file_of_somebodys_making_is_not_followed(void **state)
{
    char target[PATH_SIZE];
    struct memferry_session session;
    struct world world;

    (void)state;
    world_make(&world);
    snprintf(target, sizeof target, "%s/target", world.directory);
    write_text(target, "precious", 8, 0600);
    assert_int_equal(symlink(target, world.made), 0);
    assert_true(current(&world).begun);
    remove(world.file);
    remove(world.lock);
    assert_int_equal(symlink(target, world.lock), 0);
    struct memferry *m = client(&world);
    assert_int_equal(memferry_session_current(m, &session), MEMFERRY_E_SESSION);
    memferry_close(m);
    struct stat status;
    assert_int_equal(stat(target, &status), 0);
    assert_int_equal(status.st_size, 8);
    remove(target);
    world_free(&world);
}

/* ---- half written ---- */

static struct world *waited_for;
static int waits;

static void finish_writing(void)
{
    if (++waits == 2) {
        write_file(waited_for, FOREIGN);
    }
}

static void count_waits(void)
{
    waits++;
}

static void test_a_file_that_is_being_written_is_waited_for(void **state)
{
    static const char *const texts[] = {"", "0b0e7c1e-22", "0b0e7c1e-2222-4111-8000-0123456789a"};
    struct world world;

    (void)state;
    world_make(&world);
    waited_for = &world;
    while_waiting = finish_writing;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        write_file(&world, texts[i]);
        waits = 0;
        assert_string_equal(current(&world).id, FOREIGN);
        assert_int_equal(waits, 2);
    }
    while_waiting = NULL;
    world_free(&world);
}

static void test_a_file_that_nobody_finishes_is_replaced(void **state)
{
    struct memferry_session session;
    struct world world;

    (void)state;
    world_make(&world);
    while_waiting = count_waits;
    waits = 0;
    write_file(&world, "0b0e7c1e-22");
    session = current(&world);
    assert_true(session.begun);
    assert_in_range(waits, 1, 100);
    file_holds(&world, session.id);

    waits = 0;
    write_file(&world, "");
    age(world.file, 10);
    assert_true(current(&world).begun);
    write_text(world.file, "\0\0\0\0\0\0", 6, 0600);
    age(world.file, 10);
    assert_true(current(&world).begun);
    assert_int_equal(waits, 0);
    while_waiting = NULL;
    world_free(&world);
}

static int held_lock;

static void let_lock_go(void)
{
    if (++waits == 3) {
        close(held_lock);
    }
}

static void test_another_process_that_writes_is_waited_for(void **state)
{
    struct world world;

    (void)state;
    world_make(&world);
    held_lock = open(world.lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(flock(held_lock, LOCK_EX), 0);
    waits = 0;
    while_waiting = let_lock_go;
    assert_true(current(&world).begun);
    assert_true(waits >= 3);
    while_waiting = NULL;
    world_free(&world);
}

static void test_a_lock_that_is_never_let_go_ends_in_an_error(void **state)
{
    struct memferry_session session;
    struct world world;

    (void)state;
    world_make(&world);
    held_lock = open(world.lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(flock(held_lock, LOCK_EX), 0);
    struct memferry *m = client(&world);
    assert_int_equal(memferry_session_current(m, &session), MEMFERRY_E_SESSION);
    assert_non_null(strstr(memferry_error(m), "another process holds"));
    write_file(&world, FOREIGN);
    assert_int_equal(memferry_session_current(m, &session), MEMFERRY_OK); /* reading needs none */
    memferry_close(m);
    close(held_lock);
    world_free(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_first_use_begins_a_session_in_a_private_file),
        cmocka_unit_test(test_one_connection_sees_what_others_do_to_the_file),
        cmocka_unit_test(test_a_use_moves_the_files_time),
        cmocka_unit_test(test_an_idle_session_has_ended_and_the_next_use_begins_another),
        cmocka_unit_test(test_how_long_a_session_may_be_idle_is_a_setting),
        cmocka_unit_test(test_a_time_in_the_future_is_no_idleness_and_heals),
        cmocka_unit_test(test_the_environment_wins_over_the_file),
        cmocka_unit_test(test_begin_replaces_and_end_removes_only_its_own),
        cmocka_unit_test(test_without_a_file_there_is_a_session_only_in_the_environment),
        cmocka_unit_test(test_the_file_is_in_the_home_directory_unless_it_is_named),
        cmocka_unit_test(test_what_others_write_is_taken_over_as_it_is_written),
        cmocka_unit_test(test_a_file_that_holds_something_else_is_left_alone),
        cmocka_unit_test(test_what_is_no_file_of_ours_is_refused),
        cmocka_unit_test(test_a_lock_or_new_file_of_somebodys_making_is_not_followed),
        cmocka_unit_test(test_a_file_that_is_being_written_is_waited_for),
        cmocka_unit_test(test_a_file_that_nobody_finishes_is_replaced),
        cmocka_unit_test(test_another_process_that_writes_is_waited_for),
        cmocka_unit_test(test_a_lock_that_is_never_let_go_ends_in_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
