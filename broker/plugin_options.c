/*
 * plugin_options.c - a backend's section held against its plugin's table.
 *
 * Happy path: every entry finds its row and fills it; rows without an entry take their default;
 * variables that hold secrets are read.
 *
 * Failure modes: an entry without a row, a bad value, a required row without an entry, a secret
 * given in two ways or in the file's text. Each is told with file and line.
 */
#include "broker/plugin_private.h"

#include "broker/config_build.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COMMON_KEYS     4
#define SECRET_KEYS     2 /* NAME_env and NAME_file */
#define KEY_SIZE        (PLUGIN_OPTION_NAME_MAX + sizeof "_file")
#define BATCH_ENTRY_MAX 16

enum secret_way { SECRET_PLAIN, SECRET_ENV, SECRET_FILE };

/* The row that an entry's key is for, and how it names a secret. */
static struct plugin_option *find_row(struct plugin *plugin, const char *key,
                                      enum secret_way *ret_way)
{
    for (size_t i = 0; i < plugin->option_count; i++) {
        struct plugin_option *option = &plugin->options[i];
        size_t size = strlen(option->row->name);
        if (strncmp(key, option->row->name, size) != 0) {
            continue;
        }
        const char *rest = key + size;
        bool secret = option->row->type == MEMFERRY_OPTION_SECRET;
        if (*rest == '\0' || (secret && strcmp(rest, "_env") == 0) ||
            (secret && strcmp(rest, "_file") == 0)) {
            *ret_way = *rest == '\0' ? SECRET_PLAIN : rest[1] == 'e' ? SECRET_ENV : SECRET_FILE;
            return option;
        }
    }
    return NULL;
}

/* All keys the section may have, for the message that one is unknown. */
static int unknown_option(const struct plugin *plugin, const struct config_place *place,
                          const char *key, struct error *err)
{
    static const char *const common[COMMON_KEYS] = {"plugin", "batch", "max_age", "wait_embedding"};
    char secrets[PLUGIN_OPTIONS_MAX * SECRET_KEYS][KEY_SIZE];
    const char *names[PLUGIN_OPTIONS_MAX * SECRET_KEYS + COMMON_KEYS];
    size_t count = 0, secret_count = 0;
    char where[200];

    for (size_t i = 0; i < plugin->option_count; i++) {
        const char *name = plugin->options[i].row->name;
        if (plugin->options[i].row->type != MEMFERRY_OPTION_SECRET) {
            names[count++] = name;
            continue;
        }
        snprintf(secrets[secret_count], KEY_SIZE, "%s_env", name);
        names[count++] = secrets[secret_count++];
        snprintf(secrets[secret_count], KEY_SIZE, "%s_file", name);
        names[count++] = secrets[secret_count++];
    }
    for (size_t i = 0; i < COMMON_KEYS; i++) {
        names[count++] = common[i];
    }
    snprintf(where, sizeof where, "[backend \"%s\"] of plugin %s", plugin->backend,
             plugin->table.name);
    return config_unknown_key(err, place, where, key, names, count);
}

static int set_secret(struct plugin_option *option, enum secret_way way,
                      const struct config_option *entry, const struct config_place *place,
                      struct error *err)
{
    const char *name = option->row->name;

    if (way == SECRET_PLAIN) {
        return config_error(err, place,
                            "a secret does not belong into this file; name an environment variable "
                            "by %s_env or a file by %s_file instead of %s",
                            name, name, name);
    }
    if (option->secret_env != NULL || option->secret_file != NULL) {
        return config_error(err, place, "both %s_env and %s_file are given; keep one of them", name,
                            name);
    }
    if (way == SECRET_FILE) {
        return config_set_path(&option->secret_file, place, entry->key, entry->value, err);
    }
    if (!plugin_is_variable_name(entry->value)) { /* not repeated: it may be the secret itself */
        return config_error(err, place,
                            "%s is no name of an environment variable; give the name of the "
                            "variable that holds the secret, not the secret",
                            entry->key);
    }
    return config_set_text(&option->secret_env, entry->value, err);
}

