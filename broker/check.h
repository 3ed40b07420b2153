/* check.h - memferryd --check-config and --check-journal: look, say what was found, change nothing.
 */
#ifndef MEMFERRY_CHECK_H
#define MEMFERRY_CHECK_H

#include "broker/options.h"

/* Exit codes of sysexits.h: 0 when all is well. */
int check_config(const struct options *options, struct log *log);
/* Of a state directory, or of a backup. */
int check_journal(const struct options *options);

#endif
