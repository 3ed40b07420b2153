/*
 * session_run.c - memferry session run: a command in a session of its own.
 *
 *     fork ─▶ the child waits at the gate ─▶ session.begin with its pid ─▶ the gate opens: exec
 *         ─▶ signals are forwarded until it ends ─▶ session.end ─▶ we end as it did
 *
 * The broker watches the child, not us: the session ends with it when we are killed, too. Signals
 * that we forward are blocked and taken one by one (sigwaitinfo), so none is lost and nothing runs
 * in a handler; those of the terminal are not forwarded, for the child gets them itself.
 *
 * Failure modes: without a broker the command runs all the same, after a warning. A command that
 * cannot be run ends the session, with 127 when there is none such, else 126.
 */
#include "client/cli/json.h"
#include "client/cli/session.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define EXIT_NOT_RUNNABLE 126
#define EXIT_NO_COMMAND   127
#define EXIT_SIGNAL       128 /* and its number */

struct run {
    struct cli *cli;
    const char *const *words;
    char id[40];
    sigset_t taken, before;
    int gate[2];   /* a byte opens it */
    int failed[2]; /* the errno of an exec that failed */
    pid_t pid;
};

/* ---- the child ---- */

_Noreturn static void child(struct run *run)
{
    char byte;

    close(run->gate[1]);
    if (read(run->gate[0], &byte, 1) != 1) { /* we were killed before it began */
        _exit(EXIT_NOT_RUNNABLE);
    }
    setenv("MEMFERRY_SESSION_ID", run->id, 1);
    if (run->cli->socket != NULL) {
        setenv("MEMFERRY_SOCKET", run->cli->socket, 1);
    }
    sigprocmask(SIG_SETMASK, &run->before, NULL);
    execvp(run->words[0], (char *const *)(uintptr_t)run->words);
    int error = errno;
    ssize_t written = write(run->failed[1], &error, sizeof error);
    _exit(written == sizeof error && error != ENOENT ? EXIT_NOT_RUNNABLE : EXIT_NO_COMMAND);
}

static int start(struct run *run)
{
    static const int taken[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGCHLD};

    sigemptyset(&run->taken);
    for (size_t i = 0; i < sizeof taken / sizeof taken[0]; i++) {
        sigaddset(&run->taken, taken[i]);
    }
    signal(SIGCHLD,
           SIG_DFL); /* whoever started us may have ignored it: then nothing is waited for */
    if (pipe2(run->gate, O_CLOEXEC) < 0 || pipe2(run->failed, O_CLOEXEC) < 0) {
        return -errno;
    }
    sigprocmask(SIG_BLOCK, &run->taken, &run->before);
    run->pid = fork();
    if (run->pid < 0) {
        return -errno;
    }
    if (run->pid == 0) {
        child(run);
    }
    close(run->gate[0]);
    close(run->failed[1]);
    return 0;
}

/* ---- until it ends ---- */

static void open_gate(struct run *run)
{
    ssize_t written = write(run->gate[1], "", 1);

    (void)written; /* it is gone already: waiting for it tells */
    close(run->gate[1]);
}

static int wait_for_end(const struct run *run)
{
    int status = 0;

    for (;;) {
        siginfo_t info;
        int number = sigwaitinfo(&run->taken, &info);
        if (number == SIGCHLD) {
            pid_t ended = waitpid(run->pid, &status, WNOHANG);
            if (ended == run->pid || (ended < 0 && errno == ECHILD)) {
                return status;
            }
        } else if (number > 0 && info.si_code <= 0) { /* a process's, not the terminal's */
            kill(run->pid, number);
        }
    }
}

/* 0, or why the command was not run. */
static int exec_error(const struct run *run)
{
    int error = 0;
    ssize_t got = read(run->failed[0], &error, sizeof error);

    close(run->failed[0]);
    return got == sizeof error ? error : 0;
}

/* The broker may know by itself by now: what it says does not matter. */
static void tell_end(const struct run *run)
{
    struct memferry_reply *reply = NULL;
    struct json json;

    if (memferry_connect(run->cli->m) != MEMFERRY_OK) {
        return;
    }
    json_open(&json);
    json_field_text(&json, "session_id", run->id);
    const char *params = json_close(&json);
    if (params != NULL) {
        memferry_call(run->cli->m, "session.end", params, &reply);
    }
    memferry_reply_free(reply);
    json_free(&json);
}

/* Whoever waits for us sees what it would have seen of the command; it has dumped its own core. */
static int end_as(const struct run *run, int status)
{
    const struct rlimit none = {0};

    if (!WIFSIGNALED(status)) {
        return WEXITSTATUS(status);
    }
    int number = WTERMSIG(status);
    sigset_t one;
    fflush(run->cli->out);
    setrlimit(RLIMIT_CORE, &none);
    signal(number, SIG_DFL);
    sigemptyset(&one);
    sigaddset(&one, number);
    sigprocmask(SIG_UNBLOCK, &one, NULL);
    raise(number);
    return EXIT_SIGNAL + number;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash != NULL && slash[1] != '\0' ? slash + 1 : path;
}

int session_run(struct cli *cli, const char *agent, const char *const *words)
{
    struct run run = {.cli = cli, .words = words};

    memferry_make_id(run.id, sizeof run.id);
    bool connected = session_connect(cli, "the session is known to a broker with its first memory, "
                                          "and ends when it is idle");
    int r = start(&run);
    if (r < 0) {
        return cli_fail(cli, EXIT_INTERNAL, "cannot start a process: %s", strerror(-r));
    }
    if (connected) {
        session_tell_begin(cli, run.id, agent != NULL ? agent : base_name(words[0]), run.pid);
    }
    cli_deinit(cli); /* it may run for days */
    open_gate(&run);
    int status = wait_for_end(&run);
    int error = exec_error(&run);
    if (cli_open(cli) == EXIT_OK) {
        tell_end(&run);
    }
    if (error != 0) {
        return cli_fail(cli, error == ENOENT ? EXIT_NO_COMMAND : EXIT_NOT_RUNNABLE,
                        "cannot run %s: %s", words[0], strerror(error));
    }
    return end_as(&run, status);
}
