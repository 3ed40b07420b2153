/* backends.h - the lanes in a table. */
#ifndef MEMFERRY_CLI_BACKENDS_H
#define MEMFERRY_CLI_BACKENDS_H

#include "client/cli/cli.h"

/* backends: the list of backend.list. An exit code. */
int backends_print(struct cli *cli, const struct memferry_node *backends);

#endif
