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

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define IDLE_MAX_S (60 * 60)

static int read_port(const struct args *args, uint16_t *ret)
{
    const char *text = args_value(args, "port");
    char *end = NULL;

    *ret = 0;
    if (text == NULL) {
        return 0;
    }
    errno = 0;
    unsigned long port = strtoul(text, &end, 10);
    if (errno != 0 || *end != '\0' || text[0] < '0' || text[0] > '9' || port < 1024 ||
        port > 65535) {
        return -EINVAL;
    }
    *ret = (uint16_t)port;
    return 0;
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

    while (sigtimedwait(ends, NULL, &minute) < 0 && server_idle(server) < IDLE_MAX_S) {
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
    uint16_t port;

    if (args->word_count > 0) {
        return cli_usage(cli, "ui takes no words");
    }
    if (read_port(args, &port) != 0) {
        return cli_usage(cli, "--port is a number from 1024 to 65535, not %.40s",
                         args_value(args, "port"));
    }
    int result = cli_connect(cli);
    return result == EXIT_OK ? serve(cli, port) : result;
}

int main(int argc, char **argv)
{
    return heavy_main(argc, argv, "ui", run);
}
