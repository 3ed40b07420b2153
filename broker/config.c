/*
 * config.c - the whole config: finds the file, fills the struct section by section, checks the
 * whole.
 *
 * Happy path: defaults first, then every line of the file over them.
 *
 * Failure modes: all are texts for a person that begin with "FILE:LINE:". Nothing is half taken: a
 * config is complete or not there.
 */
#include "broker/config.h"

#include "broker/config_build.h"
#include "broker/config_file.h"
#include "broker/util/container.h"
#include "broker/util/paths.h"
#include "broker/util/suggest.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct builder {
    struct config_sink sink;
    struct config *config;
    const char *section; /* of the settings' table; NULL: before the first, or a backend */
    struct config_backend *backend; /* NULL: another section */
    struct config_backend_lines backend_lines;
    unsigned setting_lines[CONFIG_SETTING_COUNT];
};

static struct builder *builder_of(struct config_sink *sink)
{
    return container_of(sink, struct builder, sink);
}

static struct config *config_new(void)
{
    struct config *config = calloc(1, sizeof *config);

    if (config != NULL) {
        config->dims = 768;
        config->max_peers = 1000;
        config->segment_bytes = 16 << 20;
        config->gather_us = 40;
        config->session_idle_ms = INT64_C(30) * 60 * 1000;
        config->guard = (struct config_guard){.rapid_delete_count = 10,
                                              .rapid_delete_window_ms = 60000,
                                              .bulk_change_percent = 50,
                                              .bulk_change_window_ms = 60000,
                                              .bulk_change_least = 10,
                                              .schema_change = true,
                                              .mass_statement = true};
    }
    return config;
}

struct config *config_free(struct config *config)
{
    if (config == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < config->backend_count; i++) {
        config_backend_deinit(&config->backends[i]);
    }
    free(config->backends);
    free(config->users);
    free(config->state_dir);
    free(config->socket);
    free(config->file);
    free(config);
    return NULL;
}

/* Every backend needs to say what it is; known only at its section's end. */
static int end_backend(struct builder *b, const char *file, struct error *err)
{
    struct config_backend *backend = b->backend;

    b->backend = NULL;
    if (backend == NULL || backend->plugin != NULL) {
        return 0;
    }
    struct config_place place = {.file = file, .line = backend->line};
    return config_error(err, &place,
                        "backend \"%s\" does not say what it is; add a line such as plugin = "
                        "mirror-file",
                        backend->name);
}

static int check_backend_name(const struct builder *b, const struct config_place *place,
                              const char *name, struct error *err)
{
    if (name == NULL) {
        return config_error(err, place, "a backend needs a name; write it as [backend \"name\"]");
    }
    if (!config_is_name(name)) {
        return config_error(err, place,
                            "bad name \"%s\" of a backend; give 1 to 64 letters, digits, dots, - "
                            "and _, not beginning with a dot",
                            name);
    }
    for (size_t i = 0; i < b->config->backend_count; i++) {
        if (strcmp(b->config->backends[i].name, name) == 0) {
            return config_error(err, place,
                                "backend \"%s\" begins at line %u already; join them or give one "
                                "another name",
                                name, b->config->backends[i].line);
        }
    }
    return 0;
}

static int begin_backend(struct builder *b, const struct config_place *place, const char *name,
                         struct error *err)
{
    struct config *config = b->config;
    int result = check_backend_name(b, place, name, err);

    if (result != 0) {
        return result;
    }
    if (config->backend_count == CONFIG_BACKENDS_MAX) {
        return config_error(err, place, "too many backends; at most %d fit", CONFIG_BACKENDS_MAX);
    }
    struct config_backend *backends =
        reallocarray(config->backends, config->backend_count + 1, sizeof *backends);
    if (backends == NULL) {
        return error_set(err, -ENOMEM, "out of memory");
    }
    config->backends = backends;
    b->backend = &backends[config->backend_count++];
    b->backend_lines = (struct config_backend_lines){0};
    *b->backend = (struct config_backend){.line = place->line};
    return config_set_text(&b->backend->name, name, err);
}

