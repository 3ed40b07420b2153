/* program.c - see program.h. */
#include "client/heavy/program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool program_beside(const char *name, const char *built, char path[PATH_MAX])
{
    const char *const places[] = {built, "../../bin"};
    char self[PATH_MAX], place[2 * PATH_MAX];
    ssize_t size = readlink("/proc/self/exe", self, sizeof self - 1);

    self[size > 0 ? size : 0] = '\0';
    const char *slash = strrchr(self, '/');
    for (size_t i = 0; slash != NULL && i < sizeof places / sizeof places[0]; i++) {
        snprintf(place, sizeof place, "%.*s/%s/%s", (int)(slash - self), self, places[i], name);
        if (access(place, X_OK) == 0 && realpath(place, path) != NULL) {
            return true;
        }
    }
    return false;
}

bool program_in_path(const char *name, char path[PATH_MAX])
{
    const char *all = getenv("PATH");

    for (; all != NULL && *all != '\0'; all += strspn(all, ":")) {
        size_t size = strcspn(all, ":");
        if (*all == '/' && snprintf(path, PATH_MAX, "%.*s/%s", (int)size, all, name) < PATH_MAX &&
            access(path, X_OK) == 0) {
            return true;
        }
        all += size;
    }
    return false;
}
