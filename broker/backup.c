/* backup.c - see backup.h. */
#include "broker/backup.h"

#include "broker/util/container.h"

#include <errno.h>
#include <signal.h>

static bool is_cancelled(struct store_copy_watch *watch)
{
    return atomic_load(&container_of(watch, struct backups, watch)->stopping);
}

void backups_init(struct backups *backups, struct mailbox *mailbox, const char *store_path,
                  const char *state_dir)
{
    *backups = (struct backups){.mailbox = mailbox,
                                .store_path = store_path,
                                .state_dir = state_dir,
                                .watch = {.is_cancelled = is_cancelled}};
}

static void *backup_main(void *arg)
{
    struct backup *backup = arg;
    struct backups *backups = backup->backups;

    pthread_setname_np(pthread_self(), "backup");
    backup->status = backup_check_place(backups->state_dir, backup->path, &backup->err);
    if (backup->status == 0) {
        backup->status = backup_write(backups->store_path, backup->path, backup->replace,
                                      &backups->watch, &backup->made, &backup->err);
    }
    if (backup->status == 0) {
        backup_note(backups->state_dir, backup->path, backup->made.contents.applied_seq);
    }
    mailbox_post(backups->mailbox, &backup->note);
    return NULL;
}

static void note_read(struct note *note)
{
    struct backup *backup = container_of(note, struct backup, note);

    pthread_join(backup->thread, NULL);
    backup->backups->running = NULL;
    backup->done(backup);
}

/* Signals are the loop's: the thread starts with them blocked. */
static int start_thread(struct backup *backup)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int r = pthread_create(&backup->thread, NULL, backup_main, backup);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -r;
}

bool backups_run(struct backups *backups, struct backup *backup)
{
    if (atomic_load(&backups->stopping)) {
        error_set(&backup->err, BACKUP_E_CANCELLED, "%s was not begun", backup->path);
        return false;
    }
    if (backups->running != NULL) {
        error_set(&backup->err, -EBUSY, "another backup is being made: wait for its end");
        return false;
    }
    backup->backups = backups;
    backup->note.read = note_read;
    int r = start_thread(backup);
    if (r < 0) {
        error_set_errno(&backup->err, r, "cannot start a thread for the backup");
        return false;
    }
    backups->running = backup;
    return true;
}

void backups_stop(struct backups *backups)
{
    atomic_store(&backups->stopping, true);
}

bool backups_are_quiet(const struct backups *backups)
{
    return backups->running == NULL;
}
