/* settings_file.h - the file of an agent's settings: which, reading it, replacing it whole. */
#ifndef MEMFERRY_HOOK_SETTINGS_FILE_H
#define MEMFERRY_HOOK_SETTINGS_FILE_H

#include "client/cli/cli.h"

#include <limits.h>

#define SETTINGS_SIZE_MAX ((size_t)4 << 20)
#define SETTINGS_BACKUP   ".before-memferry"

struct settings_file {
    char path[PATH_MAX]; /* the file itself, where a link leads to it */
    bool exists;
    char *bytes; /* NUL-terminated, owned; "{}\n" when there is no file */
    size_t size;
};

/* By --settings, --project or --user (the default). An exit code; what went wrong was told. */
int settings_file_read(struct cli *cli, const struct args *args, struct settings_file *file);
void settings_file_free(struct settings_file *file);
/* Keeps what was there as FILE.before-memferry, and replaces the file in one step. */
int settings_file_write(struct cli *cli, const struct settings_file *file, const char *bytes,
                        size_t size);

#endif
