/* scripted.c - the plugin of scripted.h, a sink; with SCRIPTED_EMBEDS an embedder. Built as plugins
 * are: against the public header alone. */
#include "scripted.h"

#include <memferry/plugin.h>

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct scripted_instance {
    const struct memferry_host *host;
    struct scripted *control;
    char password[64];
};

static int scripted_open(const struct memferry_host *host, void **self)
{
    struct scripted_instance *instance = calloc(1, sizeof *instance);
    const char *control = host->option(host, "control");
    void *address = NULL;

    if (instance == NULL || control == NULL || sscanf(control, "%p", &address) != 1) {
        free(instance);
        return -EINVAL;
    }
    const char *password = host->secret(host, "password", NULL, NULL);
    snprintf(instance->password, sizeof instance->password, "%s", password ? password : "");
    instance->host = host;
    instance->control = address;
    pthread_mutex_lock(&instance->control->mutex);
    instance->control->opens++;
    bool fails = instance->control->open_fails;
    pthread_mutex_unlock(&instance->control->mutex);
    if (fails) {
        free(instance);
        return -EACCES;
    }
    *self = instance;
    return 0;
}

static void scripted_close(void *self)
{
    struct scripted_instance *instance = self;

    pthread_mutex_lock(&instance->control->mutex);
    instance->control->closes++;
    pthread_mutex_unlock(&instance->control->mutex);
    free(instance);
}

/* Waits as long as the test holds the call. Every wait wakes up by a descriptor. */
static void wait_while_held(const struct scripted_instance *instance, bool held, bool deaf)
{
    struct pollfd fds[] = {{.fd = instance->control->go_fd, .events = POLLIN},
                           {.fd = instance->host->wake_fd, .events = POLLIN}};
    uint64_t one = 1;

    if (write(instance->control->called_fd, &one, sizeof one) != (ssize_t)sizeof one) {
        abort();
    }
    if (held) {
        poll(fds, deaf ? 1 : 2, -1);
    }
}

static int scripted_probe(void *self, struct memferry_reason *why)
{
    struct scripted_instance *instance = self;
    struct scripted *control = instance->control;
    int status = 0;

    pthread_mutex_lock(&control->mutex);
    bool hold = control->hold_probe;
    pthread_mutex_unlock(&control->mutex);
    if (hold) {
        wait_while_held(instance, true, false);
        snprintf(why->text, sizeof why->text, "Cancelled.");
        return -ECANCELED;
    }
    pthread_mutex_lock(&control->mutex);
    control->probes++;
    if (control->probe_fails) {
        snprintf(why->text, sizeof why->text, "%s",
                 control->probe_reason != NULL ? control->probe_reason : "The backend is away.");
        status = control->probe_gone ? -ENOLINK : -ECONNREFUSED;
        instance->host->ask_again_after(instance->host, control->probe_asks_ms);
    } else if (control->password != NULL && strcmp(control->password, instance->password) != 0) {
        snprintf(why->text, sizeof why->text, "The backend refused the password.");
        status = -EACCES;
    }
    pthread_mutex_unlock(&control->mutex);
    return status;
}

static void note(struct scripted *control, const char *id, const char *content, size_t n)
{
    if (control->taped < SCRIPTED_TAPE_MAX) {
        struct scripted_entry *entry = &control->tape[control->taped++];

        snprintf(entry->id, sizeof entry->id, "%s", id);
        snprintf(entry->content, sizeof entry->content, "%s", content);
        entry->of = n;
    }
}

static void say(struct memferry_outcome *outcome, enum memferry_verdict verdict,
                enum memferry_blame blame, const char *what, const char *id)
{
    outcome->verdict = verdict;
    outcome->blame = blame;
    snprintf(outcome->reason.text, sizeof outcome->reason.text, "%s\n%s", what, id);
}

