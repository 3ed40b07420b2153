/* The journal after a crash, and on a disk that has lost or changed what it was given. */
#include "tests/unit/journal_rig.h"

#include "broker/segment_format.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static int setup(void **state)
{
    *state = rig_new();
    return 0;
}

static int teardown(void **state)
{
    rig_free(*state);
    return 0;
}

/* One run with `count` groups of one event each. */
static void run(struct rig *rig, unsigned count, size_t size)
{
    rig_start(rig);
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(rig_put(rig, i, size), 0);
    }
    rig_close(rig);
}

static unsigned count_files(struct rig *rig, const char *part)
{
    DIR *stream = opendir(rig->dir);
    struct dirent *entry;
    unsigned count = 0;

    while ((entry = readdir(stream)) != NULL) {
        count += strstr(entry->d_name, part) != NULL;
    }
    closedir(stream);
    return count;
}

static void flip(struct rig *rig, unsigned segment, size_t at)
{
    size_t size;
    uint8_t *bytes = rig_read_segment(rig, segment, &size);

    assert_true(at < size);
    bytes[at] ^= 0x10;
    rig_write_segment(rig, segment, bytes, size);
    free(bytes);
}

/* Forgets one acknowledged event that a test has destroyed. */
static void forget(struct rig *rig, uint64_t from, uint64_t upto)
{
    size_t kept = 0;

    for (size_t i = 0; i < rig->acked_count; i++) {
        if (rig->acked[i].seq >= from && rig->acked[i].seq <= upto) {
            free(rig->acked[i].payload);
        } else {
            rig->acked[kept++] = rig->acked[i];
        }
    }
    rig->acked_count = kept;
}

/* ---- torn tails ---- */

/* Makes a rig's last group one of five blocks, and gives its segment before and after it. */
static struct segment_span make_tail(struct rig *rig, uint8_t **ret_before, uint8_t **ret_after)
{
    size_t size;

    rig->options.keep_segments = true;
    run(rig, 3, 100);
    *ret_after = rig_read_segment(rig, 0, &size);
    rig_start(rig);
    rig_close(rig);
    rig_start(rig);
    assert_int_equal(rig_put(rig, 3, 100), 0);
    rig_close(rig);
    free(*ret_after);
    unsigned newest = rig_segment_count(rig) - 1;
    *ret_before = rig_read_segment(rig, newest, &size);
    struct segment_span first = rig_group(*ret_before, size, 0);
    memset(*ret_before + first.offset, 0, size - first.offset);
    *ret_after = rig_read_segment(rig, newest, &size);
    return first;
}

static void test_a_torn_tail_is_cut_whole_whatever_blocks_were_written(void **state)
{
    for (unsigned written = 0; written < 31; written++) {
        struct rig *rig = rig_new();
        size_t size;
        rig_start(rig);
        assert_int_equal(rig_put(rig, 1, 100), 0);
        assert_int_equal(rig_put(rig, 2, 5 * SEGMENT_BLOCK - 200), 0);
        rig_close(rig);
        uint8_t *bytes = rig_read_segment(rig, 0, &size);
        struct segment_span tail = rig_group(bytes, size, 1);
        assert_true(tail.end - tail.offset > 4 * SEGMENT_BLOCK);
        for (unsigned block = 0; block < 5; block++) {
            if ((written & 1u << block) == 0) {
                memset(bytes + tail.offset + block * SEGMENT_BLOCK, 0, SEGMENT_BLOCK);
            }
        }
        rig_write_segment(rig, 0, bytes, size);
        free(bytes);
        rig_forget_above(rig, 1);

        rig_start(rig);
        assert_int_equal(rig->found.last_seq, 1);
        assert_int_equal(rig->found.damaged_groups, 0);
        assert_int_equal(rig->found.torn_bytes > 0, written & 1);
        assert_int_equal(rig_put(rig, 3, 100), 0);
        assert_int_equal(rig->acked[1].seq, 2);
        rig_close(rig);
        rig_expect(rig, 1, 2); /* and the cut stays a cut */
        assert_int_equal(rig->found.damaged_groups, 0);
        assert_int_equal(rig->found.torn_bytes, 0);
        rig_free(rig);
    }
    (void)state;
}

