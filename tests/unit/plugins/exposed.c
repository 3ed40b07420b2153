/* exposed.c - a good plugin with an option of every type, and nothing behind it. */
#include "exposed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

extern const struct memferry_plugin memferry_plugin;

static int exposed_open(const struct memferry_host *host, void **self)
{
    const char *fail = host->option(host, "fail");

    if (fail != NULL) {
        host->log(host, MEMFERRY_LOG_ERROR, "told to fail: %s", fail);
        return strcmp(fail, "badly") == 0 ? 7 : -EACCES;
    }
    struct exposed *e = calloc(1, sizeof *e);
    if (e == NULL) {
        return -ENOMEM;
    }
    e->host = host;
    *self = e;
    return 0;
}

static void exposed_close(void *self)
{
    free(self);
}

static int exposed_probe(void *self, struct memferry_reason *why)
{
    (void)self;
    (void)why;
    return 0;
}

static void exposed_deliver(void *self, const struct memferry_memory *memories, size_t n,
                            struct memferry_outcome *outcomes)
{
    (void)self;
    (void)memories;
    for (size_t i = 0; i < n; i++) {
        outcomes[i].verdict = MEMFERRY_DONE;
    }
}

static const struct memferry_option options[] = {
    {.name = "url", .type = MEMFERRY_OPTION_STRING, .required = true, .help = "where it is"},
    {.name = "count", .type = MEMFERRY_OPTION_INT, .default_value = "7", .min = 1, .max = 9},
    {.name = "any", .type = MEMFERRY_OPTION_INT},
    {.name = "quick", .type = MEMFERRY_OPTION_BOOL, .default_value = "no"},
    {.name = "patience",
     .type = MEMFERRY_OPTION_DURATION,
     .default_value = "30s",
     .min = 10,
     .max = 60000},
    {.name = "room", .type = MEMFERRY_OPTION_SIZE, .default_value = "64K"},
    {.name = "place", .type = MEMFERRY_OPTION_PATH, .default_value = "~/place"},
    {.name = "password", .type = MEMFERRY_OPTION_SECRET, .default_value = "EXPOSED_PASSWORD"},
    {.name = "signing", .type = MEMFERRY_OPTION_SECRET},
    {.name = "fail", .type = MEMFERRY_OPTION_STRING},
    {.name = "batch", .type = MEMFERRY_OPTION_INT, .default_value = "200", .min = 1, .max = 1000},
    {0},
};

__attribute__((visibility("default"))) const struct memferry_plugin memferry_plugin = {
    .abi = MEMFERRY_PLUGIN_ABI,
    .size = sizeof(struct memferry_plugin),
    .name = "exposed",
    .version = "1",
    .summary = "shows its host to a test",
    .options = options,
    .open = exposed_open,
    .close = exposed_close,
    .probe = exposed_probe,
    .deliver = exposed_deliver,
};
