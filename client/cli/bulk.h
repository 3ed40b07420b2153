/* bulk.h - puts every line of a file, pipelined. */
#ifndef MEMFERRY_CLI_BULK_H
#define MEMFERRY_CLI_BULK_H

#include "client/cli/cli.h"

#include <stdint.h>

/* file "-": stdin. session NULL: the one in force. Returns an exit code. */
int bulk_put(struct cli *cli, const char *file, const char *session);

/* A line as the params of memory.put: with an event_id and an id, so that it may be sent again, and
 * a session, where it has none. Owned by the caller; NULL: `problem` says why. */
char *bulk_params(struct memferry *m, const char *line, const char *session, char *problem,
                  size_t problem_size);

#endif
