/*
 * example-name.c - a memferry plugin: tells of alerts, a line each, in a file.
 *
 * Happy path: open reads the options; probe opens the file; notify writes a line for each alert,
 * and syncs the file before it says DONE. Put your own way of telling people where the file is.
 *
 * Failure modes: the file cannot be opened (probe says why) or written (RETRY, and no alert is
 * blamed). While something goes on its alert comes again under the same id, with a larger count.
 */
#include <memferry/plugin.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct example {
    const struct memferry_host *host;
    FILE *file; /* NULL: not open */
};

/* ---- the life of an instance ---- */

static int example_open(const struct memferry_host *host, void **self)
{
    struct example *it = calloc(1, sizeof *it);

    if (it == NULL) {
        return -ENOMEM;
    }
    it->host = host;
    *self = it;
    return 0;
}

static void example_close(void *self)
{
    struct example *it = self;

    if (it->file != NULL) {
        fclose(it->file);
    }
    free(it);
}

/* Called until it answers 0; only then alerts come. */
static int example_probe(void *self, struct memferry_reason *why)
{
    struct example *it = self;
    const char *path = it->host->option(it->host, "path");

    if (it->file == NULL) {
        it->file = fopen(path, "ae");
    }
    if (it->file == NULL) {
        int code = -errno;
        snprintf(why->text, sizeof why->text, "cannot open %.300s: %s; check the path", path,
                 strerror(-code));
        return code;
    }
    return 0;
}

/* ---- alerts ---- */

/* A caller's text may hold line ends, and what a terminal would obey. */
static void write_text(FILE *file, struct memferry_string text)
{
    for (size_t i = 0; i < text.size; i++) {
        unsigned char byte = (unsigned char)text.data[i];
        putc(byte < 0x20 || byte == 0x7f ? ' ' : byte, file);
    }
}

static void write_alert(FILE *file, const struct memferry_alert *alert)
{
    write_text(file, alert->rule);
    fprintf(file, " (%" PRIu64 "): ", alert->count);
    write_text(file, alert->summary);
    if (alert->undo.size > 0) {
        fputs("; undo: ", file);
        write_text(file, alert->undo);
    }
    putc('\n', file);
}

static void put_off(struct memferry_outcome *outcome, enum memferry_blame blame, const char *why)
{
    outcome->verdict = MEMFERRY_RETRY;
    outcome->blame = blame;
    snprintf(outcome->reason.text, sizeof outcome->reason.text, "%s", why);
}

/* DONE is a promise: so the file is synced before it is given. */
static void example_notify(void *self, const struct memferry_alert *alerts, size_t n,
                           struct memferry_outcome *outcomes)
{
    struct example *it = self;
    size_t written = 0;

    while (written < n && !it->host->cancelled(it->host)) {
        write_alert(it->file, &alerts[written++]);
    }
    int failed = fflush(it->file) != 0 || fdatasync(fileno(it->file)) != 0;
    for (size_t i = 0; i < n; i++) {
        if (failed) {
            put_off(&outcomes[i], MEMFERRY_BLAME_BACKEND,
                    "the file cannot be written; look at its disk");
        } else if (i >= written) {
            put_off(&outcomes[i], MEMFERRY_BLAME_RECORD, "the broker is stopping");
        } else {
            outcomes[i].verdict = MEMFERRY_DONE;
        }
    }
    if (failed) { /* the next probe opens it anew */
        fclose(it->file);
        it->file = NULL;
    }
}

/* ---- what the broker sees ---- */

static const struct memferry_option options[] = {
    {.name = "path",
     .type = MEMFERRY_OPTION_PATH,
     .required = true,
     .help = "the file that the lines go to"},
    {.name = NULL},
};

extern const struct memferry_plugin memferry_plugin;

__attribute__((visibility("default"))) const struct memferry_plugin memferry_plugin = {
    .abi = MEMFERRY_PLUGIN_ABI,
    .size = sizeof(struct memferry_plugin),
    .name = "example-name",
    .version = "0.1",
    .summary = "tells of alerts in a file",
    .options = options,
    .open = example_open,
    .close = example_close,
    .probe = example_probe,
    .notify = example_notify,
};
