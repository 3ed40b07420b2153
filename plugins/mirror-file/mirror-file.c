/*
 * mirror-file.c - the smallest real plugin: every delivered state is one line of JSON in a file.
 *
 * Read this file first if you want to write a plugin. At its end is the table that the broker
 * finds; the functions above it are all that the broker calls. Each instance is one struct mirror,
 * and all calls with it come from one thread.
 *
 * Happy path: probe opens the file. deliver appends a line for each memory, syncs once, and only
 * then says DONE: the broker forgets what is DONE.
 *
 * Failure modes: what goes wrong with the file (no room, no permission, a dead disk) goes wrong for
 * every memory, so the verdict is RETRY with the blame on the BACKEND: the broker stops sending,
 * calls probe now and then, and goes on when it succeeds. A memory too large for a line is REJECT,
 * its neighbours are not touched. A crash in the middle of a line leaves a torn one, which is cut
 * off at the next open: it was never DONE, so it comes again.
 *
 * The file is a history of deliveries, not a table: an id may have many lines. The one with the
 * largest (stamp, origin) is the memory as it is, and of equals the last. fetch reads it so.
 */
#include "mirror.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

/* With less than this on the disk a probe does not invite the broker to try again. */
#define ROOM_MIN (UINT64_C(1024) * 1024)

struct mirror {
    const struct memferry_host *host;
    struct file file;
    struct json_writer writer;
    struct catalog *catalog; /* of a fetch that is under way; NULL: none */
};

/* ---- life ---- */

static void mirror_close(void *self)
{
    struct mirror *m = self;

    catalog_free(m->catalog);
    json_writer_deinit(&m->writer);
    file_close(&m->file);
    free(m->file.path);
    free(m);
}

/* The path from the config, or a file in the directory that the broker keeps for us. */
static char *choose_path(const struct memferry_host *host)
{
    const char *path = host->option(host, "path");
    char *made = NULL;

    if (path != NULL) {
        return strdup(path);
    }
    return asprintf(&made, "%s/mirror.ndjson", host->state_dir) < 0 ? NULL : made;
}

/* Options and memory only. The file is opened by probe, which may fail and be called again. */
static int mirror_open(const struct memferry_host *host, void **self)
{
    struct mirror *m = calloc(1, sizeof *m);

    if (m == NULL) {
        return -ENOMEM;
    }
    m->host = host;
    m->file = (struct file){
        .path = choose_path(host),
        .rotate_size = host->option_int(host, "rotate_size"),
        .keep = host->option_int(host, "keep"),
        .fd = -1,
    };
    json_writer_init(&m->writer, LINE_SIZE_MAX);
    if (m->file.path == NULL) {
        mirror_close(m);
        return -ENOMEM;
    }
    *self = m;
    return 0;
}

static int make_ready(struct mirror *m, struct memferry_reason *why)
{
    off_t cut = 0;

    if (m->file.fd >= 0) {
        return 0;
    }
    int result = file_open(&m->file, &cut, why);
    if (result == 0 && cut > 0) {
        m->host->log(m->host, MEMFERRY_LOG_WARNING,
                     "cut a torn line of %lld bytes off %s; its memory will be delivered again",
                     (long long)cut, m->file.path);
    }
    return result;
}

static int mirror_probe(void *self, struct memferry_reason *why)
{
    struct mirror *m = self;
    struct statvfs disk;
    int result = make_ready(m, why);

    if (result != 0) {
        return result;
    }
    if (fstatvfs(m->file.fd, &disk) == 0 && (uint64_t)disk.f_bavail * disk.f_frsize < ROOM_MIN) {
        snprintf(why->text, sizeof why->text, "the disk of %s is full; make room on it",
                 m->file.path);
        return -ENOSPC;
    }
    snprintf(why->text, sizeof why->text, "%s can be written", m->file.path);
    return 0;
}

/* ---- sink ---- */

/* What is wrong with the file is wrong for all. */
static void blame_backend(struct memferry_outcome *outcomes, size_t n,
                          const struct memferry_reason *why)
{
    for (size_t i = 0; i < n; i++) {
        outcomes[i].verdict = MEMFERRY_RETRY;
        outcomes[i].blame = MEMFERRY_BLAME_BACKEND;
        outcomes[i].reason = *why;
    }
}

static void reject_too_large(struct memferry_outcome *outcome)
{
    outcome->verdict = MEMFERRY_REJECT;
    outcome->blame = MEMFERRY_BLAME_RECORD;
    snprintf(outcome->reason.text, sizeof outcome->reason.text,
             "the memory needs a line of more than %zu bytes; make it smaller", LINE_SIZE_MAX);
}

/* Appends one memory. Its outcome is DONE, which holds only once the file is synced. */
static int append(struct mirror *m, const struct memferry_memory *memory,
                  struct memferry_outcome *outcome, struct memferry_reason *why)
{
    size_t size = 0;