static void test_what_was_cut_stays_cut_even_when_its_bytes_come_back(void **state)
{
    struct rig *rig = *state;
    uint8_t *before, *after;
    size_t size = rig->options.segment_bytes;
    struct segment_span tail = make_tail(rig, &before, &after);
    unsigned segment = rig_segment_count(rig) - 1;

    assert_int_equal(tail.first_seq, 4);
    rig_write_segment(rig, segment, before, size);
    rig_forget_above(rig, 3);
    rig_start(rig);
    assert_int_equal(rig_put(rig, 77, 50), 0); /* another event 4 */
    rig_close(rig);
    rig_write_segment(rig, segment, after, size);
    rig_expect(rig, 1, 4);
    assert_int_equal(rig->found.damaged_groups, 0);
    free(before);
    free(after);
}

/* ---- damage ---- */

/* Flips a bit at an offset within group `k` (from 0) of five; the rest must go on. */
static void damage_group(unsigned k, size_t within)
{
    struct rig *rig = rig_new();
    size_t size;

    run(rig, 5, 500);
    uint8_t *bytes = rig_read_segment(rig, 0, &size);
    struct segment_span span = rig_group(bytes, size, k);
    free(bytes);
    flip(rig, 0, span.offset + within);
    forget(rig, k + 1, k + 1);

    rig_expect(rig, 1, 5);
    assert_int_equal(rig->found.last_seq, 5);
    assert_int_equal(rig->found.damaged_groups, 1);
    char name[64];
    snprintf(name, sizeof name, "aside-%u-%u.bin", k + 1, k + 1);
    assert_string_equal(rig->found.aside, name);
    assert_int_equal(count_files(rig, "aside"), 1);
    rig_close(rig);

    rig_start(rig); /* told of once; and the journal goes on */
    assert_int_equal(rig->found.damaged_groups, 0);
    assert_string_equal(rig->found.aside, "");
    assert_int_equal(rig_put(rig, 9, 100), 0);
    rig_close(rig);
    rig_expect(rig, 1, 6);
    rig_close(rig);
    assert_int_equal(journal_check(rig->dir, NULL, NULL, &rig->found, &rig->err), 0);
    assert_int_equal(rig->found.damaged_groups, 1);
    rig_free(rig);
}

static void test_damage_anywhere_in_a_group_is_set_aside_and_the_rest_goes_on(void **state)
{
    (void)state;
    for (unsigned k = 0; k < 4; k++) {
        damage_group(k, 0);   /* magic */
        damage_group(k, 20);  /* number */
        damage_group(k, 44);  /* checksum of the head */
        damage_group(k, 50);  /* checksum of the record */
        damage_group(k, 57);  /* size of the record */
        damage_group(k, 66);  /* seq */
        damage_group(k, 300); /* payload */
    }
}

static void test_a_flipped_bit_in_the_padding_changes_nothing(void **state)
{
    struct rig *rig = *state;

    run(rig, 5, 500);
    flip(rig, 0, SEGMENT_HEADER_BYTES + 4000);
    rig_expect(rig, 1, 5);
    assert_int_equal(rig->found.damaged_groups, 0);
    assert_int_equal(rig->found.torn_bytes, 0);
}

