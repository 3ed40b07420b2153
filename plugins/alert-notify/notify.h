/*
 * notify.h - what the files of this plugin share: the instance, its sinks, what was told already.
 *
 *   alert-notify.c  options, open, close, probe, the exported table
 *   tell.c          which alert goes to which sink now
 *   told.c          what each sink was told, kept across restarts
 *   body.c          an alert as JSON
 *   command.c       the sinks `command` and `desktop`
 *   run.c           a program with a time-out, without any shell
 *   words.c         a command line as words
 *   log_file.c      the sink `log_file`
 */
#ifndef MEMFERRY_PLUGINS_NOTIFY_H
#define MEMFERRY_PLUGINS_NOTIFY_H

#include "plugins/common/json_writer.h"
#include "plugins/common/verdict.h"
#include "plugins/common/webhook_client.h"
#include "plugins/common/webhook_event.h"

#include <memferry/plugin.h>

struct notify;

/* ---- sinks ---- */

enum sink_kind { SINK_WEBHOOK = 0, SINK_COMMAND, SINK_DESKTOP, SINK_LOG_FILE, SINKS };

/* An alert on its way to the sinks. */
struct telling {
    const struct memferry_alert *alert;
    const char *id;   /* of what is told: the same for the same alert and count */
    const char *body; /* JSON */
    size_t body_size;
};

struct sink {
    const char *name; /* of its option */
    struct memferry_outcome (*tell)(struct notify *, const struct telling *);
    /* 0, or a negative errno with why filled. */
    int (*probe)(struct notify *, struct memferry_reason *why);
};

/* ---- words.c ---- */

enum { WORDS_MAX = 64 };

/* Words of a command line, split at spaces; '…' and "…" keep them together, \ takes the next
 * character as it is. Nothing is expanded. Ends with NULL; freed with words_free. */
struct words {
    char *items[WORDS_MAX + 1];
    size_t count;
};

/* 0, or a negative errno with why filled. */
int words_split(struct words *ret, const char *text, struct memferry_reason *why);
void words_free(struct words *words);

/* ---- run.c ---- */

struct run {
    const struct memferry_host *host; /* for its cancellation */
    const char *path;                 /* of the program, absolute */
    char *const *argv, *const *envp;
    const char *input; /* its standard input */
    size_t input_size;
    int64_t timeout_ms;
};

enum { RUN_OUTPUT_MAX = 4096 }; /* bytes that are kept of what it wrote */

enum run_end {
    RUN_EXITED = 1,
    RUN_KILLED,    /* by a signal that was none of ours */
    RUN_TIMED_OUT, /* and was killed, with its process group */
    RUN_CANCELLED, /* likewise */
    RUN_FAILED     /* it could not be started */
};

struct run_result {
    enum run_end end;
    int code; /* exit status, signal, or a positive errno */
    char output[RUN_OUTPUT_MAX + 1];
    size_t output_size;
};

void run_program(const struct run *run, struct run_result *ret);
/* The program as an absolute path, as execvp would find it; freed by the caller. NULL with why
 * filled: there is none, or it must not be run. */
char *run_find(const char *name, struct memferry_reason *why);

/* ---- told.c ---- */

enum {
    TOLD_HASH = 16,
    TOLD_MAX = 4096 /* alerts that are remembered: the ones told last */
};

struct told_entry {
    uint8_t hash[TOLD_HASH]; /* of the alert's id */
    uint64_t count;          /* of the alert, as it was told */
    uint32_t sinks;          /* a bit for each that took it */
    int64_t at_ms;           /* wall clock, when telling it began */
};

struct told;

/* What cannot be read of the file is passed over: then something is told twice. 0 or -ENOMEM. */
int told_open(struct told **ret, const struct memferry_host *host);
struct told *told_close(struct told *told); /* NULL is fine */

/* NULL: it was never told. Good until the next call. */
const struct told_entry *told_find(const struct told *told, const uint8_t hash[TOLD_HASH]);
/* In place of what there is for this alert; on disk when it returns, or a warning is logged. */
void told_put(struct told *told, const struct told_entry *entry);
/* How many were told at since_ms or later, and when the oldest of them was. */
size_t told_since(const struct told *told, int64_t since_ms, int64_t *ret_oldest_ms);

/* ---- body.c ---- */

/* 0 or -EIO. The hash names the alert, the id also what it counted. */
int body_alert_id(char ret[WEBHOOK_EVENT_ID_SIZE], const struct memferry_alert *alert);
int body_alert_hash(uint8_t ret[TOLD_HASH], const struct memferry_alert *alert);
const char *body_severity(enum memferry_severity severity);
/* Begins with an empty writer. */
void body_write_alert(struct json_writer *w, const char *id, const struct memferry_alert *alert);

/* ---- command.c ---- */

struct command {
    char *path; /* NULL: not found when it was looked for */
    struct words words;
    int64_t timeout_ms;
};

struct memferry_outcome command_tell(struct notify *, const struct telling *);
int command_probe(struct notify *, struct memferry_reason *why);
struct memferry_outcome desktop_tell(struct notify *, const struct telling *);
int desktop_probe(struct notify *, struct memferry_reason *why);

/* ---- log_file.c ---- */

struct memferry_outcome log_file_tell(struct notify *, const struct telling *);
int log_file_probe(struct notify *, struct memferry_reason *why);

/* ---- the instance ---- */

struct notify {
    const struct memferry_host *host;
    uint32_t sinks; /* a bit for each that is configured */
    enum memferry_severity min_severity;
    size_t rate; /* alerts in rate_ms; 0: as many as come */
    int64_t rate_ms, again_ms;
    struct told *told;
    struct json_writer writer;
    struct webhook_client *webhook; /* NULL: not configured */
    struct command command;
    const char *log_file; /* NULL: not configured */
};

extern const struct sink notify_sinks[SINKS];

/* tell.c: the plugin's notify. */
void notify_tell(void *self, const struct memferry_alert *alerts, size_t n,
                 struct memferry_outcome *outcomes);

#endif
