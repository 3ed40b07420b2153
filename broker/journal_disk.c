/*
 * journal_disk.c - the few calls by which the journal changes the disk.
 *
 * Files are opened with O_DIRECT where the file system has it: a group is then one request to the
 * disk (p50 about a tenth shorter than through the page cache), a failed write is told at the
 * write, and recovery reads what the disk holds, never pages that a failed sync left behind.
 * Elsewhere (older tmpfs) the page cache is used; every promise rests on the fdatasync either way.
 */
#include "broker/journal_disk.h"
#include "broker/segment.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ZERO_CHUNK_BYTES (1u << 20) /* synced one by one: the writer's own syncs wait for less */

/* No events fill a block with this, whoever chose what is in them: 0xff is no UTF-8, 0xc1 no
 * msgpack, and wherever a vector begins, each fourth of its numbers would be no number. */
static const uint8_t unreadable[16] = "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
                                      "\xc1\xc1\xc1\xc1";

static int real_open(const struct journal_disk *disk, int dir_fd, const char *name, int flags)
{
    int fd = openat(dir_fd, name, flags, 0600);

    (void)disk;
    return fd < 0 ? -errno : fd;
}

static ssize_t real_pwrite(const struct journal_disk *disk, int fd, const void *bytes, size_t size,
                           off_t offset)
{
    ssize_t written = pwrite(fd, bytes, size, offset);

    (void)disk;
    return written < 0 ? -errno : written;
}

static int real_fdatasync(const struct journal_disk *disk, int fd)
{
    (void)disk;
    return fdatasync(fd) < 0 ? -errno : 0;
}

static int real_reserve(const struct journal_disk *disk, int fd, off_t size)
{
    (void)disk;
    return fallocate(fd, 0, 0, size) < 0 ? -errno : 0;
}

const struct journal_disk journal_disk_real = {
    .open = real_open,
    .pwrite = real_pwrite,
    .fdatasync = real_fdatasync,
    .reserve = real_reserve,
};

uint8_t *disk_alloc(size_t bytes)
{
    return aligned_alloc(SEGMENT_BLOCK,
                         (bytes + SEGMENT_BLOCK - 1) / SEGMENT_BLOCK * SEGMENT_BLOCK);
}

int disk_open(const struct journal_disk *disk, int dir_fd, const char *name, int flags, int *ret_fd)
{
    int fd = disk->open(disk, dir_fd, name, flags | O_CLOEXEC | O_NOFOLLOW | O_DIRECT);

    if (fd == -EINVAL) {
        fd = disk->open(disk, dir_fd, name, flags | O_CLOEXEC | O_NOFOLLOW);
    }
    if (fd < 0) {
        return fd;
    }
    *ret_fd = fd;
    return 0;
}

/* A short write goes on where it ended. With O_DIRECT that may be within a block, and the rest is
 * refused (EINVAL): then the write has failed, which it would have soon. */
int disk_write(const struct journal_disk *disk, int fd, const uint8_t *bytes, size_t size,
               off_t offset)
{
    size_t done = 0;

    assert(size % SEGMENT_BLOCK == 0 && offset % SEGMENT_BLOCK == 0);
    while (done < size) {
        ssize_t written = disk->pwrite(disk, fd, bytes + done, size - done, offset + (off_t)done);
        if (written == -EINTR) {
            continue;
        }
        if (written <= 0) {
            return written == 0 ? -EIO : (int)written;
        }
        done += (size_t)written;
    }
    return 0;
}

static void mark_unreadable(uint8_t *bytes, size_t size)
{
    for (size_t at = 0; at + sizeof unreadable <= size; at += sizeof unreadable) {
        memcpy(bytes + at, unreadable, sizeof unreadable);
    }
}

/* After an I/O error: block by block, so that one bad block costs one block. */
static ssize_t read_blocks(int fd, uint8_t *bytes, size_t size, off_t offset)
{
    for (size_t at = 0; at < size; at += SEGMENT_BLOCK) {
        size_t length = size - at < SEGMENT_BLOCK ? size - at : SEGMENT_BLOCK;
        ssize_t got = pread(fd, bytes + at, length, offset + (off_t)at);
        if (got == 0) {
            return (ssize_t)at;
        }
        if (got < 0) {
            mark_unreadable(bytes + at, length);
        } else {
            memset(bytes + at + got, 0, length - (size_t)got); /* the end of a file that was cut */
        }
    }
    return (ssize_t)size;
}

