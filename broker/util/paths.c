/*
 * paths.c - names of files and directories, from the environment.
 *
 * Happy path: the first variable that is set gives the answer, or the part before "/memferry".
 *
 * Failure modes: no memory; no home directory ($HOME unset and the user unknown to the system).
 */
#include "broker/util/paths.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int no_memory(struct error *err)
{
    error_set(err, -ENOMEM, "out of memory");
    return -ENOMEM;
}

static const char *variable(const char *name)
{
    const char *value = getenv(name);

    return value != NULL && value[0] != '\0' ? value : NULL;
}

static const char *absolute_variable(const char *name)
{
    const char *value = variable(name);

    return value != NULL && value[0] == '/' ? value : NULL;
}

static int copy(char **ret, const char *text, struct error *err)
{
    *ret = strdup(text);
    return *ret == NULL ? no_memory(err) : 0;
}

int paths_join(char **ret, const char *directory, const char *name, struct error *err)
{
    size_t length = strlen(directory);
    const char *slash = length > 0 && directory[length - 1] == '/' ? "" : "/";

    if (asprintf(ret, "%s%s%s", directory, slash, name) < 0) {
        *ret = NULL;
        return no_memory(err);
    }
    return 0;
}

static int home(char **ret, struct error *err)
{
    const char *value = absolute_variable("HOME");
    struct passwd entry, *found = NULL;
    char buffer[4096];

    if (value != NULL) {
        return copy(ret, value, err);
    }
    if (getpwuid_r(getuid(), &entry, buffer, sizeof buffer, &found) != 0 || found == NULL ||
        found->pw_dir == NULL || found->pw_dir[0] != '/') {
        error_set(err, -ENOENT, "there is no home directory for user %u; set HOME",
                  (unsigned)getuid());
        return -ENOENT;
    }
    return copy(ret, found->pw_dir, err);
}

static int below_home(char **ret, const char *name, struct error *err)
{
    char *directory = NULL;
    int result = home(&directory, err);

    if (result != 0) {
        return result;
    }
    result = paths_join(ret, directory, name, err);
    free(directory);
    return result;
}

int paths_socket(char **ret, struct error *err)
{
    const char *given = variable("MEMFERRY_SOCKET");
    const char *runtime = absolute_variable("XDG_RUNTIME_DIR");

    if (given != NULL) {
        return copy(ret, given, err);
    }
    if (runtime != NULL) {
        return paths_join(ret, runtime, "memferry/memferry.sock", err);
    }
    if (asprintf(ret, "/tmp/memferry-%u/memferry.sock", (unsigned)getuid()) < 0) {
        *ret = NULL;
        return no_memory(err);
    }
    return 0;
}

int paths_state_dir(char **ret, struct error *err)
{
    const char *given = variable("MEMFERRY_STATE_DIR");
    const char *state = absolute_variable("XDG_STATE_HOME");

    if (given != NULL) {
        return copy(ret, given, err);
    }
    if (state != NULL) {
        return paths_join(ret, state, "memferry", err);
    }
    return below_home(ret, ".local/state/memferry", err);
}

int paths_config_file(char **ret, struct error *err)
{
    const char *config = absolute_variable("XDG_CONFIG_HOME");

    if (config != NULL) {
        return paths_join(ret, config, "memferry/memferry.conf", err);
    }
    return below_home(ret, ".config/memferry/memferry.conf", err);
}

int paths_plugin_dir(char **ret, const char *compiled_in, struct error *err)
{
    const char *given = variable("MEMFERRY_PLUGIN_DIR");

    return copy(ret, given != NULL ? given : compiled_in, err);
}

int paths_expand(char **ret, const char *path, struct error *err)
{
    if (strcmp(path, "~") == 0) {
        return home(ret, err);
    }
    if (strncmp(path, "~/", 2) != 0) {
        return copy(ret, path, err);
    }
    return below_home(ret, path + 2, err);
}
