/* backup_file.c - see backup_file.h. */
#include "broker/backup_file.h"

#include "broker/util/paths.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NOTE_MAX (PATH_MAX + 32)

struct backup_target {
    char path[PATH_MAX]; /* its directory without links */
    char part[PATH_MAX];
    int part_fd;
    bool replace;
};

/* ---- the file ---- */

static int path_failed(int code, const char *path, struct error *err)
{
    if (code == -ENOSPC || code == -EDQUOT) {
        return error_set(err, BACKUP_E_FULL,
                         "no room on the disk of %s: free some, or name another place", path);
    }
    error_set_errno(err, code, "cannot make %s", path);
    return BACKUP_E_PATH;
}

static int refuse_file(const char *path, struct error *err)
{
    return error_set(err, BACKUP_E_PATH, "%s is there already: give another path, or use --force",
                     path);
}

/* Whoever may take files away there could put a link or another's file in the place of ours while
 * we write. */
static int check_directory(const char *path, struct error *err)
{
    struct stat status;

    if (stat(path, &status) < 0) {
        return path_failed(-errno, path, err);
    }
    if (status.st_uid != geteuid() && status.st_uid != 0) {
        return error_set(err, BACKUP_E_PATH,
                         "the directory %s belongs to user %u, who could change the backup: name a "
                         "place of your own",
                         path, (unsigned)status.st_uid);
    }
    if ((status.st_mode & (S_IWOTH | S_ISVTX)) == S_IWOTH) {
        return error_set(err, BACKUP_E_PATH,
                         "anybody may put files into the directory %s and take them away (mode "
                         "%04o): name another place",
                         path, (unsigned)status.st_mode & 07777);
    }
    return 0;
}

/* Fills path and part with the directory as it is. */
static int find_target(struct backup_target *target, const char *path, struct error *err)
{
    char copy[PATH_MAX], other[PATH_MAX], directory[PATH_MAX];

    if (snprintf(copy, sizeof copy, "%s", path) >= (int)sizeof copy) {
        return error_set(err, BACKUP_E_PATH, "the name of the backup is too long");
    }
    memcpy(other, copy, sizeof other);
    const char *name = basename(other);
    if (realpath(dirname(copy), directory) == NULL) {
        return path_failed(-errno, path, err);
    }
    if (snprintf(target->path, sizeof target->path, "%s/%s", directory, name) >=
            (int)sizeof target->path ||
        snprintf(target->part, sizeof target->part, "%s/%s.part", directory, name) >=
            (int)sizeof target->part) {
        return error_set(err, BACKUP_E_PATH, "the name of the backup is too long");
    }
    return check_directory(directory, err);
}

/* Before the work, so that nobody waits for a refusal; the rename looks again. */
static int check_name(const struct backup_target *target, struct error *err)
{
    struct stat status;

    if (lstat(target->path, &status) < 0) {
        return errno == ENOENT ? 0 : path_failed(-errno, target->path, err);
    }
    if (!S_ISREG(status.st_mode)) {
        return error_set(err, BACKUP_E_PATH, "%s is no file: give another path", target->path);
    }
    return target->replace ? 0 : refuse_file(target->path, err);
}

static int make_part(struct backup_target *target, struct error *err)
{
    if (target->replace) {
        unlink(target->part);
    }
    int fd = open(target->part, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 && errno == EEXIST) {
        return error_set(err, BACKUP_E_PATH,
                         "%s is there: another backup is being made, or one was cut short: remove "
                         "it then, or use --force",
                         target->part);
    }
    if (fd < 0) {
        return path_failed(-errno, target->part, err);
    }
    target->part_fd = fd;
    return 0;
}

/* Is what bears the name what was made under it? */
static int check_part(const struct backup_target *target, struct backup_made *ret,
                      struct error *err)
{
    struct stat made, named;

    if (fstat(target->part_fd, &made) < 0 || lstat(target->part, &named) < 0) {
        return path_failed(-errno, target->part, err);
    }
    if (made.st_dev != named.st_dev || made.st_ino != named.st_ino || made.st_nlink != 1) {
        return error_set(err, BACKUP_E_PATH,
                         "%s was replaced by somebody while it was written: name a place of your "
                         "own",
                         target->part);
    }
    ret->bytes = (uint64_t)made.st_size;
    return 0;
}

static int sync_file(const char *path, int flags, struct error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | flags);
    int r = fd < 0 || fsync(fd) < 0 ? -errno : 0;

    if (fd >= 0) {
        close(fd);
    }
    if (r == -ENOSPC || r == -EDQUOT) {
        return path_failed(r, path, err);
    }
    return r < 0 ? error_set_errno(err, r, "cannot sync %s", path) : 0;
}

static int sync_directory(const char *path, struct error *err)
{
    char copy[PATH_MAX];

    snprintf(copy, sizeof copy, "%s", path);
    return sync_file(dirname(copy), O_DIRECTORY, err);
}