static void test_the_readable_records_are_in_the_file_beside(void **state)
{
    struct rig *rig = *state;
    struct segment_header header;
    struct segment_scan scan;
    struct segment_span span;
    struct journal_record record;
    char path[200];
    size_t size, offset = 0;
    unsigned count = 0;

    rig_start(rig);
    rig_send(rig, 0, 400, 1, 1);
    rig_wait(rig);
    rig_send(rig, 1, 400, 20, 1); /* events 2 … 21 */
    rig_wait(rig);
    rig_send(rig, 21, 400, 1, 1);
    rig_close(rig);
    uint8_t *bytes = rig_read_segment(rig, 0, &size);
    span = rig_group(bytes, size, 1);
    free(bytes);
    flip(rig, 0, span.offset + 48 + 440 * 5 + 100); /* event 7 */
    assert_int_equal(rig_open(rig), 0);
    assert_string_equal(rig->found.aside, "aside-2-21.bin");
    rig_close(rig);

    snprintf(path, sizeof path, "%s/%s", rig->dir, "aside-2-21.bin");
    int fd = open(path, O_RDONLY);
    struct stat stat;
    assert_int_equal(fstat(fd, &stat), 0);
    assert_int_equal(stat.st_mode & 07777, 0600);
    bytes = malloc((size_t)stat.st_size);
    assert_int_equal(read(fd, bytes, (size_t)stat.st_size), stat.st_size);
    close(fd);
    assert_int_equal(segment_header_decode(bytes, &header), SEGMENT_KIND_GOOD);
    segment_scan_init(&scan, bytes, (size_t)stat.st_size, header.origin, header.generation,
                      header.base_seq);
    span = (struct segment_span){.offset = SEGMENT_HEADER_BYTES, .end = (size_t)stat.st_size};
    while (segment_salvage_next(&scan, &span, &offset, &record)) {
        const struct rig_event *event = &rig->acked[record.seq - 1];
        assert_int_not_equal(record.seq, 7);
        assert_int_equal(record.payload_size, event->size);
        assert_memory_equal(record.payload, event->payload, event->size);
        count++;
    }
    assert_int_equal(count, 19);
    free(bytes);
}

static void test_an_acknowledged_last_group_of_an_older_segment_is_damage(void **state)
{
    struct rig *rig = *state;
    size_t size;

    run(rig, 3, 500);
    run(rig, 3, 500);
    uint8_t *bytes = rig_read_segment(rig, 0, &size);
    struct segment_span span = rig_group(bytes, size, 2);
    free(bytes);
    flip(rig, 0, span.offset + 3);
    forget(rig, 3, 3);
    rig_expect(rig, 1, 6);
    assert_int_equal(rig->found.damaged_groups, 1);
    assert_string_equal(rig->found.aside, "aside-3-3.bin");
}

static void test_damage_that_cannot_be_saved_keeps_its_segment(void **state)
{
    struct rig *rig = *state;
    char path[200];

    run(rig, 3, 500);
    flip(rig, 0, SEGMENT_HEADER_BYTES + 300);
    snprintf(path, sizeof path, "%s/aside-1-1.bin.tmp", rig->dir);
    assert_int_equal(mkdir(path, 0700), 0);
    rig_start(rig);
    assert_int_equal(rig->found.damaged_groups, 1);
    assert_string_equal(rig->found.aside, "");
    for (unsigned i = 0; i < 100; i++) {
        assert_int_equal(rig_put(rig, i, 3000), 0);
        journal_recycle(rig->journal, 3 + i);
    }
    rig_close(rig);
    rmdir(path);
    assert_int_equal(rig_open(rig), 0);
    assert_int_equal(rig->found.first_seq, 1);
    assert_string_equal(rig->found.aside, "aside-1-1.bin");
}

/* ---- what the store holds ---- */

static int count_up(void *arg, const struct journal_record *record)
{
    uint64_t *count = arg;

    assert_int_equal(record->seq, ++*count);
    return 0;
}

/* As a start whose store holds the events up to stored_seq. */
static void recover_behind(struct rig *rig, uint64_t stored_seq)
{
    if (journal_find_on(&rig->journal, &rig->options, &rig->log, rig->disk, &rig->err) != 0 ||
        journal_recover(rig->journal, stored_seq, &rig->found, &rig->err) != 0) {
        fail_msg("cannot recover: %s", rig->err.text);
    }
}

