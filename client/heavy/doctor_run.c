/*
 * doctor_run.c - runs a program and keeps what it says.
 *
 * Happy path: fork, its output into a pipe, read until it closes, wait. Failures: it does not end
 * within RUN_MS: it is killed; it says more than is kept: the rest is read and dropped.
 */
#include "client/cli/times.h"
#include "client/heavy/doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define RUN_MS 20000

_Noreturn static void child(const char *const *argv, int out)
{
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

    dup2(null, STDIN_FILENO);
    dup2(out, STDOUT_FILENO);
    dup2(out, STDERR_FILENO);
    execvp(argv[0], (char **)(uintptr_t)argv); /* which does not write to it */
    _exit(127);
}

/* True at the end of what it says; false when it took too long. */
static bool read_all(int fd, char *text, size_t size)
{
    int64_t end = monotonic_ms() + RUN_MS;
    size_t used = 0;
    char more[512];

    for (;;) {
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        int64_t left = end - monotonic_ms();
        if (left <= 0 || (poll(&wait, 1, (int)left) < 0 && errno != EINTR)) {
            return false;
        }
        bool keep = used < size - 1;
        ssize_t got = wait.revents == 0 ? 1
                                        : read(fd, keep ? text + used : more,
                                               keep ? size - 1 - used : sizeof more);
        if (got <= 0) {
            return got == 0;
        }
        used += keep && wait.revents != 0 ? (size_t)got : 0;
        text[used] = '\0';
    }
}

int doctor_run(const char *const *argv, char *text, size_t size)
{
    int out[2], status = 0;

    text[0] = '\0';
    if (pipe2(out, O_CLOEXEC) < 0) {
        return -1;
    }
    pid_t pid = fork();
    if (pid == 0) {
        child(argv, out[1]);
    }
    close(out[1]);
    bool ended = pid > 0 && read_all(out[0], text, size);
    close(out[0]);
    if (pid > 0 && !ended) {
        kill(pid, SIGKILL);
    }
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return ended && WIFEXITED(status) && WEXITSTATUS(status) != 127 ? WEXITSTATUS(status) : -1;
}