static void answer(const struct scripted *control, const char *id, struct memferry_outcome *outcome)
{
    if (control->down || (id[0] == SCRIPTED_DOWN && !control->healed)) {
        say(outcome, MEMFERRY_RETRY, MEMFERRY_BLAME_BACKEND, "The backend is down:", id);
        outcome->retry_after_ms = control->asked_ms;
    } else if (id[0] == SCRIPTED_GONE && !control->healed) {
        say(outcome, MEMFERRY_RETRY, MEMFERRY_BLAME_GONE, "Gone for good:", id);
    } else if (id[0] == SCRIPTED_RETRY && !control->healed) {
        say(outcome, MEMFERRY_RETRY, MEMFERRY_BLAME_RECORD, "Not now:", id);
        outcome->retry_after_ms = control->retry_after_ms;
    } else if (id[0] == SCRIPTED_REJECT && !control->healed) {
        say(outcome, MEMFERRY_REJECT, MEMFERRY_BLAME_RECORD, "Never:", id);
    } else {
        outcome->verdict = MEMFERRY_DONE;
        outcome->superseded = id[0] == SCRIPTED_SUPERSEDED;
    }
}

#ifdef SCRIPTED_EMBEDS

/* A text stands for its own id. Its vector begins with its size, and with 'n' holds no number. */
static void scripted_embed(void *self, struct memferry_text *texts, size_t n, float *vectors,
                           struct memferry_outcome *outcomes)
{
    struct scripted_instance *instance = self;
    struct scripted *control = instance->control;

    pthread_mutex_lock(&control->mutex);
    control->calls++;
    for (size_t i = 0; i < n; i++) {
        const char *text = texts[i].text.data;
        float *vector = vectors + i * instance->host->dims;

        note(control, text, text, n);
        answer(control, text, &outcomes[i]);
        memset(vector, 0, instance->host->dims * sizeof *vector);
        vector[0] =
            text[0] == SCRIPTED_NO_NUMBER && !control->healed ? NAN : (float)texts[i].text.size;
        texts[i].truncated = text[0] == SCRIPTED_CUT;
    }
    bool hold = control->hold, deaf = control->deaf;
    pthread_mutex_unlock(&control->mutex);
    wait_while_held(instance, hold, deaf);
}

#else

static void scripted_deliver(void *self, const struct memferry_memory *memories, size_t n,
                             struct memferry_outcome *outcomes)
{
    struct scripted_instance *instance = self;
    struct scripted *control = instance->control;
    bool poisoned = false;

    pthread_mutex_lock(&control->mutex);
    control->calls++;
    for (size_t i = 0; i < n; i++) {
        if (control->taped < SCRIPTED_TAPE_MAX) {
            control->tape[control->taped].version = memories[i].version;
            control->tape[control->taped].deleted = memories[i].deleted_ms != 0;
            control->tape[control->taped].has_vector = memories[i].embedding != NULL;
        }
        note(control, memories[i].id.data, memories[i].content.data, n);
        poisoned |= memories[i].id.data[0] == SCRIPTED_POISON && !control->healed;
    }
    bool hold = control->hold, deaf = control->deaf;
    pthread_mutex_unlock(&control->mutex);
    wait_while_held(instance, hold, deaf);
    if (hold && instance->host->cancelled(instance->host)) {
        return; /* an outcome left alone is a RETRY */
    }
    pthread_mutex_lock(&control->mutex);
    for (size_t i = 0; i < n; i++) {
        if (poisoned) {
            say(&outcomes[i], MEMFERRY_REJECT, MEMFERRY_BLAME_BATCH, "Poison with",
                memories[i].id.data);
        } else {
            answer(control, memories[i].id.data, &outcomes[i]);
        }
    }
    pthread_mutex_unlock(&control->mutex);
}

#endif

static const struct memferry_option options[] = {
#ifdef SCRIPTED_EMBEDS
    {.name = "model", .type = MEMFERRY_OPTION_STRING, .default_value = "first", .help = "a name"},
#endif
    {.name = "control", .type = MEMFERRY_OPTION_STRING, .required = true, .help = "an address"},
    {.name = "password", .type = MEMFERRY_OPTION_SECRET, .help = "what probe compares"},
    {0},
};

__attribute__((visibility("default"))) extern const struct memferry_plugin memferry_plugin;
const struct memferry_plugin memferry_plugin = {
    .abi = MEMFERRY_PLUGIN_ABI,
    .size = sizeof(struct memferry_plugin),
    .name = "scripted",
    .version = "1",
    .summary = "answers as the test says",
    .options = options,
    .open = scripted_open,
    .close = scripted_close,
    .probe = scripted_probe,
#ifdef SCRIPTED_EMBEDS
    .embed = scripted_embed,
#else
    .deliver = scripted_deliver,
#endif
};