/* Three runs of four events, the first of which is damaged. */
static void make_three_runs(struct rig *rig)
{
    run(rig, 4, 500);
    run(rig, 4, 500);
    run(rig, 4, 500);
    flip(rig, 0, SEGMENT_HEADER_BYTES + 300);
}

static void test_damage_is_told_when_the_store_may_lack_the_segment(void **state)
{
    struct rig *rig = *state;

    make_three_runs(rig);
    recover_behind(rig, 3);
    assert_int_equal(rig->found.damaged_groups, 1);
    assert_int_equal(rig->found.last_seq, 12);
}

static void test_segments_that_the_store_holds_are_passed_over_at_a_start_alone(void **state)
{
    struct rig *rig = *state;
    uint64_t count = 0;

    make_three_runs(rig);
    for (uint64_t stored_seq = 4; stored_seq <= 12; stored_seq++) {
        recover_behind(rig, stored_seq);
        assert_int_equal(rig->found.damaged_groups, 0);
        assert_int_equal(rig->found.first_seq, 1);
        assert_int_equal(rig->found.last_seq, 12);
        count = stored_seq;
        assert_int_equal(journal_replay(rig->journal, stored_seq, count_up, &count, &rig->err), 0);
        assert_int_equal(count, 12);
        rig_close(rig);
    }
    assert_int_equal(journal_check(rig->dir, NULL, NULL, &rig->found, &rig->err), 0);
    assert_int_equal(rig->found.damaged_groups, 1);
}

static void test_seqs_and_clock_go_on_behind_segments_that_were_not_read(void **state)
{
    struct rig *rig = *state;

    make_three_runs(rig);
    run(rig, 0, 0); /* the newest is empty */
    recover_behind(rig, 12);
    assert_int_equal(rig->found.last_seq, 12);
    assert_int_equal(journal_start(rig->journal, &rig->observer, &rig->err), 0);
    assert_int_equal(rig_put(rig, 9, 100), 0);
    assert_int_equal(rig->acked[12].seq, 13);
    assert_true(rig->acked[12].stamp_us > rig->acked[11].stamp_us);
}

static void test_segments_that_were_not_read_can_be_reused(void **state)
{
    struct rig *rig = *state;

    make_three_runs(rig);
    recover_behind(rig, 12);
    assert_int_equal(journal_start(rig->journal, &rig->observer, &rig->err), 0);
    journal_recycle(rig->journal, 8);
    for (unsigned i = 0; i < 30; i++) { /* more than a segment: the next header tells it */
        assert_int_equal(rig_put(rig, i, 3000), 0);
    }
    rig_close(rig);
    assert_int_equal(rig_open(rig), 0);
    assert_int_equal(rig->found.first_seq, 9);
    assert_int_equal(rig->found.damaged_groups, 0);
}

static void test_a_segment_before_a_lost_header_is_read_whatever_the_store_holds(void **state)
{
    struct rig *rig = *state;

    make_three_runs(rig);
    flip(rig, 1, 20);
    flip(rig, 1, SEGMENT_BLOCK + 20);
    recover_behind(rig, 12);
    assert_int_equal(rig->found.damaged_groups, 1);
    assert_int_equal(rig->found.last_seq, 12);
}

/* ---- headers and files ---- */

static void test_a_lost_header_costs_no_event_when_another_segment_is_there(void **state)
{
    struct rig *rig = *state;

    for (unsigned segment = 0; segment < 3; segment++) {
        run(rig, 4, 500);
    }
    for (unsigned segment = 0; segment < 3; segment++) {
        size_t size;
        uint8_t *bytes = rig_read_segment(rig, segment, &size), head[SEGMENT_HEADER_BYTES];
        memcpy(head, bytes, sizeof head);
        memset(bytes, segment == 1 ? 0 : 0xee, SEGMENT_HEADER_BYTES);
        rig_write_segment(rig, segment, bytes, size);
        rig_expect(rig, 1, 12);
        assert_int_equal(rig->found.damaged_groups, 0);
        assert_int_equal(rig->found.last_seq, 12);
        rig_close(rig);
        memcpy(bytes, head, sizeof head);
        rig_write_segment(rig, segment, bytes, size);
        free(bytes);
    }
}

