/*
 * command.c - tells an alert by a program: one of the user's, or notify-send.
 *
 * Happy path: the alert is in variables (MEMFERRY_ALERT_…) and as JSON on standard input, never in
 * an argument of the user's program; it exits with 0.
 *
 * Failure modes: 65 (EX_DATAERR) says that it will never take this alert: REJECT. Any other exit
 * status, a signal and a time-out are this alert's RETRY. A program that is not there or cannot be
 * started is the backend's trouble. What it writes goes to the log's debug level, and its first
 * line into the reason.
 *
 * Of the broker's variables only those in `passed` reach it: others may be secrets.
 */
#include "plugins/alert-notify/notify.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

enum { DESKTOP_TIMEOUT_MS = 10000, ENV_MAX = 48, MARKUP_MAX = 4096 };

/* ---- its environment ---- */

static const char *const passed[] = {"PATH",
                                     "HOME",
                                     "USER",
                                     "LOGNAME",
                                     "SHELL",
                                     "LANG",
                                     "LC_ALL",
                                     "LC_CTYPE",
                                     "LC_MESSAGES",
                                     "LC_TIME",
                                     "TZ",
                                     "TMPDIR",
                                     "DISPLAY",
                                     "WAYLAND_DISPLAY",
                                     "XAUTHORITY",
                                     "DBUS_SESSION_BUS_ADDRESS",
                                     "XDG_RUNTIME_DIR"};

struct environment {
    char *items[ENV_MAX + 1]; /* ends with NULL */
    size_t count;
    bool failed; /* out of memory */
};

__attribute__((format(printf, 2, 3))) static void add(struct environment *env, const char *format,
                                                      ...)
{
    va_list args;

    if (env->failed || env->count == ENV_MAX) {
        env->failed = true;
        return;
    }
    va_start(args, format);
    env->failed = vasprintf(&env->items[env->count], format, args) < 0;
    va_end(args);
    env->items[env->count += !env->failed] = NULL;
}

static void add_samples(struct environment *env, const struct memferry_alert *alert)
{
    struct json_writer w;
    size_t size;

    json_writer_init(&w, (size_t)1 << 20);
    json_begin_array(&w);
    for (size_t i = 0; i < alert->sample_count; i++) {
        json_write_string(&w, alert->sample_ids[i].data, alert->sample_ids[i].size);
    }
    json_end_array(&w);
    const char *text = json_writer_text(&w, &size);
    add(env, "MEMFERRY_ALERT_SAMPLE_IDS=%s", text != NULL ? text : "[]");
    json_writer_deinit(&w);
}

static void add_alert(struct environment *env, const struct memferry_alert *alert)
{
    time_t at_s = (time_t)(alert->at_ms / 1000);
    char at[32] = "";
    struct tm tm;

    if (gmtime_r(&at_s, &tm) != NULL) {
        strftime(at, sizeof at, "%Y-%m-%dT%H:%M:%SZ", &tm);
    }
    add(env, "MEMFERRY_ALERT_ID=%s", alert->id.data);
    add(env, "MEMFERRY_ALERT_RULE=%s", alert->rule.data);
    add(env, "MEMFERRY_ALERT_SEVERITY=%s", body_severity(alert->severity));
    add(env, "MEMFERRY_ALERT_AT=%s", at);
    add(env, "MEMFERRY_ALERT_AT_MS=%" PRId64, alert->at_ms);
    add(env, "MEMFERRY_ALERT_COUNT=%" PRIu64, alert->count);
    add(env, "MEMFERRY_ALERT_SUMMARY=%s", alert->summary.data);
    add(env, "MEMFERRY_ALERT_UNDO=%s", alert->undo.data);
    add(env, "MEMFERRY_ALERT_SESSION_ID=%s", alert->session_id.data);
    add(env, "MEMFERRY_ALERT_PEER_PID=%" PRId64, alert->peer_pid);
    add(env, "MEMFERRY_ALERT_PEER_COMMAND=%s", alert->peer_command.data);
    add(env, "MEMFERRY_ALERT_STATEMENT=%s", alert->statement.data);
    add_samples(env, alert);
}

static void environment_init(struct environment *env, const struct notify *notify,
                             const struct memferry_alert *alert)
{
    *env = (struct environment){.count = 0};
    for (size_t i = 0; i < sizeof passed / sizeof *passed; i++) {
        const char *value = getenv(passed[i]);
        if (value != NULL) {
            add(env, "%s=%s", passed[i], value);
        }
    }
    add(env, "MEMFERRY_BACKEND=%s", notify->host->backend);
    add_alert(env, alert);
}

static void environment_deinit(struct environment *env)
{
    for (size_t i = 0; i < env->count; i++) {
        free(env->items[i]);
    }
}

/* ---- how it ended ---- */

static void log_output(const struct notify *notify, const char *path,
                       const struct run_result *result)
{
    char line[512];

    if (result->output_size > 0) {
        notify->host->log(notify->host, MEMFERRY_LOG_DEBUG, "%s wrote: %s", path,
                          show_text(line, sizeof line, result->output, result->output_size));
    }
}

static struct memferry_outcome exit_outcome(const char *path, const struct run_result *result)
{
    size_t size = strcspn(result->output, "\n");
    char line[200], said[220] = "";

    if (result->code == 0) {
        return outcome_done();
    }
    if (size > 0) {
        snprintf(said, sizeof said, ": %s", show_text(line, sizeof line, result->output, size));
    }
    if (result->code == EX_DATAERR) {
        return outcome_reject(MEMFERRY_BLAME_RECORD, "%s will not take this alert (exit 65)%s",
                              path, said);
    }
    return outcome_retry(MEMFERRY_BLAME_RECORD, -1, "%s ended with exit status %d%s", path,
                         result->code, said);
}

