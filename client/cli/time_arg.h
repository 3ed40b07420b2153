/* time_arg.h - a point in time that an option names. */
#ifndef MEMFERRY_CLI_TIME_ARG_H
#define MEMFERRY_CLI_TIME_ARG_H

#include "client/cli/cli.h"
#include "client/cli/times.h"

#define TIME_ARG_SIZE (TIME_TEXT_SIZE + 4)

/* As JSON for a call; "" when it is not given. "2h" is two hours ago; a number of at least 10
 * digits is ms; else RFC 3339, for the broker to read. An exit code. */
int time_arg_read(struct cli *cli, const struct args *args, const char *name,
                  char json[TIME_ARG_SIZE]);

#endif
