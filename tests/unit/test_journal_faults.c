/* The journal on a disk that fails: by countdown, checked by opening the journal again. */
#include "tests/unit/journal_rig.h"

#include "broker/util/container.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum fault {
    FAULT_NONE,
    FAULT_WRITE,      /* fails, nothing is written */
    FAULT_WRITE_HALF, /* fails, after half was written */
    FAULT_SYNC,
    FAULT_RESERVE
};

/* The real disk with one fault: after `countdown` calls of its kind, each one fails. */
struct faulty_disk {
    struct journal_disk disk;
    _Atomic int fault, countdown, error;
    atomic_bool no_direct, short_writes, interrupted;
    _Atomic unsigned writes;
    _Atomic int unsynced;  /* group or header writes since the last sync */
    atomic_bool overtaken; /* a write came before the sync of the last one */
};

struct faulty_rig {
    struct rig *rig;
    struct faulty_disk faulty;
    struct journal_observer observer; /* checks the order, then hands on */
    atomic_bool early;                /* acknowledged before the sync */
};

static bool strikes(struct faulty_disk *faulty, enum fault fault)
{
    return (enum fault)atomic_load(&faulty->fault) == fault &&
           atomic_fetch_sub(&faulty->countdown, 1) <= 0;
}

static struct faulty_disk *faulty_from(const struct journal_disk *disk)
{
    return container_of(disk, struct faulty_disk, disk);
}

static int faulty_open(const struct journal_disk *disk, int dir_fd, const char *name, int flags)
{
    if (atomic_load(&faulty_from(disk)->no_direct) && (flags & O_DIRECT) != 0) {
        return -EINVAL;
    }
    return journal_disk_real.open(&journal_disk_real, dir_fd, name, flags);
}

static ssize_t faulty_pwrite(const struct journal_disk *disk, int fd, const void *bytes,
                             size_t size, off_t offset)
{
    struct faulty_disk *faulty = faulty_from(disk);

    atomic_fetch_add(&faulty->writes, 1);
    if (strikes(faulty, FAULT_WRITE)) {
        return -atomic_load(&faulty->error);
    }
    if (strikes(faulty, FAULT_WRITE_HALF)) {
        size_t half = size / 2 / SEGMENT_BLOCK * SEGMENT_BLOCK;
        assert_int_equal(journal_disk_real.pwrite(disk, fd, bytes, half, offset), half);
        return -atomic_load(&faulty->error);
    }
    if (atomic_load(&faulty->interrupted) && atomic_load(&faulty->writes) % 3 == 0) {
        return -EINTR;
    }
    if (atomic_load(&faulty->short_writes) && size > SEGMENT_BLOCK) {
        size = size / 2 / SEGMENT_BLOCK * SEGMENT_BLOCK;
    }
    return journal_disk_real.pwrite(&journal_disk_real, fd, bytes, size, offset);
}

static int faulty_fdatasync(const struct journal_disk *disk, int fd)
{
    struct faulty_disk *faulty = faulty_from(disk);

    if (strikes(faulty, FAULT_SYNC)) {
        return -atomic_load(&faulty->error);
    }
    return journal_disk_real.fdatasync(&journal_disk_real, fd);
}

static int faulty_reserve(const struct journal_disk *disk, int fd, off_t size)
{
    struct faulty_disk *faulty = faulty_from(disk);

    if (strikes(faulty, FAULT_RESERVE)) {
        return -atomic_load(&faulty->error);
    }
    return journal_disk_real.reserve(&journal_disk_real, fd, size);
}

static void break_disk(struct faulty_rig *f, enum fault fault, int countdown, int error)
{
    atomic_store(&f->faulty.countdown, countdown);
    atomic_store(&f->faulty.error, error);
    atomic_store(&f->faulty.fault, (int)fault);
}

static void heal_disk(struct faulty_rig *f)
{
    atomic_store(&f->faulty.fault, FAULT_NONE);
}

