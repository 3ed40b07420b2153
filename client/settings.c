/*
 * settings.c - makes and frees a connection object; nothing here talks to a broker.
 *
 * Fails only for want of memory or for settings out of range. A socket path that is too long is
 * kept as NULL and told by the first call that would connect, which has a place for the text.
 */
#include "client/connection.h"
#include "client/pipeline.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool socket_is_named(const struct memferry_settings *settings)
{
    const char *named = secure_getenv("MEMFERRY_SOCKET");

    return settings->socket != NULL || (named != NULL && named[0] != '\0');
}

/* False: out of memory. A path that does not fit leaves *ret NULL. */
static bool socket_path(const struct memferry_settings *settings, char **ret)
{
    char path[CLIENT_ADDRESS_SIZE];

    *ret = NULL;
    if (settings->socket != NULL) {
        if (strlen(settings->socket) >= sizeof path) {
            return true;
        }
        *ret = strdup(settings->socket);
    } else if (memferry_default_socket(path, sizeof path) < 0) {
        return true;
    } else {
        *ret = strdup(path);
    }
    return *ret != NULL;
}

static bool settings_valid(const struct memferry_settings *settings)
{
    return settings->window <= CLIENT_WINDOW_MAX && settings->session_idle_ms >= 0 &&
           (settings->socket == NULL || settings->socket[0] != '\0');
}

/* An older caller's struct is shorter; what it has not is zero. */
static bool settings_copy(const struct memferry_settings *given, struct memferry_settings *ret)
{
    *ret = (struct memferry_settings){.size = sizeof *ret};
    if (given == NULL) {
        return true;
    }
    if (given->size < sizeof given->size) {
        return false;
    }
    memcpy(ret, given, given->size < sizeof *ret ? given->size : sizeof *ret);
    return settings_valid(ret);
}

int memferry_open(struct memferry **ret, const struct memferry_settings *given)
{
    struct memferry_settings settings;

    *ret = NULL;
    if (!settings_copy(given, &settings)) {
        return MEMFERRY_E_INVALID;
    }
    struct memferry *m = calloc(1, sizeof *m);
    if (m == NULL) {
        return MEMFERRY_E_MEMORY;
    }
    m->fd = -1;
    m->timeout_ms = settings.timeout_ms != 0 ? settings.timeout_ms : CLIENT_TIMEOUT_MS;
    m->window = settings.window != 0 ? settings.window : CLIENT_WINDOW;
    m->socket_named = socket_is_named(&settings);
    m->client = strdup(settings.client != NULL ? settings.client : program_invocation_short_name);
    msgpack_sbuffer_init(&m->out);
    msgpack_sbuffer_init(&m->params);
    if (!socket_path(&settings, &m->socket) || !session_settings_read(&m->session, &settings) ||
        m->client == NULL) {
        memferry_close(m);
        return MEMFERRY_E_MEMORY;
    }
    *ret = m;
    return MEMFERRY_OK;
}

struct memferry *memferry_close(struct memferry *m)
{
    if (m == NULL) {
        return NULL;
    }
    connection_drop(m, MEMFERRY_E_UNCERTAIN);
    pipeline_free(m);
    msgpack_sbuffer_destroy(&m->out);
    msgpack_sbuffer_destroy(&m->params);
    free(m->in);
    free(m->socket);
    free(m->client);
    free(m->session.path);
    free(m);
    return NULL;
}
