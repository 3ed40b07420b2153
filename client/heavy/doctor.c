/*
 * doctor.c - memferry doctor: looks at everything that can be wrong, and says the command that
 * mends it. Changes nothing.
 *
 * Happy path: one look at the broker, if there is one; then each check in turn, a line each, and
 * the exit code: 0 when there is nothing to do, 1 when there is.
 */
#include "client/heavy/doctor.h"

#include "client/cli/json.h"
#include "client/cli/text.h"
#include "client/heavy/heavy.h"

#include <stdarg.h>
#include <string.h>

#define EXIT_TODO 1

static const char *const state_names[] = {"ok", "note", "todo"};

static void print_json(struct cli *cli, enum doctor_state state, const char *check,
                       const char *mend, const char *text)
{
    struct json json;

    json_open(&json);
    json_field_text(&json, "check", check);
    json_field_text(&json, "state", state_names[state]);
    json_field_text(&json, "what", text);
    if (mend != NULL) {
        json_field_text(&json, "mend", mend);
    }
    cli_print_object(cli, &json);
}

static void print_text(struct cli *cli, enum doctor_state state, const char *check,
                       const char *mend, const char *text)
{
    if (state == DOCTOR_OK && cli->quiet) {
        return;
    }
    fprintf(cli->out, "%s%-4s%s  %-9s ",
            state == DOCTOR_OK     ? cli_dim(cli)
            : state == DOCTOR_TODO ? cli_red(cli)
                                   : cli_bold(cli),
            state_names[state], cli_plain(cli), check);
    text_print_line(cli->out, text, 0);
    fputc('\n', cli->out);
    if (mend != NULL) {
        fprintf(cli->out, "%16s%s", "", cli_bold(cli));
        text_print_line(cli->out, mend, 0);
        fprintf(cli->out, "%s\n", cli_plain(cli));
    }
}

void doctor_tell(struct doctor *doctor, enum doctor_state state, const char *check,
                 const char *mend, const char *format, ...)
{
    char text[PATH_MAX + 1024];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    doctor->todo += state == DOCTOR_TODO;
    doctor->notes += state == DOCTOR_NOTE;
    if (doctor->cli->json) {
        print_json(doctor->cli, state, check, mend, text);
    } else {
        print_text(doctor->cli, state, check, mend, text);
    }
}

static int find_socket(struct doctor *doctor)
{
    if (doctor->cli->socket != NULL) {
        snprintf(doctor->socket, sizeof doctor->socket, "%s", doctor->cli->socket);
    } else if (memferry_default_socket(doctor->socket, sizeof doctor->socket) < 0) {
        return cli_fail(doctor->cli, EXIT_INTERNAL, "the socket's path is too long");
    }
    return EXIT_OK;
}

static void check_all(struct doctor *doctor)
{
    doctor_check_config(doctor); /* which finds the program and the state directory */
    doctor_check_broker(doctor);
    doctor_check_socket(doctor);
    doctor_check_state(doctor);
    doctor_check_disk(doctor);
    doctor_check_leftovers(doctor);
    if (doctor->answered) {
        doctor_check_progress(doctor);
        doctor_check_search(doctor);
        doctor_check_backends(doctor);
        doctor_check_alerts(doctor);
        doctor_check_limits(doctor);
        doctor_check_clock(doctor);
    }
    doctor_check_backup(doctor);
    doctor_check_log(doctor);
    doctor_check_session(doctor);
    doctor_check_agents(doctor);
}

static int run(struct cli *cli, const struct args *args)
{
    struct doctor doctor = {.cli = cli, .probe = args_has(args, "probe")};

    cli->timeout_ms = cli->timeout_ms != 0 ? cli->timeout_ms : LOOK_TIMEOUT_MS;
    int exit_code = args->word_count > 0 ? cli_usage(cli, "doctor takes no words") : cli_open(cli);

    if (exit_code != EXIT_OK || (exit_code = find_socket(&doctor)) != EXIT_OK) {
        return exit_code;
    }
    doctor.answered = look_take(cli, &doctor.look);
    check_all(&doctor);
    look_free(&doctor.look);
    if (!cli->json && !cli->quiet) {
        fprintf(cli->out, "\n%u to do, %u worth knowing\n", doctor.todo, doctor.notes);
    }
    return doctor.todo > 0 ? EXIT_TODO : EXIT_OK;
}

int main(int argc, char **argv)
{
    return heavy_main(argc, argv, "doctor", run);
}