static struct faulty_rig *faulty_new(void)
{
    struct faulty_rig *f = calloc(1, sizeof *f);

    f->rig = rig_new();
    f->faulty.disk = (struct journal_disk){.open = faulty_open,
                                           .pwrite = faulty_pwrite,
                                           .fdatasync = faulty_fdatasync,
                                           .reserve = faulty_reserve};
    f->rig->disk = &f->faulty.disk;
    return f;
}

static void faulty_free(struct faulty_rig *f)
{
    rig_free(f->rig);
    free(f);
}

static int setup(void **state)
{
    *state = faulty_new();
    return 0;
}

static int teardown(void **state)
{
    faulty_free(*state);
    return 0;
}

/* Puts until one is refused; returns its status. */
static int put_until_refused(struct rig *rig, size_t size)
{
    int status = 0;

    for (unsigned i = 0; i < 200 && status == 0; i++) {
        status = rig_put(rig, i, size);
    }
    return status;
}

/* ---- a full disk ---- */

static void test_a_full_disk_refuses_and_ends_when_there_is_room(void **state)
{
    struct faulty_rig *f = *state;
    struct rig *rig = f->rig;

    rig_start(rig);
    assert_int_equal(rig_put(rig, 0, 3000), 0);
    break_disk(f, FAULT_RESERVE, 0, ENOSPC);
    assert_int_equal(put_until_refused(rig, 3000), JOURNAL_E_FULL);
    size_t before = rig->acked_count;
    assert_true(before > 10);
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(rig_put(rig, i, 3000), JOURNAL_E_FULL);
    }
    heal_disk(f);
    assert_int_equal(rig_put(rig, 1, 3000), 0);
    assert_int_equal(rig->acked[before].seq, before + 1); /* a refused one takes no seq */
    rig_close(rig);
    rig_expect(rig, 1, before + 1);
    assert_int_equal(rig->found.damaged_groups, 0);
}

static void test_all_that_is_queued_comes_back_when_the_disk_is_full(void **state)
{
    struct faulty_rig *f = *state;
    struct rig *rig = f->rig;

    rig_start(rig);
    break_disk(f, FAULT_RESERVE, 0, EDQUOT);
    rig_send(rig, 0, 3000, 100, 1);
    rig_wait(rig);
    assert_int_equal(rig->returned, 100);
    assert_int_equal(rig->last_status, JOURNAL_E_FULL);
    size_t acked = rig->acked_count;
    assert_true(acked > 0 && acked < 100);
    rig_close(rig);
    heal_disk(f);
    rig_expect(rig, 1, acked);
}

static void test_a_recycled_segment_ends_a_full_disk_too(void **state)
{
    struct faulty_rig *f = *state;
    struct rig *rig = f->rig;

    rig_start(rig);
    for (unsigned i = 0; i < 20; i++) {
        assert_int_equal(rig_put(rig, i, 3000), 0); /* into a second segment */
    }
    break_disk(f, FAULT_RESERVE, 0, ENOSPC);
    assert_int_equal(put_until_refused(rig, 3000), JOURNAL_E_FULL);
    journal_recycle(rig->journal, rig->acked_count);
    assert_int_equal(rig_put(rig, 1, 3000), 0);
    rig_close(rig);
}

static void test_a_full_disk_is_no_reason_not_to_start(void **state)
{
    struct faulty_rig *f = *state;
    struct rig *rig = f->rig;
    unsigned starts = 0;

    rig_start(rig);
    assert_int_equal(rig_put(rig, 0, 3000), 0);
    rig_close(rig);
    break_disk(f, FAULT_RESERVE, 0, ENOSPC);
    do { /* each start uses up a segment that was there */
        rig_start(rig);
        int status = rig_put(rig, 1, 3000);
        rig_close(rig);
        if (status == JOURNAL_E_FULL) {
            break;
        }
        assert_int_equal(status, 0);
    } while (++starts < 10);
    assert_true(starts < 10);
    size_t acked = rig->acked_count;
    rig_start(rig);
    assert_int_equal(rig_put(rig, 2, 3000), JOURNAL_E_FULL);
    heal_disk(f);
    assert_int_equal(rig_put(rig, 3, 3000), 0);
    rig_close(rig);
    rig_expect(rig, 1, acked + 1);
}

