/*
 * stuck_embedder.c - an embedder whose call for a query never ends while the file `control` is
 * there, whatever it is told: it is not even cancelled. Documents go through. Every text has the
 * same vector.
 */
#include <memferry/plugin.h>

#include <poll.h>
#include <string.h>
#include <unistd.h>

static int stuck_open(const struct memferry_host *host, void **self)
{
    *self = (void *)host;
    return 0;
}

static void stuck_close(void *self)
{
    (void)self;
}

static int stuck_probe(void *self, struct memferry_reason *why)
{
    (void)self;
    (void)why;
    return 0;
}

static void stuck_embed(void *self, struct memferry_text *texts, size_t n, float *vectors,
                        struct memferry_outcome *outcomes)
{
    const struct memferry_host *host = self;
    const char *control = host->option(host, "control");

    for (size_t i = 0; i < n; i++) {
        while (texts[i].query && access(control, F_OK) == 0) {
            poll(NULL, 0, 20);
        }
        memset(vectors + i * host->dims, 0, host->dims * sizeof *vectors);
        vectors[i * host->dims] = 1;
        outcomes[i].verdict = MEMFERRY_DONE;
    }
}

static const struct memferry_option options[] = {
    {.name = "control", .type = MEMFERRY_OPTION_PATH, .required = true, .help = "a file"},
    {.name = "model", .type = MEMFERRY_OPTION_STRING, .default_value = "same", .help = "a name"},
    {.name = NULL},
};

__attribute__((visibility("default"))) extern const struct memferry_plugin memferry_plugin;
const struct memferry_plugin memferry_plugin = {
    .abi = MEMFERRY_PLUGIN_ABI,
    .size = sizeof(struct memferry_plugin),
    .name = "stuck_embedder",
    .version = "1",
    .summary = "never answers a query while a file is there",
    .options = options,
    .open = stuck_open,
    .close = stuck_close,
    .probe = stuck_probe,
    .embed = stuck_embed,
};
