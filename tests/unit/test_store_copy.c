/* A copy is the store as of one commit, whatever is written meanwhile, and ends when it should. */
#include "store_fixture.h"

#include "broker/backup_file.h"
#include "broker/store_copy.h"
#include "broker/util/container.h"
#include "broker/util/error.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* Writes to the store between the slices. */
struct writer {
    struct store_copy_watch watch;
    struct fixture *fixture;
    unsigned slices, cancel_at; /* 0: never */
};

static bool write_meanwhile(struct store_copy_watch *watch)
{
    struct writer *writer = container_of(watch, struct writer, watch);
    char id[32];

    snprintf(id, sizeof id, "meanwhile-%u", writer->slices++);
    fixture_put_json(writer->fixture, id, "{'content':'written while it is copied'}");
    fixture_put_json(writer->fixture, "large-0", "{'content':'changed while it is copied'}");
    return writer->slices == writer->cancel_at;
}

static void put_large(struct fixture *f, unsigned count)
{
    static char json[300 * 1024];

    for (unsigned i = 0; i < count; i++) {
        char id[32];
        int head = snprintf(json, sizeof json, "{'content':'%u ", i);
        memset(json + head, 'x', sizeof json - (size_t)head - 3);
        strcpy(json + sizeof json - 3, "'}");
        snprintf(id, sizeof id, "large-%u", i);
        fixture_put_json(f, id, json);
    }
}

static void copy_path(const struct fixture *f, char *path, size_t size)
{
    snprintf(path, size, "%s/copy.db", f->dir);
}

static void make_empty(const char *path)
{
    close(open(path, O_WRONLY | O_CREAT | O_EXCL, 0600));
}

static void test_a_copy_holds_nothing_that_is_written_meanwhile(void **state)
{
    struct fixture *f = *state;
    struct writer writer = {.watch.is_cancelled = write_meanwhile, .fixture = f};
    struct store_contents contents;
    uint64_t memories, events, applied_seq;
    struct error err = {0};
    char path[128];

    put_large(f, 40); /* three slices at least */
    char *before = fixture_dump(f->path);
    copy_path(f, path, sizeof path);
    make_empty(path);
    if (store_copy(f->path, path, &writer.watch, &contents, &err) != 0) {
        fail_msg("%s", err.text);
    }
    assert_true(writer.slices > 2);
    char *copied = fixture_dump(path);
    assert_string_equal(copied, before);
    assert_int_equal(contents.applied_seq, 40);
    assert_int_equal(contents.memories, 40);
    assert_string_equal(contents.origin, FIXTURE_ORIGIN);
    assert_int_equal(store_verify(path, &memories, &events, &applied_seq, &err), 0);
    assert_int_equal(memories, 40);
    assert_string_not_equal(fixture_get(f, "large-0", 0), ""); /* the store went on */
    assert_int_equal(store_applied_seq(f->store), f->seq);
    free(before);
    free(copied);
}

static void test_a_copy_is_one_file(void **state)
{
    struct fixture *f = *state;
    struct store_contents contents;
    struct error err = {0};
    char path[128], beside[160];

    fixture_put_json(f, "a", "{'content':'A'}");
    copy_path(f, path, sizeof path);
    make_empty(path);
    assert_int_equal(store_copy(f->path, path, NULL, &contents, &err), 0);
    assert_int_equal(store_contents_read(path, &contents, &err), 0);
    for (unsigned i = 0; i < 3; i++) {
        snprintf(beside, sizeof beside, "%s-%s", path,
                 (const char *[]){"wal", "shm", "journal"}[i]);
        assert_int_equal(access(beside, F_OK), -1);
    }
}

static void test_a_copy_that_is_cancelled_ends(void **state)
{
    struct fixture *f = *state;
    struct writer writer = {.watch.is_cancelled = write_meanwhile, .fixture = f, .cancel_at = 2};
    struct store_contents contents;
    struct error err = {0};
    char path[128];

    put_large(f, 40);
    copy_path(f, path, sizeof path);
    make_empty(path);
    assert_int_equal(store_copy(f->path, path, &writer.watch, &contents, &err),
                     STORE_COPY_E_CANCELLED);
    assert_int_equal(writer.slices, 2);
}

static void test_a_copy_is_given_up_when_the_wal_grows_too_large(void **state)
{
    struct fixture *f = *state;
    struct writer writer = {.watch = {.is_cancelled = write_meanwhile, .wal_max = 1}, .fixture = f};
    struct store_contents contents;
    struct error err = {0};
    char path[128];

    put_large(f, 40);
    copy_path(f, path, sizeof path);
    make_empty(path);
    assert_int_equal(store_copy(f->path, path, &writer.watch, &contents, &err),
                     STORE_COPY_E_BEHIND);
    assert_non_null(strstr(err.text, "try again"));
}

