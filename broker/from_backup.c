/* from_backup.c - see from_backup.h. */
#include "broker/from_backup.h"

#include "broker/backup_file.h"
#include "broker/config.h"
#include "broker/journal.h"
#include "broker/places.h"
#include "broker/store.h"
#include "broker/store_copy.h"
#include "broker/util/paths.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

struct from_backup {
    const char *file;
    struct config *config;
    struct places places;
    struct log *log;
    char copy[PATH_MAX];
    int copy_fd;
    struct store_contents contents;
    int64_t newest_stamp_us;
    struct journal *journal;
    struct journal_recovery found;
    int exit_code; /* of a failure, when it is not EX_IOERR */
    struct error err;
};

/* ---- what must not be there ---- */

static int refuse_present(struct from_backup *from, const char *what)
{
    from->exit_code = EX_CANTCREAT;
    return error_set(&from->err, -EEXIST,
                     "%s is there: nothing is replaced. Move %s away, or name another --state-dir",
                     what, from->places.state_dir);
}

static int check_absent(struct from_backup *from)
{
    char wal[PATH_MAX];

    snprintf(wal, sizeof wal, "%s-wal", from->places.store_file);
    if (access(from->places.store_file, F_OK) == 0) {
        return refuse_present(from, from->places.store_file);
    }
    return access(wal, F_OK) == 0 ? refuse_present(from, wal) : 0;
}

/* ---- the copy ---- */

/* What an earlier attempt left under this name is ours, and of no use. The lock keeps a second
 * attempt out. */
