/*
 * journal_lock.c - the directory, and the lock that keeps it to one broker.
 *
 * The lock is flock on `lock` in the directory: it goes when its owner ends, however it ends. The
 * pid in the file is for the message only.
 */
#include "broker/journal_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCK_NAME "lock"

/* Syncs the directory that `path` lies in, so that a new one there stays. */
static int sync_parent(const char *path)
{
    char *parent = strdup(path);
    char *slash;
    int fd, r;

    if (parent == NULL) {
        return -ENOMEM;
    }
    slash = strrchr(parent, '/');
    if (slash != NULL) {
        slash[slash == parent ? 1 : 0] = '\0';
    }
    fd = open(slash != NULL ? parent : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    r = fd < 0 || fsync(fd) < 0 ? -errno : 0;
    if (fd >= 0) {
        close(fd);
    }
    free(parent);
    return r;
}

/* Private to us, whoever made it. */
static int make_private(int fd)
{
    struct stat stat;

    if (fstat(fd, &stat) < 0) {
        return -errno;
    }
    if (stat.st_uid != geteuid()) {
        return -EPERM;
    }
    if ((stat.st_mode & 0077) != 0 && fchmod(fd, 0700) < 0) {
        return -errno;
    }
    return 0;
}

int journal_dir_open(const char *dir, int *ret_fd, struct error *err)
{
    int fd, r = mkdir(dir, 0700) == 0 || errno == EEXIST ? 0 : -errno;

    if (r == 0) { /* also for one that is there: its maker may have been killed before that */
        r = sync_parent(dir);
    }
    if (r < 0) {
        return error_set_errno(err, r, "cannot make the journal's directory %s", dir);
    }
    fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return error_set_errno(err, -errno, "cannot open the journal's directory %s", dir);
    }
    r = make_private(fd);
    if (r < 0) {
        close(fd);
        return error_set_errno(err, r, "the journal's directory %s is not ours alone", dir);
    }
    *ret_fd = fd;
    return 0;
}

/* Says who holds the lock, as far as can be told. */
static int tell_owner(int fd, const char *dir, struct error *err)
{
    char text[32] = "", path[64], name[32] = "";
    long pid;
    int comm_fd;

    if (pread(fd, text, sizeof text - 1, 0) < 0) {
        text[0] = '\0';
    }
    pid = strtol(text, NULL, 10);
    if (pid <= 0) {
        return error_set(err, JOURNAL_E_LOCKED, "another process is using the journal in %s", dir);
    }
    snprintf(path, sizeof path, "/proc/%ld/comm", pid);
    comm_fd = open(path, O_RDONLY | O_CLOEXEC);
    if (comm_fd >= 0) {
        if (read(comm_fd, name, sizeof name - 1) < 0) {
            name[0] = '\0';
        }
        close(comm_fd);
    }
    name[strcspn(name, "\n")] = '\0';
    return error_set(err, JOURNAL_E_LOCKED,
                     "process %ld%s%s%s is using the journal in %s; stop it first, or use another "
                     "state directory",
                     pid, name[0] != '\0' ? " (" : "", name, name[0] != '\0' ? ")" : "", dir);
}

static int lock_fd(int fd, int operation, const char *dir, struct error *err)
{
    int r;

    do {
        r = flock(fd, operation | LOCK_NB) < 0 ? -errno : 0;
    } while (r == -EINTR);
    if (r == -EWOULDBLOCK) {
        return tell_owner(fd, dir, err);
    }
    return r == 0 ? 0 : error_set_errno(err, r, "cannot lock the journal in %s", dir);
}

static int write_pid(int fd)
{
    char text[32];
    int size = snprintf(text, sizeof text, "%ld\n", (long)getpid());

    if (ftruncate(fd, 0) < 0 || pwrite(fd, text, (size_t)size, 0) != size) {
        return -errno;
    }
    return 0;
}

/* Our pid is written into nothing but a file that has this name alone. */
static int check_lock(int fd, const char *dir, struct error *err)
{
    struct stat stat;

    if (fstat(fd, &stat) < 0) {
        return error_set_errno(err, -errno, "cannot look at %s/" LOCK_NAME, dir);
    }
    if (!S_ISREG(stat.st_mode) || stat.st_uid != geteuid() || stat.st_nlink != 1) {
        return error_set(err, -EPERM,
                         "%s/" LOCK_NAME " is no file of ours alone: look what it is, then remove "
                         "it",
                         dir);
    }
    return 0;
}

int journal_lock_take(int dir_fd, const char *dir, int *ret_fd, struct error *err)
{
    int fd =
        openat(dir_fd, LOCK_NAME, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    int r;

    if (fd < 0) {
        return error_set_errno(err, -errno, "cannot open %s/" LOCK_NAME, dir);
    }
    r = check_lock(fd, dir, err);
    if (r == 0) {
        r = lock_fd(fd, LOCK_EX, dir, err);
    }
    if (r != 0) {
        close(fd);
        return r;
    }
    (void)write_pid(fd); /* on a full disk the lock holds without its message */
    *ret_fd = fd;
    return 0;
}

int journal_lock_share(int dir_fd, const char *dir, int *ret_fd, struct error *err)
{
    int fd = openat(dir_fd, LOCK_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    int r;

    *ret_fd = -1;
    if (fd < 0) {
        return errno == ENOENT ? 0 : error_set_errno(err, -errno, "cannot open %s/" LOCK_NAME, dir);
    }
    r = lock_fd(fd, LOCK_SH, dir, err);
    if (r != 0) {
        close(fd);
        return r;
    }
    *ret_fd = fd;
    return 0;
}
