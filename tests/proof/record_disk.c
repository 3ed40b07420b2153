/*
 * record_disk.c - preloaded into a program, it writes down what that does to the files below one
 * directory, and what it sends on its sockets, in one order.
 *
 * Happy path: RECORD_ROOT names the directory, RECORD_LOG the log, a file that is appended to. What
 * changes a file is done and logged under one lock, so the order of the log is the order of the
 * changes. A sync is logged twice, when it begins and when it has returned: it covers what was
 * logged before it began, and has happened only at its end. What is sent is logged before it is
 * sent: at that point the other side may have it.
 *
 * Failure modes: a log that cannot be written ends the program, loudly: half a log proves nothing.
 * A file that is mapped for shared writing is logged as such; the reader knows which may be. stdio
 * writes past these functions: a file opened by fopen is logged whole when it is closed.
 *
 * A record: struct record, then its `size` bytes. powercut.py reads them.
 */
#include "tests/proof/interpose.h"

#include <dirent.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

enum kind {
    KIND_OPEN = 1,
    KIND_CLOSE,
    KIND_WRITE,
    KIND_TRUNCATE,
    KIND_RESERVE,
    KIND_SYNC_BEGIN,
    KIND_SYNC_END,
    KIND_RENAME,
    KIND_LINK,
    KIND_UNLINK,
    KIND_MKDIR,
    KIND_ACCEPT,
    KIND_SEND,
    KIND_MAPPED,
    KIND_START /* a program began */
};

enum mark {
    MARK_MADE = 1,  /* of an open: the file was not there */
    MARK_CUT = 2,   /* of an open: O_TRUNC */
    MARK_ZEROS = 4, /* of a write: `length` zeros, which are not logged */
    MARK_FOLDER = 8 /* of an open: a directory */
};

struct record {
    uint32_t kind, marks;
    int32_t fd;
    uint32_t size;
    uint64_t offset, length;
};

enum watched { WATCHED_NO, WATCHED_FILE, WATCHED_STREAM, WATCHED_SOCKET };

#define FDS_MAX 4096

static struct {
    pthread_mutex_t mutex;
    char root[PATH_MAX];
    int log_fd;
    uint64_t tickets;
    uint8_t watched[FDS_MAX];
} recorder = {.mutex = PTHREAD_MUTEX_INITIALIZER, .log_fd = -1};

static void lock(void)
{
    pthread_mutex_lock(&recorder.mutex);
}

/* Keeps errno as the call left it. */
static void unlock(void)
{
    int number = errno;

    pthread_mutex_unlock(&recorder.mutex);
    errno = number;
}

static void log_bytes(const void *bytes, size_t size)
{
    const char *at = bytes;

    while (size > 0) {
        ssize_t n = NEXT(write)(recorder.log_fd, at, size);
        if (n < 0 && errno != EINTR) {
            dprintf(STDERR_FILENO, "record_disk: the log cannot be written\n");
            abort();
        }
        at += n > 0 ? n : 0;
        size -= n > 0 ? (size_t)n : 0;
    }
}

static void log_record(struct record record, const void *bytes, size_t size)
{
    int number = errno;

    record.size = (uint32_t)size;
    log_bytes(&record, sizeof record);
    log_bytes(bytes, size);
    errno = number;
}