static void test_a_new_journal_needs_room(void **state)
{
    struct faulty_rig *f = *state;

    break_disk(f, FAULT_RESERVE, 0, ENOSPC);
    assert_int_equal(rig_open(f->rig), JOURNAL_E_FULL);
    assert_non_null(strstr(f->rig->err.text, "make room"));
    break_disk(f, FAULT_WRITE, 0, ENOSPC);
    assert_int_equal(rig_open(f->rig), JOURNAL_E_FULL);
    heal_disk(f);
    assert_int_equal(rig_open(f->rig), 0);
    assert_true(f->rig->found.fresh);
}

/* ---- a disk that fails for good ---- */

/* Breaks the disk after `countdown` calls, under load; what was acknowledged must be there. Returns
 * how many events were. */
static void fail_after(enum fault fault, int countdown, bool direct)
{
    struct faulty_rig *f = faulty_new();
    struct rig *rig = f->rig;

    atomic_store(&f->faulty.no_direct, !direct);
    rig_start(rig);
    assert_int_equal(rig_put(rig, 0, 100), 0);
    break_disk(f, fault, countdown, EIO);
    for (unsigned i = 0; i < 40; i++) {
        rig_send(rig, i, 4000, 3, 1);
        if (i % 4 == 0) {
            rig_wait(rig);
        }
    }
    rig_wait(rig);
    assert_int_equal(rig->last_status, JOURNAL_E_FAILED);
    heal_disk(f);
    unsigned writes = atomic_load(&f->faulty.writes);
    assert_int_equal(rig_put(rig, 1, 100), JOURNAL_E_FAILED); /* final: nothing is tried again */
    assert_true(atomic_load(&f->faulty.writes) == writes || rig->journal->pool.failure == 0);
    rig_close(rig);
    assert_int_equal(rig->returned, 122);

    size_t acked = rig->acked_count;
    assert_int_equal(rig_open(rig), 0);
    assert_true(rig->found.last_seq >= acked);
    assert_int_equal(rig->found.damaged_groups, 0);
    if (fault != FAULT_SYNC) {
        assert_int_equal(rig->found.last_seq, acked);
        rig_close(rig);
        rig_expect(rig, 1, acked);
    }
    rig_close(rig);
    rig_start(rig); /* and a new start goes on */
    assert_int_equal(rig_put(rig, 2, 100), 0);
    rig_close(rig);
    faulty_free(f);
}

static void test_a_failed_write_is_final_and_costs_no_receipt(void **state)
{
    (void)state;
    for (int countdown = 0; countdown < 12; countdown++) {
        fail_after(FAULT_WRITE, countdown, true);
        fail_after(FAULT_WRITE_HALF, countdown, countdown % 2 == 0);
    }
}

static void test_a_failed_sync_is_final_and_costs_no_receipt(void **state)
{
    (void)state;
    for (int countdown = 0; countdown < 12; countdown++) {
        fail_after(FAULT_SYNC, countdown, countdown % 2 == 0);
    }
}

static void test_a_failed_sync_at_recovery_is_told(void **state)
{
    struct faulty_rig *f = *state;

    rig_start(f->rig);
    assert_int_equal(rig_put(f->rig, 0, 100), 0);
    rig_close(f->rig);
    break_disk(f, FAULT_SYNC, 0, EIO);
    assert_int_equal(rig_open(f->rig), -EIO);
    heal_disk(f);
    rig_expect(f->rig, 1, 1);
}

/* ---- a disk that is only awkward ---- */

