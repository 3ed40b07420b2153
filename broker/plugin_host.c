/*
 * plugin_host.c - an instance of a plugin, and what the broker offers it.
 *
 * Happy path: instance_open makes the backend's directory, fills the host's table and calls the
 * plugin's open. The host's functions find the instance around the table they are handed.
 *
 * Failure modes: the directory cannot be made or is not private; the plugin refuses to open. A
 * function of the host never fails but by its documented answer: an unknown option is NULL or 0.
 *
 * Secrets live as long as the instance: a file is read at the first question after each open, and
 * its bytes are wiped at close.
 */
#include "broker/plugin_private.h"

#include "broker/util/container.h"
#include "broker/util/paths.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#define LOG_TEXT_MAX 1600 /* leaves the log's line room for its head */

struct secret {
    char *bytes; /* NULL: not read */
    size_t size;
};

struct instance {
    struct memferry_host host;
    struct plugin *plugin;
    void *self;
    bool opened;
    pthread_t opener;                                        /* until it is opened */
    char refusal[sizeof((struct memferry_reason *)0)->text]; /* the error that open logged last */
    char *state_dir;
    uint32_t asked_ms;      /* how long the backend wants to be left alone */
    struct secret *secrets; /* one for each option, used by those that are read from files */
};

static struct instance *instance_of(const struct memferry_host *host)
{
    return container_of(host, struct instance, host);
}

static bool host_cancelled(const struct memferry_host *host)
{
    return instance_of(host)->plugin->cancelled;
}

static struct plugin_option *find(const struct plugin *plugin, const char *name)
{
    for (size_t i = 0; i < plugin->option_count; i++) {
        if (strcmp(plugin->options[i].row->name, name) == 0) {
            return &plugin->options[i];
        }
    }
    return NULL;
}

static const char *secret_place(const struct plugin_option *option)
{
    return option->secret_file != NULL ? "file" : option->secret_env != NULL ? "environment" : NULL;
}

static const char *host_option(const struct memferry_host *host, const char *name)
{
    const struct plugin_option *option = find(instance_of(host)->plugin, name);

    if (option != NULL && option->row->type == MEMFERRY_OPTION_SECRET) {
        return secret_place(option);
    }
    return option != NULL ? option->text : NULL;
}

static int64_t host_option_int(const struct memferry_host *host, const char *name)
{
    const struct plugin_option *option = find(instance_of(host)->plugin, name);

    return option != NULL ? option->number : 0;
}

static const char *env_secret(const struct plugin_option *option, size_t *ret_size,
                              struct error *err)
{
    if (option->secret == NULL) {
        error_set(err, -ENOENT,
                  "there is no %s: the environment variable %s was not set, or empty, when the "
                  "broker started; set it and start the broker again, or use %s_file",
                  option->row->name, option->secret_env, option->row->name);
        return NULL;
    }
    *ret_size = strlen(option->secret);
    return option->secret;
}

static const char *file_secret(const struct plugin_option *option, struct secret *secret,
                               size_t *ret_size, struct error *err)
{
    if (secret->bytes == NULL &&
        plugin_secret_read_file(&secret->bytes, &secret->size, option->secret_file, err) != 0) {
        return NULL;
    }
    *ret_size = secret->size;
    return secret->bytes;
}

static const char *find_secret(struct instance *instance, const char *name, size_t *ret_size,
                               struct error *err)
{
    const struct plugin_option *option = find(instance->plugin, name);

    if (option == NULL || option->row->type != MEMFERRY_OPTION_SECRET) {
        error_set(err, -EINVAL, "the plugin has no secret named %s", name);
        return NULL;
    }
    if (option->secret_file != NULL) {
        size_t i = (size_t)(option - instance->plugin->options);
        return file_secret(option, &instance->secrets[i], ret_size, err);
    }
    if (option->secret_env != NULL) {
        return env_secret(option, ret_size, err);
    }
    error_set(err, -ENOENT, "no %s is configured; add %s_env or %s_file to the backend", name, name,
              name);
    return NULL;
}

static const char *host_secret(const struct memferry_host *host, const char *name, size_t *ret_size,
                               struct memferry_reason *why)
{
    struct error err;
    size_t size = 0;
    const char *secret = find_secret(instance_of(host), name, &size, &err);

    if (secret == NULL && why != NULL) {
        snprintf(why->text, sizeof why->text, "%s", err.text);
    }
    if (ret_size != NULL) {
        *ret_size = size;
    }
    return secret;
}

