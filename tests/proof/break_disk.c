/*
 * break_disk.c - preloaded into a program, it makes the disk below one directory fail, at the call
 * that a test chooses, and the wall clock jump.
 *
 * Happy path: BREAK_ROOT names the directory, BREAK_CONTROL a file of struct control, which the
 * test has mapped too. A call whose kind is in `kinds`, on a path that holds `match`, counts; when
 * `countdown` of them have been, one fails with `error` (all from then on, with `lasting`).
 *
 * A sync that fails takes with it what was written since the last one, as disks do whose cache is
 * lost: the file is put back as it was. So a receipt for it is found to be false afterwards.
 *
 * Failure modes: a control file that cannot be mapped ends the program.
 */
#include "tests/proof/interpose.h"

#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>

enum kind {
    KIND_OPEN = 1,
    KIND_WRITE = 2,
    KIND_SYNC = 4,
    KIND_READ = 8,
    KIND_SIZE = 16, /* ftruncate, fallocate */
    KIND_NAME = 32  /* rename, link, unlink, mkdir, an open that makes */
};

struct control {
    _Atomic uint32_t kinds;
    _Atomic int32_t error;
    _Atomic int64_t countdown;
    _Atomic uint64_t calls, failed;
    _Atomic uint32_t lasting;
    _Atomic uint32_t half; /* a write does half of its work first; with no error it says so */
    _Atomic int64_t clock_ms;
    char match[64];
};

struct undo {
    struct undo *next;
    off_t offset;
    size_t size;
    char *bytes;
};

struct file {
    bool is_ours, matches;
    struct undo *undo; /* newest first */
    off_t synced_size;
};

#define FDS_MAX 4096

static struct {
    pthread_mutex_t mutex;
    char root[PATH_MAX];
    struct control *control;
    struct file files[FDS_MAX];
} breaker = {.mutex = PTHREAD_MUTEX_INITIALIZER};

__attribute__((constructor)) static void begin(void)
{
    const char *root = getenv("BREAK_ROOT"), *control = getenv("BREAK_CONTROL");

    if (root == NULL || control == NULL || realpath(root, breaker.root) == NULL) {
        return;
    }
    int fd = NEXT(open)(control, O_RDWR | O_CLOEXEC);
    void *map =
        NEXT(mmap)(NULL, sizeof *breaker.control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) {
        dprintf(STDERR_FILENO, "break_disk: %s cannot be mapped\n", control);
        abort();
    }
    NEXT(close)(fd);
    breaker.control = map;
}

/* ---- which calls ---- */

static bool find_path(int dir_fd, const char *name, char path[PATH_MAX])
{
    return breaker.control != NULL && interpose_path(breaker.root, dir_fd, name, path);
}

static bool path_matches(const char *path)
{
    return strstr(path, breaker.control->match) != NULL;
}

static struct file *file_of(int fd)
{
    return breaker.control != NULL && fd >= 0 && fd < FDS_MAX && breaker.files[fd].is_ours
               ? &breaker.files[fd]
               : NULL;
}

/* Whether this call is the one, or behind it. */
static bool strikes(enum kind kind)
{
    struct control *control = breaker.control;

    if ((atomic_load(&control->kinds) & (uint32_t)kind) == 0) {
        return false;
    }
    atomic_fetch_add(&control->calls, 1);
    int64_t left = atomic_fetch_sub(&control->countdown, 1);
    if (left != 1 && !(left < 1 && atomic_load(&control->lasting) != 0)) {
        return false;
    }
    atomic_fetch_add(&control->failed, 1);
    return true;
}

/* Also for what fails: -1 with the errno that was asked for. */
static int fail(void)
{
    errno = atomic_load(&breaker.control->error);
    return -1;
}

static bool fd_strikes(int fd, enum kind kind)
{
    const struct file *file = file_of(fd);

    return file != NULL && file->matches && strikes(kind);
}

static bool name_strikes(int dir_fd, const char *name)
{
    char path[PATH_MAX];

    return find_path(dir_fd, name, path) && path_matches(path) && strikes(KIND_NAME);
}

/* ---- what a failed sync takes with it ---- */

static void forget(struct file *file)
{
    while (file->undo != NULL) {
        struct undo *undo = file->undo;
        file->undo = undo->next;
        free(undo->bytes);
        free(undo);
    }
}

static off_t size_of(int fd)
{
    struct stat status;

    return fstat(fd, &status) == 0 ? status.st_size : 0;
}

