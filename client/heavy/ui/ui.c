/*
 * ui.c - memferry ui: serves the page until it is interrupted, or until nobody has looked for an
 * hour.
 *
 * Happy path: the broker is there (or is started), a port is taken, the link is printed.
 *
 * Failure modes: no broker, or a port that is taken: told, with what to do. A broker that goes away
 * later is told by the page, which goes on when it is back.
 */
#include "client/heavy/heavy.h"
#include "client/heavy/ui/server.h"

#include <signal.h>
#include <string.h>

#define IDLE_MAX_MS (60 * 60 * 1000)

/* 0: any that is free. */
static int read_port(struct cli *cli, const struct args *args, uint16_t *ret)
{
    const char *text = args_value(args, "port");
    uint64_t port = 0;

    if (text != NULL && (!number_parse(text, 0, UINT16_MAX, &port) || port < 1024)) {
        return cli_usage(cli, "--port is a number from 1024 to 65535, not %.40s", text);
    }
    *ret = (uint16_t)port;
    return EXIT_OK;
}

static void print_link(struct cli *cli, const struct server *server)
{
    char link[128];

    server_link(server, link, sizeof link);
    if (cli->json) {
        fprintf(cli->out, "{\"link\":\"%s\"}\n", link);
    } else {
        fprintf(cli->out, "%s\n", link);
    }
    fflush(cli->out);
    if (!cli->quiet && !cli->json) {
        fputs("It opens once, in one browser. Ctrl-C ends it.\n", cli->err);
    }
}

/* The signals are blocked in every thread, so they wait for this. */
static void wait_for_end(const struct server *server, const sigset_t *ends)
{
    const struct timespec minute = {.tv_sec = 60};

    while (sigtimedwait(ends, NULL, &minute) < 0 && server_idle_ms(server) < IDLE_MAX_MS) {
    }
}

static int serve(struct cli *cli, uint16_t port)
{
    struct server *server = NULL;
    sigset_t ends;

    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGHUP);
    sigprocmask(SIG_BLOCK, &ends, NULL);
    int result = server_start(&server, cli->m, port);
    if (result != 0) {
        return cli_fail(cli, EXIT_IO,
                        "cannot listen on port %u of 127.0.0.1: %s; --port names another",
                        (unsigned)port, strerror(-result));
    }
    print_link(cli, server);
    wait_for_end(server, &ends);
    server_stop(server);
    return EXIT_OK;
}

static int run(struct cli *cli, const struct args *args)
{
    uint16_t port = 0;

    if (args->word_count > 0) {
        return cli_usage(cli, "ui takes no words");
    }
    int result = read_port(cli, args, &port);
    result = result == EXIT_OK ? cli_connect(cli) : result;
    return result == EXIT_OK ? serve(cli, port) : result;
}

int main(int argc, char **argv)
{
    return heavy_main(argc, argv, "ui", run);
}
