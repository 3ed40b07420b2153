/*
 * doctor_setup.c - checks of config, session file and agents. The config is read by memferryd
 * itself, which says where everything is, too.
 */
#include "client/cli/commands.h"
#include "client/cli/times.h"
#include "client/heavy/doctor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SETTINGS_SIZE 65536

/* ---- memferryd ---- */

/* From this program's directory: of the build tree, and of an installation. */
static const char *const places[] = {"../../broker/memferryd", "../../bin/memferryd"};

static bool find_beside(struct doctor *doctor)
{
    char self[PATH_MAX], path[PATH_MAX * 2];
    ssize_t size = readlink("/proc/self/exe", self, sizeof self - 1);

    self[size > 0 ? size : 0] = '\0';
    char *slash = strrchr(self, '/');
    for (size_t i = 0; slash != NULL && i < sizeof places / sizeof places[0]; i++) {
        snprintf(path, sizeof path, "%.*s/%s", (int)(slash - self), self, places[i]);
        if (access(path, X_OK) == 0 && realpath(path, doctor->program) != NULL) {
            return true;
        }
    }
    return false;
}

static void find_in_path(struct doctor *doctor)
{
    const char *path = getenv("PATH");
    char one[PATH_MAX];

    for (; path != NULL && *path != '\0'; path += strspn(path, ":")) {
        size_t size = strcspn(path, ":");
        if (snprintf(one, sizeof one, "%.*s/memferryd", (int)size, path) < (int)sizeof one &&
            access(one, X_OK) == 0) {
            snprintf(doctor->program, sizeof doctor->program, "%s", one);
            return;
        }
        path += size;
    }
}

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

/* Where it would be without a config. */
static void guess_state_dir(struct doctor *doctor)
{
    const char *named = getenv("MEMFERRY_STATE_DIR"), *state = getenv("XDG_STATE_HOME");
    const char *home = getenv("HOME");

    if (named != NULL && named[0] != '\0') {
        snprintf(doctor->state_dir, sizeof doctor->state_dir, "%s", named);
    } else if (state != NULL && state[0] == '/') {
        snprintf(doctor->state_dir, sizeof doctor->state_dir, "%s/memferry", state);
    } else if (home != NULL && home[0] == '/') {
        snprintf(doctor->state_dir, sizeof doctor->state_dir, "%s/.local/state/memferry", home);
    }
}

/* A running broker has what it read, not what the file says now. */
static bool tell_stale(struct doctor *doctor)
{
    const struct memferry_node *server = memferry_node_get(doctor->look.stats, "server");
    const char *path = field_text(server, "config");
    struct stat status;
    char mend[64];

    if (!doctor->answered || path[0] == '\0' || stat(path, &status) < 0 ||
        (int64_t)status.st_mtim.tv_sec * 1000 <= field_int(server, "config_ms")) {
        return false;
    }
    snprintf(mend, sizeof mend, "kill -HUP %lld", (long long)field_int(server, "pid"));
    doctor_tell(doctor, DOCTOR_TODO, "config", mend,
                "%s was changed after the broker had read it: reload", path);
    return true;
}

void doctor_check_config(struct doctor *doctor)
{
    const struct memferry_node *server = memferry_node_get(doctor->look.stats, "server");
    char text[8192], mend[PATH_MAX + 32];

    if (!find_beside(doctor)) {
        find_in_path(doctor);
    }
    guess_state_dir(doctor);
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
            if (!tell_stale(doctor)) {
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

/* ---- agents ---- */

/* Whether the user's settings of Claude Code have `memferry hook` in them. */
static bool hook_is_there(const char *path)
{
    static char text[SETTINGS_SIZE];
    FILE *file = fopen(path, "re");

    if (file == NULL) {
        return false;
    }
    size_t size = fread(text, 1, sizeof text - 1, file);
    text[size] = '\0';
    fclose(file);
    return strstr(text, "memferry hook") != NULL || strstr(text, "memferry-hook") != NULL;
}

void doctor_check_agents(struct doctor *doctor)
{
    const char *home = getenv("HOME");
    char directory[PATH_MAX], path[PATH_MAX + 32];

    if (command_find("hook") == NULL || home == NULL ||
        snprintf(directory, sizeof directory, "%s/.claude", home) >= (int)sizeof directory ||
        access(directory, F_OK) < 0) {
        return;
    }
    snprintf(path, sizeof path, "%s/settings.json", directory);
    if (hook_is_there(path)) {
        doctor_tell(doctor, DOCTOR_OK, "agents", NULL, "hooks are in %s", path);
    } else {
        doctor_tell(doctor, DOCTOR_NOTE, "agents", "memferry hook install",
                    "there is %s, but no hook of memferry in its settings", directory);
    }
}