    line_write(&m->writer, memory);
    int status = json_writer_status(&m->writer);
    if (status == -EMSGSIZE) {
        reject_too_large(outcome);
        return 0;
    }
    const char *line = status == 0 ? json_writer_text(&m->writer, &size) : NULL;
    if (line == NULL) {
        snprintf(why->text, sizeof why->text, "out of memory");
        return -ENOMEM;
    }
    outcome->verdict = MEMFERRY_DONE;
    return file_append(&m->file, line, size, why);
}

/* What the catalog says of the file is of a part then. */
static int rotate(struct mirror *m, struct memferry_reason *why)
{
    off_t size = m->file.size;
    int result = file_rotate(&m->file, why);

    if (m->file.size < size) {
        m->catalog = catalog_free(m->catalog);
    }
    return result;
}

static void mirror_deliver(void *self, const struct memferry_memory *memories, size_t n,
                           struct memferry_outcome *outcomes)
{
    struct mirror *m = self;
    struct memferry_reason why = {.text = ""};
    int result = make_ready(m, &why);

    if (result == 0) {
        result = rotate(m, &why);
    }
    for (size_t i = 0; result == 0 && i < n; i++) {
        result = append(m, &memories[i], &outcomes[i], &why);
    }
    if (result == 0) {
        result = file_sync(&m->file, &why);
    }
    if (result != 0) {
        file_undo(&m->file);
        blame_backend(outcomes, n, &why);
    }
}

/* ---- source ---- */

/* Makes it, or adds what was delivered since the last page. */
static int renew_catalog(struct mirror *m)
{
    uint64_t bad_lines = 0;
    int result = m->catalog == NULL ? catalog_new(&m->catalog, &m->file, &bad_lines)
                                    : catalog_go_on(m->catalog, &m->file, &bad_lines);

    if (result != 0) {
        m->catalog = catalog_free(m->catalog);
        m->host->log(m->host, MEMFERRY_LOG_ERROR, "cannot read %s: %s", m->file.path,
                     strerror(-result));
    } else if (bad_lines > 0) {
        m->host->log(m->host, MEMFERRY_LOG_WARNING, "skipped %llu lines of %s that are damaged",
                     (unsigned long long)bad_lines, m->file.path);
    }
    return result;
}

static int give_one(struct mirror *m, size_t i, memferry_fetch_fn *fn, void *arg)
{
    struct line *line = NULL;
    int result = catalog_read(m->catalog, &m->file, i, &line);

    if (result != 0) {
        m->host->log(m->host, MEMFERRY_LOG_ERROR, "cannot read a line of %s again: %s",
                     m->file.path, strerror(-result));
        return result;
    }
    result = fn(arg, line_memory(line));
    line_free(line);
    return result;
}

/* Pages of one fetch share a catalog: it is made with the first, and goes with the last. */
static int mirror_fetch(void *self, const char *after_id, size_t max, memferry_fetch_fn *fn,
                        void *arg)
{
    struct mirror *m = self;
    struct memferry_reason why;
    int given = 0;

    if (make_ready(m, &why) != 0) { /* a torn line must be gone before anything is read */
        m->host->log(m->host, MEMFERRY_LOG_ERROR, "%s", why.text);
        return -EIO;
    }
    if (after_id[0] == '\0') {
        m->catalog = catalog_free(m->catalog);
    }
    if (renew_catalog(m) != 0) {
        return -EIO;
    }
    size_t count = catalog_count(m->catalog);
    for (size_t i = catalog_after(m->catalog, after_id);
         i < count && (size_t)given < max && given < INT_MAX; i++) {
        int result = give_one(m, i, fn, arg);
        if (result != 0) {
            return result;
        }
        given++;
    }
    if ((size_t)given < max) {
        m->catalog = catalog_free(m->catalog);
    }
    return given;
}

/* ---- what the broker finds ---- */

static const struct memferry_option options[] = {
    {.name = "path",
     .type = MEMFERRY_OPTION_PATH,
     .help = "the file; without it mirror.ndjson in the backend's state directory"},
    {.name = "rotate_size",
     .type = MEMFERRY_OPTION_SIZE,
     .default_value = "64M",
     .min = 4096,
     .max = INT64_C(1) << 40,
     .help = "begin a new file when this one has grown so large"},
    {.name = "keep",
     .type = MEMFERRY_OPTION_INT,
     .default_value = "0",
     .min = 0,
     .max = 1000000,
     .help = "how many older files to keep; 0: all. What is dropped cannot be fetched"},
    {.name = NULL},
};

extern const struct memferry_plugin memferry_plugin;

__attribute__((visibility("default"))) const struct memferry_plugin memferry_plugin = {
    .abi = MEMFERRY_PLUGIN_ABI,
    .size = sizeof(struct memferry_plugin),
    .name = "mirror-file",
    .version = "1.0",
    .summary = "writes every delivered state as a line of JSON to a file",
    .options = options,
    .open = mirror_open,
    .close = mirror_close,
    .probe = mirror_probe,
    .deliver = mirror_deliver,
    .fetch = mirror_fetch,
};
