/* cmd_undo.h - what undo, restore and purge share, and the hook. */
#ifndef MEMFERRY_CLI_CMD_UNDO_H
#define MEMFERRY_CLI_CMD_UNDO_H

#include "client/cli/cli.h"

#define RESTORE_IDS_MAX 1000 /* of one call */

/* Reads the answer to a question that stands on stderr, of a person; says so when it was no. */
bool cli_asked(struct cli *cli);

#endif
