/*
 * doctor_setup.c - checks of config and session file. The config is read by memferryd
 * itself, which says where everything is, too.
 */
#include "client/cli/start_child.h"
#include "client/heavy/doctor.h"
#include "client/heavy/program.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ---- config ---- */

/* The rest of the line that begins so, into `ret`. */
static void take_line(const char *text, const char *begin, char *ret, size_t size)
{
    const char *line = strstr(text, begin);

    if (line != NULL) {
        line += strlen(begin);
        snprintf(ret, size, "%.*s", (int)strcspn(line, "\n"), line);
    }
}

/* The config that the broker read was written to since. */
static bool was_changed(const struct memferry_node *server, const char *path)
{
    struct stat status;

    return stat(path, &status) == 0 &&
           (int64_t)status.st_mtim.tv_sec * 1000 + status.st_mtim.tv_nsec / 1000000 >
               field_int(server, "config_ms");
}

/* A broker that we may signal found no config: the one that is there now was made since. */
static bool was_made(const struct memferry_node *server, const char *path)
{
    return path[0] != '\0' && kill((pid_t)field_int(server, "pid"), 0) == 0;
}

/* A running broker has what it read, not what the file says now. `checked` is the path of what
 * memferryd finds now; "": there is none. */
static bool tell_stale(struct doctor *doctor, const char *checked)
{
    const struct memferry_node *server = memferry_node_get(doctor->look.stats, "server");
    const char *path = field_text(server, "config");
    char mend[64];

    if (!doctor->answered ||
        !(path[0] != '\0' ? was_changed(server, path) : was_made(server, checked))) {
        return false;
    }
    snprintf(mend, sizeof mend, "kill -HUP %lld", (long long)field_int(server, "pid"));
    doctor_tell(doctor, DOCTOR_TODO, "config", mend,
                path[0] != '\0' ? "%s was changed after the broker had read it: reload"
                                : "%s was made after the broker had started without it: reload",
                path[0] != '\0' ? path : checked);
    return true;
}

/* The path in "PATH is good: …"; "" where it says that there is no file. */
static void take_path(const char *text, char *ret, size_t size)
{
    const char *end = strstr(text, " is good: ");

    snprintf(ret, size, "%.*s", (int)(end != NULL ? end - text : 0), text);
}

void doctor_check_config(struct doctor *doctor)
{
    const struct memferry_node *server = memferry_node_get(doctor->look.stats, "server");
    char text[8192], mend[PATH_MAX + 32], path[PATH_MAX];

    if (!program_beside("memferryd", "../../broker", doctor->program) &&
        !program_in_path("memferryd", doctor->program)) {
        doctor->program[0] = '\0';
    }
    if (!start_state_directory(doctor->state_dir, sizeof doctor->state_dir)) {
        doctor->state_dir[0] = '\0';
    }
    if (doctor->program[0] != '\0') {
        const char *const argv[] = {doctor->program, "--check-config", NULL};
        int exit_code = doctor_run(argv, text, sizeof text);
        snprintf(mend, sizeof mend, "%s --check-config", doctor->program);
        if (exit_code != 0) {
            text[strcspn(text, "\n")] = '\0';
            doctor_tell(doctor, DOCTOR_TODO, "config", mend, "%s",
                        text[0] != '\0' ? text : "memferryd could not check it");
        } else {
            take_line(text, "\nstate in ", doctor->state_dir, sizeof doctor->state_dir);
            text[strcspn(text, "\n")] = '\0';
            take_path(text, path, sizeof path);
            if (!tell_stale(doctor, path)) {
                doctor_tell(doctor, DOCTOR_OK, "config", NULL, "%s", text);
            }
        }
    }
    if (doctor->answered && field_text(server, "state_dir")[0] != '\0') {
        snprintf(doctor->state_dir, sizeof doctor->state_dir, "%s",
                 field_text(server, "state_dir"));
    }
}

/* ---- session ---- */

void doctor_check_session(struct doctor *doctor)
{
    struct memferry_session session;
    int code = memferry_session_peek(doctor->cli->m, &session);

    if (code == MEMFERRY_OK) {
        doctor_tell(doctor, DOCTOR_OK, "session", NULL, "%s%s", session.id,
                    session.from_environment ? ", by MEMFERRY_SESSION_ID" : "");
    } else if (code == MEMFERRY_E_NOT_FOUND) {
        doctor_tell(doctor, DOCTOR_OK, "session", NULL,
                    "none is in force; the next put begins one");
    } else {
        doctor_tell(doctor, DOCTOR_TODO, "session", NULL, "%s", memferry_error(doctor->cli->m));
    }
}
