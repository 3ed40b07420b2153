/*
 * journal_writer.c - the writer thread: group commit.
 *
 * Happy path: take all that is queued, give seqs and stamps, put the records into one buffer, write
 * it, fdatasync, hand the records back; again. The order is the promise: nobody hears of a record
 * before the fdatasync that covers it has returned, and nothing is written behind a group before
 * the group is on disk, so a torn write can only be the last one and never touches an acknowledged
 * block.
 *
 * A lone request goes at once. When several peers were active of late, a group waits up to
 * gather_us for those that have not sent again yet, as long as that finds somebody: on a busy
 * machine it halves the number of flushes.
 *
 * Failure modes: no segment to go on in (JOURNAL_E_FULL) leaves everything as it was, and the next
 * request asks again. A failed write or fdatasync is final: the kernel may have dropped the pages,
 * so a second fdatasync that succeeds would prove nothing.
 */
#include "broker/journal_internal.h"
#include "broker/util/clock.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define WAKE_NEVER         SIZE_MAX
#define GATHER_CREDIT_MAX  8
#define GATHER_RETRY_AFTER 32u /* groups, when waiting found nobody */

int writer_init(struct journal *journal)
{
    struct journal_writer *writer = &journal->writer;

    writer->fd = -1;
    writer->gather_credit = GATHER_CREDIT_MAX;
    writer->group_capacity = JOURNAL_GROUP_BYTES;
    if (writer->group_capacity < segment_group_bytes(JOURNAL_PAYLOAD_MAX)) {
        writer->group_capacity = segment_group_bytes(JOURNAL_PAYLOAD_MAX);
    }
    writer->group.bytes = disk_alloc(writer->group_capacity);
    return writer->group.bytes != NULL ? 0 : -ENOMEM;
}

void writer_deinit(struct journal *journal)
{
    struct journal_writer *writer = &journal->writer;

    if (writer->fd >= 0) {
        close(writer->fd);
    }
    free(writer->group.bytes);
}

/* ---- segments ---- */

static int write_header(struct journal *journal, int fd, const struct segment_header *header)
{
    uint8_t *bytes = journal->writer.group.bytes; /* free between two groups */
    int r;

    segment_header_encode(header, bytes);
    r = disk_write(journal->disk, fd, bytes, SEGMENT_HEADER_BYTES, 0);
    return r < 0 ? r : journal->disk->fdatasync(journal->disk, fd);
}

int writer_begin_segment(struct journal *journal, struct segment_file *file)
{
    struct journal_writer *writer = &journal->writer;
    uint64_t held_seq = pool_first_seq(&journal->pool);
    int fd, r;

    file->header = (struct segment_header){
        .generation = writer->generation + 1,
        .base_seq = writer->next_seq,
        .first_seq = held_seq != 0 ? held_seq : writer->next_seq,
        .base_stamp_us = writer->stamp_us,
        .segment_bytes = file->bytes,
    };
    memcpy(file->header.origin, journal->origin, sizeof journal->origin);
    r = disk_open(journal->disk, journal->dir_fd, file->name, O_RDWR, &fd);
    if (r < 0) {
        return r;
    }
    r = write_header(journal, fd, &file->header);
    if (r < 0) {
        close(fd);
        return r;
    }
    if (writer->fd >= 0) {
        close(writer->fd);
        pool_finish(&journal->pool, writer->next_seq - 1);
    }
    writer->fd = fd;
    writer->generation++;
    writer->active = file->header;
    memcpy(writer->active_name, file->name, sizeof file->name);
    writer->offset = SEGMENT_HEADER_BYTES;
    writer->number = 1;
    pool_hold(&journal->pool, file);
    pool_recycle(&journal->pool, 0); /* the last one may have been done with already */
    return 0;
}

int writer_next_segment(struct journal *journal)
{
    struct segment_file *file;
    int r = pool_take(&journal->pool, &file);

    if (r != 0) {
        return r;
    }
    r = writer_begin_segment(journal, file);
    if (r < 0) {
        free(file);
    }
    return r;
}

/* ---- groups ---- */

