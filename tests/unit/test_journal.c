/* The journal while nothing goes wrong: what is acknowledged is on disk, in order, once. */
#include "tests/unit/journal_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
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

static void test_a_new_journal_has_an_origin_that_stays(void **state)
{
    struct rig *rig = *state;
    char origin[JOURNAL_ORIGIN_TEXT];

    assert_int_equal(rig_open(rig), 0);
    assert_true(rig->found.fresh);
    assert_int_equal(rig->found.first_seq, 1);
    assert_int_equal(rig->found.last_seq, 0);
    memcpy(origin, journal_origin(rig->journal), sizeof origin);
    assert_int_equal(strlen(origin), JOURNAL_ORIGIN_TEXT - 1);
    rig_close(rig);
    assert_int_equal(rig_open(rig), 0);
    assert_false(rig->found.fresh);
    assert_string_equal(journal_origin(rig->journal), origin);
}

static void test_a_new_journal_may_go_on_behind_events_that_are_elsewhere(void **state)
{
    static const char origin[] = "11111111-2222-4333-8444-555555555555";
    const struct journal_base base = {
        .origin = origin, .seq = 700, .stamp_us = INT64_C(4000000000000000)};
    struct rig *rig = *state;

    rig->options.base = &base;
    rig_start(rig);
    assert_true(rig->found.fresh);
    assert_int_equal(rig->found.last_seq, 700);
    rig_close(rig);
    rig->options.base = NULL; /* it is on disk, before any event is */
    rig_start(rig);
    assert_false(rig->found.fresh);
    assert_string_equal(journal_origin(rig->journal), origin);
    assert_int_equal(rig->found.first_seq, 701);
    assert_int_equal(rig->found.last_seq, 700);
    assert_int_equal(rig_put(rig, 1, 100), 0);
    assert_int_equal(rig->acked[0].seq, 701);
    assert_true(rig->acked[0].stamp_us > base.stamp_us);
    rig_close(rig);
    rig_expect(rig, 701, 701);
    rig_close(rig);
    rig->options.base = &base; /* one that is there stays as it is */
    assert_int_equal(rig_open(rig), 0);
    assert_false(rig->found.fresh);
    assert_int_equal(rig->found.last_seq, 701);
}

static void test_what_was_acknowledged_is_replayed_as_it_was(void **state)
{
    struct rig *rig = *state;

    rig_start(rig);
    for (unsigned i = 0; i < 50; i++) {
        assert_int_equal(rig_put(rig, i, i * 37), 0);
    }
    rig_send(rig, 50, 300, 500, 1); /* groups over several segments */
    rig_wait(rig);
    rig_close(rig);
    assert_int_equal(rig->acked_count, 550);
    rig_expect(rig, 1, 550);
    assert_int_equal(rig->found.last_seq, 550);
    assert_int_equal(rig->found.damaged_groups, 0);
    rig_close(rig);
    rig_expect(rig, 300, 550);
}

static void test_seqs_and_stamps_go_on_after_a_restart(void **state)
{
    struct rig *rig = *state;

    for (unsigned run = 0; run < 5; run++) {
        rig_start(rig);
        for (unsigned i = 0; i < 10; i++) {
            assert_int_equal(rig_put(rig, i, 100), 0);
        }
        rig_close(rig);
    }
    for (size_t i = 0; i < rig->acked_count; i++) {
        assert_int_equal(rig->acked[i].seq, i + 1);
        assert_true(i == 0 || rig->acked[i].stamp_us > rig->acked[i - 1].stamp_us);
    }
    rig_expect(rig, 1, 50);
}

static void test_every_start_begins_a_segment_of_a_new_generation(void **state)
{
    struct rig *rig = *state;

    for (unsigned run = 1; run <= 4; run++) {
        rig_start(rig);
        assert_int_equal(rig->journal->writer.generation, run);
        assert_int_equal(rig_put(rig, run, 100), 0);
        rig_close(rig);
        assert_int_equal(rig_segment_count(rig), run);
    }
}

static void test_starts_without_events_do_not_pile_up_segments(void **state)
{
    struct rig *rig = *state;
    struct journal_stats stats;

    for (unsigned run = 0; run < 30; run++) {
        rig_start(rig);
        journal_stats(rig->journal, &stats);
        assert_true(stats.segments <= 1 + rig->options.spare_segments + JOURNAL_SPARES_SURPLUS + 1);
        rig_close(rig);
    }
}

