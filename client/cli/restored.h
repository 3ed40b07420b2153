/*
 * restored.h - memory.restore for people: asks page by page, shows what becomes of each memory, and
 * adds up.
 */
#ifndef MEMFERRY_CLI_RESTORED_H
#define MEMFERRY_CLI_RESTORED_H

#include "client/cli/cli.h"

struct restored {
    int64_t restored, conflicts, unchanged, created, failed;
    size_t shown, hidden; /* memories that had a line, and those that were too many */
};

/* `params` is a JSON object without `after`. At most show_max memories are shown (0: none); with
 * --json each is a line of its own, whatever show_max is, unless it is 0. An exit code. */
int restored_run(struct cli *cli, const char *params, size_t show_max, struct restored *ret);
void restored_add(struct restored *sum, const struct restored *more);
/* One line: what was restored, or would be. With --json an object. */
void restored_print_sum(struct cli *cli, const struct restored *sum, bool dry_run);
/* What a script is told: something was left alone, or was not there. */
int restored_exit(const struct restored *sum);

#endif