static int unknown_section(const struct config_place *place, const char *type, struct error *err)
{
    static const char *const types[] = {"broker",  "journal", "session",
                                        "history", "guard",   "backend"};
    const char *near = NULL;
    size_t best = SIZE_MAX;

    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        near = suggest_is_better(type, types[i], &best) ? types[i] : near;
    }
    if (near != NULL) {
        return config_error(err, place, "unknown section [%s]; did you mean [%s]?", type, near);
    }
    return config_error(
        err, place,
        "unknown section [%s]; there are [broker], [journal], [session], [history], "
        "[guard] and [backend \"name\"]",
        type);
}

static int section_cb(struct config_sink *sink, const struct config_place *place, const char *type,
                      const char *name, struct error *err)
{
    struct builder *b = builder_of(sink);
    int result = end_backend(b, place->file, err);

    b->section = NULL;
    if (result != 0) {
        return result;
    }
    if (strcmp(type, "backend") == 0) {
        return begin_backend(b, place, name, err);
    }
    for (size_t i = 0; i < CONFIG_SETTING_COUNT; i++) {
        if (strcmp(config_settings[i].section, type) == 0) {
            b->section = config_settings[i].section;
        }
    }
    if (b->section == NULL) {
        return unknown_section(place, type, err);
    }
    if (name != NULL) {
        return config_error(err, place, "section [%s] has no name; write it as [%s]", type, type);
    }
    return 0;
}

static int unknown_setting(const char *section, const struct config_place *place, const char *key,
                           struct error *err)
{
    const char *names[CONFIG_SETTING_COUNT];
    size_t count = 0;
    char where[32];

    for (size_t i = 0; i < CONFIG_SETTING_COUNT; i++) {
        if (strcmp(config_settings[i].section, section) == 0) {
            names[count++] = config_settings[i].key;
        }
    }
    snprintf(where, sizeof where, "[%s]", section);
    return config_unknown_key(err, place, where, key, names, count);
}

static int set_setting(struct builder *b, const struct config_place *place, const char *key,
                       const char *value, struct error *err)
{
    for (size_t i = 0; i < CONFIG_SETTING_COUNT; i++) {
        const struct config_setting *setting = &config_settings[i];
        if (strcmp(setting->section, b->section) != 0 || strcmp(setting->key, key) != 0) {
            continue;
        }
        if (b->setting_lines[i] != 0) {
            return config_error(err, place, "%s was given at line %u already; keep one of them",
                                key, b->setting_lines[i]);
        }
        b->setting_lines[i] = place->line;
        return setting->set(b->config, place, key, value, err);
    }
    return unknown_setting(b->section, place, key, err);
}

static int entry_cb(struct config_sink *sink, const struct config_place *place, const char *key,
                    const char *value, struct error *err)
{
    struct builder *b = builder_of(sink);

    if (b->backend != NULL) {
        return config_backend_set(b->backend, &b->backend_lines, place, key, value, err);
    }
    if (b->section == NULL) {
        return config_error(err, place,
                            "%s stands before any section; put [broker] or another "
                            "section above it",
                            key);
    }
    return set_setting(b, place, key, value, err);
}

/* *ret_file is NULL when there is none and none was named. */
static int find_file(char **ret_file, const char *file, struct error *err)
{
    const char *named = file != NULL ? file : getenv("MEMFERRY_CONFIG");
    char *path = NULL;

    *ret_file = NULL;
    if (named != NULL && named[0] != '\0') {
        return config_set_text(ret_file, named, err);
    }
    int result = paths_config_file(&path, err);
    if (result == -ENOENT) { /* no home directory: no file */
        return 0;
    }
    if (result == 0 && access(path, F_OK) != 0 && (errno == ENOENT || errno == ENOTDIR)) {
        free(path);
        return 0;
    }
    *ret_file = path;
    return result;
}

static int read_file(struct config *config, struct error *err)
{
    struct builder b = {.sink = {.section = section_cb, .entry = entry_cb}, .config = config};
    int result = config_file_read(config->file, &b.sink, err);

    return result != 0 ? result : end_backend(&b, config->file, err);
}

int config_load(struct config **ret, const char *file, struct error *err)
{
    struct config *config = config_new();
    int result;

    if (config == NULL) {
        return error_set(err, -ENOMEM, "out of memory");
    }
    result = find_file(&config->file, file, err);
    if (result == 0 && config->file != NULL) {
        result = read_file(config, err);
    }
    *ret = result == 0 ? config : config_free(config);
    return result;
}