static int make_copy_file(struct from_backup *from)
{
    int r = paths_ensure_private_dir(from->places.state_dir, &from->err);

    if (r < 0) {
        return r;
    }
    snprintf(from->copy, sizeof from->copy, "%s.part", from->places.store_file);
    from->copy_fd = open(from->copy, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (from->copy_fd < 0) {
        return error_set_errno(&from->err, -errno, "cannot make %s", from->copy);
    }
    if (flock(from->copy_fd, LOCK_EX | LOCK_NB) < 0) {
        close(from->copy_fd);
        from->copy_fd = -1;
        from->exit_code = EX_TEMPFAIL;
        return error_set(&from->err, -EBUSY, "another process goes on from a backup in %s",
                         from->places.state_dir);
    }
    return ftruncate(from->copy_fd, 0) < 0
               ? error_set_errno(&from->err, -errno, "cannot write %s", from->copy)
               : 0;
}

static int verify_copy(struct from_backup *from)
{
    uint64_t memories, events, applied_seq;
    int r = store_verify(from->copy, &memories, &events, &applied_seq, &from->err);

    if (r != 0) {
        from->exit_code = EX_DATAERR;
    } else {
        r = store_newest_stamp(from->copy, &from->newest_stamp_us, &from->err);
    }
    return r;
}

static int take_copy(struct from_backup *from)
{
    int r = make_copy_file(from);

    if (r == 0 && access(from->file, R_OK) < 0) {
        from->exit_code = EX_NOINPUT;
        r = error_set_errno(&from->err, -errno, "cannot read the backup %s", from->file);
    }
    if (r == 0) {
        r = store_copy(from->file, from->copy, NULL, &from->contents, &from->err);
    }
    if (r == 0) {
        r = store_copy_migrate(from->copy, &from->err);
    }
    if (r == 0) {
        r = verify_copy(from);
    }
    if (r == 0 && fsync(from->copy_fd) < 0) {
        r = error_set_errno(&from->err, -errno, "cannot sync %s", from->copy);
    }
    return r;
}

/* ---- the journal ---- */

static int refuse_journal(struct from_backup *from, const char *why)
{
    from->exit_code = EX_DATAERR;
    return error_set(&from->err, -ESTALE,
                     "the journal in %s %s: move %s away (and keep it), then run this again",
                     from->places.journal_dir, why, from->places.state_dir);
}

/* One that is there must be the journal of this backup, and meet it. */
static int check_journal_fits(struct from_backup *from)
{
    uint64_t applied_seq = from->contents.applied_seq;

    if (strcmp(journal_origin(from->journal), from->contents.origin) != 0) {
        return refuse_journal(from, "is another one than the backup's");
    }
    if (from->found.last_seq < applied_seq) {
        return refuse_journal(from, "ends before the backup does");
    }
    return from->found.first_seq > applied_seq + 1
               ? refuse_journal(from, "begins so late that events between the backup and it are "
                                      "in neither")
               : 0;
}

static int open_journal(struct from_backup *from)
{
    const struct journal_base base = {.origin = from->contents.origin,
                                      .seq = from->contents.applied_seq,
                                      .stamp_us = from->newest_stamp_us};
    const struct journal_options options = {.dir = from->places.journal_dir,
                                            .segment_bytes = from->config->segment_bytes,
                                            .base = &base};
    int r = journal_open(&from->journal, &options, from->log, &from->found, &from->err);

    if (r == JOURNAL_E_LOCKED) {
        from->exit_code = EX_TEMPFAIL;
    }
    return r != 0 || from->found.fresh ? r : check_journal_fits(from);
}

/* ---- its name ---- */

static int sync_state_dir(struct from_backup *from)
{
    int fd = open(from->places.state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int r = fd < 0 || fsync(fd) < 0 ? -errno : 0;

    if (fd >= 0) {
        close(fd);
    }
    return r < 0 ? error_set_errno(&from->err, r, "cannot sync %s", from->places.state_dir) : 0;
}

/* Under the journal's lock: no broker can have made a store meanwhile. */
static int put_in_place(struct from_backup *from)
{
    int r = check_absent(from);

    if (r == 0 && rename(from->copy, from->places.store_file) < 0) {
        r = error_set_errno(&from->err, -errno, "cannot rename %s", from->copy);
    }
    return r == 0 ? sync_state_dir(from) : r;
}

/* ---- the whole ---- */

static int find_places(struct from_backup *from, const struct options *options)
{
    int r = config_load(&from->config, options->config, &from->err);

    return r == 0 ? places_find(&from->places, options, from->config, &from->err) : r;
}

static int go_on(struct from_backup *from)
{
    int r = check_absent(from);

    if (r == 0) {
        r = take_copy(from);
    }
    if (r == 0) {
        r = open_journal(from);
    }
    return r == 0 ? put_in_place(from) : r;
}

static void note_backup(const struct from_backup *from)
{
    char path[PATH_MAX];

    if (realpath(from->file, path) != NULL) {
        backup_note(from->places.state_dir, path, from->contents.applied_seq);
    }
}

static void tell(const struct from_backup *from)
{
    uint64_t beyond = from->found.last_seq - from->contents.applied_seq;

    printf("%s: %" PRIu64 " memories and %" PRIu64 " deleted ones, up to event %" PRIu64 "\n",
           from->places.store_file, from->contents.memories, from->contents.deleted,
           from->contents.applied_seq);
    if (beyond > 0) {
        printf("the journal was kept: the next start applies its %" PRIu64 " newer events\n",
               beyond);
    } else {
        printf("a new journal goes on behind that in %s\n", from->places.journal_dir);
    }
    puts("start memferryd; then `memferry verify BACKEND` tells what a backend has beyond this");
}

static void release(struct from_backup *from, bool done)
{
    journal_close(from->journal);
    if (from->copy_fd >= 0) {
        if (!done) {
            unlink(from->copy);
        }
        close(from->copy_fd);
    }
    places_deinit(&from->places);
    config_free(from->config);
}

int from_backup(const struct options *options, struct log *log)
{
    struct from_backup from = {
        .file = options->file, .log = log, .copy_fd = -1, .exit_code = EX_CONFIG};

    umask(0077); /* what is made here is ours alone */
    int r = find_places(&from, options);
    if (r == 0) {
        from.exit_code = EX_IOERR;
        r = go_on(&from);
    }
    if (r == 0) {
        from.exit_code = EX_OK;
        note_backup(&from);
        tell(&from);
    } else {
        fprintf(stderr, "%s\n", from.err.text);
    }
    release(&from, r == 0);
    return from.exit_code;
}
