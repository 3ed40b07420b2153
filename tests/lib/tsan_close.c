/*
 * tsan_close.c - shows ThreadSanitizer the descriptors that libuv closes. In TSan builds only.
 *
 * libuv closes by syscall(SYS_close), which TSan does not see, and the broker opens its files by
 * openat, which the TSan of clang 14 does not see either. So when a peer has gone, and the kernel
 * gives its number to a file of another thread, TSan takes the two for one descriptor, and reports
 * a race between accept4 and the first write. There is none: the kernel gives a number away under a
 * lock, after its close. Here libuv's syscall becomes a close that TSan sees, so that it forgets
 * the number, and what it still says of a descriptor is true.
 */
#include <dlfcn.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

typedef long syscall_fn(long number, ...);

__attribute__((visibility("default"))) long syscall(long number, ...)
{
    long arguments[6];
    va_list list;

    va_start(list, number);
    for (int i = 0; i < 6; i++) {
        arguments[i] = va_arg(list, long);
    }
    va_end(list);
    if (number == SYS_close) {
        return close((int)arguments[0]);
    }
    syscall_fn *real = (syscall_fn *)dlsym(RTLD_NEXT, "syscall");
    if (real == NULL) {
        abort();
    }
    return real(number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4],
                arguments[5]);
}
