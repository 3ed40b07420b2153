/* cmd_undo.h - the commands that look back and bring back, for the table of commands. */
#ifndef MEMFERRY_CLI_CMD_UNDO_H
#define MEMFERRY_CLI_CMD_UNDO_H

#include "client/cli/cli.h"

#define RESTORE_IDS_MAX 1000 /* of one call */

extern const struct option undo_options[], restore_options[];

int command_undo(struct cli *cli, const struct args *args);
int command_restore(struct cli *cli, const struct args *args);
int command_diff(struct cli *cli, const struct args *args);

#endif
