/* journal_disk.h - the calls that change the disk, replaceable by tests. */
#ifndef MEMFERRY_JOURNAL_DISK_H
#define MEMFERRY_JOURNAL_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define JOURNAL_NAME_MAX 64

/* Each answers with a negative errno when it fails. Embedded by a test's own state. */
struct journal_disk {
    int (*open)(const struct journal_disk *, int dir_fd, const char *name, int flags);
    ssize_t (*pwrite)(const struct journal_disk *, int fd, const void *bytes, size_t size,
                      off_t offset);
    int (*fdatasync)(const struct journal_disk *, int fd);
    int (*reserve)(const struct journal_disk *, int fd, off_t size);
};

extern const struct journal_disk journal_disk_real;

/* Opens past the page cache where the file system can, so that what is read is what the disk holds;
 * else as usual. `bytes` of the calls below are aligned to SEGMENT_BLOCK. */
int disk_open(const struct journal_disk *disk, int dir_fd, const char *name, int flags,
              int *ret_fd);
int disk_write(const struct journal_disk *disk, int fd, const uint8_t *bytes, size_t size,
               off_t offset);
/* Reads up to size bytes, in whole blocks, from the beginning; `bytes` is from disk_alloc. A
 * block that cannot be read is filled with a mark, which is neither a blank block nor ours: it is
 * not taken for the place where writing had stopped. */
int disk_read(int fd, uint8_t *bytes, size_t size, size_t *ret_size);
/* Whether a block between offset and end could not be read. */
bool disk_is_unreadable(const uint8_t *bytes, size_t offset, size_t end);
int disk_sync_dir(int dir_fd);
/* Making a file ended with r: gives it its name, durably, or removes it after a failure. */
int disk_name_made(int dir_fd, const char *making, const char *name, int r);
/* Makes a zeroed segment under `name`, durable. */
int disk_make_blank(const struct journal_disk *disk, int dir_fd, const char *name, uint64_t bytes);
uint8_t *disk_alloc(size_t bytes); /* NULL: no memory */

#endif
