/* owner.c - a process by pid, start time and boot; see owner.h. */
#include "broker/owner.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PROC_TEXT_MAX 4096

/* Fields of /proc/PID/stat behind the name, which may hold anything. */
#define FIELD_STATE 3
#define FIELD_START 22

/* A whole small file; false: it cannot be read. */
static bool read_text(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, text, size - 1);

    if (fd >= 0) {
        close(fd);
    }
    text[got < 0 ? 0 : got] = '\0';
    return got > 0;
}

static bool read_proc(int64_t pid, const char *name, char text[PROC_TEXT_MAX])
{
    char path[64];

    snprintf(path, sizeof path, "/proc/%" PRId64 "/%s", pid, name);
    return read_text(path, text, PROC_TEXT_MAX);
}

void owner_boot_id(char ret[SESSION_BOOT_MAX + 1])
{
    if (!read_text("/proc/sys/kernel/random/boot_id", ret, SESSION_BOOT_MAX + 1)) {
        ret[0] = '\0';
    }
    ret[strcspn(ret, "\n")] = '\0';
}

/* False: it does not run. */
static bool read_start(int64_t pid, uint64_t *ret_start)
{
    char text[PROC_TEXT_MAX];
    const char *at = read_proc(pid, "stat", text) ? strrchr(text, ')') : NULL;

    for (int field = FIELD_STATE; at != NULL; field++) {
        at = strchr(at + 1, ' ');
        if (at != NULL && field == FIELD_STATE && strchr("ZXx", at[1]) != NULL) {
            return false;
        }
        if (at != NULL && field == FIELD_START) {
            *ret_start = strtoull(at + 1, NULL, 10);
            return true;
        }
    }
    return false;
}

static bool read_uid(int64_t pid, uid_t *ret_uid)
{
    char text[PROC_TEXT_MAX];
    const char *at = read_proc(pid, "status", text) ? strstr(text, "\nUid:\t") : NULL;

    if (at == NULL) {
        return false;
    }
    *ret_uid = (uid_t)strtoul(at + strlen("\nUid:\t"), NULL, 10);
    return true;
}

int owner_find(int64_t pid, uid_t uid, struct owner *ret)
{
    uid_t owner_uid;
    uint64_t start;

    *ret = (struct owner){.pid = pid};
    owner_boot_id(ret->boot_id);
    /* The same start before and behind: it is one process that has this user. */
    if (ret->boot_id[0] == '\0' || !read_start(pid, &ret->start) || !read_uid(pid, &owner_uid) ||
        !read_start(pid, &start) || start != ret->start) {
        return OWNER_E_GONE;
    }
    return uid != 0 && uid != owner_uid ? OWNER_E_OTHER : 0;
}

bool owner_is_alive(const struct owner *owner)
{
    char boot_id[SESSION_BOOT_MAX + 1];
    uint64_t start;

    owner_boot_id(boot_id);
    return boot_id[0] != '\0' && strcmp(boot_id, owner->boot_id) == 0 &&
           read_start(owner->pid, &start) && start == owner->start;
}

int owner_watch(const struct owner *owner, int *ret_fd)
{
    int fd = (int)syscall(SYS_pidfd_open, (pid_t)owner->pid, 0);

    if (fd < 0) {
        return errno == ESRCH ? OWNER_E_GONE : -errno;
    }
    if (!owner_is_alive(owner)) { /* the descriptor may be another's, who has the pid now */
        close(fd);
        return OWNER_E_GONE;
    }
    *ret_fd = fd;
    return 0;
}
