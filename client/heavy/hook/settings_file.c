/*
 * settings_file.c - see settings_file.h.
 *
 * Happy path: the new text is written beside the file, synced, and renamed over it, with the mode
 * that the old one had. Failure modes: the file or its directory cannot be read or written: told,
 * and the file is as it was. It has changed since it was read: the same.
 */
#include "client/heavy/hook/settings_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define EMPTY "{}\n"

/* ---- which ---- */

static int name_file(struct cli *cli, const struct args *args, char path[PATH_MAX])
{
    const char *given = args_value(args, "settings"), *home = getenv("HOME");
    const char *agent = getenv("CLAUDE_CONFIG_DIR");
    int size;

    if ((given != NULL) + args_has(args, "project") + args_has(args, "user") > 1) {
        return cli_usage(cli, "one of --settings, --project and --user");
    }
    if (given != NULL) {
        size = snprintf(path, PATH_MAX, "%s", given);
    } else if (args_has(args, "project")) {
        size = snprintf(path, PATH_MAX, ".claude/settings.json");
    } else if (agent != NULL && agent[0] != '\0') {
        size = snprintf(path, PATH_MAX, "%s/settings.json", agent);
    } else if (home != NULL && home[0] == '/') {
        size = snprintf(path, PATH_MAX, "%s/.claude/settings.json", home);
    } else {
        return cli_usage(cli, "there is no HOME; name the file with --settings");
    }
    return size > 0 && size < PATH_MAX - 64 ? EXIT_OK
                                            : cli_usage(cli, "the name of the file is too long");
}

/* ---- reading ---- */

static int read_fd(struct cli *cli, struct settings_file *file, int fd)
{
    file->bytes = malloc(SETTINGS_SIZE_MAX + 2);
    if (file->bytes == NULL) {
        return cli_fail(cli, EXIT_INTERNAL, "out of memory");
    }
    for (;;) {
        ssize_t size = read(fd, file->bytes + file->size, SETTINGS_SIZE_MAX + 1 - file->size);
        if (size < 0 && errno == EINTR) {
            continue;
        }
        if (size < 0) {
            return cli_fail(cli, EXIT_IO, "cannot read %s: %s", file->path, strerror(errno));
        }
        if (size == 0) {
            break;
        }
        file->size += (size_t)size;
    }
    file->bytes[file->size] = '\0';
    return file->size <= SETTINGS_SIZE_MAX && strlen(file->bytes) == file->size
               ? EXIT_OK
               : cli_fail(cli, EXIT_DATA, "%s is over 4 MiB, or is no text", file->path);
}

static int take_empty(struct cli *cli, struct settings_file *file)
{
    file->bytes = strdup(EMPTY);
    file->size = strlen(EMPTY);
    return file->bytes != NULL ? EXIT_OK : cli_fail(cli, EXIT_INTERNAL, "out of memory");
}

int settings_file_read(struct cli *cli, const struct args *args, struct settings_file *file)
{
    char named[PATH_MAX];

    *file = (struct settings_file){0};
    int exit_code = name_file(cli, args, named);
    if (exit_code != EXIT_OK) {
        return exit_code;
    }
    int fd = open(named, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    file->exists = fd >= 0;
    if (fd < 0) {
        strcpy(file->path, named);
        return errno == ENOENT
                   ? take_empty(cli, file)
                   : cli_fail(cli, EXIT_DATA, "cannot read %s: %s", named, strerror(errno));
    }
    if (realpath(named, file->path) == NULL) {
        strcpy(file->path, named);
    }
    exit_code = read_fd(cli, file, fd);
    close(fd);
    return exit_code;
}

void settings_file_free(struct settings_file *file)
{
    free(file->bytes);
    file->bytes = NULL;
}

/* ---- writing ---- */

/* The directory of a new file, and those above it. */
static void make_directories(const char *path)
{
    char directory[PATH_MAX];

    strcpy(directory, path);
    for (char *slash = strchr(directory + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(directory, 0755); /* one that cannot be made is told when the file is */
        *slash = '/';
    }
}

static bool write_all(int fd, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t written = write(fd, bytes, size);
        if (written < 0 && errno != EINTR) {
            return false;
        }
        bytes += written > 0 ? written : 0;
        size -= written > 0 ? (size_t)written : 0;
    }
    return fsync(fd) == 0;
}

/* A whole file of that name, in one step. */
static int put_file(struct cli *cli, const char *path, mode_t mode, const char *bytes, size_t size)
{
    char beside[PATH_MAX + 16];

    snprintf(beside, sizeof beside, "%s.new-memferry", path);
    unlink(beside);
    int fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    if (fd < 0) {
        return cli_fail(cli, EXIT_CANNOT_CREATE, "cannot make %s: %s", beside, strerror(errno));
    }
    bool good = fchmod(fd, mode) == 0 && write_all(fd, bytes, size);
    int error = errno;
    close(fd);
    if (good && rename(beside, path) == 0) {
        return EXIT_OK;
    }
    error = good ? errno : error;
    unlink(beside);
    return cli_fail(cli, EXIT_IO, "cannot write %s: %s; it is as it was", path, strerror(error));
}

/* Whoever has written meanwhile would lose it. */
static bool is_as_read(const struct settings_file *file)
{
    FILE *stream = fopen(file->path, "re");
    char *now = malloc(file->size + 2);
    size_t size = stream != NULL && now != NULL ? fread(now, 1, file->size + 1, stream) : 0;
    bool same =
        stream != NULL && now != NULL && size == file->size && memcmp(now, file->bytes, size) == 0;

    if (stream != NULL) {
        fclose(stream);
    }
    free(now);
    return file->exists ? same : access(file->path, F_OK) < 0;
}

int settings_file_write(struct cli *cli, const struct settings_file *file, const char *bytes,
                        size_t size)
{
    char backup[PATH_MAX + 32];
    mode_t mode = 0600;
    struct stat status;
    int exit_code = EXIT_OK;

    if (!is_as_read(file)) {
        return cli_fail(cli, EXIT_CONFLICT, "%s was changed by somebody else; nothing was done",
                        file->path);
    }
    if (file->exists) {
        mode = stat(file->path, &status) == 0 ? status.st_mode & 0777 : mode;
        snprintf(backup, sizeof backup, "%s" SETTINGS_BACKUP, file->path);
        exit_code = put_file(cli, backup, mode, file->bytes, file->size);
    } else {
        make_directories(file->path);
    }
    return exit_code == EXIT_OK ? put_file(cli, file->path, mode, bytes, size) : exit_code;
}
