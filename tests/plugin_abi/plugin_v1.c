/*
 * plugin_v1.c - uses every part of the version 1 interface that a sink and source sees, and answers
 * with what it saw, so that a field that moved shows.
 */
#include "plugin_v1.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct v1 {
    const struct memferry_host *host;
    int64_t limit;
};

extern const struct memferry_plugin memferry_plugin;

static int v1_open(const struct memferry_host *host, void **self)
{
    struct v1 *v1 = calloc(1, sizeof *v1);

    if (v1 == NULL) {
        return -ENOMEM;
    }
    v1->host = host;
    v1->limit = host->option_int(host, "limit");
    *self = v1;
    host->log(host, MEMFERRY_LOG_INFO, "v1 opened with %d dims", (int)host->dims);
    return 0;
}

static void v1_close(void *self)
{
    free(self);
}

static int v1_probe(void *self, struct memferry_reason *why)
{
    struct v1 *v1 = self;
    const struct memferry_host *host = v1->host;
    size_t size = 0;
    const char *secret = host->secret(host, "key", &size, why);

    if (secret == NULL) {
        return -EACCES;
    }
    snprintf(why->text, sizeof why->text, "%s %s %u %s %zu %lld %s", host->backend, host->origin,
             host->dims, host->option(host, "word"), size, (long long)v1->limit,
             strrchr(host->state_dir, '/'));
    return host->cancelled(host) ? -ECANCELED : 0;
}

static void describe(const struct memferry_memory *m, char *text, size_t size)
{
    snprintf(text, size, "%s|%s|%s|%zu:%s|%s=%lld|%s=%g|%g|%s|%d|%lld|%lld|%lld|%llu|%lld|%s|%s",
             m->id.data, m->content.data, m->kind.data, m->tag_count, m->tags[0].data,
             m->props[0].name.data, (long long)m->props[0].value.as.integer, m->props[1].name.data,
             m->props[1].value.as.list.items[1].as.floating, (double)m->embedding[m->dims - 1],
             m->embedding_model.data, (int)m->embedding_state, (long long)m->created_ms,
             (long long)m->updated_ms, (long long)m->deleted_ms, (unsigned long long)m->version,
             (long long)m->stamp, m->origin.data, m->session_id.data);
}

static void v1_deliver(void *self, const struct memferry_memory *memories, size_t n,
                       struct memferry_outcome *outcomes)
{
    (void)self;
    for (size_t i = 0; i < n; i++) {
        outcomes[i].verdict = MEMFERRY_RETRY;
        outcomes[i].blame = MEMFERRY_BLAME_BATCH;
        outcomes[i].retry_after_ms = (uint32_t)(1000 + i);
        describe(&memories[i], outcomes[i].reason.text, sizeof outcomes[i].reason.text);
    }
}

static int v1_fetch(void *self, const char *after_id, size_t max, memferry_fetch_fn *fn, void *arg)
{
    struct memferry_memory memory = {.id = {.data = "fetched", .size = 7}};

    (void)self;
    if (max == 0 || strcmp(after_id, "fetched") >= 0) {
        return 0;
    }
    int answer = fn(arg, &memory);
    return answer != 0 ? answer : 1;
}

static const struct memferry_option options[] = {
    {.name = "limit",
     .type = MEMFERRY_OPTION_SIZE,
     .default_value = "4K",
     .min = 1,
     .max = 1 << 20},
    {.name = "word", .type = MEMFERRY_OPTION_STRING, .required = true, .help = "any word"},
    {.name = "key", .type = MEMFERRY_OPTION_SECRET, .default_value = "PLUGIN_V1_KEY"},
    {0},
};

__attribute__((visibility("default"))) const struct memferry_plugin memferry_plugin = {
    .abi = MEMFERRY_PLUGIN_ABI,
    .size = sizeof(struct memferry_plugin),
    .name = "plugin_v1",
    .version = "1.0",
    .summary = "as built against the first interface",
    .options = options,
    .open = v1_open,
    .close = v1_close,
    .probe = v1_probe,
    .deliver = v1_deliver,
    .fetch = v1_fetch,
};
