/*
 * plugin_private.h - what the files of the plugin loader share.
 */
#ifndef MEMFERRY_BROKER_PLUGIN_PRIVATE_H
#define MEMFERRY_BROKER_PLUGIN_PRIVATE_H

#include "broker/config_place.h"
#include "broker/plugin.h"

#define PLUGIN_OPTIONS_MAX     128
#define PLUGIN_OPTION_NAME_MAX 40 /* "_file" still fits into inih's 49 */

/* One row of the plugin's table with what the config made of it. */
struct plugin_option {
    const struct memferry_option *row; /* lies in the plugin */
    char *text;                        /* as configured, or the default; NULL: neither */
    int64_t number;                    /* of an INT, DURATION, SIZE or BOOL that has a text */
    /* SECRET: one of these, or none. */
    char *secret_env;  /* the variable's name */
    char *secret_file; /* the file's path */
    char *secret;      /* the variable's value as it was at load; NULL: not set */
};

struct plugin {
    struct memferry_plugin table;
    void *handle; /* dlopen's */
    char *file;   /* the shared object, links resolved */
    char *backend;
    char *origin;
    char *state_dir;
    uint32_t dims;
    uint32_t batch;
    struct log *log;
    struct plugin_option *options; /* in the table's order */
    size_t option_count;
    int wake_fd;
    _Atomic bool cancelled;
};

/* plugin_object.c: fills plugin->file, handle and table. */
int plugin_object_load(struct plugin *plugin, const char *name_or_path, const char *plugin_dir,
                       const struct config_place *place, struct error *err);

/* plugin_table.c: reads the table that a shared object exports, abi and size before all else, and
 * checks what is in it. */
int plugin_table_read(struct memferry_plugin *ret, const struct memferry_plugin *exported,
                      const char *file, const struct config_place *place, struct error *err);
size_t plugin_table_option_count(const struct memferry_plugin *table);
/* Whether it could be the name of an environment variable. */
bool plugin_is_variable_name(const char *text);

/* plugin_value.c: a text to a value of the row's type and bounds. */
int plugin_option_set(struct plugin_option *option, const char *text,
                      const struct config_place *place, struct error *err);
void plugin_option_deinit(struct plugin_option *option);

/* plugin_options.c: fills plugin->options and batch from the backend's section. */
int plugin_options_apply(struct plugin *plugin, const struct config_backend *backend,
                         const char *config_file, struct error *err);

/* plugin_secret.c: a new buffer with a NUL behind it; free with plugin_secret_free. */
int plugin_secret_read_file(char **ret, size_t *ret_size, const char *path, struct error *err);
void plugin_secret_free(char *secret, size_t size);

#endif
