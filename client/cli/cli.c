/*
 * cli.c - what every command uses: the connection, one call, colours, fields of a reply.
 *
 * Whatever goes wrong here has been told when the exit code comes back.
 */
#include "client/cli/cli.h"

#include "client/cli/json.h"
#include "client/cli/start.h"
#include "client/cli/text.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define COLUMNS_DEFAULT 80
#define COLUMNS_MIN     40

static unsigned terminal_columns(void)
{
    struct winsize size;

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col == 0) {
        return COLUMNS_DEFAULT;
    }
    return size.ws_col < COLUMNS_MIN ? COLUMNS_MIN : size.ws_col;
}

static bool set(const char *name)
{
    const char *value = getenv(name);

    return value != NULL && value[0] != '\0';
}

void cli_init(struct cli *cli)
{
    const char *term = getenv("TERM");

    *cli = (struct cli){.in = stdin, .out = stdout, .err = stderr, .columns = COLUMNS_DEFAULT};
    cli->out_terminal = isatty(STDOUT_FILENO);
    cli->err_terminal = isatty(STDERR_FILENO);
    if (cli->out_terminal) {
        cli->columns = terminal_columns();
        cli->color = !set("NO_COLOR") && term != NULL && strcmp(term, "dumb") != 0;
    }
}

void cli_deinit(struct cli *cli)
{
    cli->m = memferry_close(cli->m);
}

int cli_open(struct cli *cli)
{
    struct memferry_settings settings = {
        .size = sizeof settings, .socket = cli->socket, .timeout_ms = cli->timeout_ms};

    if (cli->m != NULL) {
        return EXIT_OK;
    }
    int code = memferry_open(&cli->m, &settings);
    if (code == MEMFERRY_E_INVALID) {
        return cli_usage(cli, "--socket is empty");
    }
    return code == MEMFERRY_OK ? EXIT_OK : cli_fail(cli, EXIT_INTERNAL, "out of memory");
}

bool cli_may_start(const struct cli *cli)
{
    const char *no_start = getenv("MEMFERRY_NO_START");

    return !cli->no_start && !cli->command->never_starts &&
           (no_start == NULL || no_start[0] == '\0' || strcmp(no_start, "0") == 0);
}

int cli_connect(struct cli *cli)
{
    int exit_code = cli_open(cli);

    if (exit_code != EXIT_OK) {
        return exit_code;
    }
    int code = memferry_connect(cli->m);
    if (code == MEMFERRY_E_CONNECT && cli_may_start(cli)) {
        return start_broker(cli);
    }
    return code == MEMFERRY_OK ? EXIT_OK
                               : cli_fail(cli, cli_exit_of(code), "%s", memferry_error(cli->m));
}

const char *cli_session(struct cli *cli, struct memferry_session *session)
{
    if (memferry_session_current(cli->m, session) != MEMFERRY_OK) {
        cli_warn(cli, "%s; what is put goes without a session", memferry_error(cli->m));
        session->id[0] = '\0';
    }
    return session->id;
}

int cli_call(struct cli *cli, const char *what, const char *method, const char *params,
             struct memferry_reply **ret)
{
    int code = memferry_call(cli->m, method, params, ret);

    if (code == MEMFERRY_OK) {
        return EXIT_OK;
    }
    memferry_reply_free(*ret);
    *ret = NULL;
    return cli_fail_call(cli, code, "%s", what);
}

/* NULL: out of memory. */
static int print_line(struct cli *cli, const char *text)
{
    if (text == NULL) {
        return cli_fail(cli, EXIT_INTERNAL, "out of memory");
    }
    if (cli->out_terminal) {
        text_print_line(cli->out, text, 0); /* controls that JSON lets pass are shown */
    } else {
        fputs(text, cli->out);
    }
    fputc('\n', cli->out);
    return EXIT_OK;
}

int cli_print_json(struct cli *cli, const struct memferry_node *node)
{
    char *text = memferry_node_json(node);
    int exit_code = print_line(cli, text);

    free(text);
    return exit_code;
}

int cli_print_object(struct cli *cli, struct json *json)
{
    int exit_code = print_line(cli, json_close(json));

    json_free(json);
    return exit_code;
}

const char *cli_bold(const struct cli *cli)
{
    return cli->color ? "\x1b[1m" : "";
}

const char *cli_dim(const struct cli *cli)
{
    return cli->color ? "\x1b[2m" : "";
}

const char *cli_red(const struct cli *cli)
{
    return cli->color ? "\x1b[31m" : "";
}

const char *cli_plain(const struct cli *cli)
{
    return cli->color ? "\x1b[0m" : "";
}

const char *field_text(const struct memferry_node *map, const char *key)
{
    return memferry_node_string(memferry_node_get(map, key), "");
}

int64_t field_int(const struct memferry_node *map, const char *key)
{
    return memferry_node_int(memferry_node_get(map, key), 0);
}

bool field_bool(const struct memferry_node *map, const char *key)
{
    return memferry_node_bool(memferry_node_get(map, key), false);
}