static int set_entry(struct plugin *plugin, const struct config_option *entry,
                     const char *config_file, struct error *err)
{
    struct config_place place = {.file = config_file, .line = entry->line};
    enum secret_way way = SECRET_PLAIN;
    struct plugin_option *option = find_row(plugin, entry->key, &way);

    if (option == NULL) {
        return unknown_option(plugin, &place, entry->key, err);
    }
    if (option->row->type == MEMFERRY_OPTION_SECRET) {
        return set_secret(option, way, entry, &place, err);
    }
    return plugin_option_set(option, entry->value, &place, err);
}

/* `batch` is every backend's key; a plugin with an option of that name bounds it and reads it. */
static int set_batch(struct plugin *plugin, const struct config_backend *backend,
                     const char *config_file, struct error *err)
{
    char text[BATCH_ENTRY_MAX], key[] = "batch";
    struct config_option entry = {.key = key, .value = text, .line = backend->batch_line};
    enum secret_way way;

    if (backend->batch == 0 || find_row(plugin, key, &way) == NULL) {
        return 0;
    }
    snprintf(text, sizeof text, "%u", backend->batch);
    return set_entry(plugin, &entry, config_file, err);
}

static int need(const struct plugin *plugin, const struct plugin_option *option,
                const struct config_place *place, struct error *err)
{
    const char *name = option->row->name;
    const char *help = option->row->help != NULL ? option->row->help : "";

    if (option->row->type == MEMFERRY_OPTION_SECRET) {
        return config_error(err, place,
                            "backend \"%s\" needs %s_env or %s_file (%s); add one of them",
                            plugin->backend, name, name, help);
    }
    return config_error(err, place, "backend \"%s\" needs %s (%s); add a line %s = …",
                        plugin->backend, name, help, name);
}

static int set_default(struct plugin_option *option, struct error *err)
{
    struct config_place nowhere = {0};

    if (option->row->default_value == NULL) {
        return 0;
    }
    if (option->row->type == MEMFERRY_OPTION_SECRET) {
        return config_set_text(&option->secret_env, option->row->default_value, err);
    }
    return plugin_option_set(option, option->row->default_value, &nowhere, err);
}

/* What no entry has set. */
static int complete(struct plugin *plugin, struct plugin_option *option,
                    const struct config_place *place, struct error *err)
{
    const char *value;
    int result = 0;

    if (option->text == NULL && option->secret_env == NULL && option->secret_file == NULL) {
        result =
            option->row->required ? need(plugin, option, place, err) : set_default(option, err);
    }
    if (result == 0 && option->secret_env != NULL && (value = getenv(option->secret_env)) != NULL &&
        value[0] != '\0') {
        result = config_set_text(&option->secret, value, err);
    }
    return result;
}

/* What the lane takes. The option's value counts where there is one. */
static uint32_t batch_of(struct plugin *plugin, uint32_t configured)
{
    enum secret_way way;
    const struct plugin_option *option = find_row(plugin, "batch", &way);

    if (option == NULL || option->number < 1 || option->number > UINT32_MAX) {
        return configured;
    }
    return (uint32_t)option->number;
}

int plugin_options_apply(struct plugin *plugin, const struct config_backend *backend,
                         const char *config_file, struct error *err)
{
    struct config_place place = {.file = config_file, .line = backend->line};
    size_t count = plugin_table_option_count(&plugin->table);

    plugin->options = calloc(count + 1, sizeof *plugin->options);
    if (plugin->options == NULL) {
        return error_set(err, -ENOMEM, "out of memory");
    }
    for (size_t i = 0; i < count; i++) {
        plugin->options[i].row = &plugin->table.options[i];
    }
    plugin->option_count = count;
    int result = set_batch(plugin, backend, config_file, err);
    for (size_t i = 0; result == 0 && i < backend->option_count; i++) {
        result = set_entry(plugin, &backend->options[i], config_file, err);
    }
    for (size_t i = 0; result == 0 && i < count; i++) {
        result = complete(plugin, &plugin->options[i], &place, err);
    }
    plugin->batch = result == 0 ? batch_of(plugin, backend->batch) : 0;
    return result;
}
