/* plugin_new.h - memferry plugin new: a plugin's sources, to begin with. */
#ifndef MEMFERRY_HEAVY_PLUGIN_NEW_H
#define MEMFERRY_HEAVY_PLUGIN_NEW_H

#include "client/cli/cli.h"

/* The files in client/heavy/templates, each with a NUL behind it. */
extern const char template_sink_c[];
extern const char template_embedder_c[];
extern const char template_alerts_c[];
extern const char template_makefile[];
extern const char template_readme_md[];

int plugin_new(struct cli *cli, const struct args *args);

#endif
