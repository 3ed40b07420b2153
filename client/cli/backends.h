/* backends.h - the lanes in a table, and asked one by one. */
#ifndef MEMFERRY_CLI_BACKENDS_H
#define MEMFERRY_CLI_BACKENDS_H

#include "client/cli/cli.h"

/* backends: the list of backend.list. An exit code. */
int backends_print(struct cli *cli, const struct memferry_node *backends);
/* memferry backends probe [NAME...]; the first word is the verb. An exit code. */
int backends_probe(struct cli *cli, const struct args *args);

#endif
