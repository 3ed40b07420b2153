/* project.c - see project.h. What cannot be looked at is no project's root. */
#include "client/cli/project.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool is_root(const char *directory)
{
    char path[PATH_MAX];
    int size = snprintf(path, sizeof path, "%s/.git", directory);

    return size > 0 && (size_t)size < sizeof path && access(path, F_OK) == 0;
}

/* Cuts the path to its parent. False: it has none. */
static bool go_up(char *path)
{
    char *slash = strrchr(path, '/');

    if (slash == NULL || slash == path) {
        return false;
    }
    *slash = '\0';
    return true;
}

static const char *tag_of(const char *directory, char tag[PROJECT_TAG_SIZE])
{
    const char *slash = strrchr(directory, '/');
    const char *name = slash != NULL ? slash + 1 : directory;
    const char *home = getenv("HOME");

    tag[0] = '\0';
    if (name[0] != '\0' && strlen(name) <= PROJECT_NAME_MAX &&
        (home == NULL || strcmp(directory, home) != 0)) {
        snprintf(tag, PROJECT_TAG_SIZE, "project:%s", name);
    }
    return tag;
}

const char *project_of(const char *directory, char tag[PROJECT_TAG_SIZE])
{
    char start[PATH_MAX], at[PATH_MAX];

    tag[0] = '\0';
    if (directory == NULL) {
        directory = getcwd(start, sizeof start);
    }
    if (directory == NULL || directory[0] != '/' || strlen(directory) >= sizeof at) {
        return tag;
    }
    strcpy(at, directory);
    size_t size = strlen(at);
    while (size > 1 && at[size - 1] == '/') {
        at[--size] = '\0';
    }
    char *first = strdup(at);
    do {
        if (is_root(at)) {
            free(first);
            return tag_of(at, tag);
        }
    } while (go_up(at));
    if (first != NULL) {
        tag_of(first, tag);
    }
    free(first);
    return tag;
}

bool project_find(const char *given, char tag[PROJECT_TAG_SIZE])
{
    tag[0] = '\0';
    if (given == NULL) {
        project_of(NULL, tag);
        return true;
    }
    if (strlen(given) > PROJECT_NAME_MAX) {
        return false;
    }
    if (given[0] != '\0') {
        snprintf(tag, PROJECT_TAG_SIZE, "project:%s", given);
    }
    return true;
}