static enum log_level level_of(enum memferry_log_level level)
{
    switch (level) {
    case MEMFERRY_LOG_ERROR:
        return LOG_LEVEL_ERROR;
    case MEMFERRY_LOG_WARNING:
        return LOG_LEVEL_WARNING;
    case MEMFERRY_LOG_DEBUG:
        return LOG_LEVEL_DEBUG;
    default:
        return LOG_LEVEL_INFO;
    }
}

__attribute__((format(printf, 3, 4))) static void host_log(const struct memferry_host *host,
                                                           enum memferry_log_level level,
                                                           const char *format, ...)
{
    struct instance *instance = instance_of(host);
    struct plugin *plugin = instance->plugin;
    char text[LOG_TEXT_MAX];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    log_write(plugin->log, level_of(level), "plugin", "backend %s: %s", plugin->backend, text);
    if (level == MEMFERRY_LOG_ERROR && pthread_equal(instance->opener, pthread_self()) &&
        !instance->opened) {
        snprintf(instance->refusal, sizeof instance->refusal, "%.*s",
                 (int)sizeof instance->refusal - 1, text);
    }
}

static int make_state_dir(struct instance *instance, struct error *err)
{
    char *backends;
    int result = paths_join(&backends, instance->plugin->state_dir, "backends", err);

    if (result != 0) {
        return result;
    }
    result = paths_join(&instance->state_dir, backends, instance->plugin->backend, err);
    free(backends);
    return result != 0 ? result : paths_ensure_private_dir(instance->state_dir, err);
}

static void host_ask_again_after(const struct memferry_host *host, uint32_t delay_ms)
{
    struct instance *instance = instance_of(host);

    if (delay_ms > instance->asked_ms) {
        instance->asked_ms = delay_ms;
    }
}

static void fill_host(struct instance *instance)
{
    const struct plugin *plugin = instance->plugin;

    instance->host = (struct memferry_host){
        .abi = MEMFERRY_PLUGIN_ABI,
        .size = sizeof(struct memferry_host),
        .backend = plugin->backend,
        .origin = plugin->origin,
        .dims = plugin->dims,
        .wake_fd = plugin->wake_fd,
        .cancelled = host_cancelled,
        .option = host_option,
        .option_int = host_option_int,
        .secret = host_secret,
        .log = host_log,
        .state_dir = instance->state_dir,
        .ask_again_after = host_ask_again_after,
    };
}

static int open_self(struct instance *instance, struct error *err)
{
    struct plugin *plugin = instance->plugin;

    instance->opener = pthread_self();
    int result = plugin->table.open(&instance->host, &instance->self);
    if (result > 0) { /* what it may not answer; it has failed all the same */
        result = -EPROTO;
    }
    if (result != 0 && instance->refusal[0] != '\0') {
        return error_set(err, result, "backend %s does not open: %s", plugin->backend,
                         instance->refusal);
    }
    if (result != 0) {
        return error_set_errno(err, result, "backend %s does not open", plugin->backend);
    }
    instance->opened = true;
    return 0;
}

int instance_open(struct instance **ret, struct plugin *plugin, struct error *err)
{
    struct instance *instance = calloc(1, sizeof *instance);
    int result;

    *ret = NULL;
    if (instance == NULL) {
        return error_set(err, -ENOMEM, "out of memory");
    }
    instance->plugin = plugin;
    instance->secrets = calloc(plugin->option_count + 1, sizeof *instance->secrets);
    result = instance->secrets == NULL ? error_set(err, -ENOMEM, "out of memory")
                                       : make_state_dir(instance, err);
    if (result == 0) {
        fill_host(instance);
        result = open_self(instance, err);
    }
    *ret = result == 0 ? instance : instance_close(instance);
    return result;
}

static void clear_cancel(struct plugin *plugin)
{
    eventfd_t value;

    eventfd_read(plugin->wake_fd, &value);
    plugin->cancelled = false;
}

struct instance *instance_close(struct instance *instance)
{
    if (instance == NULL) {
        return NULL;
    }
    struct plugin *plugin = instance->plugin;
    if (instance->opened) {
        plugin->table.close(instance->self);
        clear_cancel(plugin);
    }
    for (size_t i = 0; instance->secrets != NULL && i < plugin->option_count; i++) {
        plugin_secret_free(instance->secrets[i].bytes, instance->secrets[i].size);
    }
    free(instance->secrets);
    free(instance->state_dir);
    free(instance);
    return NULL;
}

void *instance_self(struct instance *instance)
{
    return instance->self;
}

uint32_t instance_take_asked(struct instance *instance)
{
    uint32_t asked_ms = instance->asked_ms;

    instance->asked_ms = 0;
    return asked_ms;
}
