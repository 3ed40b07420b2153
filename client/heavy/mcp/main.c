/*
 * main.c - memferry mcp: a Model Context Protocol server on stdin and stdout.
 *
 * Happy path: lines in, calls, answers out, until stdin ends; what is in flight then is answered,
 * within MCP_END_MS. SIGTERM, SIGINT and SIGHUP end it at once, as does a client that reads no
 * more. While MCP_CALLS_MAX calls are in flight, or OUTPUT_PAUSE bytes wait for the client, no
 * input is taken.
 */
#include "client/cli/project.h"
#include "client/cli/times.h"
#include "client/heavy/heavy.h"
#include "client/heavy/mcp/call.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

static bool takes_input(const struct mcp *mcp)
{
    return mcp->call_count < MCP_CALLS_MAX && output_waiting(&mcp->out) < OUTPUT_PAUSE;
}

/* The lines that are there. True: there is one that waits for its turn. */
static bool take_lines(struct mcp *mcp)
{
    const char *line;
    size_t size;

    while (takes_input(mcp)) {
        enum input_status status = input_next(&mcp->in, &line, &size);
        if (status == INPUT_MORE) {
            return false;
        }
        if (status == INPUT_LINE) {
            mcp_line(mcp, line, size);
        } else {
            mcp_line_too_long(mcp);
        }
    }
    return true;
}

/* ---- the loop ---- */

enum { FD_SIGNAL, FD_BROKER, FD_OUT, FD_IN, FD_COUNT };

struct loop {
    struct mcp *mcp;
    int signals;
    bool line_waits; /* a whole line is here, and no room for its call */
    int64_t end_ms;  /* stdin has ended: when to give up; 0: it has not */
};

static int wait_ms(const struct loop *loop)
{
    int wait = broker_wait_ms(loop->mcp);
    int64_t left = loop->end_ms - monotonic_ms();

    if (loop->line_waits && takes_input(loop->mcp)) { /* there is room since it was looked at */
        return 0;
    }
    if (loop->end_ms != 0) {
        left = left > 0 ? left : 0;
        wait = wait < 0 || left < wait ? (int)left : wait;
    }
    return wait;
}

static void wait_for_any(const struct loop *loop, struct pollfd fds[FD_COUNT])
{
    struct mcp *mcp = loop->mcp;
    struct memferry *m = mcp->cli->m;
    bool reads = loop->end_ms == 0 && !loop->line_waits && takes_input(mcp);

    fds[FD_SIGNAL] = (struct pollfd){.fd = loop->signals, .events = POLLIN};
    fds[FD_BROKER] = (struct pollfd){.fd = memferry_in_flight(m) > 0 ? memferry_fd(m) : -1,
                                     .events = memferry_events(m)};
    fds[FD_OUT] =
        (struct pollfd){.fd = output_waiting(&mcp->out) > 0 ? mcp->out.fd : -1, .events = POLLOUT};
    fds[FD_IN] = (struct pollfd){.fd = reads ? mcp->in.fd : -1, .events = POLLIN};
    if (poll(fds, FD_COUNT, wait_ms(loop)) < 0) {
        for (int i = 0; i < FD_COUNT; i++) {
            fds[i].revents = 0;
        }
    }
}

/* False: all is over. */
static bool round_once(struct loop *loop)
{
    struct mcp *mcp = loop->mcp;
    struct pollfd fds[FD_COUNT];

    wait_for_any(loop, fds);
    if (fds[FD_SIGNAL].revents != 0) {
        return false;
    }
    if (fds[FD_IN].revents != 0 && !input_read(&mcp->in)) {
        loop->end_ms = monotonic_ms() + MCP_END_MS;
        listen_end_all(mcp);
    }
    broker_poll(mcp);
    broker_deadlines(mcp);
    loop->line_waits = take_lines(mcp);
    broker_poll(mcp);
    output_write(&mcp->out);
    bool idle = mcp->call_count == 0 && !loop->line_waits && output_waiting(&mcp->out) == 0;
    bool is_late = loop->end_ms != 0 && monotonic_ms() >= loop->end_ms;
    return !mcp->out.failed && !(loop->end_ms != 0 && (idle || is_late));
}

static int run_loop(struct mcp *mcp)
{
    struct loop loop = {.mcp = mcp};
    sigset_t taken;

    sigemptyset(&taken);
    sigaddset(&taken, SIGTERM);
    sigaddset(&taken, SIGINT);
    sigaddset(&taken, SIGHUP);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGCHLD, SIG_DFL);
    sigprocmask(SIG_BLOCK, &taken, NULL);
    loop.signals = signalfd(-1, &taken, SFD_CLOEXEC);
    if (loop.signals < 0) {
        return cli_fail(mcp->cli, EXIT_INTERNAL, "cannot wait for signals: %s", strerror(errno));
    }
    while (round_once(&loop)) {
    }
    close(loop.signals);
    return EXIT_OK;
}

/* ---- the verb ---- */

static int serve(struct cli *cli, const struct args *args)
{
    struct mcp mcp = {.cli = cli, .session = args_value(args, "session")};

    if (args->word_count > 0) {
        return cli_usage(cli, "mcp takes no words");
    }
    if (mcp.session != NULL &&
        (mcp.session[0] == '\0' || strlen(mcp.session) >= MEMFERRY_SESSION_SIZE)) {
        return cli_usage(cli, "--session takes 1 to 64 bytes");
    }
    if (!project_find(args_value(args, "project"), mcp.project)) {
        return cli_usage(cli, "--project takes at most 200 bytes");
    }
    int exit_code = cli_open(cli);
    if (exit_code != EXIT_OK) {
        return exit_code;
    }
    input_init(&mcp.in, STDIN_FILENO);
    output_init(&mcp.out, STDOUT_FILENO);
    exit_code = run_loop(&mcp);
    while (mcp.calls != NULL) {
        call_drop(mcp.calls);
    }
    input_deinit(&mcp.in);
    output_deinit(&mcp.out);
    return exit_code;
}

int main(int argc, char **argv)
{
    return heavy_main(argc, argv, "mcp", serve);
}
