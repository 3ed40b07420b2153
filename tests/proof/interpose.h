/*
 * interpose.h - for a library that is preloaded: the functions of libc that its own stand before,
 * and how to read what they are called with.
 */
#ifndef MEMFERRY_TESTS_INTERPOSE_H
#define MEMFERRY_TESTS_INTERPOSE_H

/* The headers' own versions of these would be called by other names. */
#undef _FORTIFY_SOURCE

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The function that the program would have called. */
#define NEXT(name)                                                                                 \
    ({                                                                                             \
        static typeof(&name) next_##name;                                                          \
        if (next_##name == NULL) {                                                                 \
            next_##name = (typeof(&name))dlsym(RTLD_NEXT, #name);                                  \
        }                                                                                          \
        next_##name;                                                                               \
    })

/* On 64 bits both are one. */
#define ALIAS(name, of) extern typeof(of) name __attribute__((alias(#of), visibility("default")))

/* What open() has behind its flags. */
static inline mode_t mode_of(int flags, va_list rest)
{
    return (flags & (O_CREAT | __O_TMPFILE)) != 0 ? va_arg(rest, mode_t) : 0;
}

/* The absolute path of a name; true when it is root or below it. */
static inline bool interpose_path(const char *root, int dir_fd, const char *name,
                                  char path[PATH_MAX])
{
    char link[64];
    size_t root_size = strlen(root);
    ssize_t size = 0;

    if (name[0] != '/') {
        snprintf(link, sizeof link, dir_fd == AT_FDCWD ? "/proc/self/cwd" : "/proc/self/fd/%d",
                 dir_fd);
        size = readlink(link, path, PATH_MAX / 2);
        if (size < 0 || (size_t)size + strlen(name) + 2 > PATH_MAX) {
            return false;
        }
        path[size++] = '/';
    }
    snprintf(path + size, PATH_MAX - (size_t)size, "%s", name);
    return strncmp(path, root, root_size) == 0 &&
           (path[root_size] == '/' || path[root_size] == '\0');
}

#endif
