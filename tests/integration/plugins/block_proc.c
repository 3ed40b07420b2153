/*
 * block_proc.c - preloaded into a broker: whoever reads the command line of a process waits as long
 * as the file $BLOCK_WHILE is there, and tells so by making $BLOCK_TELL.
 */
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int real_open(const char *path, int flags, mode_t mode)
{
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

static void wait_at(const char *path)
{
    const char *gate = getenv("BLOCK_WHILE"), *tell = getenv("BLOCK_TELL");
    size_t size = strlen(path);

    if (gate == NULL || tell == NULL || size < 8 || strncmp(path, "/proc/", 6) != 0 ||
        strcmp(path + size - 7, "cmdline") != 0) {
        return;
    }
    while (access(gate, F_OK) == 0) {
        close(real_open(tell, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
        usleep(1000);
    }
}

int open64(const char *path, int flags, ...)
{
    va_list args;

    va_start(args, flags);
    mode_t mode = (flags & O_CREAT) != 0 ? va_arg(args, mode_t) : 0;
    va_end(args);
    wait_at(path);
    return real_open(path, flags, mode);
}

int open(const char *path, int flags, ...)
{
    va_list args;

    va_start(args, flags);
    mode_t mode = (flags & O_CREAT) != 0 ? va_arg(args, mode_t) : 0;
    va_end(args);
    wait_at(path);
    return real_open(path, flags, mode);
}