static void test_a_large_payload_is_taken_and_a_too_large_one_is_not(void **state)
{
    struct rig *rig = *state;

    rig->options.segment_bytes = 16 << 20;
    rig_start(rig);
    assert_int_equal(rig_put(rig, 1, JOURNAL_PAYLOAD_MAX), 0);
    assert_int_equal(rig_put(rig, 2, JOURNAL_PAYLOAD_MAX + 1), JOURNAL_E_TOO_LARGE);
    rig_send(rig, 3, 1 << 20, 10, 1); /* more than one group can hold */
    rig_wait(rig);
    assert_int_equal(rig->last_status, 0);
    rig_close(rig);
    assert_int_equal(rig->acked_count, 11);
    rig_expect(rig, 1, 11);
}

static void test_a_payload_that_no_segment_can_hold_is_refused_alone(void **state)
{
    struct rig *rig = *state;

    rig_start(rig);
    rig_send(rig, 1, 100, 3, 1);
    rig_send(rig, 4, 64 << 10, 1, 1);
    rig_send(rig, 5, 100, 3, 1);
    rig_wait(rig);
    rig_close(rig);
    assert_int_equal(rig->returned, 7);
    assert_int_equal(rig->acked_count, 6);
    rig_expect(rig, 1, 6);
}

struct sender {
    struct rig *rig;
    unsigned number;
};

static void *send_many(void *arg)
{
    struct sender *sender = arg;

    for (unsigned i = 0; i < 100; i++) {
        rig_send(sender->rig, sender->number * 1000 + i, (sender->number * 97 + i) % 700, 1 + i % 4,
                 8);
    }
    return NULL;
}

static void test_many_threads_append_and_nothing_is_lost_or_mixed(void **state)
{
    struct rig *rig = *state;
    struct sender senders[8];
    pthread_t threads[8];
    struct journal_stats stats;

    rig_start(rig);
    for (unsigned i = 0; i < 8; i++) {
        senders[i] = (struct sender){.rig = rig, .number = i};
        assert_int_equal(pthread_create(&threads[i], NULL, send_many, &senders[i]), 0);
    }
    for (unsigned i = 0; i < 8; i++) {
        pthread_join(threads[i], NULL);
    }
    rig_wait(rig);
    journal_stats(rig->journal, &stats);
    assert_int_equal(stats.records, 2000);
    assert_int_equal(stats.committed_seq, 2000);
    assert_true(stats.groups <= 2000);
    rig_close(rig);
    rig_expect(rig, 1, 2000);
}

static void test_close_commits_what_is_queued(void **state)
{
    struct rig *rig = *state;

    rig_start(rig);
    rig_send(rig, 0, 200, 1000, 1);
    rig_close(rig);
    assert_int_equal(rig->returned, 1000);
    assert_int_equal(rig->acked_count, 1000);
    rig_expect(rig, 1, 1000);
}

static void test_a_clock_seen_elsewhere_is_never_undercut(void **state)
{
    struct rig *rig = *state;
    int64_t ahead;

    rig_start(rig);
    assert_int_equal(rig_put(rig, 0, 10), 0);
    ahead = rig->acked[0].stamp_us + 3600 * 1000000LL;
    journal_observe_stamp(rig->journal, ahead);
    assert_int_equal(rig_put(rig, 1, 10), 0);
    assert_int_equal(rig->acked[1].stamp_us, ahead + 1);
    rig_close(rig);
    rig_start(rig);
    assert_int_equal(rig_put(rig, 2, 10), 0);
    assert_int_equal(rig->acked[2].stamp_us, ahead + 2);
}

/* ---- recycling ---- */

static void test_recycled_segments_are_used_again_and_not_more(void **state)
{
    struct rig *rig = *state;
    struct journal_stats stats;

    rig_start(rig);
    for (unsigned i = 0; i < 600; i++) {
        assert_int_equal(rig_put(rig, i, 3000), 0); /* 14 to a segment */
        journal_recycle(rig->journal, i);
    }
    journal_stats(rig->journal, &stats);
    assert_true(stats.first_seq > 570 && stats.first_seq <= 600);
    assert_true(stats.segments <= 9);
    rig_close(rig);
    assert_true(rig_segment_count(rig) <= 9);
    assert_int_equal(rig_open(rig), 0);
    assert_int_equal(rig->found.last_seq, 600);
    assert_true(rig->found.first_seq <= stats.first_seq);
    uint64_t first = rig->found.first_seq;
    rig_close(rig);
    rig_expect(rig, first, 600);
}

static void test_events_that_were_not_recycled_stay(void **state)
{
    struct rig *rig = *state;

    rig_start(rig);
    for (unsigned i = 0; i < 200; i++) {
        assert_int_equal(rig_put(rig, i, 3000), 0);
        journal_recycle(rig->journal, i / 2);
    }
    rig_close(rig);
    rig_expect(rig, 101, 200);
    assert_true(rig->found.first_seq <= 101);
}

