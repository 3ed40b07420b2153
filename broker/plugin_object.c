/*
 * plugin_object.c - from a plugin's name to its table: find the file, trust it or not, load it.
 *
 * Happy path: NAME.so in the plugin directory, or the path as it is; links are followed, and what
 * they lead to is checked; dlopen; the symbol.
 *
 * Failure modes: no such file (with the nearest name that is there); a file or directory that
 * others may write, which is refused before any of its code runs; what the dynamic linker says; no
 * table inside.
 */
#include "broker/plugin_private.h"

#include "broker/config_build.h"
#include "broker/util/paths.h"
#include "broker/util/suggest.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SUFFIX ".so"

static bool ends_in_suffix(const char *name)
{
    size_t size = strlen(name), suffix = strlen(SUFFIX);

    return size > suffix && strcmp(name + size - suffix, SUFFIX) == 0;
}

/* The name of the plugin in the directory that is nearest to the one asked for; "" : none. */
static void find_nearest(const char *directory, const char *name,
                         char nearest[SUGGEST_NAME_MAX + 1])
{
    DIR *dir = opendir(directory);
    size_t best = SIZE_MAX;

    nearest[0] = '\0';
    for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
        char candidate[sizeof entry->d_name];
        if (!ends_in_suffix(entry->d_name)) {
            continue;
        }
        snprintf(candidate, sizeof candidate, "%.*s", (int)(strlen(entry->d_name) - strlen(SUFFIX)),
                 entry->d_name);
        if (suggest_is_better(name, candidate, &best)) {
            snprintf(nearest, SUGGEST_NAME_MAX + 1, "%.*s", SUGGEST_NAME_MAX, candidate);
        }
    }
    if (dir != NULL) {
        closedir(dir);
    }
}

static int not_found(const char *name, const char *path, const char *directory,
                     const struct config_place *place, struct error *err)
{
    char nearest[SUGGEST_NAME_MAX + 1];

    if (errno != ENOENT && errno != ENOTDIR) {
        return config_error(err, place, "cannot open plugin %s: %s", path, strerrordesc_np(errno));
    }
    if (strchr(name, '/') != NULL) {
        return config_error(err, place, "there is no plugin %s; check the path", path);
    }
    find_nearest(directory, name, nearest);
    if (nearest[0] != '\0') {
        return config_error(err, place, "there is no plugin \"%s\" in %s; did you mean \"%s\"?",
                            name, directory, nearest);
    }
    return config_error(err, place,
                        "there is no plugin \"%s\" in %s; install it there, or give its whole path",
                        name, directory);
}

static int check_trust(const char *path, const char *what, const struct config_place *place,
                       struct error *err)
{
    struct stat st;

    if (stat(path, &st) != 0) {
        return config_error(err, place, "cannot look at %s %s: %s", what, path,
                            strerrordesc_np(errno));
    }
    if (st.st_uid != 0 && st.st_uid != geteuid()) {
        return config_error(err, place,
                            "%s %s belongs to user %u, who is neither root nor the broker's; it "
                            "is not loaded",
                            what, path, (unsigned)st.st_uid);
    }
    if ((st.st_mode & 022) != 0) {
        return config_error(err, place,
                            "%s %s may be written by others (mode %04o) and is not loaded; look "
                            "what is in it, then chmod go-w %s",
                            what, path, (unsigned)(st.st_mode & 07777), path);
    }
    return 0;
}

static int check_directory(const char *file, const struct config_place *place, struct error *err)
{
    char *directory = strdup(file);

    if (directory == NULL) {
        return error_set(err, -ENOMEM, "out of memory");
    }
    char *slash = strrchr(directory, '/');
    slash[slash == directory ? 1 : 0] = '\0';
    int result = check_trust(directory, "the plugin's directory", place, err);
    free(directory);
    return result;
}

/* Both the directory where a link lies and the one it leads to could put another file there. */
static int resolve(char **ret, const char *name, const char *path, const char *directory,
                   const struct config_place *place, struct error *err)
{
    struct stat st;
    char *real = realpath(path, NULL);
    int result;

    if (real == NULL) {
        return not_found(name, path, directory, place, err);
    }
    result = stat(real, &st) == 0 && S_ISREG(st.st_mode)
                 ? 0
                 : config_error(err, place, "plugin %s is no regular file; give one", path);
    if (result == 0) {
        result = check_directory(path, place, err);
    }
    if (result == 0) {
        result = check_directory(real, place, err);
    }
    if (result == 0) {
        result = check_trust(real, "plugin", place, err);
    }
    if (result != 0) {
        free(real);
        return result;
    }
    *ret = real;
    return 0;
}

static int find_path(char **ret, const char *name, const char *directory, struct error *err)
{
    char *absolute = NULL, *file_name = NULL;
    int result;

    if (strchr(name, '/') != NULL) {
        return config_set_text(ret, name, err);
    }
    if (asprintf(&file_name, "%s%s", name, SUFFIX) < 0) {
        return error_set(err, -ENOMEM, "out of memory");
    }
    result = paths_join(&absolute, directory, file_name, err);
    free(file_name);
    *ret = absolute;
    return result;
}

static int load(struct plugin *plugin, const struct config_place *place, struct error *err)
{
    plugin->handle = dlopen(plugin->file, RTLD_NOW | RTLD_LOCAL);
    if (plugin->handle == NULL) {
        return config_error(err, place, "cannot load plugin: %s", dlerror());
    }
    const struct memferry_plugin *exported = dlsym(plugin->handle, "memferry_plugin");
    if (exported == NULL) {
        return config_error(err, place,
                            "%s is no plugin: it exports no memferry_plugin; give a file that is "
                            "one",
                            plugin->file);
    }
    return plugin_table_read(&plugin->table, exported, plugin->file, place, err);
}

/* NAME.so holds the plugin NAME, so that config, file and status speak of the same thing. */
static int check_name(const struct plugin *plugin, const char *name,
                      const struct config_place *place, struct error *err)
{
    if (strchr(name, '/') != NULL || strcmp(plugin->table.name, name) == 0) {
        return 0;
    }
    return config_error(err, place, "plugin %s calls itself \"%s\"; rename the file to %s%s",
                        plugin->file, plugin->table.name, plugin->table.name, SUFFIX);
}

int plugin_object_load(struct plugin *plugin, const char *name_or_path, const char *plugin_dir,
                       const struct config_place *place, struct error *err)
{
    char *path = NULL;
    int result = find_path(&path, name_or_path, plugin_dir, err);

    if (result == 0) {
        result = resolve(&plugin->file, name_or_path, path, plugin_dir, place, err);
    }
    if (result == 0) {
        result = load(plugin, place, err);
    }
    if (result == 0) {
        result = check_name(plugin, name_or_path, place, err);
    }
    free(path);
    return result;
}
