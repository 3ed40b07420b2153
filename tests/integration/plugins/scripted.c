/*
 * scripted.c - a sink that behaves as a test tells it to, while it runs.
 *
 * The file `control` holds words: "down" (the backend is unreachable), "hang" (a call that ends
 * only when it is cancelled or the word goes), "stubborn" (the same, and it is not cancelled
 * either), "cured" (nothing is refused any more), "gone" (the backend is not there any more).
 * Beside that the beginning of a memory's content decides: "poison" is refused, "batchpoison" makes
 * the whole request refused without saying why, "later" is put off.
 *
 * What it took goes to the file `out`, a line each: done TAB id TAB version TAB deleted TAB
 * content. Each call adds a line: batch TAB size.
 */
#include <memferry/plugin.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct scripted {
    const struct memferry_host *host;
    FILE *out;
    const char *control;
};

static bool told(const struct scripted *self, const char *word)
{
    char text[200] = "";
    FILE *file = fopen(self->control, "re");
    if (!file)
        return false;
    size_t size = fread(text, 1, sizeof(text) - 1, file);
    text[size] = '\0';
    fclose(file);
    return strstr(text, word) != NULL;
}

static int scripted_open(const struct memferry_host *host, void **ret)
{
    struct scripted *self = calloc(1, sizeof(*self));
    if (!self)
        return -ENOMEM;
    self->host = host;
    self->control = host->option(host, "control");
    self->out = fopen(host->option(host, "out"), "ae");
    if (!self->out) {
        host->log(host, MEMFERRY_LOG_ERROR, "cannot open the out file");
        free(self);
        return -EIO;
    }
    *ret = self;
    return 0;
}

static void scripted_close(void *arg)
{
    struct scripted *self = arg;
    fclose(self->out);
    free(self);
}

static int scripted_probe(void *arg, struct memferry_reason *why)
{
    const struct scripted *self = arg;
    if (!told(self, "down"))
        return 0;
    snprintf(why->text, sizeof(why->text), "the script says down");
    return -ECONNREFUSED;
}

static void hang(const struct scripted *self)
{
    struct pollfd wake = {.fd = self->host->wake_fd, .events = POLLIN};
    while (!self->host->cancelled(self->host) && told(self, "hang"))
        poll(&wake, 1, 20);
    while (told(self, "stubborn"))
        poll(NULL, 0, 20);
}

static bool begins(const struct memferry_memory *memory, const char *word)
{
    return memory->deleted_ms == 0 && strncmp(memory->content.data, word, strlen(word)) == 0;
}

static void all_retry(struct memferry_outcome *outcomes, size_t n, enum memferry_blame blame)
{
    for (size_t i = 0; i < n; i++) {
        outcomes[i].verdict = MEMFERRY_RETRY;
        outcomes[i].blame = blame;
        snprintf(outcomes[i].reason.text, sizeof(outcomes[i].reason.text), "the script says down");
    }
}

static void refuse(struct memferry_outcome *outcome, enum memferry_verdict verdict,
                   enum memferry_blame blame)
{
    outcome->verdict = verdict;
    outcome->blame = blame;
    snprintf(outcome->reason.text, sizeof(outcome->reason.text), "the script says no");
}

static bool batch_refused(const struct memferry_memory *memories, size_t n,
                          struct memferry_outcome *outcomes)
{
    bool poisoned = false;
    for (size_t i = 0; i < n; i++)
        poisoned = poisoned || begins(&memories[i], "batchpoison");
    for (size_t i = 0; poisoned && i < n; i++)
        refuse(&outcomes[i], MEMFERRY_REJECT, MEMFERRY_BLAME_BATCH);
    return poisoned;
}

static void take(const struct scripted *self, const struct memferry_memory *memory, bool cured,
                 struct memferry_outcome *outcome)
{
    if (!cured && begins(memory, "poison")) {
        refuse(outcome, MEMFERRY_REJECT, MEMFERRY_BLAME_RECORD);
    } else if (!cured && begins(memory, "later")) {
        refuse(outcome, MEMFERRY_RETRY, MEMFERRY_BLAME_RECORD);
    } else {
        fprintf(self->out, "done\t%s\t%llu\t%d\t%.200s\n", memory->id.data,
                (unsigned long long)memory->version, memory->deleted_ms != 0, memory->content.data);
        outcome->verdict = MEMFERRY_DONE;
    }
}

static void scripted_deliver(void *arg, const struct memferry_memory *memories, size_t n,
                             struct memferry_outcome *outcomes)
{
    struct scripted *self = arg;
    fprintf(self->out, "batch\t%zu\n", n);
    fflush(self->out);
    hang(self);
    if (self->host->cancelled(self->host))
        return; /* an outcome that is left alone counts as RETRY */
    bool cured = told(self, "cured");
    if (told(self, "down")) {
        all_retry(outcomes, n, MEMFERRY_BLAME_BACKEND);
    } else if (told(self, "gone")) {
        all_retry(outcomes, n, MEMFERRY_BLAME_GONE);
    } else if (cured || !batch_refused(memories, n, outcomes)) {
        for (size_t i = 0; i < n; i++)
            take(self, &memories[i], cured, &outcomes[i]);
    }
    fflush(self->out);
}

static const struct memferry_option options[] = {
    {.name = "out", .type = MEMFERRY_OPTION_PATH, .required = true, .help = "what it took"},
    {.name = "control", .type = MEMFERRY_OPTION_PATH, .required = true, .help = "what to do"},
    {.name = NULL},
};

#if defined(__GNUC__)
__attribute__((visibility("default")))
#endif
extern const struct memferry_plugin memferry_plugin;

const struct memferry_plugin memferry_plugin = {
    .abi = MEMFERRY_PLUGIN_ABI,
    .size = sizeof(struct memferry_plugin),
    .name = "scripted",
    .version = "1",
    .summary = "does what a test says",
    .options = options,
    .open = scripted_open,
    .close = scripted_close,
    .probe = scripted_probe,
    .deliver = scripted_deliver,
};