static bool block_is_unreadable(const uint8_t *block)
{
    return memcmp(block, unreadable, sizeof unreadable) == 0 &&
           memcmp(block, block + sizeof unreadable, SEGMENT_BLOCK - sizeof unreadable) == 0;
}

bool disk_is_unreadable(const uint8_t *bytes, size_t offset, size_t end)
{
    for (size_t at = offset / SEGMENT_BLOCK * SEGMENT_BLOCK; at + SEGMENT_BLOCK <= end;
         at += SEGMENT_BLOCK) {
        if (block_is_unreadable(bytes + at)) {
            return true;
        }
    }
    return false;
}

int disk_read(int fd, uint8_t *bytes, size_t size, size_t *ret_size)
{
    size_t done = 0;

    size = (size + SEGMENT_BLOCK - 1) / SEGMENT_BLOCK * SEGMENT_BLOCK; /* as O_DIRECT wants it */
    while (done < size) {
        size_t length = size - done < ZERO_CHUNK_BYTES ? size - done : ZERO_CHUNK_BYTES;
        ssize_t got = pread(fd, bytes + done, length, (off_t)done);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0 && errno == EIO) {
            got = read_blocks(fd, bytes + done, length, (off_t)done);
        }
        if (got < 0) {
            return -errno;
        }
        if (got == 0) {
            break;
        }
        done += (size_t)got;
        if ((size_t)got % SEGMENT_BLOCK != 0) {
            break; /* the end of a file that was cut */
        }
    }
    *ret_size = done;
    return 0;
}

int disk_sync_dir(int dir_fd)
{
    return fsync(dir_fd) < 0 ? -errno : 0;
}

/* The blocks are written and not only reserved: else each later fdatasync would have to write
 * metadata too. */
static int write_zeros(const struct journal_disk *disk, int fd, uint64_t bytes)
{
    uint8_t *zeros = disk_alloc(ZERO_CHUNK_BYTES);
    int r = 0;

    if (zeros == NULL) {
        return -ENOMEM;
    }
    memset(zeros, 0, ZERO_CHUNK_BYTES);
    for (uint64_t at = 0; at < bytes && r == 0; at += ZERO_CHUNK_BYTES) {
        uint64_t left = bytes - at;
        r = disk_write(disk, fd, zeros, left < ZERO_CHUNK_BYTES ? left : ZERO_CHUNK_BYTES,
                       (off_t)at);
        if (r == 0) {
            r = disk->fdatasync(disk, fd);
        }
    }
    free(zeros);
    return r;
}

static int make_zeroed(const struct journal_disk *disk, int fd, uint64_t bytes)
{
    int r = disk->reserve(disk, fd, (off_t)bytes);

    if (r < 0 && r != -EOPNOTSUPP) {
        return r;
    }
    r = write_zeros(disk, fd, bytes);
    if (r < 0) {
        return r;
    }
    return fsync(fd) < 0 ? -errno : 0;
}

int disk_name_made(int dir_fd, const char *making, const char *name, int r)
{
    if (r == 0 && renameat(dir_fd, making, dir_fd, name) < 0) {
        r = -errno;
    }
    if (r < 0) {
        unlinkat(dir_fd, making, 0);
        return r;
    }
    return disk_sync_dir(dir_fd);
}

int disk_make_blank(const struct journal_disk *disk, int dir_fd, const char *name, uint64_t bytes)
{
    char making[JOURNAL_NAME_MAX + 8];
    int fd, r;

    snprintf(making, sizeof making, "%s.tmp", name);
    r = disk_open(disk, dir_fd, making, O_RDWR | O_CREAT | O_TRUNC, &fd);
    if (r < 0) {
        return r;
    }
    r = make_zeroed(disk, fd, bytes);
    close(fd);
    return disk_name_made(dir_fd, making, name, r);
}