static void test_with_keep_segments_everything_stays(void **state)
{
    struct rig *rig = *state;

    rig->options.keep_segments = true;
    rig_start(rig);
    for (unsigned i = 1; i <= 200; i++) {
        assert_int_equal(rig_put(rig, i, 3000), 0);
        journal_recycle(rig->journal, i);
    }
    rig_close(rig);
    rig_expect(rig, 1, 200);
}

static void test_an_emptied_journal_remembers_where_it_was(void **state)
{
    struct rig *rig = *state;
    int64_t stamp_us;

    rig_start(rig);
    for (unsigned i = 1; i <= 40; i++) {
        assert_int_equal(rig_put(rig, i, 3000), 0);
    }
    stamp_us = rig->acked[39].stamp_us;
    rig_close(rig);
    for (unsigned run = 0; run < 3; run++) {
        rig_start(rig);
        journal_recycle(rig->journal, 40);
        rig_close(rig);
    }
    rig_start(rig);
    assert_int_equal(rig->found.last_seq, 40);
    assert_int_equal(rig_put(rig, 41, 10), 0);
    assert_int_equal(rig->acked[40].seq, 41);
    assert_true(rig->acked[40].stamp_us > stamp_us);
}

/* ---- replay ---- */

static int count_events(void *arg, const struct journal_record *record)
{
    unsigned *count = arg;

    (void)record;
    return ++*count == 5 ? 77 : 0;
}

static void test_a_visitor_can_end_the_replay(void **state)
{
    struct rig *rig = *state;
    unsigned count = 0;

    rig_start(rig);
    rig_send(rig, 0, 100, 20, 1);
    rig_close(rig);
    assert_int_equal(rig_open(rig), 0);
    assert_int_equal(journal_replay(rig->journal, 2, count_events, &count, &rig->err), 77);
    assert_int_equal(count, 5);
}

static void test_a_gap_before_the_first_event_is_refused(void **state)
{
    struct rig *rig = *state;
    unsigned count = 0;

    rig_start(rig);
    for (unsigned i = 1; i <= 100; i++) {
        assert_int_equal(rig_put(rig, i, 3000), 0);
        journal_recycle(rig->journal, i);
    }
    rig_close(rig);
    assert_int_equal(rig_open(rig), 0);
    assert_true(rig->found.first_seq > 1);
    assert_int_equal(
        journal_replay(rig->journal, rig->found.first_seq - 2, count_events, &count, &rig->err),
        JOURNAL_E_GAP);
    assert_non_null(strstr(rig->err.text, rig->dir));
    assert_int_equal(count, 0);
    assert_int_equal(journal_replay(rig->journal, 100, count_events, &count, &rig->err), 0);
}

static void test_a_new_journal_beside_an_old_store_is_refused(void **state)
{
    struct rig *rig = *state;
    unsigned count = 0;

    assert_int_equal(rig_open(rig), 0);
    assert_int_equal(journal_replay(rig->journal, 7, count_events, &count, &rig->err),
                     JOURNAL_E_GAP);
}

static void test_a_journal_behind_its_store_goes_on_behind_it(void **state)
{
    struct rig *rig = *state;
    unsigned count = 0;

    rig_start(rig);
    assert_int_equal(rig_put(rig, 1, 10), 0);
    rig_close(rig);
    assert_int_equal(rig_open(rig), 0);
    assert_int_equal(journal_replay(rig->journal, 9, count_events, &count, &rig->err), 0);
    assert_int_equal(journal_start(rig->journal, &rig->observer, &rig->err), 0);
    assert_int_equal(rig_put(rig, 2, 10), 0);
    assert_int_equal(rig->acked[1].seq, 10);
    rig_close(rig);
    rig_expect(rig, 10, 10);
    assert_int_equal(rig->found.last_seq, 10);
}

/* ---- lock, files, check ---- */