static void test_what_is_no_store_is_refused(void **state)
{
    struct fixture *f = *state;
    struct store_contents contents;
    struct error err = {0};
    char path[128], other[128];
    sqlite3 *db;

    copy_path(f, path, sizeof path);
    make_empty(path);
    snprintf(other, sizeof other, "%s/other.db", f->dir);
    make_empty(other);
    assert_true(store_copy(other, path, NULL, &contents, &err) < 0);
    assert_non_null(strstr(err.text, "is empty"));
    assert_int_equal(sqlite3_open(other, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "CREATE TABLE t(a)", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    assert_true(store_copy(other, path, NULL, &contents, &err) < 0);
    assert_non_null(strstr(err.text, "another program"));
}

static void test_the_newest_stamp_is_that_of_any_version(void **state)
{
    struct fixture *f = *state;
    struct error err = {0};
    int64_t stamp_us = -1;

    assert_int_equal(store_newest_stamp(f->path, &stamp_us, &err), 0);
    assert_int_equal(stamp_us, 0);
    fixture_put_json(f, "a", "{'content':'A'}");
    fixture_delete(f, "a");
    assert_int_equal(store_newest_stamp(f->path, &stamp_us, &err), 0);
    assert_int_equal(stamp_us, 2000 * 1000); /* of the second event: see fixture_record */
}

/* ---- the file ---- */

static void backup_path(const struct fixture *f, char *path, size_t size)
{
    snprintf(path, size, "%s/backup.db", f->dir);
}

static void test_a_backup_replaces_nothing_unless_it_may(void **state)
{
    struct fixture *f = *state;
    struct backup_made made;
    struct stat status;
    struct error err = {0};
    char path[128], part[160];

    fixture_put_json(f, "a", "{'content':'A'}");
    backup_path(f, path, sizeof path);
    snprintf(part, sizeof part, "%s.part", path);
    make_empty(path);
    assert_int_equal(backup_write(f->path, path, false, NULL, &made, &err), BACKUP_E_PATH);
    assert_non_null(strstr(err.text, "there already"));
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_size, 0);
    unlink(path);
    make_empty(part); /* one that was cut short */
    assert_int_equal(backup_write(f->path, path, false, NULL, &made, &err), BACKUP_E_PATH);
    assert_non_null(strstr(err.text, "cut short"));
    assert_int_equal(access(part, F_OK), 0);
    make_empty(path);
    assert_int_equal(backup_write(f->path, path, true, NULL, &made, &err), 0);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(made.bytes, status.st_size);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_int_equal(access(part, F_OK), -1);
}

static void test_a_backup_that_fails_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    struct writer writer = {.watch.is_cancelled = write_meanwhile, .fixture = f, .cancel_at = 2};
    struct backup_made made;
    struct error err = {0};
    char path[128], part[160];

    put_large(f, 40);
    backup_path(f, path, sizeof path);
    snprintf(part, sizeof part, "%s.part", path);
    assert_int_equal(backup_write(f->path, path, false, &writer.watch, &made, &err),
                     BACKUP_E_CANCELLED);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(access(part, F_OK), -1);
    assert_int_equal(backup_write(f->path, f->dir, true, NULL, &made, &err), BACKUP_E_PATH);
    snprintf(path, sizeof path, "%s/none/b.db", f->dir);
    assert_int_equal(backup_write(f->path, path, false, NULL, &made, &err), BACKUP_E_PATH);
    assert_non_null(strstr(err.text, "No such file or directory"));
}

/* Ends it when the copy is made, and is being read back. */
struct late_watch {
    struct store_copy_watch watch;
    const char *path;
};

static bool is_read_back(struct store_copy_watch *watch)
{
    const struct late_watch *late = container_of(watch, struct late_watch, watch);
    struct stat status;
    unsigned char formats[2] = {0};
    int fd = open(late->path, O_RDONLY);

    bool whole = fstat(fd, &status) == 0 && status.st_size > 0 &&
                 pread(fd, formats, sizeof formats, 18) == sizeof formats && formats[0] == 1;
    close(fd);
    return whole;
}

static void test_a_copy_that_is_read_back_ends_when_it_should(void **state)
{
    struct fixture *f = *state;
    char path[128];
    struct late_watch late = {.watch.is_cancelled = is_read_back, .path = path};
    struct store_contents contents;
    struct error err = {0};

    for (unsigned i = 0; i < 3000; i++) {
        char id[16];
        snprintf(id, sizeof id, "m%u", i);
        fixture_put_json(f, id, "{'content':'one of many','tags':['a','b','c']}");
    }
    copy_path(f, path, sizeof path);
    make_empty(path);
    assert_int_equal(store_copy(f->path, path, &late.watch, &contents, &err),
                     STORE_COPY_E_CANCELLED);
}

static void test_the_newest_backup_is_known(void **state)
{
    struct fixture *f = *state;

    assert_null(backup_newest(f->dir));
    backup_note(f->dir, "/backups/first of all.db", 3);
    backup_note(f->dir, "/backups/second of all.db", 12);
    char *found = backup_newest(f->dir);
    assert_string_equal(found, "/backups/second of all.db (up to event 12)");
    free(found);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_copy_holds_nothing_that_is_written_meanwhile,
                                        fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_a_copy_is_one_file, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_a_copy_that_is_cancelled_ends, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_a_copy_is_given_up_when_the_wal_grows_too_large,
                                        fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_what_is_no_store_is_refused, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_the_newest_stamp_is_that_of_any_version, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_a_backup_replaces_nothing_unless_it_may, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_a_backup_that_fails_leaves_nothing, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_a_copy_that_is_read_back_ends_when_it_should,
                                        fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_the_newest_backup_is_known, fixture_setup,
                                        fixture_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
