/* cmd_undo.h - the commands that look back and bring back, for the table of commands. */
#ifndef MEMFERRY_CLI_CMD_UNDO_H
#define MEMFERRY_CLI_CMD_UNDO_H

#include "client/cli/cli.h"

#define RESTORE_IDS_MAX 1000 /* of one call */

extern const struct option undo_options[], restore_options[], purge_options[];

/* Reads the answer to a question that stands on stderr, of a person; says so when it was no. */
bool cli_asked(struct cli *cli);

int command_undo(struct cli *cli, const struct args *args);
int command_restore(struct cli *cli, const struct args *args);
int command_purge(struct cli *cli, const struct args *args);
int command_diff(struct cli *cli, const struct args *args);

#endif
