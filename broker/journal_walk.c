/*
 * journal_walk.c - goes through the events of all segments in order.
 *
 * Seqs follow without gap from one segment to the next, since each header names the seq its first
 * event has. So the next header decides about the end of a segment: what it holds from that seq on
 * was cut when the next one was begun, and what it lacks below that seq was lost. Nothing decides
 * so about the end of the newest: a block there that the disk cannot read is not taken for the end.
 *
 * For the same reason a segment is passed over unread when the next header says that nothing in it
 * is wanted. The newest is always read.
 */
#include "broker/journal_recovery.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int load(struct journal_walk *walk, const struct segment_file *file, size_t *ret_size)
{
    size_t need = file->bytes > 0 ? file->bytes : SEGMENT_BLOCK;
    int fd, r;

    if (walk->capacity < need) {
        free(walk->bytes);
        walk->bytes = disk_alloc(need);
        walk->capacity = walk->bytes != NULL ? need : 0;
    }
    if (walk->bytes == NULL) {
        return -ENOMEM;
    }
    r = disk_open(&journal_disk_real, walk->dir_fd, file->name, O_RDONLY, &fd);
    if (r < 0) {
        return r;
    }
    r = disk_read(fd, walk->bytes, need, ret_size);
    close(fd);
    return r;
}

static int visit_group(struct journal_walk *walk, const struct segment_scan *scan,
                       const struct segment_span *span, uint64_t limit)
{
    struct journal_record record;
    size_t offset = 0;
    int r = 0;

    while (r == 0 && segment_record_next(scan, span, &offset, &record) && record.seq < limit) {
        if (record.stamp_us > walk->stamp_us) {
            walk->stamp_us = record.stamp_us;
        }
        if (walk->visit != NULL && record.seq > walk->after_seq) {
            r = walk->visit(walk->visit_arg, &record);
        }
    }
    return r;
}

/* The events from walk->next_seq up to, not including, `until` are not where they should be. */
static void tell_damage(struct journal_walk *walk, struct segment_file *file,
                        const struct segment_scan *scan, struct segment_span *span, uint64_t until)
{
    struct journal_damage damage = {.file = file, .scan = scan, .span = *span};

    if (until <= walk->next_seq) {
        return; /* all of it had been cut */
    }
    damage.span.first_seq = walk->next_seq;
    damage.span.next_seq = until;
    if (walk->damaged != NULL) {
        walk->damaged(walk, &damage);
    } else {
        walk->unreadable |= disk_is_unreadable(scan->bytes, span->offset, span->end);
    }
    walk->next_seq = until;
}

/* The end of a segment. limit is the seq that the next segment begins with; UINT64_MAX without. */
static void end_segment(struct journal_walk *walk, struct segment_file *file,
                        const struct segment_scan *scan, struct segment_span *span, bool torn,
                        bool newest, uint64_t limit)
{
    if (limit != UINT64_MAX && walk->next_seq < limit) {
        span->end = scan->size; /* whatever can be found */
        tell_damage(walk, file, scan, span, limit);
    } else if (newest && disk_is_unreadable(scan->bytes, span->offset, span->end)) {
        walk->unreadable = true;
    } else if (torn && newest) {
        walk->torn_bytes += span->end - span->offset;
    }
    file->last_seq = walk->next_seq - 1;
}

static int scan_segment(struct journal_walk *walk, struct segment_file *file,
                        struct segment_scan *scan, bool newest, uint64_t limit)
{
    struct segment_span span;
    enum segment_found found;
    int r;

    while ((found = segment_scan_next(scan, &span)) == SEGMENT_GROUP || found == SEGMENT_DAMAGED) {
        uint64_t until = span.next_seq < limit ? span.next_seq : limit;
        if (found == SEGMENT_DAMAGED) {
            tell_damage(walk, file, scan, &span, until);
            continue;
        }
        r = visit_group(walk, scan, &span, limit);
        if (r != 0) {
            return r;
        }
        walk->next_seq = until > walk->next_seq ? until : walk->next_seq;
    }
    end_segment(walk, file, scan, &span, found == SEGMENT_TORN, newest, limit);
    return 0;
}

static int walk_segment(struct journal_walk *walk, struct segment_file *file, const char *dir,
                        struct error *err)
{
    const struct segment_file *next = file->next;
    uint64_t limit =
        next != NULL && next->header.base_seq != 0 ? next->header.base_seq : UINT64_MAX;
    struct segment_scan scan;
    size_t size;
    int r = load(walk, file, &size);

    if (r < 0) {
        return error_set_errno(err, r, "cannot read %s/%s", dir, file->name);
    }
    if (file->header.base_seq == 0) {
        file->header.base_seq = walk->next_seq; /* its header and its first group are lost */
    }
    if (walk->next_seq < file->header.base_seq) {
        walk->next_seq = file->header.base_seq; /* only the first: see end_segment */
    }
    segment_scan_init(&scan, walk->bytes, size, file->header.origin, file->header.generation,
                      file->header.base_seq);
    r = scan_segment(walk, file, &scan, next == NULL, limit);
    return r == 0 && walk->unreadable ? journal_refuse_unreadable(dir, file->name, err) : r;
}

bool journal_walk_passes(const struct segment_file *file, uint64_t after_seq)
{
    const struct segment_file *next = file->next;

    /* A header that was lost tells neither first_seq nor the clock. */
    return after_seq > 0 && file->header.base_seq != 0 && next != NULL &&
           next->header.first_seq != 0 && next->header.base_seq <= after_seq + 1;
}

static void pass_over(struct journal_walk *walk, struct segment_file *file)
{
    uint64_t limit = file->next->header.base_seq;

    walk->next_seq = walk->next_seq < limit ? limit : walk->next_seq;
    file->last_seq = walk->next_seq - 1;
}

int journal_walk_run(struct journal_walk *walk, const struct segment_queue *held, const char *dir,
                     struct error *err)
{
    int r = 0;

    walk->next_seq = held->tail != NULL ? held->tail->header.first_seq : 1;
    if (held->head != NULL && held->head->header.base_seq != 0) {
        walk->next_seq = held->head->header.base_seq;
    }
    if (walk->next_seq == 0) {
        walk->next_seq = 1;
    }
    for (struct segment_file *file = held->head; file != NULL && r == 0; file = file->next) {
        if (journal_walk_passes(file, walk->after_seq)) {
            pass_over(walk, file);
        } else {
            r = walk_segment(walk, file, dir, err);
        }
    }
    free(walk->bytes);
    walk->bytes = NULL;
    walk->capacity = 0;
    return r;
}
