/*
 * start.c - from no broker to a connection.
 *
 * Happy path: fork, a session of its own, exec; then connect again and again, with naps that grow,
 * until it answers. Failures: no memferryd anywhere (told through a pipe that a good exec closes);
 * it ends with an error, and nobody else's socket appears within START_GRACE_MS: then what it wrote
 * to its log is shown; nobody listens within START_WAIT_MS, which a broker that lost its race for
 * the state directory leaves to the winner.
 */
#include "client/cli/start.h"

#include "client/cli/start_child.h"
#include "client/cli/times.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define NAP_MAX_MS    50
#define LOG_TAIL_SIZE 2000

/* Shows what the log got since `from`, as the reason. */
static int fail_with_log(struct cli *cli, const struct start_log *log)
{
    char tail[LOG_TAIL_SIZE + 1];
    ssize_t size = -1;

    int fd = log->path[0] != '\0' ? open(log->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : -1;
    if (fd >= 0) {
        struct stat status;
        bool is_new = fstat(fd, &status) == 0 && status.st_size < log->size_before;
        size = pread(fd, tail, LOG_TAIL_SIZE, is_new ? 0 : log->size_before);
        close(fd);
    }
    while (size > 0 && tail[size - 1] == '\n') {
        size--;
    }
    tail[size > 0 ? size : 0] = '\0';
    return cli_fail(cli, EXIT_NO_BROKER, "memferryd ended as soon as it was started%s%s%s%s%s",
                    tail[0] != '\0' ? ": " : "; run memferryd by hand to see why", tail,
                    log->path[0] != '\0' ? " (log: " : "", log->path,
                    log->path[0] != '\0' ? ")" : "");
}

static int fail_not_found(struct cli *cli, int error)
{
    if (error == ENOENT) {
        return cli_fail(cli, EXIT_NO_BROKER,
                        "no broker runs, and memferryd is neither beside this command nor in PATH; "
                        "install it, or start it yourself");
    }
    return cli_fail(cli, EXIT_NO_BROKER, "no broker runs, and memferryd cannot be started: %s",
                    strerror(error));
}

/* 0: it was executed; else the errno that kept it from being. */
static int exec_result(int pipe_fd)
{
    int error = 0;
    ssize_t size;

    do {
        size = read(pipe_fd, &error, sizeof error);
    } while (size < 0 && errno == EINTR);
    close(pipe_fd);
    return size == (ssize_t)sizeof error ? error : 0;
}

static int spawn(struct cli *cli, struct start_log *log, pid_t *ret_pid)
{
    int status[2];

    if (pipe2(status, O_CLOEXEC) < 0) {
        return cli_fail(cli, EXIT_INTERNAL, "cannot start memferryd: %s", strerror(errno));
    }
    start_log_open(log);
    *ret_pid = fork();
    if (*ret_pid == 0) {
        start_child(log, cli->socket, status[1]);
    }
    int error = errno;
    start_log_close(log);
    close(status[1]);
    if (*ret_pid < 0) {
        close(status[0]);
        return cli_fail(cli, EXIT_INTERNAL, "cannot start memferryd: %s", strerror(error));
    }
    error = exec_result(status[0]);
    if (error != 0) {
        waitpid(*ret_pid, NULL, 0);
        return fail_not_found(cli, error);
    }
    return EXIT_OK;
}

enum wait_outcome {
    WAIT_CONNECTED = 0,
    WAIT_LATE,   /* it runs, but nobody listens */
    WAIT_ENDED,  /* with an error of its own */
    WAIT_LOCKED, /* another had the state directory, but nobody listens */
    WAIT_REFUSED /* connecting failed in a way that waiting does not mend */
};

static enum wait_outcome outcome_of_exit(int status)
{
    return WIFEXITED(status) && WEXITSTATUS(status) == START_EXIT_LOCKED ? WAIT_LOCKED : WAIT_ENDED;
}

/* Connects until it works, or until it is plain that it won't. */
static enum wait_outcome wait_for_socket(struct cli *cli, pid_t pid, int64_t end)
{
    enum wait_outcome outcome = WAIT_LATE;
    int nap_ms = 1, status;

    for (;;) {
        int code = memferry_connect(cli->m);
        if (code != MEMFERRY_E_CONNECT) {
            return code == MEMFERRY_OK ? WAIT_CONNECTED : WAIT_REFUSED;
        }
        if (outcome == WAIT_LATE && waitpid(pid, &status, WNOHANG) == pid) {
            outcome = outcome_of_exit(status);
            int64_t patience =
                monotonic_ms() + (outcome == WAIT_LOCKED ? START_AGAIN_MS : START_GRACE_MS);
            end = patience < end ? patience : end;
        }
        if (monotonic_ms() >= end) {
            return outcome;
        }
        poll(NULL, 0, nap_ms);
        nap_ms = nap_ms * 2 < NAP_MAX_MS ? nap_ms * 2 : NAP_MAX_MS;
    }
}

static int outcome_tell(struct cli *cli, enum wait_outcome outcome, const struct start_log *log)
{
    switch (outcome) {
    case WAIT_CONNECTED:
        return EXIT_OK;
    case WAIT_REFUSED:
        return cli_fail(cli, EXIT_NO_BROKER, "%s", memferry_error(cli->m));
    case WAIT_ENDED:
    case WAIT_LOCKED:
        return fail_with_log(cli, log);
    case WAIT_LATE:
        break;
    }
    return cli_fail(cli, EXIT_NO_BROKER,
                    "memferryd was started, but did not listen within %d s; its log is %s",
                    START_WAIT_MS / 1000, log->path[0] != '\0' ? log->path : "nowhere");
}

int start_broker(struct cli *cli)
{
    int64_t end = monotonic_ms() + START_WAIT_MS;
    enum wait_outcome outcome;
    struct start_log log;

    do {
        pid_t pid = -1;
        int exit_code = spawn(cli, &log, &pid);
        if (exit_code != EXIT_OK) {
            return exit_code;
        }
        outcome = wait_for_socket(cli, pid, end);
        /* Who held the lock was ending, not starting: then it is our turn again. */
    } while (outcome == WAIT_LOCKED && monotonic_ms() < end);
    return outcome_tell(cli, outcome, &log);
}

int start_broker_for_later(struct cli *cli)
{
    struct start_log log;
    pid_t pid;

    return spawn(cli, &log, &pid);
}
