/*
 * file.c - the file behind the mirror: opened with care, appended to, synced, rotated.
 *
 * Happy path: open, lock, look at its end; append and sync; at rotate_size one rename makes it the
 * next part and a new file begins. Parts are never renamed again, so a crash leaves no gap.
 *
 * Failure modes: the file is another's (a link, locked, not written by us), which is refused rather
 * than changed; the disk is full or broken, and what was appended since the last sync is taken
 * away again. After a failed sync the file is closed: the kernel tells such a failure only once.
 */
#include "mirror.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

__attribute__((format(printf, 3, 4))) static int failed(struct memferry_reason *why, int code,
                                                        const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(why->text, sizeof why->text, format, args);
    va_end(args);
    return code;
}

static int failed_errno(struct memferry_reason *why, const char *what, const char *path)
{
    int code = -errno;

    return failed(why, code, "cannot %s %s: %s", what, path, strerrordesc_np(-code));
}

/* A name is safe only when its directory is synced. */
static int sync_directory(const char *path, struct memferry_reason *why)
{
    char *directory = strdup(path);
    int fd, result = 0;

    if (directory == NULL) {
        return failed(why, -ENOMEM, "out of memory");
    }
    char *slash = strrchr(directory, '/'); /* a PATH option is absolute */
    slash[slash == directory ? 1 : 0] = '\0';
    fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0) {
        result = failed_errno(why, "sync the directory", directory);
    }
    if (fd >= 0) {
        close(fd);
    }
    free(directory);
    return result;
}

/* Two writers would tear each other's lines. */
static int lock(struct file *file, struct memferry_reason *why)
{
    if (flock(file->fd, LOCK_EX | LOCK_NB) == 0) {
        return 0;
    }
    if (errno == EWOULDBLOCK) {
        return failed(why, -EBUSY,
                      "%s is in use by another backend or broker; give each its own path",
                      file->path);
    }
    return failed_errno(why, "lock", file->path);
}

static int take_over(struct file *file, off_t *ret_cut, struct memferry_reason *why)
{
    struct stat st;
    int result = lock(file, why);

    if (result != 0) {
        return result;
    }
    if (fstat(file->fd, &st) != 0) {
        return failed_errno(why, "look at", file->path);
    }
    if (!S_ISREG(st.st_mode)) {
        return failed(why, -EINVAL, "%s is no regular file; give another path", file->path);
    }
    result = file_mend(file, st.st_size, ret_cut);
    if (result == -EMEDIUMTYPE) {
        return failed(why, -EINVAL,
                      "%s was not written by mirror-file and is left as it is; give another path",
                      file->path);
    }
    if (result != 0) {
        return failed(why, result, "cannot mend the end of %s: %s", file->path,
                      strerrordesc_np(-result));
    }
    return sync_directory(file->path, why);
}

int file_open(struct file *file, off_t *ret_cut, struct memferry_reason *why)
{
    *ret_cut = 0;
    file->fd =
        open(file->path, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
    if (file->fd < 0) {
        return failed_errno(why, errno == ELOOP ? "open the link" : "open", file->path);
    }
    int result = take_over(file, ret_cut, why);
    if (result != 0) {
        file_close(file);
    }
    return result;
}

void file_close(struct file *file)
{
    if (file->fd >= 0) {
        close(file->fd);
        file->fd = -1;
    }
}

int file_append(struct file *file, const char *bytes, size_t size, struct memferry_reason *why)
{
    while (size > 0) {
        ssize_t written = write(file->fd, bytes, size);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written < 0) {
            return failed_errno(why, "write to", file->path);
        }
        bytes += written;
        size -= (size_t)written;
    }
    return 0;
}

int file_sync(struct file *file, struct memferry_reason *why)
{
    struct stat st;

    if (fdatasync(file->fd) != 0 || fstat(file->fd, &st) != 0) {
        int result = failed_errno(why, "sync", file->path);
        file_undo(file);
        file_close(file);
        return result;
    }
    file->size = st.st_size;
    return 0;
}

void file_undo(struct file *file)
{
    if (file->fd >= 0 && ftruncate(file->fd, file->size) != 0) {
        file_close(file); /* the next open looks at the end again */
    }
}

static int drop_old_parts(const struct file *file)
{
    uint64_t *parts = NULL;
    size_t count = 0;
    int result = file_parts(file, &parts, &count);

    for (size_t i = 0; result == 0 && i + (size_t)file->keep < count; i++) {
        char *path = file_part_path(file, parts[i]);
        result = path == NULL ? -ENOMEM : unlink(path) != 0 ? -errno : 0;
        free(path);
    }
    free(parts);
    return result;
}

static int next_part(const struct file *file, char **ret_path)
{
    uint64_t *parts = NULL;
    size_t count = 0;
    int result = file_parts(file, &parts, &count);

    if (result == 0) {
        *ret_path = file_part_path(file, count == 0 ? 1 : parts[count - 1] + 1);
        result = *ret_path == NULL ? -ENOMEM : 0;
    }
    free(parts);
    return result;
}

int file_rotate(struct file *file, struct memferry_reason *why)
{
    char *path = NULL;
    off_t cut;

    if (file->size < file->rotate_size) {
        return 0;
    }
    int result = next_part(file, &path);
    if (result == 0 && rename(file->path, path) != 0) {
        result = -errno;
    }
    free(path);
    if (result != 0) {
        return failed(why, result, "cannot rotate %s: %s", file->path, strerrordesc_np(-result));
    }
    file_close(file);
    file->size = 0;
    result = file_open(file, &cut, why);
    if (result == 0 && file->keep > 0) {
        int dropped = drop_old_parts(file);
        if (dropped != 0) {
            return failed(why, dropped, "cannot remove old parts of %s: %s", file->path,
                          strerrordesc_np(-dropped));
        }
    }
    return result;
}
