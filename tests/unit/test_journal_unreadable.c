/* Blocks of a segment that the disk cannot read: what may hold the newest events is never cut off.
 */
#include "tests/unit/journal_rig.h"

#include "broker/journal_disk.h"
#include "broker/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* The disk: these blocks of this file cannot be read. */
static struct {
    ino_t file;
    size_t from, until;
} bad;

ssize_t __real_pread64(int fd, void *bytes, size_t size, off_t offset);
ssize_t __wrap_pread64(int fd, void *bytes, size_t size, off_t offset);

ssize_t __wrap_pread64(int fd, void *bytes, size_t size, off_t offset)
{
    size_t at = (size_t)offset;
    struct stat status;

    if (bad.file != 0 && fstat(fd, &status) == 0 && status.st_ino == bad.file && at < bad.until &&
        at + size > bad.from) {
        errno = EIO;
        return -1;
    }
    return __real_pread64(fd, bytes, size, offset);
}

static void break_blocks(struct rig *rig, unsigned segment, size_t from, size_t until)
{
    char path[256];
    struct stat status;

    rig_segment_path(rig, segment, path, sizeof path);
    assert_int_equal(stat(path, &status), 0);
    bad.file = status.st_ino;
    bad.from = from;
    bad.until = until;
}

static struct rig *make_three(void)
{
    struct rig *rig = rig_new();

    bad.file = 0;
    rig_start(rig);
    for (unsigned i = 1; i <= 3; i++) {
        assert_int_equal(rig_put(rig, i, 100), 0);
    }
    rig_close(rig);
    return rig;
}

/* Refused while the disk is as it is; nothing was changed, and everything is there afterwards. */
static void assert_refused_until_it_can_be_read(struct rig *rig, size_t from, size_t until)
{
    size_t size, size_after;
    uint8_t *before = rig_read_segment(rig, 0, &size), *after;

    break_blocks(rig, 0, from, until);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(rig_open(rig), -EIO);
        assert_non_null(strstr(rig->err.text, "the disk cannot read"));
    }
    bad.file = 0;
    after = rig_read_segment(rig, 0, &size_after);
    assert_int_equal(size, size_after);
    assert_memory_equal(before, after, size);
    free(before);
    free(after);
    rig_expect(rig, 1, 3);
    rig_close(rig);
    rig_free(rig);
}

static size_t end_of_last_group(struct rig *rig, size_t *ret_begin)
{
    size_t size;
    uint8_t *bytes = rig_read_segment(rig, 0, &size);
    struct segment_span last = rig_group(bytes, size, 2);

    free(bytes);
    *ret_begin = last.offset;
    return (last.end + SEGMENT_BLOCK - 1) / SEGMENT_BLOCK * SEGMENT_BLOCK;
}

static void test_an_unreadable_last_group_is_not_a_torn_one(void **state)
{
    struct rig *rig = make_three();
    size_t begin, end = end_of_last_group(rig, &begin);

    (void)state;
    assert_refused_until_it_can_be_read(rig, begin, end);
}

static void test_an_unreadable_block_behind_the_last_group_may_be_one(void **state)
{
    struct rig *rig = make_three();
    size_t begin, end = end_of_last_group(rig, &begin);

    (void)state;
    assert_refused_until_it_can_be_read(rig, end, end + SEGMENT_BLOCK);
}

static void test_unreadable_blocks_in_space_that_was_never_written_are_nothing(void **state)
{
    struct rig *rig = make_three();
    size_t begin, end = end_of_last_group(rig, &begin);

    (void)state;
    break_blocks(rig, 0, end + SEGMENT_BLOCK, SIZE_MAX);
    rig_expect(rig, 1, 3);
    rig_close(rig);
    bad.file = 0;
    rig_free(rig);
}

static void test_an_unreadable_segment_is_not_a_blank_one(void **state)
{
    struct rig *rig = make_three();

    (void)state;
    assert_refused_until_it_can_be_read(rig, 0, SIZE_MAX);
}

static void test_an_unreadable_header_is_not_a_blank_one(void **state)
{
    struct rig *rig = make_three();

    (void)state;
    assert_refused_until_it_can_be_read(rig, 0, SEGMENT_HEADER_BYTES);
}

static void test_one_readable_copy_of_the_header_is_enough(void **state)
{
    struct rig *rig = make_three();

    (void)state;
    break_blocks(rig, 0, 0, SEGMENT_BLOCK);
    rig_expect(rig, 1, 3);
    rig_close(rig);
    bad.file = 0;
    rig_free(rig);
}

