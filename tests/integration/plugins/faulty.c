/*
 * faulty.c - a sink that is right but for one fault, chosen at build: -DFAULT=LEAK and so on. The
 * test bench must find each of them.
 */
#include <memferry/plugin.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum fault {
    NONE,
    LEAK,
    LEAK_DESCRIPTOR,
    LEAK_THREAD,
    WRITES_INPUT,
    KEEPS_POINTER,
    CRASHES_ON_EMPTY,
    RETRY_FOR_ODD,
    NO_ANSWER,
    NO_REASON,
    BAD_VERDICT,
    REJECTS_BACKEND,
    BAD_TEXT,
    TELLS_SECRET,
    LOGS_SECRET,
    PROBE_POSITIVE,
    PROBE_SILENT,
    OPEN_SILENT,
    DEAF,
    BLAMES_RECORD,
    FORGETS_SECOND,
    FETCH_DISORDER,
    FETCH_MISSES,
    FETCH_GOES_ON,
    GLOBAL_STATE,
    ENDS_PROCESS,
    NO_HELP,
};

struct faulty {
    const struct memferry_host *host;
    FILE *file;
    char *ids[4000]; /* of what it holds, sorted */
    size_t count;
};

static struct memferry_string kept;
static struct faulty *volatile in_call;

static int faulty_open(const struct memferry_host *host, void **ret)
{
    struct faulty *self = calloc(1, sizeof *self);

    if (FAULT == LEAK && malloc(100) == NULL)
        return -ENOMEM;
    if (FAULT == LEAK_DESCRIPTOR && dup(host->wake_fd) < 0)
        return -EMFILE;
    if (FAULT == OPEN_SILENT && strncmp(host->option(host, "path"), "/dev/null/", 10) == 0) {
        free(self);
        return -EINVAL;
    }
    self->host = host;
    *ret = self;
    return 0;
}

static void faulty_close(void *arg)
{
    struct faulty *self = arg;

    if (self->file != NULL)
        fclose(self->file);
    for (size_t i = 0; i < self->count; i++)
        free(self->ids[i]);
    free(self);
}

static void *stay(void *arg)
{
    poll(NULL, 0, 1000000);
    return arg;
}

static int faulty_probe(void *arg, struct memferry_reason *why)
{
    struct faulty *self = arg;
    const struct memferry_host *host = self->host;
    const char *path = host->option(host, "path");
    pthread_t thread;

    if (FAULT == LEAK_THREAD && pthread_create(&thread, NULL, stay, NULL) == 0)
        pthread_detach(thread);
    if (FAULT == LOGS_SECRET || FAULT == TELLS_SECRET) {
        const char *secret = host->secret(host, "token", NULL, NULL);
        if (FAULT == LOGS_SECRET)
            host->log(host, MEMFERRY_LOG_INFO, "logging in with %s", secret);
        else
            snprintf(why->text, sizeof why->text, "logged in with %s", secret);
    }
    if (self->file == NULL)
        self->file = fopen(path, "ae");
    if (self->file != NULL)
        return FAULT == PROBE_POSITIVE;
    int code = -errno;
    if (FAULT != PROBE_SILENT)
        snprintf(why->text, sizeof why->text, "cannot open %.300s: %s", path, strerror(-code));
    return code;
}

static void answer(struct memferry_outcome *outcome, enum memferry_verdict verdict,
                   enum memferry_blame blame, const char *why)
{
    outcome->verdict = verdict;
    outcome->blame = blame;
    snprintf(outcome->reason.text, sizeof outcome->reason.text, "%s", why);
}

static void hold(struct faulty *self, const char *id)
{
    size_t at = 0;

    while (at < self->count && strcmp(self->ids[at], id) < 0)
        at++;
    if ((at < self->count && strcmp(self->ids[at], id) == 0) || self->count == 4000)
        return;
    memmove(&self->ids[at + 1], &self->ids[at], (self->count - at) * sizeof *self->ids);
    self->ids[at] = strdup(id);
    self->count++;
}

