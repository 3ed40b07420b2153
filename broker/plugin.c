/*
 * plugin.c - one backend's plugin, from its section of the config to a table that can be called.
 *
 * Happy path: the shared object, then the options, then the descriptor that ends its calls.
 *
 * Failure modes: those of the parts; what was made so far is undone by plugin_unload.
 */
#include "broker/plugin.h"

#include "broker/config_build.h"
#include "broker/plugin_private.h"

#include <assert.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* A leak report needs the plugin's symbols, which dlclose would take away. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define KEEP_LOADED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                         \
    __has_feature(memory_sanitizer)
#define KEEP_LOADED 1
#endif
#endif
#ifndef KEEP_LOADED
#define KEEP_LOADED 0
#endif

static int keep_context(struct plugin *plugin, const struct config_backend *backend,
                        const struct plugin_context *context, struct error *err)
{
    const char *origin = context->origin != NULL ? context->origin : "";
    const char *state_dir = context->state_dir != NULL ? context->state_dir : "";
    int result = config_set_text(&plugin->backend, backend->name, err);

    plugin->dims = context->dims;
    plugin->log = context->log;
    if (result == 0) {
        result = config_set_text(&plugin->origin, origin, err);
    }
    return result != 0 ? result : config_set_text(&plugin->state_dir, state_dir, err);
}

static int make_wake_fd(struct plugin *plugin, struct error *err)
{
    plugin->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return plugin->wake_fd < 0 ? error_set_errno(err, -errno, "cannot make a wake descriptor") : 0;
}

int plugin_load(struct plugin **ret, const struct config_backend *backend,
                const struct plugin_context *context, struct error *err)
{
    struct config_place place = {.file = context->config_file, .line = backend->line};
    struct plugin *plugin = calloc(1, sizeof *plugin);
    int result;

    *ret = NULL;
    if (plugin == NULL) {
        return error_set(err, -ENOMEM, "out of memory");
    }
    plugin->wake_fd = -1;
    result = keep_context(plugin, backend, context, err);
    if (result == 0) {
        result = plugin_object_load(plugin, backend->plugin, context->plugin_dir, &place, err);
    }
    if (result == 0) {
        result = plugin_options_apply(plugin, backend, context->config_file, err);
    }
    if (result == 0) {
        result = make_wake_fd(plugin, err);
    }
    *ret = result == 0 ? plugin : plugin_unload(plugin);
    return result;
}

struct plugin *plugin_unload(struct plugin *plugin)
{
    if (plugin == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < plugin->option_count; i++) {
        plugin_option_deinit(&plugin->options[i]);
    }
    if (plugin->wake_fd >= 0) {
        close(plugin->wake_fd);
    }
    if (plugin->handle != NULL && !KEEP_LOADED) {
        dlclose(plugin->handle);
    }
    free(plugin->options);
    free(plugin->state_dir);
    free(plugin->origin);
    free(plugin->backend);
    free(plugin->file);
    free(plugin);
    return NULL;
}

const struct memferry_plugin *plugin_table(const struct plugin *plugin)
{
    return &plugin->table;
}

uint32_t plugin_batch(const struct plugin *plugin)
{
    return plugin->batch;
}

const char *plugin_option_text(const struct plugin *plugin, const char *name)
{
    for (size_t i = 0; i < plugin->option_count; i++) {
        if (strcmp(plugin->options[i].row->name, name) == 0) {
            return plugin->options[i].text;
        }
    }
    return NULL;
}

uint32_t plugin_dims(const struct plugin *plugin)
{
    return plugin->dims;
}

void plugin_cancel(struct plugin *plugin)
{
    plugin->cancelled = true;
    int result = eventfd_write(plugin->wake_fd, 1);
    assert(result == 0 || errno == EAGAIN); /* full is readable too */
    (void)result;
}
