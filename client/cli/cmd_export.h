/* cmd_export.h - the commands that carry memories between brokers, for the table of commands. */
#ifndef MEMFERRY_CLI_CMD_EXPORT_H
#define MEMFERRY_CLI_CMD_EXPORT_H

#include "client/cli/cli.h"

extern const struct option export_options[];

int command_export(struct cli *cli, const struct args *args);
int command_import(struct cli *cli, const struct args *args);

#endif
