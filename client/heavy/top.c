/*
 * top.c - memferry top: how broker and backends are, looked at again and again.
 *
 * Happy path: on a terminal its other screen is taken, a frame is drawn every --interval until q is
 * typed; a change of the terminal's size draws it anew. Otherwise, and with --once, one frame is
 * printed.
 *
 * Failure modes: a broker that is gone is said in place of the frame, and looked for again; signals
 * are read from a descriptor, so that the terminal is put back before they act.
 */
#include "client/heavy/top.h"

#include "client/cli/times.h"
#include "client/heavy/heavy.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#define INTERVAL_MS     2000
#define INTERVAL_MIN_MS 100
#define SIZE_MIN        10

/* ---- looking ---- */

static void take_more(struct cli *cli, const char *method, const char *params,
                      struct memferry_reply **ret)
{
    if (memferry_call(cli->m, method, params, ret) != MEMFERRY_OK) {
        memferry_reply_free(*ret);
        *ret = NULL;
    }
}

void top_take(struct cli *cli, struct top_look *look)
{
    *look = (struct top_look){0};
    look->answered = look_take(cli, &look->look);
    if (!look->answered) {
        snprintf(look->problem, sizeof look->problem, "%.290s",
                 cli->m != NULL ? memferry_error(cli->m) : "out of memory");
        return;
    }
    take_more(cli, "alert.list", "{\"limit\":8}", &look->alerts);
    take_more(cli, "session.list", "{\"active\":true,\"limit\":20}", &look->sessions);
}

void top_free(struct top_look *look)
{
    look_free(&look->look);
    memferry_reply_free(look->alerts);
    memferry_reply_free(look->sessions);
    *look = (struct top_look){0};
}

/* ---- the terminal ---- */

struct screen {
    struct cli *cli;
    int signals; /* a signalfd */
    bool keys;   /* stdin is a terminal, too */
    struct termios before;
};

static void screen_enter(struct screen *screen)
{
    struct termios raw = screen->before;

    if (screen->keys) {
        raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
        raw.c_cc[VMIN] = 1;
        raw.c_cc[VTIME] = 0;
        tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    }
    fputs("\x1b[?1049h\x1b[?25l", screen->cli->out); /* the other screen, no cursor */
}

static void screen_leave(struct screen *screen)
{
    fputs("\x1b[?25h\x1b[?1049l", screen->cli->out);
    fflush(screen->cli->out);
    if (screen->keys) {
        tcsetattr(STDIN_FILENO, TCSANOW, &screen->before);
    }
}

static int screen_open(struct screen *screen, struct cli *cli)
{
    sigset_t wanted;

    *screen = (struct screen){.cli = cli};
    sigemptyset(&wanted);
    sigaddset(&wanted, SIGINT);
    sigaddset(&wanted, SIGTERM);
    sigaddset(&wanted, SIGHUP);
    sigaddset(&wanted, SIGTSTP);
    sigaddset(&wanted, SIGWINCH);
    sigprocmask(SIG_BLOCK, &wanted, NULL);
    screen->signals = signalfd(-1, &wanted, SFD_CLOEXEC);
    if (screen->signals < 0) {
        return cli_fail(cli, EXIT_INTERNAL, "cannot read signals: %s", strerror(errno));
    }
    screen->keys = isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &screen->before) == 0;
    screen_enter(screen);
    return EXIT_OK;
}

static void screen_close(struct screen *screen)
{
    screen_leave(screen);
    close(screen->signals);
}

enum wish { WISH_DRAW = 0, WISH_LOOK, WISH_END };

/* Ctrl-Z: back to the shell, and here again with fg. */
static void stop(struct screen *screen)
{
    screen_leave(screen);
    raise(SIGSTOP);
    screen_enter(screen);
}

static enum wish read_signal(struct screen *screen)
{
    struct signalfd_siginfo told;

    if (read(screen->signals, &told, sizeof told) != (ssize_t)sizeof told) {
        return WISH_END;
    }
    switch (told.ssi_signo) {
    case SIGWINCH:
        return WISH_DRAW;
    case SIGTSTP:
        stop(screen);
        return WISH_DRAW;
    default:
        return WISH_END;
    }
}

static enum wish read_key(void)
{
    char key;

    if (read(STDIN_FILENO, &key, 1) != 1) {
        return WISH_END;
    }
    return key == 'q' || key == 'Q' ? WISH_END : key == ' ' ? WISH_LOOK : WISH_DRAW;
}

/* Until something is wanted, at most timeout_ms. */
static enum wish await_wish(struct screen *screen, int timeout_ms)
{
    struct pollfd waits[] = {{.fd = screen->signals, .events = POLLIN},
                             {.fd = screen->keys ? STDIN_FILENO : -1, .events = POLLIN}};
    int count = poll(waits, 2, timeout_ms);

    if (count <= 0) {
        return count == 0 || errno == EINTR ? WISH_LOOK : WISH_END;
    }
    return waits[0].revents != 0 ? read_signal(screen) : read_key();
}

/* ---- frames ---- */

static struct top_frame frame_of(struct cli *cli, bool screen)
{
    struct top_frame frame = {.out = cli->out, .screen = screen, .color = cli->color};
    struct winsize size;

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 0) {
        frame.columns = size.ws_col > SIZE_MIN ? size.ws_col : SIZE_MIN;
        frame.rows = screen ? size.ws_row : 0;
    }
    return frame;
}

static int watch(struct cli *cli, int interval_ms)
{
    struct top_look now = {0}, before = {0};
    enum wish wish = WISH_LOOK;
    int64_t next_ms = 0;
    struct screen screen;
    int exit_code = screen_open(&screen, cli);

    while (exit_code == EXIT_OK && wish != WISH_END) {
        if (wish == WISH_LOOK) {
            top_free(&before);
            before = now;
            top_take(cli, &now);
            next_ms = monotonic_ms() + interval_ms;
        }
        struct top_frame frame = frame_of(cli, true);
        top_draw(&frame, &now, before.answered ? &before : NULL);
        if (fflush(cli->out) != 0) {
            break;
        }
        int64_t left_ms = next_ms - monotonic_ms();
        wish = await_wish(&screen, left_ms > 0 ? (int)left_ms : 0);
    }
    if (exit_code == EXIT_OK) {
        screen_close(&screen);
    }
    top_free(&before);
    top_free(&now);
    return exit_code;
}

static int print_once(struct cli *cli)
{
    struct top_frame frame = frame_of(cli, false);
    struct top_look look;
    int exit_code = EXIT_OK;

    top_take(cli, &look);
    if (look.answered) {
        top_draw(&frame, &look, NULL);
    } else {
        exit_code = cli_fail(cli, cli_exit_of(look.look.code), "%s", look.problem);
    }
    top_free(&look);
    return exit_code;
}

static int run(struct cli *cli, const struct args *args)
{
    const char *given = args_value(args, "interval");
    int64_t interval_ms = INTERVAL_MS;

    if (args->word_count > 0) {
        return cli_usage(cli, "top takes no words");
    }
    if (cli->json) {
        return cli_usage(cli, "top is for people; memferry status --json has the figures");
    }
    if (given != NULL && (!duration_parse(given, &interval_ms) || interval_ms < INTERVAL_MIN_MS ||
                          interval_ms > INT_MAX)) {
        return cli_usage(cli, "--interval %.40s is no time from 100ms on; say 500ms, 2s or 1m",
                         given);
    }
    return cli->out_terminal && !args_has(args, "once") ? watch(cli, (int)interval_ms)
                                                        : print_once(cli);
}

int main(int argc, char **argv)
{
    return heavy_main(argc, argv, "top", run);
}
