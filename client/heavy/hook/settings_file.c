/*
 * settings_file.c - see settings_file.h.
 *
 * Happy path: the old text is kept beside the file, and the new one replaces it, with the mode that
 * it had. Failure modes: the file or its directory cannot be read or written: told,
 * and the file is as it was. It has changed since it was read: the same.
 */
#include "client/heavy/hook/settings_file.h"

#include "client/heavy/file_put.h"

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
        exit_code = file_put(cli, backup, mode, file->bytes, file->size);
    } else {
        make_directories(file->path);
    }
    return exit_code == EXIT_OK ? file_put(cli, file->path, mode, bytes, size) : exit_code;
}
