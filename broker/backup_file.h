/*
 * backup_file.h - a backup: one file that holds a whole store, and the note of where the newest is.
 *
 * Happy path: FILE.part is made, 0600; the store is copied to it, read back and synced; it becomes
 * FILE, and its directory is synced. So FILE is there whole, or not at all.
 *
 * Failure modes: see backup_outcome; FILE.part is removed again. What is killed in the middle
 * leaves it, and the next backup to FILE says so, unless it may replace.
 */
#ifndef MEMFERRY_BACKUP_FILE_H
#define MEMFERRY_BACKUP_FILE_H

#include "broker/store_copy.h"
#include "broker/util/error.h"

#include <stdbool.h>
#include <stdint.h>

#define BACKUP_NOTE_NAME "newest-backup" /* in the state directory: where the newest one is */

enum backup_outcome {
    BACKUP_E_PATH = 1, /* there is such a file, or none can be made there */
    BACKUP_E_FULL,
    BACKUP_E_BUSY, /* too much was written meanwhile */
    BACKUP_E_CANCELLED
};

struct backup_made {
    struct store_contents contents;
    uint64_t bytes;
};

/* path is absolute, and backup_check_place lets it be. replace: what has that name, and a
 * FILE.part, may go. Blocks, for as long as copying takes. */
int backup_write(const char *store_path, const char *path, bool replace,
                 struct store_copy_watch *watch, struct backup_made *ret, struct error *err);

/* BACKUP_E_PATH when it would lie in the state directory, through links too: there every name may
 * be one of the broker's own, in use this moment. */
int backup_check_place(const char *state_dir, const char *path, struct error *err);

/* Notes that `path` is the newest backup of this state directory, for a start that finds journal or
 * store lost. That it can't be noted is no failure of the backup. */
void backup_note(const char *state_dir, const char *path, uint64_t seq);
/* "FILE (up to event N)", freed by the caller; NULL: none is known. */
char *backup_newest(const char *state_dir);

#endif