static void test_a_second_broker_is_told_who_the_first_is(void **state)
{
    struct rig *rig = *state;
    int to_child[2], to_parent[2], status;
    char byte, pid[32];

    assert_true(pipe(to_child) == 0 && pipe(to_parent) == 0);
    pid_t child = fork();
    if (child == 0) {
        close(to_child[1]);
        int r = rig_open(rig);
        _exit(write(to_parent[1], "x", 1) != 1 || read(to_child[0], &byte, 1) < 0 || r != 0);
    }
    close(to_child[0]);
    assert_int_equal(read(to_parent[0], &byte, 1), 1);
    assert_int_equal(rig_open(rig), JOURNAL_E_LOCKED);
    snprintf(pid, sizeof pid, "process %d", (int)child);
    assert_non_null(strstr(rig->err.text, pid));
    assert_int_equal(journal_check(rig->dir, NULL, NULL, &rig->found, &rig->err), JOURNAL_E_LOCKED);
    close(to_child[1]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(rig_open(rig), 0); /* the lock went with its process */
    close(to_parent[0]);
    close(to_parent[1]);
}

static void test_directory_and_files_are_private(void **state)
{
    struct rig *rig = *state;
    struct stat stat_of;
    char dir[80], path[200];

    snprintf(dir, sizeof dir, "%s/deeper", rig->dir);
    rig->options.dir = dir;
    umask(0);
    rig_start(rig);
    assert_int_equal(rig_put(rig, 1, 10), 0);
    rig_close(rig);
    assert_int_equal(stat(dir, &stat_of), 0);
    assert_int_equal(stat_of.st_mode & 07777, 0700);
    snprintf(path, sizeof path, "%s/00000001.seg", dir);
    assert_int_equal(stat(path, &stat_of), 0);
    assert_int_equal(stat_of.st_mode & 07777, 0600);
    assert_int_equal(stat_of.st_size, rig->options.segment_bytes);
    for (unsigned i = 1; i < 5; i++) {
        snprintf(path, sizeof path, "%s/%08u.seg", dir, i);
        unlink(path);
    }
    snprintf(path, sizeof path, "%s/lock", dir);
    assert_int_equal(stat(path, &stat_of), 0);
    assert_int_equal(stat_of.st_mode & 07777, 0600);
    unlink(path);
    assert_int_equal(rmdir(dir), 0);
}

static int count_all(void *arg, const struct journal_record *record)
{
    (void)record;
    ++*(unsigned *)arg;
    return 0;
}

static void test_a_check_reads_all_and_changes_nothing(void **state)
{
    struct rig *rig = *state;
    size_t size, size_after;
    unsigned count = 0, segments;

    rig_start(rig);
    rig_send(rig, 0, 1000, 150, 1);
    rig_close(rig);
    segments = rig_segment_count(rig);
    uint8_t *before = rig_read_segment(rig, 0, &size);
    assert_int_equal(journal_check(rig->dir, count_all, &count, &rig->found, &rig->err), 0);
    assert_int_equal(count, 150);
    assert_int_equal(rig->found.last_seq, 150);
    assert_int_equal(rig->found.damaged_groups, 0);
    assert_int_equal(rig_segment_count(rig), segments);
    uint8_t *after = rig_read_segment(rig, 0, &size_after);
    assert_int_equal(size, size_after);
    assert_memory_equal(before, after, size);
    free(before);
    free(after);
}

static void test_a_check_of_nothing_says_so(void **state)
{
    struct rig *rig = *state;

    assert_int_equal(journal_check(rig->dir, NULL, NULL, &rig->found, &rig->err), 0);
    assert_true(rig->found.fresh);
    assert_int_equal(journal_check("/nonexistent/journal", NULL, NULL, &rig->found, &rig->err),
                     -ENOENT);
}

static void test_options_that_make_no_sense_are_refused(void **state)
{
    struct rig *rig = *state;

    rig->options.segment_bytes = 5000;
    assert_int_equal(rig_open(rig), -EINVAL);
    rig->options.segment_bytes = 8192;
    assert_int_equal(rig_open(rig), -EINVAL);
}

#define journal_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        journal_test(test_a_new_journal_has_an_origin_that_stays),
        journal_test(test_a_new_journal_may_go_on_behind_events_that_are_elsewhere),
        journal_test(test_what_was_acknowledged_is_replayed_as_it_was),
        journal_test(test_seqs_and_stamps_go_on_after_a_restart),
        journal_test(test_every_start_begins_a_segment_of_a_new_generation),
        journal_test(test_starts_without_events_do_not_pile_up_segments),
        journal_test(test_a_large_payload_is_taken_and_a_too_large_one_is_not),
        journal_test(test_a_payload_that_no_segment_can_hold_is_refused_alone),
        journal_test(test_many_threads_append_and_nothing_is_lost_or_mixed),
        journal_test(test_close_commits_what_is_queued),
        journal_test(test_a_clock_seen_elsewhere_is_never_undercut),
        journal_test(test_recycled_segments_are_used_again_and_not_more),
        journal_test(test_events_that_were_not_recycled_stay),
        journal_test(test_with_keep_segments_everything_stays),
        journal_test(test_an_emptied_journal_remembers_where_it_was),
        journal_test(test_a_visitor_can_end_the_replay),
        journal_test(test_a_gap_before_the_first_event_is_refused),
        journal_test(test_a_new_journal_beside_an_old_store_is_refused),
        journal_test(test_a_journal_behind_its_store_goes_on_behind_it),
        journal_test(test_a_second_broker_is_told_who_the_first_is),
        journal_test(test_directory_and_files_are_private),
        journal_test(test_a_check_reads_all_and_changes_nothing),
        journal_test(test_a_check_of_nothing_says_so),
        journal_test(test_options_that_make_no_sense_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