/* With the mutex, before the write. In whole blocks, as O_DIRECT wants it. */
static void remember(int fd, struct file *file, size_t size, off_t offset)
{
    struct undo *undo = calloc(1, sizeof *undo);
    off_t from = offset / 4096 * 4096, to = (offset + (off_t)size + 4095) / 4096 * 4096;
    ssize_t n = -1;

    if (undo == NULL || posix_memalign((void **)&undo->bytes, 4096, (size_t)(to - from)) != 0) {
        abort();
    }
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int copy = NEXT(open)(path, O_RDONLY | O_CLOEXEC);
    if (copy >= 0) {
        n = NEXT(pread)(copy, undo->bytes, (size_t)(to - from), from);
        NEXT(close)(copy);
    }
    undo->offset = from;
    undo->size = n > 0 ? (size_t)n : 0;
    undo->next = file->undo;
    file->undo = undo;
}

static bool remembers(const struct file *file)
{
    return file != NULL && (atomic_load(&breaker.control->kinds) & KIND_SYNC) != 0;
}

static void take_back(int fd, struct file *file)
{
    char path[64];

    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int copy = NEXT(open)(path, O_WRONLY | O_CLOEXEC);
    for (const struct undo *undo = file->undo; copy >= 0 && undo != NULL; undo = undo->next) {
        if (NEXT(pwrite)(copy, undo->bytes, undo->size, undo->offset) < 0) {
            abort();
        }
    }
    if (copy >= 0 && file->undo != NULL && size_of(fd) > file->synced_size &&
        NEXT(ftruncate)(copy, file->synced_size) < 0) {
        abort();
    }
    if (copy >= 0) {
        NEXT(close)(copy);
    }
    forget(file);
}

/* ---- the calls: names ---- */

static void opened(int fd, const char *path)
{
    if (fd < 0 || fd >= FDS_MAX) {
        return;
    }
    pthread_mutex_lock(&breaker.mutex);
    forget(&breaker.files[fd]);
    breaker.files[fd] = (struct file){.is_ours = path != NULL,
                                      .matches = path != NULL && path_matches(path),
                                      .synced_size = path != NULL ? size_of(fd) : 0};
    pthread_mutex_unlock(&breaker.mutex);
}

static int open_counted(int dir_fd, const char *name, int flags, mode_t mode)
{
    char path[PATH_MAX];
    bool ours = find_path(dir_fd, name, path);

    if (ours && path_matches(path)) {
        bool makes = (flags & O_CREAT) != 0 && faccessat(dir_fd, name, F_OK, 0) != 0;
        bool writes = (flags & O_ACCMODE) != O_RDONLY;
        if (strikes(makes ? KIND_NAME : KIND_OPEN) &&
            (writes || atomic_load(&breaker.control->error) != EROFS)) {
            return fail();
        }
    }
    int fd = NEXT(openat)(dir_fd, name, flags, mode);
    opened(fd, ours ? path : NULL);
    return fd;
}

int open(const char *name, int flags, ...)
{
    va_list rest;

    va_start(rest, flags);
    mode_t mode = mode_of(flags, rest);
    va_end(rest);
    return open_counted(AT_FDCWD, name, flags, mode);
}

int openat(int dir_fd, const char *name, int flags, ...)
{
    va_list rest;

    va_start(rest, flags);
    mode_t mode = mode_of(flags, rest);
    va_end(rest);
    return open_counted(dir_fd, name, flags, mode);
}

int __open_2(const char *name, int flags)
{
    return open_counted(AT_FDCWD, name, flags, 0);
}

int __openat_2(int dir_fd, const char *name, int flags)
{
    return open_counted(dir_fd, name, flags, 0);
}

ALIAS(open64, open);
ALIAS(openat64, openat);
ALIAS(__open64_2, __open_2);
ALIAS(__openat64_2, __openat_2);

int close(int fd)
{
    if (file_of(fd) != NULL) {
        opened(fd, NULL);
    }
    return NEXT(close)(fd);
}

int renameat2(int dir_fd, const char *name, int to_fd, const char *to_name, unsigned flags)
{
    return name_strikes(to_fd, to_name) ? fail()
                                        : NEXT(renameat2)(dir_fd, name, to_fd, to_name, flags);
}

int renameat(int dir_fd, const char *name, int to_fd, const char *to_name)
{
    return renameat2(dir_fd, name, to_fd, to_name, 0);
}

int rename(const char *name, const char *to_name)
{
    return renameat2(AT_FDCWD, name, AT_FDCWD, to_name, 0);
}

int link(const char *name, const char *to_name)
{
    return name_strikes(AT_FDCWD, to_name) ? fail() : NEXT(link)(name, to_name);
}

int unlinkat(int dir_fd, const char *name, int flags)
{
    return name_strikes(dir_fd, name) ? fail() : NEXT(unlinkat)(dir_fd, name, flags);
}

int unlink(const char *name)
{
    return unlinkat(AT_FDCWD, name, 0);
}