static void run_load(struct rig *rig)
{
    rig_start(rig);
    for (unsigned i = 0; i < 30; i++) {
        rig_send(rig, i, i * 300, 5, 1);
    }
    rig_close(rig);
    assert_int_equal(rig->acked_count, 150);
    rig_expect(rig, 1, 150);
}

static void test_short_and_interrupted_writes_are_finished(void **state)
{
    struct faulty_rig *f = *state;

    atomic_store(&f->faulty.short_writes, true);
    atomic_store(&f->faulty.interrupted, true);
    run_load(f->rig);
}

static void test_a_file_system_without_direct_io_serves_as_well(void **state)
{
    struct faulty_rig *f = *state;

    atomic_store(&f->faulty.no_direct, true);
    run_load(f->rig);
}

/* ---- the order that the promise is made of ---- */

static ssize_t watched_pwrite(const struct journal_disk *disk, int fd, const void *bytes,
                              size_t size, off_t offset)
{
    struct faulty_disk *faulty = faulty_from(disk);

    if (atomic_fetch_add(&faulty->unsynced, 1) != 0) {
        atomic_store(&faulty->overtaken, true);
    }
    return journal_disk_real.pwrite(&journal_disk_real, fd, bytes, size, offset);
}

static int watched_fdatasync(const struct journal_disk *disk, int fd)
{
    int r = journal_disk_real.fdatasync(&journal_disk_real, fd);

    atomic_store(&faulty_from(disk)->unsynced, 0);
    return r;
}

static void watch_committed(struct journal_observer *observer, struct journal_list *done)
{
    struct faulty_rig *f = container_of(observer, struct faulty_rig, observer);

    if (atomic_load(&f->faulty.unsynced) != 0) {
        atomic_store(&f->early, true);
    }
    f->rig->observer.committed(&f->rig->observer, done);
}

static void test_each_group_is_synced_before_its_receipts_and_before_the_next(void **state)
{
    struct faulty_rig *f = *state;
    struct rig *rig = f->rig;
    struct segment_file *spare;

    rig->options.segment_bytes = 1 << 20; /* one segment: the helper does not write meanwhile */
    rig_start(rig);
    assert_int_equal(pool_take(&rig->journal->pool, &spare), 0); /* waits until it is made */
    free(spare);                                                 /* on disk it stays, blank */
    rig_close(rig);
    f->faulty.disk.pwrite = watched_pwrite;
    f->faulty.disk.fdatasync = watched_fdatasync;
    assert_int_equal(rig_open(rig), 0);
    f->observer.committed = watch_committed;
    pthread_mutex_lock(&rig->journal->pool.mutex);
    rig->journal->pool.spares = 0; /* it has a blank one */
    pthread_mutex_unlock(&rig->journal->pool.mutex);
    assert_int_equal(journal_start(rig->journal, &f->observer, &rig->err), 0);
    for (unsigned i = 0; i < 60; i++) {
        rig_send(rig, i, 700, 4, 1);
        if (i % 3 == 0) {
            rig_wait(rig);
        }
    }
    rig_close(rig);
    assert_int_equal(rig->acked_count, 240);
    assert_false(atomic_load(&f->early));
    assert_false(atomic_load(&f->faulty.overtaken));
}

#define fault_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        fault_test(test_a_full_disk_refuses_and_ends_when_there_is_room),
        fault_test(test_all_that_is_queued_comes_back_when_the_disk_is_full),
        fault_test(test_a_recycled_segment_ends_a_full_disk_too),
        fault_test(test_a_full_disk_is_no_reason_not_to_start),
        fault_test(test_a_new_journal_needs_room),
        cmocka_unit_test(test_a_failed_write_is_final_and_costs_no_receipt),
        cmocka_unit_test(test_a_failed_sync_is_final_and_costs_no_receipt),
        fault_test(test_a_failed_sync_at_recovery_is_told),
        fault_test(test_short_and_interrupted_writes_are_finished),
        fault_test(test_a_file_system_without_direct_io_serves_as_well),
        fault_test(test_each_group_is_synced_before_its_receipts_and_before_the_next),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
