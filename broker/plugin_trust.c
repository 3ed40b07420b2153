/*
 * plugin_trust.c - a plugin's code runs as the broker does, so nobody else may have a hand in it.
 *
 * Happy path: the file, its directory and all above belong to root or to us, and nobody else may
 * write them. In a directory above, a sticky bit will do (/tmp): what is ours there stays ours.
 *
 * Write access of a group is allowed where it is the private group of the owner, who is us: many
 * systems make directories 0775 so. Root gets no such favour.
 *
 * Nothing here races: whoever could change what was looked at is root or us.
 */
#include "broker/plugin_trust.h"

#include "broker/config_build.h"

#include <errno.h>
#include <grp.h>
#include <libgen.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAMES_MAX 4096

/* A group with its owner's number and name, and nobody else in it. */
static bool is_private_group(gid_t gid)
{
    char user_text[NAMES_MAX], group_text[NAMES_MAX];
    struct passwd user, *found = NULL;
    struct group group, *found_group = NULL;

    if (geteuid() == 0 || gid != (gid_t)geteuid() ||
        getpwuid_r(geteuid(), &user, user_text, sizeof user_text, &found) != 0 || found == NULL ||
        getgrgid_r(gid, &group, group_text, sizeof group_text, &found_group) != 0 ||
        found_group == NULL) {
        return false;
    }
    for (char **member = group.gr_mem; *member != NULL; member++) {
        if (strcmp(*member, user.pw_name) != 0) {
            return false;
        }
    }
    return strcmp(group.gr_name, user.pw_name) == 0;
}

static bool others_may_write(const struct stat *st, bool above)
{
    if (above && (st->st_mode & S_ISVTX) != 0) {
        return false;
    }
    return (st->st_mode & S_IWOTH) != 0 ||
           ((st->st_mode & S_IWGRP) != 0 &&
            (st->st_uid != geteuid() || !is_private_group(st->st_gid)));
}

static int check(const char *path, const char *what, bool above, const struct config_place *place,
                 struct error *err)
{
    struct stat st;

    if (stat(path, &st) != 0) {
        return config_error(err, place, "cannot look at %s %s: %s", what, path,
                            strerrordesc_np(errno));
    }
    if (st.st_uid != 0 && st.st_uid != geteuid()) {
        return config_error(err, place,
                            "%s %s belongs to user %u, who is neither root nor the broker's; the "
                            "plugin is not loaded",
                            what, path, (unsigned)st.st_uid);
    }
    if (others_may_write(&st, above)) {
        return config_error(err, place,
                            "%s %s may be written by others (mode %04o): the plugin is not loaded; "
                            "look what is in it, then chmod go-w %s",
                            what, path, (unsigned)(st.st_mode & 07777), path);
    }
    return 0;
}

int plugin_trust_directory(const char *real, const struct config_place *place, struct error *err)
{
    char *path = strdup(real);
    bool above = false;
    int r;

    if (path == NULL) {
        return error_set(err, -ENOMEM, "out of memory");
    }
    for (char *directory = path;; directory = dirname(directory)) {
        r = check(directory, above ? "the directory above a plugin" : "the plugin's directory",
                  above, place, err);
        if (r != 0 || strcmp(directory, "/") == 0) {
            break;
        }
        above = true;
    }
    free(path);
    return r;
}

int plugin_trust_file(const char *real, const struct config_place *place, struct error *err)
{
    struct stat st;

    if (stat(real, &st) != 0 || !S_ISREG(st.st_mode)) {
        return config_error(err, place, "plugin %s is no regular file; give one", real);
    }
    char *path = strdup(real);
    int r = path == NULL ? error_set(err, -ENOMEM, "out of memory")
                         : plugin_trust_directory(dirname(path), place, err);
    free(path);
    return r != 0 ? r : check(real, "plugin", false, place, err);
}
