/*
 * backup.h - makes backups while the broker works: each in a thread of its own, one at a time.
 *
 * Happy path: backups_run starts the thread; what came of it is told in the loop, by `done`.
 *
 * Failure modes: a second one is refused while one runs (false). backups_stop makes the one that
 * runs end soon, while it is copied or read back; syncing it is not cut short.
 */
#ifndef MEMFERRY_BACKUP_H
#define MEMFERRY_BACKUP_H

#include "broker/backup_file.h"
#include "broker/mailbox.h"

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>

struct backups;

/* Embedded by who wants one. */
struct backup {
    char path[PATH_MAX]; /* absolute */
    bool replace;
    /* In the loop, when it is through. */
    void (*done)(struct backup *);
    int status; /* 0, a backup_outcome, or a negative errno with err */
    struct error err;
    struct backup_made made;
    /* its own */
    struct note note;
    struct backups *backups;
    pthread_t thread;
};

struct backups {
    struct mailbox *mailbox;
    const char *store_path, *state_dir; /* borrowed */
    struct store_copy_watch watch;
    atomic_bool stopping;
    struct backup *running; /* in the loop */
};

void backups_init(struct backups *backups, struct mailbox *mailbox, const char *store_path,
                  const char *state_dir);
/* Starts it; the caller keeps it until `done`. False: not now, backup->err says why. */
bool backups_run(struct backups *backups, struct backup *backup);
void backups_stop(struct backups *backups);
bool backups_are_quiet(const struct backups *backups);

#endif
