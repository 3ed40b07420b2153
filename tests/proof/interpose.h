/* interpose.h - for a library that is preloaded: the functions of libc that its own stand before.
 */
#ifndef MEMFERRY_TESTS_INTERPOSE_H
#define MEMFERRY_TESTS_INTERPOSE_H

/* The headers' own versions of these would be called by other names. */
#undef _FORTIFY_SOURCE

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
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

#endif
