/* backends_plugin.h - loads the plugins of a config and says what they carry; for backends.c. */
#ifndef MEMFERRY_BACKENDS_PLUGIN_H
#define MEMFERRY_BACKENDS_PLUGIN_H

#include "broker/backends.h"

int backend_load_plugin(const struct backends_options *options, const struct config *config,
                        const struct config_backend *wanted, struct log *log,
                        struct plugin **ret_plugin, enum lane_kind *ret_kind, struct error *err);
int backends_check_count(const struct config *config, struct error *err);
/* There is one embedder at most. */
int backends_check_embedders(const struct config *config, const struct backend_kinds *kinds,
                             struct error *err);

#endif
