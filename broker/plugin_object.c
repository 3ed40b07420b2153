/*
 * plugin_object.c - from a plugin's name to its table: find the file, trust it or not, load it.
 *
 * Happy path: NAME.so in the plugin directory, or the path as it is; links are followed, and what
 * they lead to is checked (plugin_trust.c); dlopen; the symbol.
 *
 * Failure modes: no such file (with the nearest name that is there); a file or directory that
 * others may write, which is refused before any of its code runs; what the dynamic linker says; no
 * table inside.
 */
#include "broker/plugin_private.h"

#include "broker/config_build.h"
#include "broker/plugin_trust.h"
#include "broker/util/paths.h"
#include "broker/util/suggest.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* Links may lead to the directory of the file as named, and from there to the file. Both real
 * places are looked at: whoever may write in one of them could put another file there. */
static int trust_both(const char *path, const char *real, const struct config_place *place,
                      struct error *err)
{
    char *copy = strdup(path);
    char *directory = copy != NULL ? realpath(dirname(copy), NULL) : NULL;
    int result = directory == NULL ? error_set(err, -ENOMEM, "out of memory")
                                   : plugin_trust_directory(directory, place, err);

    free(directory);
    free(copy);
    return result != 0 ? result : plugin_trust_file(real, place, err);
}

static int resolve(char **ret, const char *name, const char *path, const char *directory,
                   const struct config_place *place, struct error *err)
{
    char *real = realpath(path, NULL);

    if (real == NULL) {
        return not_found(name, path, directory, place, err);
    }
    int result = trust_both(path, real, place, err);
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