static void test_a_lost_header_and_first_group_cost_that_group(void **state)
{
    struct rig *rig = *state;
    size_t size;

    for (unsigned segment = 0; segment < 3; segment++) {
        run(rig, 4, 500);
    }
    uint8_t *bytes = rig_read_segment(rig, 1, &size);
    memset(bytes, 0xee, SEGMENT_HEADER_BYTES + 100);
    rig_write_segment(rig, 1, bytes, size);
    free(bytes);
    forget(rig, 5, 5);
    rig_expect(rig, 1, 12);
    assert_int_equal(rig->found.damaged_groups, 1);
    assert_string_equal(rig->found.aside, "aside-5-5.bin");
}

static void test_a_lone_segment_without_a_header_is_for_a_person(void **state)
{
    struct rig *rig = *state;
    size_t size;

    run(rig, 4, 500);
    uint8_t *bytes = rig_read_segment(rig, 0, &size);
    memset(bytes, 0, SEGMENT_HEADER_BYTES);
    rig_write_segment(rig, 0, bytes, size);
    assert_int_equal(rig_open(rig), -EBADMSG);
    assert_non_null(strstr(rig->err.text, "move it away"));
    free(bytes);
}

static void test_a_first_header_that_was_never_finished_is_a_fresh_journal(void **state)
{
    struct rig *rig = *state;
    size_t size;

    assert_int_equal(rig_open(rig), 0);
    rig_close(rig);
    uint8_t *bytes = rig_read_segment(rig, 0, &size);
    memset(bytes + 30, 0, 20);
    memset(bytes + SEGMENT_BLOCK, 0, SEGMENT_BLOCK);
    rig_write_segment(rig, 0, bytes, size);
    free(bytes);
    rig_start(rig);
    assert_true(rig->found.fresh);
    assert_int_equal(rig_put(rig, 1, 100), 0);
    rig_close(rig);
    rig_expect(rig, 1, 1);
}

static void test_an_unreadable_file_is_moved_away_and_not_reused(void **state)
{
    struct rig *rig = *state;
    char path[200];
    uint8_t junk[3 * SEGMENT_BLOCK];

    run(rig, 4, 500);
    memset(junk, 0x5a, sizeof junk);
    snprintf(path, sizeof path, "%s/00000077.seg", rig->dir);
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_int_equal(write(fd, junk, sizeof junk), sizeof junk);
    close(fd);
    assert_int_equal(journal_check(rig->dir, NULL, NULL, &rig->found, &rig->err), 0);
    assert_int_equal(count_files(rig, "77.seg.bad"), 0);
    rig_expect(rig, 1, 4);
    assert_int_equal(count_files(rig, "77.seg.bad"), 1);
}

static void test_a_missing_segment_is_told_of_and_passed_over(void **state)
{
    struct rig *rig = *state;
    char path[200];

    run(rig, 4, 500);
    run(rig, 4, 500);
    run(rig, 4, 500);
    rig_segment_path(rig, 1, path, sizeof path);
    assert_int_equal(unlink(path), 0);
    forget(rig, 5, 8);
    rig_expect(rig, 1, 12);
    assert_int_equal(rig->found.damaged_groups, 1);
    assert_string_equal(rig->found.aside, "aside-5-8.bin");
    rig_close(rig);
    rig_expect(rig, 1, 12);
    assert_int_equal(rig->found.damaged_groups, 0);
}

