/*
 * cli.h - one run of the memferry command: where it writes, what it was told, whom it talks to.
 *
 * Layers, lowest first: text, times, json, table, args, suggest (pure); fail, start, cli (the run);
 * the commands (cmd_*.c); commands.c (the table of them), help and run.
 */
#ifndef MEMFERRY_CLI_H
#define MEMFERRY_CLI_H

#include "client/cli/args.h"
#include "memferry/client.h"

#include <stdbool.h>
#include <stdio.h>

enum cli_exit { /* sysexits, and two of our own */
                EXIT_OK = 0,
                EXIT_NOT_FOUND = 1,
                EXIT_CONFLICT = 2,
                EXIT_USAGE = 64,
                EXIT_DATA = 65,
                EXIT_NO_BROKER = 69,
                EXIT_INTERNAL = 70,
                EXIT_CANNOT_CREATE = 73,
                EXIT_IO = 74,
                EXIT_TRY_AGAIN = 75,
                EXIT_PROTOCOL = 76,
                EXIT_FORBIDDEN = 77
};

struct command;
struct json;

struct cli {
    FILE *in, *out, *err;
    bool out_terminal, err_terminal;
    bool color;
    unsigned columns; /* of the terminal */
    /* global options */
    const char *socket;
    bool json, quiet, no_start;
    int timeout_ms; /* 0: the library's default */
    const struct command *command;
    struct memferry *m; /* after cli_connect */
};

struct command {
    const char *name;
    const char *synopsis;         /* what follows the name */
    const char *summary;          /* one line */
    const char *text;             /* help: whole lines, or NULL */
    const char *examples;         /* whole lines, or NULL */
    const struct option *options; /* or NULL */
    bool never_starts;            /* no broker is started for it */
    int (*run)(struct cli *cli, const struct args *args);
};

/* On the process's own streams. */
void cli_init(struct cli *cli);
/* Runs a command line; returns the exit code. */
int cli_run(struct cli *cli, int argc, const char *const *argv);
void cli_deinit(struct cli *cli);
/* Takes the options of every command, wherever they stood. An exit code; what is wrong was told. */
int cli_apply_globals(struct cli *cli, const struct args *args);

/* Connects, starting the broker if there is none and that is wanted. An exit code; what went wrong
 * was told. */
int cli_connect(struct cli *cli);
/* Whether it would start one. */
bool cli_may_start(const struct cli *cli);
/* Only makes cli->m. */
int cli_open(struct cli *cli);
/* The session in force, for what is put; "" with a warning when there can be none. With cli->m. */
const char *cli_session(struct cli *cli, struct memferry_session *session);

/* ---- fail.c: what went wrong, on stderr; they return the exit code ---- */

int cli_fail(struct cli *cli, int exit_code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* A usage error: names the command's help. */
int cli_usage(struct cli *cli, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The library's last failure, while doing `what`. */
int cli_fail_call(struct cli *cli, int code, const char *what, ...)
    __attribute__((format(printf, 3, 4)));
/* What was done all the same, but not as it was meant. */
void cli_warn(struct cli *cli, const char *format, ...) __attribute__((format(printf, 2, 3)));
int cli_exit_of(int code);
/* For scripts: "not_found", "usage" … */
const char *cli_exit_name(int exit_code);

/* ---- output ---- */

/* A node as one line of JSON. */
int cli_print_json(struct cli *cli, const struct memferry_node *node);
/* An object of json.h, which it closes and frees. */
int cli_print_object(struct cli *cli, struct json *json);
/* An escape sequence, or "" when colours are off. */
const char *cli_bold(const struct cli *cli);
const char *cli_dim(const struct cli *cli);
const char *cli_red(const struct cli *cli);
const char *cli_plain(const struct cli *cli);

/* Calls a method; on failure tells it (while doing `what`). `params` is JSON or NULL. */
int cli_call(struct cli *cli, const char *what, const char *method, const char *params,
             struct memferry_reply **ret);

/* ---- reading replies ---- */

const char *field_text(const struct memferry_node *map, const char *key);
int64_t field_int(const struct memferry_node *map, const char *key);
bool field_bool(const struct memferry_node *map, const char *key);

#endif