/* Some file systems know no rename that replaces nothing; they know links. */
static int rename_new(const char *part, const char *path)
{
    if (renameat2(AT_FDCWD, part, AT_FDCWD, path, RENAME_NOREPLACE) == 0) {
        return 0;
    }
    if (errno != EINVAL && errno != ENOSYS) {
        return -errno;
    }
    if (link(part, path) < 0) {
        return -errno;
    }
    return unlink(part) < 0 ? -errno : 0;
}

static int give_name(const struct backup_target *target, struct error *err)
{
    int r = target->replace ? (rename(target->part, target->path) < 0 ? -errno : 0)
                            : rename_new(target->part, target->path);

    if (r == -EEXIST) {
        return refuse_file(target->path, err);
    }
    return r < 0 ? path_failed(r, target->path, err) : sync_directory(target->path, err);
}

/* ---- the backup ---- */

static int outcome_of(int r)
{
    switch (r) {
    case STORE_COPY_E_FULL:
        return BACKUP_E_FULL;
    case STORE_COPY_E_BEHIND:
        return BACKUP_E_BUSY;
    case STORE_COPY_E_CANCELLED:
        return BACKUP_E_CANCELLED;
    default:
        return r;
    }
}

static int fill_part(const struct backup_target *target, const char *store_path,
                     struct store_copy_watch *watch, struct backup_made *ret, struct error *err)
{
    int r = outcome_of(store_copy(store_path, target->part, watch, &ret->contents, err));

    if (r == 0) {
        r = check_part(target, ret, err);
    }
    if (r == 0) {
        r = sync_file(target->part, O_NOFOLLOW, err);
    }
    return r == 0 ? give_name(target, err) : r;
}

int backup_write(const char *store_path, const char *path, bool replace,
                 struct store_copy_watch *watch, struct backup_made *ret, struct error *err)
{
    struct backup_target target = {.part_fd = -1, .replace = replace};

    *ret = (struct backup_made){0};
    int r = find_target(&target, path, err);
    if (r == 0) {
        r = check_name(&target, err);
    }
    if (r == 0) {
        r = make_part(&target, err);
    }
    if (r != 0) {
        return r;
    }
    r = fill_part(&target, store_path, watch, ret, err);
    close(target.part_fd);
    if (r != 0) {
        unlink(target.part);
    }
    return r;
}

/* ---- where it may be ---- */

static bool is_below(const char *path, const char *directory)
{
    size_t size = strlen(directory);

    return strncmp(path, directory, size) == 0 && (path[size] == '/' || path[size] == '\0');
}

int backup_check_place(const char *state_dir, const char *path, struct error *err)
{
    char copy[PATH_MAX], own[PATH_MAX], wanted[PATH_MAX];

    snprintf(copy, sizeof copy, "%s", path);
    if (realpath(state_dir, own) == NULL || realpath(dirname(copy), wanted) == NULL) {
        return 0; /* told of when the file is made */
    }
    return is_below(wanted, own) ? error_set(err, BACKUP_E_PATH,
                                             "%s is in the broker's own state directory: name "
                                             "another place, best on another disk",
                                             path)
                                 : 0;
}

/* ---- where the newest is ---- */

static bool write_note(const char *name, const char *path, uint64_t seq)
{
    FILE *file = fopen(name, "we");
    bool good;

    if (file == NULL) {
        return false;
    }
    /* synced before it has its name: else a power cut may leave the name with nothing in it */
    good = fprintf(file, "%" PRIu64 " %s\n", seq, path) > 0 && fflush(file) == 0 &&
           fsync(fileno(file)) == 0;
    return fclose(file) == 0 && good;
}

void backup_note(const char *state_dir, const char *path, uint64_t seq)
{
    char name[PATH_MAX], making[PATH_MAX];

    if (strchr(path, '\n') == NULL &&
        snprintf(name, sizeof name, "%s/" BACKUP_NOTE_NAME, state_dir) < (int)sizeof name &&
        snprintf(making, sizeof making, "%s/" BACKUP_NOTE_NAME ".tmp", state_dir) <
            (int)sizeof making &&
        write_note(making, path, seq) && rename(making, name) == 0) {
        (void)sync_directory(name, NULL);
    }
}

char *backup_newest(const char *state_dir)
{
    char line[NOTE_MAX], *name = NULL, *found = NULL, *path;
    FILE *file = NULL;

    if (paths_join(&name, state_dir, BACKUP_NOTE_NAME, NULL) == 0) {
        file = fopen(name, "re");
    }
    free(name);
    if (file == NULL) {
        return NULL;
    }
    if (fgets(line, sizeof line, file) != NULL) {
        uint64_t seq = strtoull(line, &path, 10);
        path[strcspn(path, "\n")] = '\0';
        if (*path++ == ' ' && asprintf(&found, "%s (up to event %" PRIu64 ")", path, seq) < 0) {
            found = NULL;
        }
    }
    fclose(file);
    return found;
}