static void test_a_missing_first_segment_is_a_gap_for_a_store_that_lacks_it(void **state)
{
    struct rig *rig = *state;
    char path[200];

    run(rig, 4, 500);
    run(rig, 4, 500);
    rig_segment_path(rig, 0, path, sizeof path);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rig_open(rig), 0);
    assert_int_equal(rig->found.first_seq, 5);
    assert_int_equal(journal_replay(rig->journal, 3, NULL, NULL, &rig->err), JOURNAL_E_GAP);
    rig_close(rig);
    rig_expect(rig, 5, 8);
}

static void test_a_segment_cut_short_loses_only_what_was_cut(void **state)
{
    struct rig *rig = *state;
    char path[200];

    run(rig, 8, 500); /* a block each */
    run(rig, 2, 500);
    rig_segment_path(rig, 0, path, sizeof path);
    assert_int_equal(truncate(path, SEGMENT_HEADER_BYTES + 5 * SEGMENT_BLOCK + 777), 0);
    forget(rig, 7, 8);
    rig_expect(rig, 1, 10);
    assert_string_equal(rig->found.aside, "aside-7-8.bin");
}

static void copy_file(const char *from, const char *to)
{
    char command[500];

    snprintf(command, sizeof command, "cp '%s' '%s'", from, to);
    assert_int_equal(system(command), 0);
}

static void test_a_copy_of_a_segment_and_a_foreign_one_are_refused(void **state)
{
    struct rig *rig = *state, *other = rig_new();
    char from[200], to[200];

    run(rig, 2, 500);
    run(other, 2, 500);
    snprintf(to, sizeof to, "%s/00000077.seg", rig->dir);
    rig_segment_path(rig, 0, from, sizeof from);
    copy_file(from, to);
    assert_int_equal(rig_open(rig), -EINVAL);
    assert_non_null(strstr(rig->err.text, "copy"));
    rig_segment_path(other, 0, from, sizeof from);
    copy_file(from, to);
    assert_int_equal(rig_open(rig), -EINVAL);
    assert_non_null(strstr(rig->err.text, "another journal"));
    unlink(to);
    rig_expect(rig, 1, 2);
    rig_free(other);
}

static void test_a_newer_format_is_refused(void **state)
{
    struct rig *rig = *state;
    struct format_header raw;
    size_t size;

    run(rig, 2, 500);
    uint8_t *bytes = rig_read_segment(rig, 0, &size);
    memcpy(&raw, bytes, sizeof raw);
    raw.version = 2;
    raw.checksum = XXH3_64bits(&raw, offsetof(struct format_header, checksum));
    memcpy(bytes, &raw, sizeof raw);
    rig_write_segment(rig, 0, bytes, size);
    free(bytes);
    assert_int_equal(rig_open(rig), -ENOTSUP);
}

static void test_half_made_segments_are_removed(void **state)
{
    struct rig *rig = *state;
    char path[200];

    run(rig, 2, 500);
    snprintf(path, sizeof path, "%s/00000009.seg.tmp", rig->dir);
    close(open(path, O_WRONLY | O_CREAT, 0600));
    assert_int_equal(rig_open(rig), 0);
    assert_int_equal(count_files(rig, ".tmp"), 0);
}

static void test_segments_of_another_size_are_read_and_then_go(void **state)
{
    struct rig *rig = *state;
    unsigned i;

    run(rig, 20, 3000);
    rig->options.segment_bytes = 128 << 10;
    rig_expect(rig, 1, 20);
    rig_close(rig);
    rig_start(rig);
    for (i = 0; i < 100; i++) {
        assert_int_equal(rig_put(rig, i, 3000), 0);
        journal_recycle(rig->journal, 20 + i);
    }
    rig_close(rig);
    for (i = 0; i < rig_segment_count(rig); i++) {
        size_t size;
        free(rig_read_segment(rig, i, &size));
        assert_int_equal(size, 128 << 10);
    }
}

/* ---- anything ---- */

static int check_is_subset(void *arg, const struct journal_record *record)
{
    struct rig *rig = arg;

    assert_in_range(record->seq, 1, rig->acked_count);
    const struct rig_event *event = &rig->acked[record->seq - 1];
    assert_int_equal(record->payload_size, event->size);
    assert_memory_equal(record->payload, event->payload, event->size);
    assert_true(record->seq > rig->returned); /* in order: `returned` serves as the last one */
    rig->returned = record->seq;
    return 0;
}

