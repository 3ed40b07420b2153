/*
 * file_put.c - see file_put.h.
 *
 * Happy path: the bytes are written to a file beside it, synced, and that is renamed over it.
 * Failure modes: one of these fails: the file is as it was, and what was beside it is gone.
 */
#include "client/heavy/file_put.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BESIDE ".new-memferry"

static bool write_all(int fd, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t written = write(fd, bytes, size);
        if (written < 0 && errno != EINTR) {
            return false;
        }
        bytes += written > 0 ? written : 0;
        size -= written > 0 ? (size_t)written : 0;
    }
    return fsync(fd) == 0;
}

int file_put(struct cli *cli, const char *path, mode_t mode, const char *bytes, size_t size)
{
    char beside[PATH_MAX];

    if (snprintf(beside, sizeof beside, "%s" BESIDE, path) >= (int)sizeof beside) {
        return cli_fail(cli, EXIT_CANNOT_CREATE, "the name of the file is too long");
    }
    unlink(beside);
    int fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    if (fd < 0) {
        return cli_fail(cli, EXIT_CANNOT_CREATE, "cannot make %s: %s", beside, strerror(errno));
    }
    bool good = fchmod(fd, mode) == 0 && write_all(fd, bytes, size);
    int error = errno;
    close(fd);
    if (good && rename(beside, path) == 0) {
        return EXIT_OK;
    }
    error = good ? errno : error;
    unlink(beside);
    return cli_fail(cli, EXIT_CANNOT_CREATE, "cannot write %s: %s; it is as it was", path,
                    strerror(error));
}
