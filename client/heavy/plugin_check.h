/* plugin_check.h - memferry plugin check: the test bench for authors of plugins. */
#ifndef MEMFERRY_HEAVY_PLUGIN_CHECK_H
#define MEMFERRY_HEAVY_PLUGIN_CHECK_H

#include "client/cli/cli.h"

int plugin_check(struct cli *cli, const struct args *args);

#endif