static void test_what_cannot_be_read_any_more_in_the_replay_is_not_passed_over(void **state)
{
    struct rig *rig = make_three();
    size_t size;
    uint8_t *bytes = rig_read_segment(rig, 0, &size);
    struct segment_span first = rig_group(bytes, size, 0);

    (void)state;
    free(bytes);
    assert_int_equal(rig_open(rig), 0);
    break_blocks(rig, 0, first.offset, first.offset + SEGMENT_BLOCK);
    assert_int_equal(journal_replay(rig->journal, 0, NULL, NULL, &rig->err), -EIO);
    bad.file = 0;
    rig_close(rig);
    rig_expect(rig, 1, 3);
    rig_close(rig);
    rig_free(rig);
}

/* Of the numbers that begin at this byte, and each fourth behind it: all can be in a vector. */
static bool may_be_a_vector(const uint8_t *bytes, size_t size, size_t phase)
{
    for (size_t at = phase; at + sizeof(float) <= size; at += sizeof(float)) {
        float number;
        memcpy(&number, bytes + at, sizeof number);
        if (!isfinite(number)) {
            return false;
        }
    }
    return true;
}

/* Else whoever can put a memory could make a torn group look like one that the disk cannot read. */
static void test_no_event_looks_like_a_block_that_cannot_be_read(void **state)
{
    struct rig *rig = make_three();
    uint8_t *bytes = disk_alloc(3 * SEGMENT_BLOCK);
    char path[256];
    size_t size;

    (void)state;
    rig_segment_path(rig, 0, path, sizeof path);
    break_blocks(rig, 0, SEGMENT_BLOCK, 2 * SEGMENT_BLOCK);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_int_equal(disk_read(fd, bytes, 3 * SEGMENT_BLOCK, &size), 0);
    close(fd);
    bad.file = 0;
    assert_int_equal(size, 3 * SEGMENT_BLOCK);
    assert_false(disk_is_unreadable(bytes, 0, SEGMENT_BLOCK));
    assert_true(disk_is_unreadable(bytes, SEGMENT_BLOCK, 2 * SEGMENT_BLOCK));
    assert_non_null(memchr(bytes + SEGMENT_BLOCK, 0xff, SEGMENT_BLOCK)); /* is no text … */
    assert_non_null(memchr(bytes + SEGMENT_BLOCK, 0xc1, SEGMENT_BLOCK)); /* … and no msgpack */
    for (size_t phase = 0; phase < sizeof(float); phase++) {
        assert_false(may_be_a_vector(bytes + SEGMENT_BLOCK, SEGMENT_BLOCK, phase));
    }
    free(bytes);
    rig_free(rig);
}

static void test_a_cut_file_is_zeros_behind_its_end(void **state)
{
    struct rig *rig = make_three();
    uint8_t *bytes = disk_alloc(3 * SEGMENT_BLOCK);
    char path[256];
    size_t size;

    (void)state;
    memset(bytes, 'x', 3 * SEGMENT_BLOCK);
    rig_segment_path(rig, 0, path, sizeof path);
    assert_int_equal(truncate(path, 2 * SEGMENT_BLOCK + 100), 0);
    break_blocks(rig, 0, 0, SEGMENT_BLOCK);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_int_equal(disk_read(fd, bytes, 3 * SEGMENT_BLOCK, &size), 0);
    close(fd);
    bad.file = 0;
    for (size_t at = 2 * SEGMENT_BLOCK + 100; at < size; at++) {
        assert_int_equal(bytes[at], 0);
    }
    free(bytes);
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_unreadable_last_group_is_not_a_torn_one),
        cmocka_unit_test(test_an_unreadable_block_behind_the_last_group_may_be_one),
        cmocka_unit_test(test_unreadable_blocks_in_space_that_was_never_written_are_nothing),
        cmocka_unit_test(test_an_unreadable_segment_is_not_a_blank_one),
        cmocka_unit_test(test_an_unreadable_header_is_not_a_blank_one),
        cmocka_unit_test(test_one_readable_copy_of_the_header_is_enough),
        cmocka_unit_test(test_what_cannot_be_read_any_more_in_the_replay_is_not_passed_over),
        cmocka_unit_test(test_no_event_looks_like_a_block_that_cannot_be_read),
        cmocka_unit_test(test_a_cut_file_is_zeros_behind_its_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
