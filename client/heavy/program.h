/* program.h - where another program of memferry is: beside this one, or in PATH. */
#ifndef MEMFERRY_HEAVY_PROGRAM_H
#define MEMFERRY_HEAVY_PROGRAM_H

#include <limits.h>
#include <stdbool.h>

/* By the directory of this one: in the build tree (`built`), else in ../../bin of an installation.
 */
bool program_beside(const char *name, const char *built, char path[PATH_MAX]);
bool program_in_path(const char *name, char path[PATH_MAX]);

#endif
