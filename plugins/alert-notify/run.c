/*
 * run.c - runs a program: its input a file in memory, its output a pipe, its group its own.
 *
 * Happy path: posix_spawn, read what it writes until it has exited, reap it.
 *
 * Failure modes: past its time, or when the broker stops, the whole group is told to end (SIGTERM),
 * and is killed KILL_GRACE_MS later if it has not. What it writes beyond RUN_OUTPUT_MAX is read and
 * dropped. A process that it leaves behind in the background is not waited for.
 *
 * No shell is involved, not even for a file without `#!`: that fails with ENOEXEC. Every descriptor
 * but the three is closed, signals are as a login shell has them, the directory is /.
 */
#include "plugins/alert-notify/notify.h"

#include "plugins/common/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { KILL_GRACE_MS = 1000 };

struct running {
    const struct run *run;
    struct run_result *result;
    pid_t pid;
    int pidfd, output; /* output -1: it has ended */
    int64_t end_ms;    /* when the next signal is due */
    bool told_to_end, killed;
};

static void fail(struct run_result *result, int code)
{
    result->end = RUN_FAILED;
    result->code = code;
}

/* ---- start ---- */

/* A descriptor to read `input` from, or -1. */
static int make_input(const struct run *run)
{
    int fd = memfd_create("alert", MFD_CLOEXEC);

    for (size_t written = 0; fd >= 0 && written < run->input_size;) {
        ssize_t size = write(fd, run->input + written, run->input_size - written);
        if (size < 0) {
            close(fd);
            return -1;
        }
        written += (size_t)size;
    }
    if (fd >= 0) {
        lseek(fd, 0, SEEK_SET);
    }
    return fd;
}

static int add_actions(posix_spawn_file_actions_t *actions, int input, int output)
{
    int r = posix_spawn_file_actions_adddup2(actions, input, 0);

    if (r == 0) {
        r = posix_spawn_file_actions_adddup2(actions, output, 1);
    }
    if (r == 0) {
        r = posix_spawn_file_actions_adddup2(actions, output, 2);
    }
    if (r == 0) {
        r = posix_spawn_file_actions_addclosefrom_np(actions, 3);
    }
    return r == 0 ? posix_spawn_file_actions_addchdir_np(actions, "/") : r;
}

/* The broker's threads block every signal, and the broker ignores SIGPIPE. */
static int set_attributes(posix_spawnattr_t *attributes)
{
    sigset_t none, all;

    sigemptyset(&none);
    sigfillset(&all);
    int r = posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                                     POSIX_SPAWN_SETSIGDEF);
    if (r == 0) {
        r = posix_spawnattr_setsigmask(attributes, &none);
    }
    if (r == 0) {
        r = posix_spawnattr_setsigdefault(attributes, &all);
    }
    return r == 0 ? posix_spawnattr_setpgroup(attributes, 0) : r;
}

static int spawn(const struct run *run, int input, int output, pid_t *ret_pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int r = posix_spawn_file_actions_init(&actions);

    if (r != 0) {
        return r;
    }
    r = posix_spawnattr_init(&attributes);
    if (r == 0) {
        r = add_actions(&actions, input, output);
        r = r == 0 ? set_attributes(&attributes) : r;
        r = r == 0 ? posix_spawn(ret_pid, run->path, &actions, &attributes, run->argv, run->envp)
                   : r;
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&actions);
    return r;
}

static int start(struct running *running)
{
    int pipe_fds[2], input = make_input(running->run), code = input < 0 ? errno : 0;

    if (code == 0 && pipe2(pipe_fds, O_CLOEXEC) < 0) {
        code = errno;
    } else if (code == 0) {
        code = spawn(running->run, input, pipe_fds[1], &running->pid);
        close(pipe_fds[1]);
        running->output = pipe_fds[0];
        if (code != 0) {
            close(pipe_fds[0]);
        }
    }
    if (input >= 0) {
        close(input);
    }
    return code;
}

/* ---- while it runs ---- */

/* It is not reaped yet, so the group is still its own. */
static void signal_group(const struct running *running, int number)
{
    kill(-running->pid, number);
}

static void end_it(struct running *running, enum run_end end)
{
    running->result->end = end;
    running->told_to_end = true;
    running->end_ms = clock_monotonic_ms() + KILL_GRACE_MS;
    signal_group(running, SIGTERM);
}

