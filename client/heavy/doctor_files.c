/*
 * doctor_files.c - checks of what lies on the disk: socket, state directory, what was left behind.
 * Reads only, and needs no broker.
 */
#include "client/cli/times.h"
#include "client/heavy/doctor.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <unistd.h>

#define FREE_LITTLE_BYTES (64ull << 20) /* a few segments of the journal */
#define FREE_LOW_BYTES    (1ull << 30)
#define BACKUP_OLD_MS     (7ll * 24 * 3600 * 1000)
#define LOG_TAIL_SIZE     65536

/* A shell takes it as one word, whatever is in it. */
static const char *quoted(const char *path, char *text, size_t size)
{
    size_t used = 0;

    if (strspn(path, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+@:") ==
        strlen(path)) {
        return path;
    }
    text[used++] = '\'';
    for (; *path != '\0' && used + 6 < size; path++) {
        if (*path == '\'') {
            used += (size_t)snprintf(text + used, size - used, "'\\''");
        } else {
            text[used++] = *path;
        }
    }
    text[used++] = '\'';
    text[used] = '\0';
    return text;
}

static void tell_mode(struct doctor *doctor, const char *check, const char *path,
                      const struct stat *status, unsigned wanted)
{
    char mend[PATH_MAX + 64], word[PATH_MAX];

    if (status->st_uid != geteuid()) {
        doctor_tell(doctor, DOCTOR_TODO, check, NULL,
                    "%s belongs to uid %u, and not to this user: run this as that user, or use "
                    "another place",
                    path, (unsigned)status->st_uid);
        return;
    }
    snprintf(mend, sizeof mend, "chmod %o %s", wanted, quoted(path, word, sizeof word));
    doctor_tell(doctor, DOCTOR_TODO, check, mend, "others may enter %s (mode %04o)", path,
                (unsigned)status->st_mode & 07777);
}

/* ---- socket ---- */

static bool directory_is_good(struct doctor *doctor)
{
    char directory[PATH_MAX];
    struct stat status;

    snprintf(directory, sizeof directory, "%s", doctor->socket);
    char *slash = strrchr(directory, '/');
    if (slash == NULL || slash == directory) {
        return true;
    }
    *slash = '\0';
    if (lstat(directory, &status) < 0 || doctor->answered) {
        return true; /* it will be made; or somebody we trust listens there */
    }
    if (!S_ISDIR(status.st_mode)) {
        doctor_tell(doctor, DOCTOR_TODO, "socket", NULL, "%s is no directory", directory);
        return false;
    }
    if (status.st_uid != geteuid() || (status.st_mode & 077) != 0) {
        tell_mode(doctor, "socket", directory, &status, 0700);
        return false;
    }
    return true;
}

void doctor_check_socket(struct doctor *doctor)
{
    size_t room = sizeof((struct sockaddr_un *)NULL)->sun_path;
    struct stat status;

    if (strlen(doctor->socket) >= room) {
        doctor_tell(doctor, DOCTOR_TODO, "socket", "export MEMFERRY_SOCKET=/a/shorter/path",
                    "%s is longer than the %zu bytes that a socket's path may have", doctor->socket,
                    room - 1);
        return;
    }
    if (!directory_is_good(doctor)) {
        return;
    }
    if (lstat(doctor->socket, &status) < 0) {
        doctor_tell(doctor, DOCTOR_OK, "socket", NULL, "%s, when a broker runs", doctor->socket);
    } else if (!S_ISSOCK(status.st_mode)) {
        doctor_tell(doctor, DOCTOR_TODO, "socket", NULL,
                    "%s is there, but is no socket: move it away", doctor->socket);
    } else if (!doctor->answered) {
        doctor_tell(doctor, DOCTOR_OK, "socket", NULL,
                    "%s, left by a broker that has ended; the next one takes it", doctor->socket);
    } else {
        doctor_tell(doctor, DOCTOR_OK, "socket", NULL, "%s", doctor->socket);
    }
}

/* ---- the state directory ---- */

static bool state_path(const struct doctor *doctor, const char *name, char *path, size_t size)
{
    int length =
        snprintf(path, size, "%s%s%s", doctor->state_dir, name[0] != '\0' ? "/" : "", name);

    return doctor->state_dir[0] != '\0' && length < (int)size;
}

/* The first file in it that is not ours alone. */
static bool find_open_file(const char *directory, char *path, size_t size, struct stat *ret)
{
    DIR *listing = opendir(directory);
    const struct dirent *entry;
    bool found = false;

    while (listing != NULL && !found && (entry = readdir(listing)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            snprintf(path, size, "%s/%s", directory, entry->d_name) < (int)size &&
            lstat(path, ret) == 0 && !S_ISLNK(ret->st_mode)) {
            found = ret->st_uid != geteuid() || (ret->st_mode & 077) != 0;
        }
    }
    if (listing != NULL) {
        closedir(listing);
    }
    return found;
}

static bool is_there(struct doctor *doctor)
{
    struct stat status;

    if (doctor->state_dir[0] == '\0' || stat(doctor->state_dir, &status) < 0) {
        if (doctor->state_dir[0] != '\0' && errno != ENOENT) {
            doctor_tell(doctor, DOCTOR_TODO, "state", NULL, "cannot look at %s: %s",
                        doctor->state_dir, strerror(errno));
        }
        return false;
    }
    return true;
}

void doctor_check_state(struct doctor *doctor)
{
    char path[PATH_MAX], inner[PATH_MAX];
    struct stat status;

    if (!is_there(doctor)) {
        return;
    }
    if (stat(doctor->state_dir, &status) == 0 &&
        (!S_ISDIR(status.st_mode) || status.st_uid != geteuid() || (status.st_mode & 077) != 0)) {
        tell_mode(doctor, "state", doctor->state_dir, &status, 0700);
        return;
    }
    if (find_open_file(doctor->state_dir, path, sizeof path, &status) ||
        (state_path(doctor, "journal", inner, sizeof inner) &&
         find_open_file(inner, path, sizeof path, &status))) {
        tell_mode(doctor, "state", path, &status, S_ISDIR(status.st_mode) ? 0700 : 0600);
        return;
    }
    doctor_tell(doctor, DOCTOR_OK, "state", NULL, "%s, closed to others", doctor->state_dir);
}

/* ---- disk ---- */

static const struct {
    unsigned long type;
    const char *name;
    enum doctor_state state;
    const char *why;
} file_systems[] = {
    {0x6969, "NFS", DOCTOR_TODO, "locks and syncs over a network are not to be relied on"},
    {0x517b, "SMB", DOCTOR_TODO, "locks and syncs over a network are not to be relied on"},
    {0xff534d42, "CIFS", DOCTOR_TODO, "locks and syncs over a network are not to be relied on"},
    {0xfe534d42, "SMB", DOCTOR_TODO, "locks and syncs over a network are not to be relied on"},
    {0x00c36400, "Ceph", DOCTOR_TODO, "locks and syncs over a network are not to be relied on"},
    {0x5346414f, "AFS", DOCTOR_TODO, "locks and syncs over a network are not to be relied on"},
    {0x01021997, "9p", DOCTOR_TODO, "locks and syncs of a shared folder are not to be relied on"},
    {0x01021994, "tmpfs", DOCTOR_TODO, "it is memory, and gone with the next start of the machine"},
    {0x858458f6, "ramfs", DOCTOR_TODO, "it is memory, and gone with the next start of the machine"},
    {0x65735546, "FUSE", DOCTOR_NOTE, "whether a sync reaches the disk is up to it"},
    {0x794c7630, "overlay", DOCTOR_NOTE,
     "a container's own files are gone with it: put the state directory on a volume"},
};

static void tell_file_system(struct doctor *doctor)
{
    struct statfs found;

    if (statfs(doctor->state_dir, &found) < 0) {
        return;
    }
    for (size_t i = 0; i < sizeof file_systems / sizeof file_systems[0]; i++) {
        if ((unsigned long)found.f_type == file_systems[i].type) {
            doctor_tell(doctor, file_systems[i].state, "disk",
                        "export MEMFERRY_STATE_DIR=/a/local/directory", "%s is on %s: %s",
                        doctor->state_dir, file_systems[i].name, file_systems[i].why);
        }
    }
}

void doctor_check_disk(struct doctor *doctor)
{
    struct statvfs disk;

    if (doctor->state_dir[0] == '\0' || statvfs(doctor->state_dir, &disk) < 0) {
        return;
    }
    unsigned long long free_bytes = (unsigned long long)disk.f_bavail * disk.f_frsize;
    tell_file_system(doctor);
    if (free_bytes < FREE_LITTLE_BYTES || (disk.f_files > 0 && disk.f_favail < 16)) {
        doctor_tell(doctor, DOCTOR_TODO, "disk", "df -h ~",
                    "%llu MiB and %llu files are left: make room, or memories will be refused",
                    free_bytes >> 20, (unsigned long long)disk.f_favail);
    } else if (free_bytes < FREE_LOW_BYTES) {
        doctor_tell(doctor, DOCTOR_NOTE, "disk", NULL, "%llu MiB are free", free_bytes >> 20);
    } else {
        doctor_tell(doctor, DOCTOR_OK, "disk", NULL, "%llu GiB are free", free_bytes >> 30);
    }
}

/* ---- what was left behind ---- */

static bool is_leftover(const char *name)
{
    size_t size = strlen(name);

    return (size > 4 && strcmp(name + size - 4, ".bad") == 0) ||
           (strncmp(name, "aside-", 6) == 0 && strcmp(name + size - 4, ".bin") == 0);
}

void doctor_check_leftovers(struct doctor *doctor)
{
    char path[PATH_MAX];
    const struct dirent *entry;
    DIR *listing = state_path(doctor, "journal", path, sizeof path) ? opendir(path) : NULL;
    unsigned count = 0;
    char first[256] = "";

    if (listing == NULL) {
        return;
    }
    while ((entry = readdir(listing)) != NULL) {
        if (is_leftover(entry->d_name) && count++ == 0) {
            snprintf(first, sizeof first, "%s", entry->d_name);
        }
    }
    closedir(listing);
    if (count > 0) {
        doctor_tell(doctor, DOCTOR_TODO, "journal", "memferry explain journal-damage",
                    "%u damaged piece%s %s kept in %s (%s): look for what is missing, then move it "
                    "away",
                    count, count == 1 ? "" : "s", count == 1 ? "is" : "are", path, first);
    } else {
        doctor_tell(doctor, DOCTOR_OK, "journal", NULL, "nothing of it was set aside%s",
                    doctor->answered ? ""
                                     : "; memferryd --check-journal reads all of it and of the "
                                       "store");
    }
}

/* ---- backup ---- */

/* The path in "SEQ PATH\n". False: there is none. */
static bool read_backup_note(const char *note, char *path, size_t size)
{
    FILE *file = fopen(note, "re");
    char line[PATH_MAX + 32];
    bool good = file != NULL && fgets(line, sizeof line, file) != NULL;
    const char *space = good ? strchr(line, ' ') : NULL;

    if (file != NULL) {
        fclose(file);
    }
    if (space == NULL) {
        return false;
    }
    snprintf(path, size, "%.*s", (int)strcspn(space + 1, "\n"), space + 1);
    return true;
}

void doctor_check_backup(struct doctor *doctor)
{
    char note[PATH_MAX], path[PATH_MAX], age[TIME_TEXT_SIZE];
    struct stat status;

    if (!state_path(doctor, "", note, sizeof note) || access(note, F_OK) < 0 ||
        !state_path(doctor, "newest-backup", note, sizeof note)) {
        return;
    }
    if (stat(note, &status) < 0 || !read_backup_note(note, path, sizeof path)) {
        doctor_tell(doctor, DOCTOR_NOTE, "backup", "memferry backup ~/memferry-$(date +%F).db",
                    "none was made here");
        return;
    }
    int64_t age_ms = time_now_ms() - (int64_t)status.st_mtim.tv_sec * 1000;
    age_ms = age_ms > 0 ? age_ms : 0;
    if (access(path, F_OK) < 0) {
        doctor_tell(doctor, DOCTOR_NOTE, "backup", "memferry backup ~/memferry-$(date +%F).db",
                    "the newest is %s, made %s ago, and is not there now", path,
                    duration_text(age_ms, age));
    } else {
        doctor_tell(doctor, age_ms >= BACKUP_OLD_MS ? DOCTOR_NOTE : DOCTOR_OK, "backup",
                    age_ms >= BACKUP_OLD_MS ? "memferry backup ~/memferry-$(date +%F).db" : NULL,
                    "the newest is %s, made %s ago", path, duration_text(age_ms, age));
    }
}

/* ---- log ---- */

/* The last line of level error in a text, since a broker last started; NULL: none. Alerts are told
 * of by a check of their own, which knows the acked ones. */
static char *last_error(char *text)
{
    char *found = NULL, *end;

    for (char *line = text; line != NULL; line = end != NULL ? end + 1 : NULL) {
        end = strchr(line, '\n');
        if (end != NULL && end - line > 33 && strncmp(line + 25, "error   ", 8) == 0 &&
            strncmp(line + 33, "alert: ", 7) != 0) {
            found = line;
        } else if (end != NULL && end - line > 42 && strncmp(line + 33, "started: ", 9) == 0) {
            found = NULL;
        }
    }
    if (found != NULL) {
        found[strcspn(found, "\n")] = '\0';
    }
    return found;
}

void doctor_check_log(struct doctor *doctor)
{
    char path[PATH_MAX], mend[128];
    static char text[LOG_TAIL_SIZE + 1];
    struct stat status;
    ssize_t size = -1;
    int fd = state_path(doctor, "memferryd.log", path, sizeof path)
                 ? open(path, O_RDONLY | O_CLOEXEC)
                 : -1;

    if (fd < 0) {
        return;
    }
    if (fstat(fd, &status) == 0) {
        off_t from = status.st_size > LOG_TAIL_SIZE ? status.st_size - LOG_TAIL_SIZE : 0;
        size = pread(fd, text, LOG_TAIL_SIZE, from);
    }
    close(fd);
    text[size > 0 ? size : 0] = '\0';
    char *line = last_error(text);
    if (line == NULL) {
        doctor_tell(doctor, DOCTOR_OK, "log", NULL, "%s has no error", path);
        return;
    }
    const char *id = line + 33; /* behind time and level */
    snprintf(mend, sizeof mend, "memferry explain %.*s", (int)strcspn(id, ":"), id);
    doctor_tell(doctor, DOCTOR_NOTE, "log", mend, "the last error in %s: %.400s", path, line);
}
