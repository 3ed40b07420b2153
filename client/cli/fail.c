/*
 * fail.c - errors and warnings: one line for people, or one JSON object with --json, on stderr; and
 * the exit code that goes with each error.
 */
#include "client/cli/cli.h"
#include "client/cli/json.h"
#include "client/cli/text.h"

#include <stdarg.h>
#include <string.h>

#define MESSAGE_SIZE 1024

int cli_exit_of(int code)
{
    switch (code) {
    case MEMFERRY_OK:
        return EXIT_OK;
    case MEMFERRY_E_NOT_FOUND:
        return EXIT_NOT_FOUND;
    case MEMFERRY_E_CONFLICT:
        return EXIT_CONFLICT;
    case MEMFERRY_E_INVALID:
    case MEMFERRY_E_INVALID_PARAMS:
    case MEMFERRY_E_TOO_LARGE:
        return EXIT_DATA;
    case MEMFERRY_E_CONNECT:
    case MEMFERRY_E_UNAVAILABLE:
        return EXIT_NO_BROKER;
    case MEMFERRY_E_STORAGE_FULL:
        return EXIT_CANNOT_CREATE;
    case MEMFERRY_E_UNCERTAIN:
    case MEMFERRY_E_STORAGE_FAILED:
    case MEMFERRY_E_SESSION:
        return EXIT_IO;
    case MEMFERRY_E_BUSY:
    case MEMFERRY_E_DEADLINE:
    case MEMFERRY_E_TIMEOUT:
        return EXIT_TRY_AGAIN;
    case MEMFERRY_E_PROTOCOL:
    case MEMFERRY_E_METHOD:
        return EXIT_PROTOCOL;
    case MEMFERRY_E_FORBIDDEN:
    case MEMFERRY_E_UNTRUSTED:
        return EXIT_FORBIDDEN;
    default:
        return EXIT_INTERNAL;
    }
}

const char *cli_exit_name(int exit_code)
{
    switch (exit_code) {
    case EXIT_NOT_FOUND:
        return "not_found";
    case EXIT_CONFLICT:
        return "conflict";
    case EXIT_USAGE:
        return "usage";
    case EXIT_DATA:
        return "bad_input";
    case EXIT_NO_BROKER:
        return "unavailable";
    case EXIT_CANNOT_CREATE:
        return "storage_full";
    case EXIT_IO:
        return "io";
    case EXIT_TRY_AGAIN:
        return "try_again";
    case EXIT_PROTOCOL:
        return "protocol";
    case EXIT_FORBIDDEN:
        return "forbidden";
    default:
        return "internal";
    }
}

/* What to do, where neither the library nor the broker says it. */
static const char *hint(int code)
{
    switch (code) {
    case MEMFERRY_E_METHOD:
        return "the broker is of another version than this command: restart it";
    case MEMFERRY_E_BUSY:
        return "try again in a moment";
    case MEMFERRY_E_STORAGE_FULL:
        return "make room on the disk, then try again";
    case MEMFERRY_E_STORAGE_FAILED:
        return "see the broker's log";
    default:
        return NULL;
    }
}

static void print_json_error(struct cli *cli, int exit_code, const char *message)
{
    struct json error, line;

    json_open(&error);
    json_field_text(&error, "name", cli_exit_name(exit_code));
    json_field_int(&error, "exit", exit_code);
    json_field_text(&error, "message", message);
    if (cli->m != NULL && memferry_error_field(cli->m)[0] != '\0') {
        json_field_text(&error, "field", memferry_error_field(cli->m));
    }
    json_open(&line);
    json_field_raw(&line, "error", json_close(&error));
    const char *text = json_close(&line);
    fprintf(cli->err, "%s\n", text != NULL ? text : "{\"error\":{\"name\":\"internal\"}}");
    json_free(&line);
    json_free(&error);
}

static void print_error(struct cli *cli, int exit_code, const char *message)
{
    if (cli->json) {
        print_json_error(cli, exit_code, message);
        return;
    }
    fputs("memferry: ", cli->err);
    text_print_line(cli->err, message, 0);
    fputc('\n', cli->err);
}

int cli_fail(struct cli *cli, int exit_code, const char *format, ...)
{
    char message[MESSAGE_SIZE];
    va_list args;

    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    print_error(cli, exit_code, message);
    return exit_code;
}

void cli_warn(struct cli *cli, const char *format, ...)
{
    char message[MESSAGE_SIZE];
    struct json json;
    va_list args;

    if (cli->quiet) {
        return;
    }
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    if (!cli->json) {
        fputs("memferry: warning: ", cli->err);
        text_print_line(cli->err, message, 0);
        fputc('\n', cli->err);
        return;
    }
    json_open(&json);
    json_field_text(&json, "warning", message);
    const char *text = json_close(&json);
    fprintf(cli->err, "%s\n", text != NULL ? text : "{}");
    json_free(&json);
}

int cli_usage(struct cli *cli, const char *format, ...)
{
    char message[MESSAGE_SIZE];
    va_list args;

    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    const char *name = cli->command != NULL ? cli->command->name : NULL;
    return cli_fail(cli, EXIT_USAGE, "%.700s (see memferry help%s%s)", message,
                    name != NULL ? " " : "", name != NULL ? name : "");
}

int cli_fail_call(struct cli *cli, int code, const char *what, ...)
{
    char message[300];
    va_list args;

    va_start(args, what);
    vsnprintf(message, sizeof message, what, args);
    va_end(args);
    const char *why = memferry_error(cli->m), *field = memferry_error_field(cli->m);
    const char *todo = hint(code);
    /* A parameter's name helps who gave it; most texts have it. --json tells it always. */
    bool tell_field = field[0] != '\0' && strstr(why, field) == NULL && cli->command != NULL &&
                      strcmp(cli->command->name, "call") == 0;
    return cli_fail(cli, cli_exit_of(code), "%s: %s%s%s%s%s%s", message,
                    why[0] != '\0' ? why : memferry_strerror(code), tell_field ? " (field " : "",
                    tell_field ? field : "", tell_field ? ")" : "", todo != NULL ? "; " : "",
                    todo != NULL ? todo : "");
}