__attribute__((constructor)) static void begin(void)
{
    const char *root = getenv("RECORD_ROOT"), *log = getenv("RECORD_LOG");

    if (root == NULL || log == NULL || realpath(root, recorder.root) == NULL) {
        return;
    }
    int fd = NEXT(open)(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    recorder.log_fd = fcntl(fd, F_DUPFD_CLOEXEC, 1000); /* out of the way of the program's own */
    close(fd);
    lock();
    if (recorder.log_fd >= 0) {
        log_record((struct record){.kind = KIND_START}, NULL, 0);
    }
    unlock();
}

static enum watched watched(int fd)
{
    return recorder.log_fd >= 0 && fd >= 0 && fd < FDS_MAX ? recorder.watched[fd] : WATCHED_NO;
}

static void watch(int fd, enum watched what)
{
    if (fd >= 0 && fd < FDS_MAX) {
        recorder.watched[fd] = (uint8_t)what;
    }
}

/* The absolute path, when it is of the root. */
static bool find_path(int dir_fd, const char *name, char path[PATH_MAX])
{
    return recorder.log_fd >= 0 && interpose_path(recorder.root, dir_fd, name, path);
}

/* ---- names ---- */

static bool is_folder(int fd)
{
    struct stat status;

    return fstat(fd, &status) == 0 && S_ISDIR(status.st_mode);
}

static int open_watched(int dir_fd, const char *name, int flags, mode_t mode, enum watched what)
{
    char path[PATH_MAX];

    if (!find_path(dir_fd, name, path)) {
        int fd = NEXT(openat)(dir_fd, name, flags, mode);
        lock();
        watch(fd, WATCHED_NO);
        unlock();
        return fd;
    }
    lock();
    bool made = faccessat(dir_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) != 0;
    int fd = NEXT(openat)(dir_fd, name, flags, mode);
    if (fd >= 0) {
        uint32_t marks = (made ? MARK_MADE : 0) | ((flags & O_TRUNC) != 0 ? MARK_CUT : 0) |
                         (is_folder(fd) ? MARK_FOLDER : 0);
        watch(fd, what);
        log_record((struct record){.kind = KIND_OPEN, .fd = fd, .marks = marks}, path,
                   strlen(path));
    }
    unlock();
    return fd;
}

int open(const char *name, int flags, ...)
{
    va_list rest;

    va_start(rest, flags);
    mode_t mode = mode_of(flags, rest);
    va_end(rest);
    return open_watched(AT_FDCWD, name, flags, mode, WATCHED_FILE);
}

int openat(int dir_fd, const char *name, int flags, ...)
{
    va_list rest;

    va_start(rest, flags);
    mode_t mode = mode_of(flags, rest);
    va_end(rest);
    return open_watched(dir_fd, name, flags, mode, WATCHED_FILE);
}

int __open_2(const char *name, int flags)
{
    return open_watched(AT_FDCWD, name, flags, 0, WATCHED_FILE);
}

int __openat_2(int dir_fd, const char *name, int flags)
{
    return open_watched(dir_fd, name, flags, 0, WATCHED_FILE);
}

ALIAS(open64, open);
ALIAS(openat64, openat);
ALIAS(__open64_2, __open_2);
ALIAS(__openat64_2, __openat_2);

FILE *fopen(const char *name, const char *mode)
{
    char path[PATH_MAX];

    if (mode[0] != 'w' || !find_path(AT_FDCWD, name, path)) {
        return NEXT(fopen)(name, mode);
    }
    int fd = open_watched(AT_FDCWD, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666,
                          WATCHED_STREAM);
    return fd < 0 ? NULL : fdopen(fd, "w");
}

ALIAS(fopen64, fopen);

static void log_name(enum kind kind, const char *path, const char *to)
{
    char names[2 * PATH_MAX];
    int size = snprintf(names, sizeof names, "%s%c%s", path, '\0', to);

    log_record((struct record){.kind = kind}, names, (size_t)size);
}

int renameat2(int dir_fd, const char *name, int to_fd, const char *to_name, unsigned flags)
{
    char path[PATH_MAX], to[PATH_MAX];

    if (!find_path(dir_fd, name, path) || !find_path(to_fd, to_name, to)) {
        return NEXT(renameat2)(dir_fd, name, to_fd, to_name, flags);
    }
    lock();
    int r = NEXT(renameat2)(dir_fd, name, to_fd, to_name, flags);
    if (r == 0) {
        log_name(KIND_RENAME, path, to);
    }
    unlock();
    return r;
}

int renameat(int dir_fd, const char *name, int to_fd, const char *to_name)
{
    return renameat2(dir_fd, name, to_fd, to_name, 0);
}

int rename(const char *name, const char *to_name)
{
    return renameat2(AT_FDCWD, name, AT_FDCWD, to_name, 0);
}

int linkat(int dir_fd, const char *name, int to_fd, const char *to_name, int flags)
{
    char path[PATH_MAX], to[PATH_MAX];

    if (!find_path(dir_fd, name, path) || !find_path(to_fd, to_name, to)) {
        return NEXT(linkat)(dir_fd, name, to_fd, to_name, flags);
    }
    lock();
    int r = NEXT(linkat)(dir_fd, name, to_fd, to_name, flags);
    if (r == 0) {
        log_name(KIND_LINK, path, to);
    }
    unlock();
    return r;
}

int link(const char *name, const char *to_name)
{
    return linkat(AT_FDCWD, name, AT_FDCWD, to_name, 0);
}

int unlinkat(int dir_fd, const char *name, int flags)
{
    char path[PATH_MAX];

    if (!find_path(dir_fd, name, path)) {
        return NEXT(unlinkat)(dir_fd, name, flags);
    }
    lock();
    int r = NEXT(unlinkat)(dir_fd, name, flags);
    if (r == 0) {
        log_name(KIND_UNLINK, path, "");
    }
    unlock();
    return r;
}

int unlink(const char *name)
{
    return unlinkat(AT_FDCWD, name, 0);
}

int mkdirat(int dir_fd, const char *name, mode_t mode)
{
    char path[PATH_MAX];

    if (!find_path(dir_fd, name, path)) {
        return NEXT(mkdirat)(dir_fd, name, mode);
    }
    lock();
    int r = NEXT(mkdirat)(dir_fd, name, mode);
    if (r == 0) {
        log_name(KIND_MKDIR, path, "");
    }
    unlock();
    return r;
}

int mkdir(const char *name, mode_t mode)
{
    return mkdirat(AT_FDCWD, name, mode);
}

/* ---- contents ---- */

static bool is_zero(const char *bytes, size_t size)
{
    return size > 0 && bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0;
}

/* With the lock held, after the write. */
static void log_write_of(int fd, const void *bytes, size_t size, off_t offset)
{
    bool zeros = is_zero(bytes, size);
    const struct record record = {.kind = KIND_WRITE,
                                  .fd = fd,
                                  .offset = (uint64_t)offset,
                                  .length = size,
                                  .marks = zeros ? MARK_ZEROS : 0};

    log_record(record, bytes, zeros ? 0 : size);
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t offset)
{
    if (watched(fd) != WATCHED_FILE) {
        return NEXT(pwrite)(fd, bytes, size, offset);
    }
    lock();
    ssize_t n = NEXT(pwrite)(fd, bytes, size, offset);
    if (n > 0) {
        log_write_of(fd, bytes, (size_t)n, offset);
    }
    unlock();
    return n;
}

ALIAS(pwrite64, pwrite);

/* Where a write has ended: right behind it, also with O_APPEND. */
static void log_written(int fd, const void *bytes, ssize_t n)
{
    if (n > 0) {
        log_write_of(fd, bytes, (size_t)n, lseek(fd, 0, SEEK_CUR) - n);
    }
}

/* Under the lock, so that it has its place before whatever follows from it. A socket never blocks.
 */
static ssize_t send_logged(int fd, const void *bytes, size_t size)
{
    lock();
    ssize_t n = NEXT(write)(fd, bytes, size);
    if (n > 0) {
        log_record((struct record){.kind = KIND_SEND, .fd = fd, .length = (uint64_t)n}, bytes,
                   (size_t)n);
    }
    unlock();
    return n;
}

ssize_t write(int fd, const void *bytes, size_t size)
{
    switch (watched(fd)) {
    case WATCHED_FILE: {
        lock();
        ssize_t n = NEXT(write)(fd, bytes, size);
        log_written(fd, bytes, n);
        unlock();
        return n;
    }
    case WATCHED_SOCKET:
        return send_logged(fd, bytes, size);
    default:
        return NEXT(write)(fd, bytes, size);
    }
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    if (watched(fd) == WATCHED_NO) {
        return NEXT(writev)(fd, parts, count);
    }
    ssize_t sum = 0;
    for (int i = 0; i < count; i++) {
        ssize_t n = write(fd, parts[i].iov_base, parts[i].iov_len);
        if (n < 0) {
            return sum > 0 ? sum : n;
        }
        sum += n;
        if ((size_t)n < parts[i].iov_len) {
            break;
        }
    }
    return sum;
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    if (watched(fd) == WATCHED_SOCKET) {
        return writev(fd, message->msg_iov, (int)message->msg_iovlen);
    }
    return NEXT(sendmsg)(fd, message, flags);
}

int ftruncate(int fd, off_t size)
{
    if (watched(fd) == WATCHED_NO) {
        return NEXT(ftruncate)(fd, size);
    }
    lock();
    int r = NEXT(ftruncate)(fd, size);
    if (r == 0) {
        log_record((struct record){.kind = KIND_TRUNCATE, .fd = fd, .length = (uint64_t)size}, NULL,
                   0);
    }
    unlock();
    return r;
}

ALIAS(ftruncate64, ftruncate);

int posix_fallocate(int fd, off_t offset, off_t size)
{
    if (watched(fd) == WATCHED_NO) {
        return NEXT(posix_fallocate)(fd, offset, size);
    }
    lock();
    int r = NEXT(posix_fallocate)(fd, offset, size);
    if (r == 0) {
        log_record(
            (struct record){.kind = KIND_RESERVE, .fd = fd, .length = (uint64_t)(offset + size)},
            NULL, 0);
    }
    unlock();
    return r;
}

ALIAS(posix_fallocate64, posix_fallocate);

int fallocate(int fd, int mode, off_t offset, off_t size)
{
    if (watched(fd) == WATCHED_NO) {
        return NEXT(fallocate)(fd, mode, offset, size);
    }
    if (mode != 0) {
        dprintf(STDERR_FILENO, "record_disk: a fallocate that is not known\n");
        abort();
    }
    errno = posix_fallocate(fd, offset, size);
    return errno == 0 ? 0 : -1;
}

ALIAS(fallocate64, fallocate);

/* The file as stdio has left it; its name may be gone. */
static void log_stream(int fd)
{
    static char bytes[1 << 16];
    char path[64];

    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int copy = NEXT(open)(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = copy >= 0 ? pread(copy, bytes, sizeof bytes, 0) : -1;
    if (n == (ssize_t)sizeof bytes || n < 0) {
        dprintf(STDERR_FILENO, "record_disk: a stream that cannot be followed\n");
        abort();
    }
    close(copy);
    if (n > 0) {
        log_write_of(fd, bytes, (size_t)n, 0);
    }
    watch(fd, WATCHED_FILE); /* what comes behind it would be missed: the count by strace tells */
}

static int sync_logged(int fd, int (*sync)(int))
{
    struct record record = {.kind = KIND_SYNC_BEGIN, .fd = fd};

    lock();
    if (watched(fd) == WATCHED_STREAM) {
        log_stream(fd);
    }
    record.length = ++recorder.tickets;
    log_record(record, NULL, 0);
    unlock();
    int r = sync(fd);
    lock();
    if (r == 0) {
        record.kind = KIND_SYNC_END;
        log_record(record, NULL, 0);
    }
    unlock();
    return r;
}

int fsync(int fd)
{
    return watched(fd) == WATCHED_NO ? NEXT(fsync)(fd) : sync_logged(fd, NEXT(fsync));
}

int fdatasync(int fd)
{
    return watched(fd) == WATCHED_NO ? NEXT(fdatasync)(fd) : sync_logged(fd, NEXT(fdatasync));
}

int fclose(FILE *file)
{
    int fd = fileno(file);

    if (watched(fd) == WATCHED_STREAM && fflush(file) == 0) {
        lock();
        log_stream(fd);
        log_record((struct record){.kind = KIND_CLOSE, .fd = fd}, NULL, 0);
        watch(fd, WATCHED_NO);
        unlock();
    }
    return NEXT(fclose)(file);
}

/* Whoever closes past this (libuv does) opens or accepts again before the number is of use. */
int close(int fd)
{
    if (watched(fd) == WATCHED_NO) {
        return NEXT(close)(fd);
    }
    lock();
    watch(fd, WATCHED_NO);
    log_record((struct record){.kind = KIND_CLOSE, .fd = fd}, NULL, 0);
    int r = NEXT(close)(fd);
    unlock();
    return r;
}

void *mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
    if ((flags & MAP_SHARED) != 0 && (protection & PROT_WRITE) != 0 &&
        watched(fd) == WATCHED_FILE) {
        lock();
        log_record((struct record){.kind = KIND_MAPPED, .fd = fd}, NULL, 0);
        unlock();
    }
    return NEXT(mmap)(at, size, protection, flags, fd, offset);
}

ALIAS(mmap64, mmap);

int accept4(int fd, struct sockaddr *address, socklen_t *size, int flags)
{
    int peer = NEXT(accept4)(fd, address, size, flags);

    if (peer >= 0 && peer < FDS_MAX && recorder.log_fd >= 0) {
        lock();
        watch(peer, WATCHED_SOCKET);
        log_record((struct record){.kind = KIND_ACCEPT, .fd = peer}, NULL, 0);
        unlock();
    }
    return peer;
}
