/*
 * log_file.c - one line of JSON for each alert, appended to a file and synced.
 *
 * Happy path: open, append, sync, close: alerts are rare, and a file that was rotated away is not
 * written to. Failure modes: all are the backend's trouble; what was written of a line is cut off
 * again, and a file that is a link or no file is left alone.
 */
#include "plugins/alert-notify/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int fail(struct memferry_reason *why, const char *verb, const char *path)
{
    int code = -errno;

    snprintf(why->text, sizeof why->text, "cannot %s %.300s: %s", verb, path,
             strerrordesc_np(-code));
    return code;
}

static int sync_directory_of(const char *path, struct memferry_reason *why)
{
    char *copy = strdup(path);
    int fd = copy == NULL ? -1 : open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int r = fd < 0 || fsync(fd) < 0 ? fail(why, "sync the directory of", path) : 0;

    if (fd >= 0) {
        close(fd);
    }
    free(copy);
    return r;
}

/* A descriptor, or a negative errno. */
static int open_log(const char *path, struct memferry_reason *why)
{
    int flags = O_RDWR | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
    int fd = open(path, flags, 0);
    struct stat st;

    if (fd < 0 && errno == ENOENT) {
        fd = open(path, flags | O_CREAT, 0600);
        int r = fd < 0 ? 0 : sync_directory_of(path, why);
        if (r < 0) {
            close(fd);
            return r;
        }
    }
    if (fd < 0) {
        return fail(why, errno == ELOOP ? "open the link" : "open", path);
    }
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        close(fd);
        snprintf(why->text, sizeof why->text, "%.300s is no regular file; give another path", path);
        return -EINVAL;
    }
    return fd;
}

/* A line that a crash tore is ended, so that ours stands alone. */
static bool is_torn(int fd, off_t size)
{
    char last = '\n';

    return size > 0 && pread(fd, &last, 1, size - 1) == 1 && last != '\n';
}

/* One write: other writers of the file do not come between. */
static int append(int fd, const struct telling *telling)
{
    off_t size = lseek(fd, 0, SEEK_END);
    char *line = NULL;
    int length = asprintf(&line, "%s%.*s\n", is_torn(fd, size) ? "\n" : "", (int)telling->body_size,
                          telling->body);
    int r = length < 0 ? -ENOMEM : 0;

    if (r == 0) {
        ssize_t written = write(fd, line, (size_t)length);
        r = written < 0 ? -errno : written < length ? -ENOSPC : fsync(fd) < 0 ? -errno : 0;
    }
    if (r < 0 && size >= 0 && ftruncate(fd, size) < 0) {
        r = -errno;
    }
    free(line);
    return r;
}

struct memferry_outcome log_file_tell(struct notify *notify, const struct telling *telling)
{
    struct memferry_reason why;
    int fd = open_log(notify->log_file, &why);

    if (fd < 0) {
        return outcome_retry(MEMFERRY_BLAME_BACKEND, -1, "%s", why.text);
    }
    int r = append(fd, telling);
    close(fd);
    return r == 0 ? outcome_done()
                  : outcome_retry(MEMFERRY_BLAME_BACKEND, -1, "cannot write to %s: %s",
                                  notify->log_file, strerrordesc_np(-r));
}

int log_file_probe(struct notify *notify, struct memferry_reason *why)
{
    int fd = open_log(notify->log_file, why);

    if (fd < 0) {
        return fd;
    }
    close(fd);
    return 0;
}