int mkdir(const char *name, mode_t mode)
{
    return name_strikes(AT_FDCWD, name) ? fail() : NEXT(mkdir)(name, mode);
}

/* ---- the calls: contents ---- */

static ssize_t write_counted(int fd, const void *bytes, size_t size, off_t offset, bool at_offset)
{
    struct file *file = file_of(fd);
    bool struck = fd_strikes(fd, KIND_WRITE);

    if (struck && atomic_load(&breaker.control->half) == 0) {
        return fail();
    }
    if (struck) {
        size_t half = size / 2 / 4096 * 4096; /* as O_DIRECT wants it */
        size = half > 0 ? half : size > 4096 ? 4096 : size;
    }
    pthread_mutex_lock(&breaker.mutex);
    if (remembers(file)) {
        off_t at = at_offset ? offset : lseek(fd, 0, SEEK_CUR);
        bool appends = !at_offset && (fcntl(fd, F_GETFL) & O_APPEND) != 0;
        remember(fd, file, size, appends ? size_of(fd) : at);
    }
    ssize_t n = at_offset ? NEXT(pwrite)(fd, bytes, size, offset) : NEXT(write)(fd, bytes, size);
    pthread_mutex_unlock(&breaker.mutex);
    return struck && atomic_load(&breaker.control->error) != 0 ? fail() : n;
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t offset)
{
    return file_of(fd) == NULL ? NEXT(pwrite)(fd, bytes, size, offset)
                               : write_counted(fd, bytes, size, offset, true);
}

ALIAS(pwrite64, pwrite);

ssize_t write(int fd, const void *bytes, size_t size)
{
    return file_of(fd) == NULL ? NEXT(write)(fd, bytes, size)
                               : write_counted(fd, bytes, size, 0, false);
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    if (file_of(fd) == NULL) {
        return NEXT(writev)(fd, parts, count);
    }
    return write_counted(fd, parts[0].iov_base, parts[0].iov_len, 0, false);
}

ssize_t pread(int fd, void *bytes, size_t size, off_t offset)
{
    return fd_strikes(fd, KIND_READ) ? fail() : NEXT(pread)(fd, bytes, size, offset);
}

ALIAS(pread64, pread);

ssize_t read(int fd, void *bytes, size_t size)
{
    return fd_strikes(fd, KIND_READ) ? fail() : NEXT(read)(fd, bytes, size);
}

int ftruncate(int fd, off_t size)
{
    return fd_strikes(fd, KIND_SIZE) ? fail() : NEXT(ftruncate)(fd, size);
}

ALIAS(ftruncate64, ftruncate);

int posix_fallocate(int fd, off_t offset, off_t size)
{
    return fd_strikes(fd, KIND_SIZE) ? atomic_load(&breaker.control->error)
                                     : NEXT(posix_fallocate)(fd, offset, size);
}

ALIAS(posix_fallocate64, posix_fallocate);

int fallocate(int fd, int mode, off_t offset, off_t size)
{
    return fd_strikes(fd, KIND_SIZE) ? fail() : NEXT(fallocate)(fd, mode, offset, size);
}

ALIAS(fallocate64, fallocate);

static int sync_counted(int fd, int (*sync)(int))
{
    struct file *file = file_of(fd);

    if (file == NULL) {
        return sync(fd);
    }
    bool struck = fd_strikes(fd, KIND_SYNC);
    int r = struck ? 0 : sync(fd);
    pthread_mutex_lock(&breaker.mutex);
    if (struck) {
        take_back(fd, file);
    } else {
        forget(file);
        file->synced_size = size_of(fd);
    }
    pthread_mutex_unlock(&breaker.mutex);
    return struck ? fail() : r;
}

int fsync(int fd)
{
    return sync_counted(fd, NEXT(fsync));
}

int fdatasync(int fd)
{
    return sync_counted(fd, NEXT(fdatasync));
}

/* ---- the wall clock ---- */

static int64_t clock_offset_ms(void)
{
    return breaker.control != NULL ? atomic_load(&breaker.control->clock_ms) : 0;
}

int clock_gettime(clockid_t clock, struct timespec *ret)
{
    int r = NEXT(clock_gettime)(clock, ret);

    if (r == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        int64_t ms = clock_offset_ms();
        ret->tv_sec += ms / 1000;
        ret->tv_nsec += ms % 1000 * 1000000;
        ret->tv_sec += ret->tv_nsec >= 1000000000 ? 1 : ret->tv_nsec < 0 ? -1 : 0;
        ret->tv_nsec += ret->tv_nsec >= 1000000000 ? -1000000000
                        : ret->tv_nsec < 0         ? 1000000000
                                                   : 0;
    }
    return r;
}

time_t time(time_t *ret)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    if (ret != NULL) {
        *ret = now.tv_sec;
    }
    return now.tv_sec;
}