static size_t payload_limit(const struct journal *journal)
{
    size_t room = journal->pool.segment_bytes - SEGMENT_HEADER_BYTES;
    size_t head = segment_group_bytes(0);

    return room - head < JOURNAL_PAYLOAD_MAX ? room - head : JOURNAL_PAYLOAD_MAX;
}

static size_t room_left(const struct journal_writer *writer)
{
    return writer->fd < 0 ? 0 : writer->active.segment_bytes - writer->offset;
}

static void fail(struct journal *journal, int code, const char *what)
{
    journal->writer.failed = true;
    log_write(journal->log, LOG_LEVEL_ERROR, "journal-failed",
              "cannot %s the journal (%s/%s): %s; nothing more is accepted: check the disk, then "
              "start again",
              what, journal->dir, journal->writer.active_name,
              strerrordesc_np(-code) ?: "unknown error");
}

static void note_full(struct journal *journal, bool full)
{
    if (full == journal->writer.full) {
        return;
    }
    journal->writer.full = full;
    if (full) {
        log_write(journal->log, LOG_LEVEL_ERROR, "journal-full",
                  "no room for another segment in %s: memories are refused until there is",
                  journal->dir);
    } else {
        log_write(journal->log, LOG_LEVEL_INFO, "journal-room",
                  "there is room again in %s: memories are accepted", journal->dir);
    }
}

/* Sees to it that a group with this payload fits into the active segment. */
static int make_room(struct journal *journal, size_t payload_size)
{
    int r;

    if (room_left(&journal->writer) >= segment_group_bytes(payload_size)) {
        return 0;
    }
    r = writer_next_segment(journal);
    if (r < 0) {
        fail(journal, r, "begin another segment of");
        return JOURNAL_E_FAILED;
    }
    note_full(journal, r == JOURNAL_E_FULL);
    return r;
}

static void number_record(struct journal_writer *writer, struct journal_record *record,
                          int64_t at_ms)
{
    record->seq = writer->next_seq + writer->group.count;
    record->at_ms = at_ms;
    record->stamp_us = ++writer->stamp_us;
}

/* Moves records from `taken` into the group's buffer until it, or the segment, is full. */
static void fill_group(struct journal *journal, struct journal_list *taken,
                       struct journal_list *group)
{
    struct journal_writer *writer = &journal->writer;
    int64_t wall_us = clock_wall_us();
    size_t room = room_left(writer);

    if (room > JOURNAL_GROUP_BYTES) {
        room = JOURNAL_GROUP_BYTES;
    }
    if (writer->stamp_us < wall_us) {
        writer->stamp_us = wall_us - 1;
    }
    segment_group_begin(&writer->group, &writer->active, writer->number, writer->next_seq);
    do {
        struct journal_record *record = journal_list_pop(taken);
        number_record(writer, record, wall_us / 1000);
        segment_group_add(&writer->group, record);
        journal_list_push(group, record);
    } while (taken->head != NULL && taken->head->payload_size <= payload_limit(journal) &&
             segment_group_grown(&writer->group, taken->head->payload_size) <= room);
}

static int write_group(struct journal *journal)
{
    struct journal_writer *writer = &journal->writer;
    size_t bytes = segment_group_finish(&writer->group);
    int r;

    assert(bytes <= writer->group_capacity && bytes <= room_left(writer));
    r = disk_write(journal->disk, writer->fd, writer->group.bytes, bytes, (off_t)writer->offset);
    if (r < 0) {
        fail(journal, r, "write");
        return JOURNAL_E_FAILED;
    }
    r = journal->disk->fdatasync(journal->disk, writer->fd);
    if (r < 0) {
        fail(journal, r, "sync");
        return JOURNAL_E_FAILED;
    }
    writer->offset += bytes;
    writer->number++;
    writer->next_seq += writer->group.count;
    return 0;
}

/* Moves one group's worth of records, at least one, from `taken` to `group` and tells their fate.
 * What cannot be written for want of room, or at all, goes in one piece. */
static int commit_group(struct journal *journal, struct journal_list *taken,
                        struct journal_list *group)
{
    int r;