static void read_output(struct running *running)
{
    struct run_result *result = running->result;
    char dropped[4096];
    size_t room = RUN_OUTPUT_MAX - result->output_size;
    ssize_t size = room > 0 ? read(running->output, result->output + result->output_size, room)
                            : read(running->output, dropped, sizeof dropped);

    if (size > 0) {
        result->output_size += room > 0 ? (size_t)size : 0;
    } else if (size == 0 || errno != EINTR) {
        close(running->output);
        running->output = -1;
    }
}

/* True once it has exited. */
static bool wait_a_while(struct running *running)
{
    bool may_cancel = !running->told_to_end;
    struct pollfd fds[] = {{.fd = running->pidfd, .events = POLLIN},
                           {.fd = running->output, .events = POLLIN},
                           {.fd = may_cancel ? running->run->host->wake_fd : -1, .events = POLLIN}};
    int64_t left_ms = running->end_ms - clock_monotonic_ms();

    if (running->killed) {
        left_ms = -1; /* it has no choice */
    } else if (left_ms <= 0) {
        if (!running->told_to_end) {
            end_it(running, RUN_TIMED_OUT);
        } else {
            signal_group(running, SIGKILL);
            running->killed = true;
        }
        return false;
    }
    if (poll(fds, 3, (int)(left_ms < INT_MAX ? left_ms : INT_MAX)) <= 0) {
        return false;
    }
    if (fds[1].revents != 0) {
        read_output(running);
    }
    if (fds[0].revents != 0) {
        return true;
    }
    if (fds[2].revents != 0) {
        end_it(running, RUN_CANCELLED);
    }
    return false;
}

/* What it had written before it exited, and no more than is there now. */
static void read_rest(struct running *running)
{
    if (running->output < 0) {
        return;
    }
    fcntl(running->output, F_SETFL, O_NONBLOCK);
    while (running->output >= 0 && running->result->output_size < RUN_OUTPUT_MAX) {
        read_output(running);
    }
    if (running->output >= 0) {
        close(running->output);
    }
}

static void reap(struct running *running)
{
    struct run_result *result = running->result;
    int status = 0;

    if (running->told_to_end) { /* nothing of its group stays */
        signal_group(running, SIGKILL);
    }
    while (waitpid(running->pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (running->told_to_end) {
        return;
    }
    result->end = WIFEXITED(status) ? RUN_EXITED : RUN_KILLED;
    result->code = WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status);
}

void run_program(const struct run *run, struct run_result *ret)
{
    struct running running = {.run = run, .result = ret, .output = -1};

    ret->output_size = 0;
    int code = start(&running);
    if (code != 0) {
        fail(ret, code);
        return;
    }
    running.pidfd = pidfd_open(running.pid, 0);
    running.end_ms = clock_monotonic_ms() + run->timeout_ms;
    if (running.pidfd < 0) {
        fail(ret, errno);
        signal_group(&running, SIGKILL);
        running.told_to_end = true;
    }
    while (running.pidfd >= 0 && !wait_a_while(&running)) {
    }
    reap(&running);
    read_rest(&running);
    if (running.pidfd >= 0) {
        close(running.pidfd);
    }
    ret->output[ret->output_size] = '\0';
}

/* ---- find ---- */

static char *check_program(char *path, struct memferry_reason *why)
{
    struct stat st;

    if (path == NULL) {
        snprintf(why->text, sizeof why->text, "out of memory");
        return NULL;
    }
    if (stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0) {
        return path;
    }
    snprintf(why->text, sizeof why->text, "%.300s is no program that may be run: %s", path,
             access(path, F_OK) < 0 ? "there is no such file" : "make it executable (chmod +x)");
    free(path);
    return NULL;
}

char *run_find(const char *name, struct memferry_reason *why)
{
    struct memferry_reason dropped;
    const char *at = getenv("PATH");

    if (name[0] == '/') {
        return check_program(strdup(name), why);
    }
    if (strchr(name, '/') != NULL) {
        snprintf(why->text, sizeof why->text, "%.300s: give its whole path, from / on", name);
        return NULL;
    }
    for (at = at != NULL ? at : "/usr/local/bin:/usr/bin:/bin"; *at != '\0';) {
        size_t size = strcspn(at, ":");
        char *path = NULL;
        if (*at == '/' && asprintf(&path, "%.*s/%s", (int)size, at, name) >= 0) {
            path = check_program(path, &dropped);
            if (path != NULL) {
                return path;
            }
        }
        at += size + (at[size] == ':');
    }
    snprintf(why->text, sizeof why->text, "there is no program %.300s in PATH; give its whole path",
             name);
    return NULL;
}
