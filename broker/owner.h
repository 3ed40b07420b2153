/*
 * owner.h - a process that can be told from every other: pid, start time and boot.
 *
 * A pid alone is given again; with the time its process started, in ticks since the boot, and the
 * boot's own id, it names one process for good. What is told of a process is read from /proc, which
 * is no disk: nothing here blocks.
 */
#ifndef MEMFERRY_OWNER_H
#define MEMFERRY_OWNER_H

#include "broker/session.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum owner_outcome {
    OWNER_E_GONE = 1, /* there is no such process, or no longer */
    OWNER_E_OTHER     /* it is another user's */
};

struct owner {
    int64_t pid;
    uint64_t start;
    char boot_id[SESSION_BOOT_MAX + 1];
};

/* This boot's id; "" when the kernel does not tell, and then no owner is ever alive. */
void owner_boot_id(char ret[SESSION_BOOT_MAX + 1]);
/* The process that has this pid now. `uid` must be its user, or root. */
int owner_find(int64_t pid, uid_t uid, struct owner *ret);
/* Whether it still runs; one that has exited and was not waited for does not. */
bool owner_is_alive(const struct owner *owner);
/* A descriptor that becomes readable when it exits. OWNER_E_GONE, or -errno where the kernel gives
 * none: then it must be looked at now and then. */
int owner_watch(const struct owner *owner, int *ret_fd);

#endif
