/*
 * wrong.c - a plugin that is right but for what the build overrides: WRONG is one more initialiser
 * of the table (".abi = 99"), WRONG_ROW a second row of the options.
 */
#include <memferry/plugin.h>

#include <stddef.h>

#ifndef WRONG
#define WRONG .summary = ""
#endif
#ifndef WRONG_ROW
#define WRONG_ROW .name = "second", .type = MEMFERRY_OPTION_INT
#endif

extern const struct memferry_plugin memferry_plugin;

static int wrong_open(const struct memferry_host *host, void **self)
{
    (void)host;
    *self = NULL;
    return 0;
}

static void wrong_close(void *self)
{
    (void)self;
}

static int wrong_probe(void *self, struct memferry_reason *why)
{
    (void)self;
    (void)why;
    return 0;
}

static void wrong_deliver(void *self, const struct memferry_memory *memories, size_t n,
                          struct memferry_outcome *outcomes)
{
    (void)self;
    (void)memories;
    (void)n;
    (void)outcomes;
}

static const struct memferry_option options[] = {
    {.name = "first", .type = MEMFERRY_OPTION_SECRET}, {WRONG_ROW}, {0}};

__attribute__((visibility("default"))) const struct memferry_plugin memferry_plugin = {
    .abi = MEMFERRY_PLUGIN_ABI,
    .size = sizeof(struct memferry_plugin),
    .name = "wrong",
    .options = options,
    .open = wrong_open,
    .close = wrong_close,
    .probe = wrong_probe,
    .deliver = wrong_deliver,
    .fetch = NULL,
    WRONG,
};