static void take(struct faulty *self, const struct memferry_memory *memory,
                 struct memferry_outcome *outcome)
{
    answer(outcome, MEMFERRY_DONE, MEMFERRY_BLAME_RECORD, "");
    if (FAULT == WRITES_INPUT)
        ((char *)(size_t)memory->content.data)[0] = 'x';
    if (FAULT == CRASHES_ON_EMPTY && memory->content.size == 0)
        *(volatile char *)8 = 0;
    if (FAULT == KEEPS_POINTER) {
        if (kept.data != NULL && kept.data[0] == 'x')
            abort();
        kept = memory->content;
    }
    if (FAULT == RETRY_FOR_ODD && memory->prop_count > 0)
        answer(outcome, MEMFERRY_RETRY, MEMFERRY_BLAME_RECORD, "props are not for me");
    if (FAULT == NO_ANSWER)
        *outcome = (struct memferry_outcome){0};
    if (FAULT == NO_REASON)
        answer(outcome, MEMFERRY_REJECT, MEMFERRY_BLAME_RECORD, "");
    if (FAULT == BAD_VERDICT)
        outcome->verdict = 9;
    if (FAULT == REJECTS_BACKEND)
        answer(outcome, MEMFERRY_REJECT, MEMFERRY_BLAME_BACKEND, "the place is gone");
    if (FAULT == BAD_TEXT)
        answer(outcome, MEMFERRY_REJECT, MEMFERRY_BLAME_RECORD, "cut within \xc3");
    if (FAULT == ENDS_PROCESS)
        exit(3);
    hold(self, memory->id.data);
    fprintf(self->file, "%s\n", memory->id.data);
}

static void faulty_deliver(void *arg, const struct memferry_memory *memories, size_t n,
                           struct memferry_outcome *outcomes)
{
    struct faulty *self = arg;

    if (FAULT == GLOBAL_STATE) {
        if (in_call != NULL)
            abort();
        in_call = self;
        poll(NULL, 0, 1);
    }
    if (FAULT == DEAF && self->host->cancelled(self->host))
        poll(NULL, 0, 3000);
    for (size_t i = 0; i < n && !(FAULT == FORGETS_SECOND && i == 1); i++)
        take(self, &memories[i], &outcomes[i]);
    if (fflush(self->file) != 0) {
        for (size_t i = 0; i < n; i++)
            answer(&outcomes[i], MEMFERRY_RETRY,
                   FAULT == BLAMES_RECORD ? MEMFERRY_BLAME_RECORD : MEMFERRY_BLAME_BACKEND,
                   "the file cannot be written");
        fclose(self->file);
        self->file = NULL;
    }
    in_call = NULL;
}

static int faulty_fetch(void *arg, const char *after, size_t max, memferry_fetch_fn *fn, void *to)
{
    struct faulty *self = arg;
    size_t given = 0;

    for (size_t i = 0; i < self->count && given < max; i++) {
        size_t at = FAULT == FETCH_DISORDER ? self->count - 1 - i : i;
        const char *id = self->ids[at];
        if ((FAULT != FETCH_DISORDER && strcmp(id, after) <= 0) ||
            (FAULT == FETCH_MISSES && id[strlen(id) - 1] == '7'))
            continue;
        struct memferry_string none = {"", 0};
        struct memferry_memory memory = {.id = {id, strlen(id)},
                                         .content = {"x", 1},
                                         .kind = none,
                                         .embedding_model = none,
                                         .stamp = 1,
                                         .origin = {"00000000-0000-4000-8000-000000000001", 36},
                                         .session_id = none};
        int r = fn(to, &memory);
        if (r != 0 && FAULT != FETCH_GOES_ON)
            return r;
        given++;
    }
    return (int)given;
}

static const struct memferry_option options[] = {
    {.name = "path", .type = MEMFERRY_OPTION_PATH, .required = true, .help = "the file"},
    {.name = "token", .type = MEMFERRY_OPTION_SECRET, .help = "a secret"},
    {.name = "size", .type = MEMFERRY_OPTION_SIZE, .help = FAULT == NO_HELP ? NULL : "a size"},
    {.name = NULL}};

const struct memferry_plugin memferry_plugin = {
    .abi = MEMFERRY_PLUGIN_ABI,
    .size = sizeof(struct memferry_plugin),
    .name = "faulty",
    .version = "1",
    .summary = "has a fault",
    .options = options,
    .open = faulty_open,
    .close = faulty_close,
    .probe = faulty_probe,
    .deliver = faulty_deliver,
    .fetch = faulty_fetch,
};
