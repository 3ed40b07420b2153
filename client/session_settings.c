/*
 * session_settings.c - where the session file is, and how long a session may be idle.
 *
 * Fails only for want of memory. A home directory that cannot be found, or an idle time that is
 * none, is kept as such and told when a session is asked for, which has a place for the text.
 */
#include "client/session.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SESSION_FILE_NAME ".claude-session-id"
#define IDLE_DIGITS_MAX   9

static const char *variable(const char *name)
{
    const char *value = secure_getenv(name);

    return value != NULL && value[0] != '\0' ? value : NULL;
}

static bool below_home(char **ret)
{
    const char *home = variable("HOME");
    struct passwd entry, *found = NULL;
    char buffer[4096];

    *ret = NULL;
    if (home == NULL || home[0] != '/') {
        home = getpwuid_r(geteuid(), &entry, buffer, sizeof buffer, &found) == 0 && found != NULL
                   ? found->pw_dir
                   : NULL;
    }
    if (home == NULL || home[0] != '/') {
        return true;
    }
    if (asprintf(ret, "%s/" SESSION_FILE_NAME, home) < 0) {
        *ret = NULL;
        return false;
    }
    return true;
}

/* "90", "90s", "30m", "2h"; 0 when it is no time. */
static int64_t parse_idle(const char *text)
{
    size_t digits = strspn(text, "0123456789");
    const char *unit = text + digits;

    if (digits == 0 || digits > IDLE_DIGITS_MAX) {
        return 0;
    }
    int64_t factor = strcmp(unit, "") == 0 || strcmp(unit, "s") == 0 ? 1000
                     : strcmp(unit, "m") == 0                        ? 60 * 1000
                     : strcmp(unit, "h") == 0                        ? 3600 * 1000
                                                                     : 0;
    return strtoll(text, NULL, 10) * factor;
}

bool session_settings_read(struct session_settings *session,
                           const struct memferry_settings *settings)
{
    const char *idle = variable("MEMFERRY_SESSION_IDLE");
    const char *named =
        settings->session_file != NULL ? settings->session_file : variable("MEMFERRY_SESSION_FILE");

    session->idle_ms = settings->session_idle_ms != 0 ? settings->session_idle_ms
                       : idle != NULL                 ? parse_idle(idle)
                                                      : SESSION_IDLE_MS;
    session->unwanted = named != NULL && named[0] == '\0';
    if (session->unwanted) {
        return true;
    }
    if (named == NULL) {
        return below_home(&session->path);
    }
    session->path = strdup(named);
    return session->path != NULL;
}