static struct memferry_outcome outcome_of(const struct run *run, const struct run_result *result)
{
    switch (result->end) {
    case RUN_EXITED:
        return exit_outcome(run->path, result);
    case RUN_KILLED:
        return outcome_retry(MEMFERRY_BLAME_RECORD, -1, "%s was killed by signal %d", run->path,
                             result->code);
    case RUN_TIMED_OUT:
        return outcome_retry(MEMFERRY_BLAME_RECORD, -1,
                             "%s did not end in %" PRId64 " ms, and was killed", run->path,
                             run->timeout_ms);
    case RUN_CANCELLED:
        return outcome_retry(MEMFERRY_BLAME_BACKEND, -1, "%s was killed: the broker is stopping",
                             run->path);
    case RUN_FAILED:
        break;
    }
    return outcome_retry(MEMFERRY_BLAME_BACKEND, -1, "%s cannot be started: %s", run->path,
                         strerrordesc_np(result->code) ?: "unknown error");
}

static struct memferry_outcome run_for(const struct notify *notify, const struct telling *telling,
                                       const char *path, char *const *argv, int64_t timeout_ms)
{
    struct environment env;
    struct run_result result;

    environment_init(&env, notify, telling->alert);
    if (env.failed) {
        environment_deinit(&env);
        return outcome_retry(MEMFERRY_BLAME_BACKEND, -1, "out of memory");
    }
    struct run run = {.host = notify->host,
                      .path = path,
                      .argv = argv,
                      .envp = env.items,
                      .input = telling->body,
                      .input_size = telling->body_size,
                      .timeout_ms = timeout_ms};
    run_program(&run, &result);
    log_output(notify, path, &result);
    environment_deinit(&env);
    return outcome_of(&run, &result);
}

/* ---- the user's command ---- */

int command_probe(struct notify *notify, struct memferry_reason *why)
{
    struct command *command = &notify->command;
    char *path = run_find(command->words.items[0], why);

    free(command->path);
    command->path = path;
    return path != NULL ? 0 : -ENOENT;
}

struct memferry_outcome command_tell(struct notify *notify, const struct telling *telling)
{
    struct command *command = &notify->command;
    struct memferry_reason why;

    if (command->path == NULL && command_probe(notify, &why) < 0) {
        return outcome_retry(MEMFERRY_BLAME_BACKEND, -1, "%s", why.text);
    }
    return run_for(notify, telling, command->path, command->words.items, command->timeout_ms);
}

/* ---- the desktop ---- */

/* A notification's text is markup to many desktops. */
static void escape_markup(char *ret, size_t max, const char *text)
{
    size_t size = 0;

    for (; *text != '\0' && size + sizeof "&amp;" < max; text++) {
        const char *as = *text == '&'   ? "&amp;"
                         : *text == '<' ? "&lt;"
                         : *text == '>' ? "&gt;"
                                        : "";
        if (*as != '\0') {
            size += (size_t)sprintf(ret + size, "%s", as);
        } else {
            ret[size++] = *text;
        }
    }
    ret[size] = '\0';
}

static const char *urgency(enum memferry_severity severity)
{
    return severity == MEMFERRY_SEVERITY_INFO      ? "--urgency=low"
           : severity == MEMFERRY_SEVERITY_WARNING ? "--urgency=normal"
                                                   : "--urgency=critical";
}

static char *find_notify_send(struct memferry_reason *why)
{
    char bus[256] = "";
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    char *path = run_find("notify-send", why);

    if (path == NULL) {
        snprintf(
            why->text, sizeof why->text,
            "the desktop is told by notify-send, which is not in PATH; install it (libnotify)");
        return NULL;
    }
    if (runtime != NULL) {
        snprintf(bus, sizeof bus, "%s/bus", runtime);
    }
    if (getenv("DBUS_SESSION_BUS_ADDRESS") == NULL && access(bus, F_OK) < 0) {
        snprintf(why->text, sizeof why->text,
                 "there is no desktop session: DBUS_SESSION_BUS_ADDRESS is not set, and there is "
                 "no bus in XDG_RUNTIME_DIR");
        free(path);
        return NULL;
    }
    return path;
}

int desktop_probe(struct notify *notify, struct memferry_reason *why)
{
    char *path = find_notify_send(why);

    (void)notify;
    free(path);
    return path != NULL ? 0 : -ENOENT;
}

struct memferry_outcome desktop_tell(struct notify *notify, const struct telling *telling)
{
    const struct memferry_alert *alert = telling->alert;
    char title[128], text[MARKUP_MAX], body[MARKUP_MAX];
    struct memferry_reason why;
    char *path = find_notify_send(&why);

    if (path == NULL) {
        return outcome_retry(MEMFERRY_BLAME_BACKEND, -1, "%s", why.text);
    }
    snprintf(title, sizeof title, "memferry: %s", alert->rule.data);
    snprintf(text, sizeof text, "%s%s%s", alert->summary.data,
             alert->undo.size > 0 ? "\nTo undo: " : "", alert->undo.data);
    escape_markup(body, sizeof body, text);
    const char *argv[] = {path, "--app-name=memferry", urgency(alert->severity), "--", title, body,
                          NULL};
    struct memferry_outcome outcome =
        run_for(notify, telling, path, (char *const *)(uintptr_t)argv, DESKTOP_TIMEOUT_MS);
    free(path);
    return outcome;
}
