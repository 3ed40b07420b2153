/*
 * session_write.c - writes and removes the session file, under a lock.
 *
 * Happy path: FILE.lock is locked (flock, so the kernel lets it go with its holder); the new id is
 * written to FILE.new, synced, and gets its name by link, which fails where there is a file by now,
 * or by rename over an old one. Whoever reads FILE without a lock sees a whole id.
 *
 * Failure modes: a holder that was stopped is waited for SESSION_LOCK_WAIT_MS. A crash at any step
 * leaves at most FILE.new, which the next writer removes, and FILE.lock, which stays for good:
 * removing a lock file would give two processes a lock each.
 */
#include "client/connection.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PAUSE_MS   5
#define NSEC_OF_MS 1000000L

static int failed(struct memferry *m, const char *verb, const char *path)
{
    return client_error(m, MEMFERRY_E_SESSION,
                        "cannot %s %s: %s; name another session file with MEMFERRY_SESSION_FILE",
                        verb, path, strerror(errno));
}

static int beside(struct memferry *m, const char *ending, char path[PATH_MAX])
{
    int size = snprintf(path, PATH_MAX, "%s%s", m->session.path, ending);

    errno = ENAMETOOLONG;
    return size < PATH_MAX ? MEMFERRY_OK : failed(m, "use", m->session.path);
}

/* ---- the lock ---- */

static int wait_for_lock(struct memferry *m, int fd, const char *path)
{
    static const struct timespec pause = {.tv_nsec = PAUSE_MS * NSEC_OF_MS};
    int64_t deadline = client_deadline(SESSION_LOCK_WAIT_MS);

    while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK && errno != EINTR) {
            return failed(m, "lock", path);
        }
        if (client_time_left(deadline) == 0) {
            return client_error(m, MEMFERRY_E_SESSION,
                                "another process holds %s for over %d ms; see which with fuser",
                                path, SESSION_LOCK_WAIT_MS);
        }
        nanosleep(&pause, NULL);
    }
    return fd;
}

int session_lock(struct memferry *m)
{
    char path[PATH_MAX];
    struct stat status;
    int rc = beside(m, ".lock", path);

    if (rc != MEMFERRY_OK) {
        return rc;
    }
    int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0600);
    if (fd < 0) {
        return failed(m, "open", path);
    }
    errno = EPERM;
    rc = fstat(fd, &status) < 0 || !S_ISREG(status.st_mode) || status.st_uid != geteuid() ||
                 status.st_nlink != 1 || fchmod(fd, 0600) < 0 /* whatever the umask left of it */
             ? failed(m, "trust", path)
             : wait_for_lock(m, fd, path);
    if (rc < 0) {
        close(fd);
    }
    return rc;
}

void session_unlock(int lock)
{
    close(lock);
}

/* ---- the file ---- */

static bool write_id(int fd, const char *id, bool sync)
{
    char line[SESSION_UUID_SIZE + 1];
    int size = snprintf(line, sizeof line, "%s\n", id);
    ssize_t written = write(fd, line, (size_t)size);

    if (written >= 0 && written < size) {
        errno = ENOSPC;
    }
    return written == size && fchmod(fd, 0600) == 0 && (!sync || fsync(fd) == 0);
}

/* What a crash left there is removed, or what somebody put there: the name is ours. */
static int write_beside(struct memferry *m, const char *path, const char *id, bool sync)
{
    unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        return failed(m, "make", path);
    }
    int rc = write_id(fd, id, sync) ? MEMFERRY_OK : failed(m, "write", path);
    close(fd);
    if (rc != MEMFERRY_OK) {
        unlink(path);
    }
    return rc;
}

static int write_file(struct memferry *m, const char *id, bool over, bool sync, bool *ret_made)
{
    char path[PATH_MAX];
    int rc = beside(m, ".new", path);

    *ret_made = false;
    if (rc == MEMFERRY_OK) {
        rc = write_beside(m, path, id, sync);
    }
    if (rc != MEMFERRY_OK) {
        return rc;
    }
    *ret_made = (over ? rename(path, m->session.path) : link(path, m->session.path)) == 0;
    if (!*ret_made && (over || errno != EEXIST)) {
        rc = failed(m, "make", m->session.path);
    }
    if (!over || rc != MEMFERRY_OK) {
        unlink(path);
    }
    return rc;
}

int session_write(struct memferry *m, const char *id, bool over, bool *ret_made)
{
    return write_file(m, id, over, true, ret_made);
}

int session_replace(struct memferry *m, const char *id)
{
    bool made;

    return write_file(m, id, true, false, &made);
}

int session_remove(struct memferry *m)
{
    if (unlink(m->session.path) == 0 || errno == ENOENT) {
        return MEMFERRY_OK;
    }
    return failed(m, "remove", m->session.path);
}
