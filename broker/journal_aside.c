/*
 * journal_aside.c - keeps the bytes of damage before their segment is used again.
 *
 * The file has the form of a segment: a sound header of the same generation, then the damaged bytes
 * as they lay, so that segment_salvage_next finds in it what it found in the segment. Its name is
 * made of the seqs that are missing: the same damage, met at the next start, is known already.
 */
#include "broker/journal_recovery.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static uint64_t count_readable(const struct journal_damage *damage)
{
    struct journal_record record;
    uint64_t count = 0, last_seq = 0;
    size_t offset = 0;

    while (segment_salvage_next(damage->scan, &damage->span, &offset, &record)) {
        count += record.seq > last_seq;
        last_seq = record.seq > last_seq ? record.seq : last_seq;
    }
    return count;
}

static uint8_t *encode(const struct journal_damage *damage, size_t *ret_size)
{
    const struct segment_span *span = &damage->span;
    size_t length = span->end - span->offset;
    size_t size =
        SEGMENT_HEADER_BYTES + (length + SEGMENT_BLOCK - 1) / SEGMENT_BLOCK * SEGMENT_BLOCK;
    struct segment_header header = damage->file->header;
    uint8_t *bytes = disk_alloc(size);

    if (bytes == NULL) {
        return NULL;
    }
    header.base_seq = span->first_seq;
    header.first_seq = span->first_seq;
    header.segment_bytes = size;
    memset(bytes, 0, size);
    segment_header_encode(&header, bytes);
    memcpy(bytes + SEGMENT_HEADER_BYTES, damage->scan->bytes + span->offset, length);
    *ret_size = size;
    return bytes;
}

static int write_file(int dir_fd, const char *name, const uint8_t *bytes, size_t size)
{
    char making[JOURNAL_NAME_MAX + 8];
    int fd, r;

    snprintf(making, sizeof making, "%s.tmp", name);
    fd = openat(dir_fd, making, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return -errno;
    }
    r = disk_write(&journal_disk_real, fd, bytes, size, 0);
    if (r == 0 && fsync(fd) < 0) {
        r = -errno;
    }
    close(fd);
    return disk_name_made(dir_fd, making, name, r);
}

int journal_aside_save(int dir_fd, const struct journal_damage *damage, char name[JOURNAL_NAME_MAX],
                       uint64_t *ret_readable, bool *ret_new)
{
    struct stat stat;
    uint8_t *bytes;
    size_t size;
    int r;

    snprintf(name, JOURNAL_NAME_MAX, "aside-%" PRIu64 "-%" PRIu64 ".bin", damage->span.first_seq,
             damage->span.next_seq - 1);
    *ret_readable = count_readable(damage);
    *ret_new = fstatat(dir_fd, name, &stat, AT_SYMLINK_NOFOLLOW) < 0;
    if (!*ret_new) {
        return 0;
    }
    bytes = encode(damage, &size);
    if (bytes == NULL) {
        return -ENOMEM;
    }
    r = write_file(dir_fd, name, bytes, size);
    free(bytes);
    return r;
}
