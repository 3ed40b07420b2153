/* show.h - memories for people. */
#ifndef MEMFERRY_CLI_SHOW_H
#define MEMFERRY_CLI_SHOW_H

#include "client/cli/cli.h"

/* All of one memory. */
void show_memory(struct cli *cli, const struct memferry_node *memory);
/* A list of strings with commas between, into `text`; cut when it does not fit. */
void show_tags(const struct memferry_node *tags, char *text, size_t size);

#endif
