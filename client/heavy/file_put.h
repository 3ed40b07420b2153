/* file_put.h - a whole file in one step: whoever reads it finds the old one or the new one. */
#ifndef MEMFERRY_HEAVY_FILE_PUT_H
#define MEMFERRY_HEAVY_FILE_PUT_H

#include "client/cli/cli.h"

#include <sys/types.h>

/* With that mode, whatever the umask. An exit code; what went wrong was told. */
int file_put(struct cli *cli, const char *path, mode_t mode, const char *bytes, size_t size);

#endif