    if (journal->writer.failed) {
        journal_list_append(group, taken);
        return JOURNAL_E_FAILED;
    }
    if (taken->head->payload_size > payload_limit(journal)) {
        journal_list_push(group, journal_list_pop(taken));
        return JOURNAL_E_TOO_LARGE;
    }
    r = make_room(journal, taken->head->payload_size);
    if (r != 0) {
        journal_list_append(group, taken);
        return r;
    }
    fill_group(journal, taken, group);
    return write_group(journal);
}

static void hand_back(struct journal *journal, struct journal_list *group, int status)
{
    struct journal_queue *queue = &journal->queue;

    for (struct journal_record *record = group->head; record != NULL; record = record->next) {
        record->status = status;
        record->seq = status == 0 ? record->seq : 0;
    }
    if (status == 0) {
        pthread_mutex_lock(&queue->mutex);
        queue->stats.committed_seq = group->tail->seq;
        queue->stats.groups++;
        queue->stats.records += group->count;
        queue->stats.payload_bytes += group->bytes;
        pthread_mutex_unlock(&queue->mutex);
    }
    journal->observer->committed(journal->observer, group);
}

/* ---- the queue ---- */

/* Whether to wait for peers, by how it went: each wait that found somebody earns credit, each other
 * costs some; without credit it is tried only now and then. */
static bool gather_is_worth_it(struct journal *journal)
{
    struct journal_writer *writer = &journal->writer;
    const struct journal_queue *queue = &journal->queue;

    if (journal->gather_us == 0 || queue->peers < 2 || queue->records.count >= queue->peers) {
        return false;
    }
    if (writer->gather_credit > 0 || ++writer->gather_skipped >= GATHER_RETRY_AFTER) {
        writer->gather_skipped = 0;
        return true;
    }
    return false;
}

/* With the queue's mutex held. */
static void gather(struct journal *journal)
{
    struct journal_writer *writer = &journal->writer;
    struct journal_queue *queue = &journal->queue;
    size_t before = queue->records.count;
    struct timespec deadline = clock_timespec(clock_monotonic_us() + journal->gather_us);
    int r = 0;

    queue->wake_at = queue->peers;
    while (queue->records.count < queue->peers && !queue->stop && r == 0) {
        r = pthread_cond_timedwait(&queue->wake, &queue->mutex, &deadline);
    }
    if (queue->records.count == before) {
        writer->gather_credit -= writer->gather_credit > 0;
    } else if (writer->gather_credit < GATHER_CREDIT_MAX) {
        writer->gather_credit++;
    }
}

/* Waits for records and takes them all. False: stopped, and nothing is left. */
static bool take_queued(struct journal *journal, struct journal_list *ret_taken)
{
    struct journal_queue *queue = &journal->queue;

    pthread_mutex_lock(&queue->mutex);
    while (queue->records.head == NULL && !queue->stop) {
        progress_idle(&queue->progress);
        queue->wake_at = 1;
        pthread_cond_wait(&queue->wake, &queue->mutex);
    }
    if (queue->records.head != NULL && gather_is_worth_it(journal)) {
        gather(journal);
    }
    queue->wake_at = WAKE_NEVER;
    if (journal->writer.stamp_us < queue->observed_stamp_us) {
        journal->writer.stamp_us = queue->observed_stamp_us;
    }
    *ret_taken = queue->records;
    queue->records = (struct journal_list){0};
    pthread_mutex_unlock(&queue->mutex);
    return ret_taken->head != NULL;
}

void *writer_main(void *arg)
{
    struct journal *journal = arg;
    struct journal_list taken;

    pthread_setname_np(pthread_self(), "writer");
    prctl(PR_SET_TIMERSLACK, 1UL); /* the default of 50 us is longer than the wait */
    while (take_queued(journal, &taken)) {
        while (taken.head != NULL) {
            struct journal_list group = {0};
            int status = commit_group(journal, &taken, &group);
            hand_back(journal, &group, status);
            progress_step(&journal->queue.progress);
        }
    }
    return NULL;
}
