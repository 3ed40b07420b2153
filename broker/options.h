/* options.h - the command line of memferryd. */
#ifndef MEMFERRY_OPTIONS_H
#define MEMFERRY_OPTIONS_H

#include "broker/util/log.h"

#include <stdbool.h>

enum options_action {
    OPTIONS_RUN = 0,
    OPTIONS_CHECK_CONFIG,
    OPTIONS_CHECK_JOURNAL,
    OPTIONS_FROM_BACKUP,
    OPTIONS_EXIT /* help or version was printed */
};

struct options {
    enum options_action action;
    const char *config, *socket, *state_dir, *plugin_dir; /* NULL: by environment or default */
    const char *check_path; /* of --check-journal: a directory or a backup; NULL: state_dir */
    const char *file;       /* of --from-backup */
    const char *log_file;   /* NULL: stderr */
    enum log_level log_level;
    bool core_dumps; /* allowed, and debuggers */
};

/* 0, or EX_USAGE after telling on stderr. Strings are borrowed from argv. */
int options_parse(int argc, char **argv, struct options *ret);

#endif
