/*
 * plugin.h - finds, checks and loads a plugin, and makes instances of it.
 *
 * Happy path: plugin_load finds NAME.so in the plugin directory (or takes a path), loads it with
 * RTLD_NOW | RTLD_LOCAL, checks abi and size before any other field, then checks the backend's
 * options against the plugin's table. instance_open, called in the lane's thread, makes the
 * instance.
 *
 * Failure modes: all are texts for a person, with the config's file and line where an option is to
 * blame. A file that others may write (owner neither root nor us, or group/world-writable, or in
 * such a directory) is refused before it is loaded.
 */
#ifndef MEMFERRY_BROKER_PLUGIN_H
#define MEMFERRY_BROKER_PLUGIN_H

#include "broker/config.h"
#include "broker/util/error.h"
#include "broker/util/log.h"

#include <memferry/plugin.h>

struct plugin; /* one loaded shared object with one backend's checked options */

struct plugin_context {
    const char *plugin_dir;
    const char *config_file; /* for messages; may be NULL */
    const char *state_dir;   /* the broker's; instances get state_dir/backends/NAME */
    const char *origin;      /* may be NULL for --check-config */
    uint32_t dims;
    struct log *log;
};

int plugin_load(struct plugin **ret, const struct config_backend *backend,
                const struct plugin_context *context, struct error *err);
struct plugin *plugin_unload(struct plugin *plugin);

/* The plugin's table, with what its `size` lacks read as NULL. name, version, summary, open, close
 * and probe are always there, and at least one of deliver, embed, notify and fetch. */
const struct memferry_plugin *plugin_table(const struct plugin *plugin);

/* Memories to a delivery: the backend's `batch`, else the default of the plugin's option of that
 * name, else 0: the lane decides. */
uint32_t plugin_batch(const struct plugin *plugin);

/* An option as configured, or its default; NULL: neither. No secret. */
const char *plugin_option_text(const struct plugin *plugin, const char *name);
uint32_t plugin_dims(const struct plugin *plugin);

/* An instance. In the lane's thread. A plugin that answers open() with an error has logged the
 * reason. */
struct instance;
int instance_open(struct instance **ret, struct plugin *plugin, struct error *err);
struct instance *instance_close(struct instance *instance); /* NULL is fine */
void *instance_self(struct instance *instance);
/* The longest delay that the backend asked for by the last probe, and forgets it. 0: none. */
uint32_t instance_take_asked(struct instance *instance);
/* Ends the call in progress, and all later ones: cancelled() is true from here, wake_fd readable.
 * Any thread. Level-triggered until instance_close. */
void plugin_cancel(struct plugin *plugin);

#endif
