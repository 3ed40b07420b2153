/* journal_rig.c - see journal_rig.h. */
#include "tests/unit/journal_rig.h"

#include "broker/util/container.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static void keep_acked(struct rig *rig, const struct journal_record *record)
{
    assert_true(rig->acked_count < RIG_EVENTS_MAX);
    struct rig_event *event = &rig->acked[rig->acked_count++];
    event->seq = record->seq;
    event->stamp_us = record->stamp_us;
    event->at_ms = record->at_ms;
    event->size = record->payload_size;
    event->payload = malloc(record->payload_size + 1);
    memcpy(event->payload, record->payload, record->payload_size);
}

static void rig_committed(struct journal_observer *observer, struct journal_list *done)
{
    struct rig *rig = container_of(observer, struct rig, observer);
    struct journal_record *record;

    pthread_mutex_lock(&rig->mutex);
    while ((record = journal_list_pop(done)) != NULL) {
        rig->last_status = record->status;
        if (record->status == 0) {
            keep_acked(rig, record);
        }
        rig->returned++;
        rig->in_flight--;
        free((void *)(uintptr_t)record->payload);
        free(record);
    }
    pthread_cond_broadcast(&rig->changed);
    pthread_mutex_unlock(&rig->mutex);
}

struct rig *rig_new(void)
{
    struct rig *rig = calloc(1, sizeof *rig);

    snprintf(rig->dir, sizeof rig->dir, "%s/memferry-journal-XXXXXX",
             getenv("TMPDIR") != NULL && strlen(getenv("TMPDIR")) < 30 ? getenv("TMPDIR") : "/tmp");
    assert_non_null(mkdtemp(rig->dir));
    log_init(&rig->log, open("/dev/null", O_WRONLY | O_CLOEXEC), LOG_LEVEL_DEBUG);
    pthread_mutex_init(&rig->mutex, NULL);
    pthread_cond_init(&rig->changed, NULL);
    rig->observer.committed = rig_committed;
    rig->disk = &journal_disk_real;
    rig->options =
        (struct journal_options){.dir = rig->dir, .segment_bytes = 64 << 10, .spare_segments = 1};
    return rig;
}

static void remove_dir(const char *path)
{
    DIR *stream = opendir(path);
    struct dirent *entry;

    while (stream != NULL && (entry = readdir(stream)) != NULL) {
        if (entry->d_name[0] != '.') {
            unlinkat(dirfd(stream), entry->d_name, 0);
        }
    }
    if (stream != NULL) {
        closedir(stream);
    }
    rmdir(path);
}

void rig_free(struct rig *rig)
{
    rig_close(rig);
    rig_forget_above(rig, 0);
    remove_dir(rig->dir);
    close(rig->log.fd);
    pthread_cond_destroy(&rig->changed);
    pthread_mutex_destroy(&rig->mutex);
    free(rig);
}

int rig_open(struct rig *rig)
{
    return journal_open_on(&rig->journal, &rig->options, &rig->log, rig->disk, &rig->found,
                           &rig->err);
}

void rig_start(struct rig *rig)
{
    assert_int_equal(rig_open(rig), 0);
    assert_int_equal(journal_start(rig->journal, &rig->observer, &rig->err), 0);
}

void rig_close(struct rig *rig)
{
    rig->journal = journal_close(rig->journal);
    assert_int_equal(rig->in_flight, 0);
}

void rig_send(struct rig *rig, unsigned number, size_t size, unsigned count, unsigned peers)
{
    struct journal_list list = {0};

    for (unsigned i = 0; i < count; i++) {
        struct journal_record *record = calloc(1, sizeof *record);
        uint8_t *payload = malloc(size + 1);
        for (size_t k = 0; k < size; k++) {
            payload[k] = (uint8_t)((number + i) * 7 + k * 13 + (k >> 8));
        }
        record->payload = payload;
        record->payload_size = size;
        journal_list_push(&list, record);
    }
    pthread_mutex_lock(&rig->mutex);
    rig->in_flight += count;
    pthread_mutex_unlock(&rig->mutex);
    journal_append(rig->journal, &list, peers);
}

void rig_wait(struct rig *rig)
{
    pthread_mutex_lock(&rig->mutex);
    while (rig->in_flight > 0) {
        pthread_cond_wait(&rig->changed, &rig->mutex);
    }
    pthread_mutex_unlock(&rig->mutex);
}

int rig_put(struct rig *rig, unsigned number, size_t size)
{
    rig_send(rig, number, size, 1, 1);
    rig_wait(rig);
    return rig->last_status;
}

