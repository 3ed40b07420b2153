/* cmd_ops.h - options of the verbs for those who run a broker; the verbs are in client/heavy. */
#ifndef MEMFERRY_CLI_CMD_OPS_H
#define MEMFERRY_CLI_CMD_OPS_H

#include "client/cli/args.h"

extern const struct option health_options[];
extern const struct option doctor_options[];
extern const struct option top_options[];
extern const struct option tail_options[];
extern const struct option metrics_options[];

#endif