static void test_whatever_was_scribbled_over_no_false_event_is_read(void **state)
{
    struct rig *rig = *state;
    unsigned random = 12345;
    size_t size;

    run(rig, 10, 700);
    run(rig, 10, 5000);
    run(rig, 10, 30);
    uint8_t *good[3];
    for (unsigned i = 0; i < 3; i++) {
        good[i] = rig_read_segment(rig, i, &size);
    }
    char path[3][200];
    for (unsigned i = 0; i < 3; i++) {
        rig_segment_path(rig, i, path[i], sizeof path[i]);
    }
    for (unsigned round = 0; round < 200; round++) {
        uint8_t *bytes = malloc(size);
        unsigned segment = round % 3;
        memcpy(bytes, good[segment], size);
        for (unsigned i = 0; i < 1 + round % 7; i++) {
            random = random * 1103515245u + 12345u;
            size_t at = (random >> 8) % size, length = 1 + random % 3000;
            memset(bytes + at, (int)(random >> 24), length < size - at ? length : size - at);
        }
        int fd = open(path[segment], O_WRONLY);
        assert_int_equal(pwrite(fd, bytes, size, 0), (ssize_t)size);
        rig->returned = 0;
        int r = journal_check(rig->dir, check_is_subset, rig, &rig->found, &rig->err);
        assert_int_equal(r, 0);
        assert_int_equal(pwrite(fd, good[segment], size, 0), (ssize_t)size);
        close(fd);
        free(bytes);
    }
    for (unsigned i = 0; i < 3; i++) {
        free(good[i]);
    }
    rig_expect(rig, 1, 30);
}

#define recovery_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_torn_tail_is_cut_whole_whatever_blocks_were_written),
        recovery_test(test_what_was_cut_stays_cut_even_when_its_bytes_come_back),
        cmocka_unit_test(test_damage_anywhere_in_a_group_is_set_aside_and_the_rest_goes_on),
        recovery_test(test_a_flipped_bit_in_the_padding_changes_nothing),
        recovery_test(test_the_readable_records_are_in_the_file_beside),
        recovery_test(test_an_acknowledged_last_group_of_an_older_segment_is_damage),
        recovery_test(test_damage_that_cannot_be_saved_keeps_its_segment),
        recovery_test(test_damage_is_told_when_the_store_may_lack_the_segment),
        recovery_test(test_segments_that_the_store_holds_are_passed_over_at_a_start_alone),
        recovery_test(test_seqs_and_clock_go_on_behind_segments_that_were_not_read),
        recovery_test(test_segments_that_were_not_read_can_be_reused),
        recovery_test(test_a_segment_before_a_lost_header_is_read_whatever_the_store_holds),
        recovery_test(test_a_lost_header_costs_no_event_when_another_segment_is_there),
        recovery_test(test_a_lost_header_and_first_group_cost_that_group),
        recovery_test(test_a_lone_segment_without_a_header_is_for_a_person),
        recovery_test(test_a_first_header_that_was_never_finished_is_a_fresh_journal),
        recovery_test(test_an_unreadable_file_is_moved_away_and_not_reused),
        recovery_test(test_a_missing_segment_is_told_of_and_passed_over),
        recovery_test(test_a_missing_first_segment_is_a_gap_for_a_store_that_lacks_it),
        recovery_test(test_a_segment_cut_short_loses_only_what_was_cut),
        recovery_test(test_a_copy_of_a_segment_and_a_foreign_one_are_refused),
        recovery_test(test_a_newer_format_is_refused),
        recovery_test(test_half_made_segments_are_removed),
        recovery_test(test_segments_of_another_size_are_read_and_then_go),
        recovery_test(test_whatever_was_scribbled_over_no_false_event_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