struct expectation {
    struct rig *rig;
    size_t next; /* in acked */
    uint64_t upto;
};

static int expect_event(void *arg, const struct journal_record *record)
{
    struct expectation *expectation = arg;
    struct rig *rig = expectation->rig;

    assert_true(expectation->next < rig->acked_count);
    const struct rig_event *event = &rig->acked[expectation->next++];
    assert_int_equal(record->seq, event->seq);
    assert_int_equal(record->stamp_us, event->stamp_us);
    assert_int_equal(record->at_ms, event->at_ms);
    assert_int_equal(record->payload_size, event->size);
    assert_memory_equal(record->payload, event->payload, event->size);
    assert_true(record->seq <= expectation->upto);
    return 0;
}

void rig_expect(struct rig *rig, uint64_t from, uint64_t upto)
{
    struct expectation expectation = {.rig = rig, .upto = upto};
    size_t end = 0;

    if (rig_open(rig) != 0) {
        fail_msg("cannot open: %s", rig->err.text);
    }
    while (expectation.next < rig->acked_count && rig->acked[expectation.next].seq < from) {
        expectation.next++;
    }
    while (end < rig->acked_count && rig->acked[end].seq <= upto) {
        end++;
    }
    if (journal_replay(rig->journal, from - 1, expect_event, &expectation, &rig->err) != 0) {
        fail_msg("cannot replay: %s", rig->err.text);
    }
    assert_int_equal(expectation.next, end);
}

void rig_forget_above(struct rig *rig, uint64_t seq)
{
    while (rig->acked_count > 0 && rig->acked[rig->acked_count - 1].seq > seq) {
        free(rig->acked[--rig->acked_count].payload);
    }
}

static struct segment_queue list_segments(struct rig *rig)
{
    struct segment_queue all;
    struct journal_files files;
    int fd = open(rig->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    assert_int_equal(journal_files_list(&files, fd, rig->dir, NULL, &rig->err), 0);
    close(fd);
    segment_queue_clear(&files.blank);
    all = files.freed;
    for (struct segment_file *file; (file = segment_queue_pop(&files.held)) != NULL;) {
        segment_queue_push(&all, file);
    }
    return all;
}

unsigned rig_segment_count(struct rig *rig)
{
    struct segment_queue all = list_segments(rig);
    unsigned count = all.count;

    segment_queue_clear(&all);
    return count;
}

void rig_segment_path(struct rig *rig, unsigned n, char *path, size_t size)
{
    struct segment_queue all = list_segments(rig);
    struct segment_file *file = all.head;

    assert_true(n < all.count);
    while (n-- > 0) {
        file = file->next;
    }
    snprintf(path, size, "%s/%s", rig->dir, file->name);
    segment_queue_clear(&all);
}

uint8_t *rig_read_segment(struct rig *rig, unsigned n, size_t *ret_size)
{
    char path[200];
    struct stat stat;
    uint8_t *bytes;

    rig_segment_path(rig, n, path, sizeof path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0 && fstat(fd, &stat) == 0);
    bytes = malloc((size_t)stat.st_size);
    assert_int_equal(pread(fd, bytes, (size_t)stat.st_size, 0), stat.st_size);
    close(fd);
    *ret_size = (size_t)stat.st_size;
    return bytes;
}

void rig_write_segment(struct rig *rig, unsigned n, const uint8_t *bytes, size_t size)
{
    char path[200];

    rig_segment_path(rig, n, path, sizeof path);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_int_equal(pwrite(fd, bytes, size, 0), (ssize_t)size);
    close(fd);
}

static void scan_begin(struct segment_scan *scan, const uint8_t *bytes, size_t size)
{
    struct segment_header header;

    assert_int_equal(segment_header_decode(bytes, &header), SEGMENT_KIND_GOOD);
    segment_scan_init(scan, bytes, size, header.origin, header.generation, header.base_seq);
}

struct segment_span rig_group(const uint8_t *bytes, size_t size, unsigned k)
{
    struct segment_scan scan;
    struct segment_span span;

    scan_begin(&scan, bytes, size);
    do {
        assert_int_equal(segment_scan_next(&scan, &span), SEGMENT_GROUP);
    } while (k-- > 0);
    return span;
}

unsigned rig_group_count(const uint8_t *bytes, size_t size)
{
    struct segment_scan scan;
    struct segment_span span;
    unsigned count = 0;

    scan_begin(&scan, bytes, size);
    while (segment_scan_next(&scan, &span) == SEGMENT_GROUP) {
        count++;
    }
    return count;
}
