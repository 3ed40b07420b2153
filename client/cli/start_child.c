/*
 * start_child.c - a new session, quiet streams, no descriptor of the caller's, exec.
 *
 * A log that cannot be written is no reason not to start: output then goes nowhere.
 */
#include "client/cli/start_child.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOG_NAME "memferryd.log"

bool start_state_directory(char *path, size_t size)
{
    const char *named = getenv("MEMFERRY_STATE_DIR"), *state = getenv("XDG_STATE_HOME");
    const char *home = getenv("HOME");
    int length;

    if (named != NULL && named[0] != '\0') {
        length = snprintf(path, size, "%s", named);
    } else if (state != NULL && state[0] == '/') {
        length = snprintf(path, size, "%s/memferry", state);
    } else if (home != NULL && home[0] == '/') {
        length = snprintf(path, size, "%s/.local/state/memferry", home);
    } else {
        return false;
    }
    return length > 0 && (size_t)length < size;
}

/* Makes the directory, and those above it, 0700. */
static bool make_directories(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        bool good = mkdir(path, 0700) == 0 || errno == EEXIST;
        *slash = '/';
        if (!good) {
            return false;
        }
    }
    return mkdir(path, 0700) == 0 || errno == EEXIST;
}

/* Where nobody else may have put a log, or may take ours away. The broker says what is wrong with
 * any other. */
static int directory_open(char *path)
{
    struct stat status;

    if (!make_directories(path)) {
        return -1;
    }
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0 &&
        (fstat(fd, &status) < 0 || status.st_uid != geteuid() || (status.st_mode & 077) != 0)) {
        close(fd);
        return -1;
    }
    return fd;
}

/* A pipe that somebody put there is not waited for, another user's file not written. */
static int log_open(int directory_fd, off_t *ret_size)
{
    int fd = openat(directory_fd, LOG_NAME,
                    O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK,
                    0600);
    struct stat status;

    if (fd < 0) {
        return -1;
    }
    if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode) || status.st_uid != geteuid() ||
        status.st_nlink != 1 || fchmod(fd, 0600) < 0) {
        close(fd);
        return -1;
    }
    *ret_size = status.st_size;
    return fd;
}

void start_log_open(struct start_log *log)
{
    char directory[START_PATH_SIZE - 32];
    mode_t before = umask(0077); /* one that takes our own bits away would lock us out */

    *log = (struct start_log){.fd = -1};
    if (start_state_directory(directory, sizeof directory)) {
        int directory_fd = directory_open(directory);
        if (directory_fd >= 0) {
            log->fd = log_open(directory_fd, &log->size_before);
            close(directory_fd);
        }
    }
    umask(before);
    if (log->fd >= 0) {
        snprintf(log->path, sizeof log->path, "%s/" LOG_NAME, directory);
    }
}

void start_log_close(struct start_log *log)
{
    if (log->fd >= 0) {
        close(log->fd);
        log->fd = -1;
    }
}

static void redirect(const struct start_log *log)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    int output = log->fd >= 0 ? log->fd : null;

    dup2(null, STDIN_FILENO);
    dup2(output, STDOUT_FILENO);
    dup2(output, STDERR_FILENO);
    close_range(STDERR_FILENO + 1, UINT_MAX, CLOSE_RANGE_CLOEXEC);
}

/* Tries "directory of this command"/relative. */
static void exec_beside(const char *self, const char *relative, char **argv)
{
    char path[START_PATH_SIZE + 32];
    const char *slash = strrchr(self, '/');

    if (slash != NULL) {
        snprintf(path, sizeof path, "%.*s/%s", (int)(slash - self), self, relative);
        execv(path, argv);
    }
}

/* memferryd [--socket PATH] [--log-file FILE]; what it is given is not written to. */
static void make_argv(const struct start_log *log, const char *socket, const char **argv)
{
    *argv++ = "memferryd";
    if (socket != NULL) {
        *argv++ = "--socket";
        *argv++ = socket;
    }
    if (log->path[0] != '\0') {
        *argv++ = "--log-file";
        *argv++ = log->path;
    }
    *argv = NULL;
}

_Noreturn void start_child(const struct start_log *log, const char *socket, int status_fd)
{
    char self[START_PATH_SIZE];
    const char *words[6];
    char **argv = (char **)(uintptr_t)words;
    make_argv(log, socket, words);
    ssize_t size = readlink("/proc/self/exe", self, sizeof self - 1);
    sigset_t none;

    setsid();
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL); /* who starts us may have blocked what ends us */
    redirect(log);
    signal(SIGPIPE, SIG_DFL);
    if (size > 0) {
        self[size] = '\0';
        exec_beside(self, "memferryd", argv);
        exec_beside(self, "../libexec/memferryd", argv);
        exec_beside(self, "../bin/memferryd", argv);
        exec_beside(self, "../../bin/memferryd", argv); /* of a heavy verb */
    }
    execvp("memferryd", argv);
    int error = errno;
    ssize_t written = write(status_fd, &error, sizeof error);
    _exit(written == (ssize_t)sizeof error ? EXIT_FAILURE : EXIT_FAILURE + 1);
}
