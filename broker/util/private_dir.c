/*
 * private_dir.c - a directory that only we can enter.
 *
 * Happy path: mkdir what is missing from the top down, each 0700, then look at the last one: ours,
 * a real directory, closed to others.
 *
 * Failure modes: each is a text that says what is wrong and what to do. A directory that is there
 * and too open is refused and not mended: who opened it may have put something in it already.
 */
#include "broker/util/paths.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A name is on the disk only when the directory it stands in is. One that we may not read is left
 * to the system. */
static int sync_above(const char *path, struct error *err)
{
    char *above = strdup(path);
    if (above == NULL) {
        return error_set(err, -ENOMEM, "out of memory");
    }
    int fd = open(dirname(above), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int result = fd >= 0 && fsync(fd) != 0 && errno != EINVAL ? -errno : 0;
    if (fd >= 0) {
        close(fd);
    }
    free(above);
    return result == 0 ? 0 : error_set_errno(err, result, "cannot sync the directory of %s", path);
}

/* A umask may take our own bits from mkdir, so the mode is set again on what was made. */
static int make_one(const char *path, struct error *err)
{
    if (mkdir(path, 0700) != 0) {
        return errno == EEXIST ? 0 : error_set_errno(err, -errno, "cannot make directory %s", path);
    }
    if (fchmodat(AT_FDCWD, path, 0700, AT_SYMLINK_NOFOLLOW) != 0) {
        return error_set_errno(err, -errno, "cannot set mode 0700 of directory %s", path);
    }
    return sync_above(path, err);
}

/* Makes all that leads to path, and path, which it cuts and mends on its way. Existing directories
 * above ours are only stepped over: EROFS or EACCES from mkdir there means nothing. */
static int make_all(char *path, struct error *err)
{
    struct stat st;

    for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        int result = stat(path, &st) == 0 ? 0 : make_one(path, err);
        *slash = '/';
        if (result != 0) {
            return result;
        }
    }
    return lstat(path, &st) == 0 ? 0 : make_one(path, err);
}

static int check(const char *path, struct error *err)
{
    struct stat st;

    if (lstat(path, &st) != 0) {
        return error_set_errno(err, -errno, "cannot look at directory %s", path);
    }
    if (S_ISLNK(st.st_mode)) {
        return error_set(err, -ELOOP, "%s is a link; give the directory it points to instead",
                         path);
    }
    if (!S_ISDIR(st.st_mode)) {
        return error_set(err, -ENOTDIR, "%s is no directory; remove it or give another path", path);
    }
    if (st.st_uid != geteuid()) {
        return error_set(err, -EPERM,
                         "directory %s belongs to user %u, not to user %u; give another path", path,
                         (unsigned)st.st_uid, (unsigned)geteuid());
    }
    if ((st.st_mode & 077) != 0) {
        return error_set(
            err, -EPERM,
            "directory %s is open to other users (mode %04o); look what is in it, then "
            "chmod 700 %s",
            path, (unsigned)(st.st_mode & 07777), path);
    }
    return 0;
}

int paths_ensure_private_dir(const char *path, struct error *err)
{
    char *copy = strdup(path);

    if (copy == NULL) {
        return error_set(err, -ENOMEM, "out of memory");
    }
    /* lstat follows a link that has a slash behind it. */
    for (size_t length = strlen(copy); length > 1 && copy[length - 1] == '/'; length--) {
        copy[length - 1] = '\0';
    }
    int result = copy[0] == '\0' ? error_set(err, -ENOENT, "the path of a directory is empty")
                                 : make_all(copy, err);
    if (result == 0) {
        result = check(copy, err);
    }
    free(copy);
    return result;
}
