/*
 * source.c - a sink that takes everything and, read back, gives what no good source would: the
 * option `gives` says what, beside a few good memories.
 */
#include <memferry/plugin.h>

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIMS       768
#define STAMP      INT64_C(1700000000000000)
#define ORIGIN     "99999999-2222-4333-8444-555555555555"
#define GOOD_COUNT 3
#define LONG_COUNT 450

struct source {
    const struct memferry_host *host;
    const char *gives;
    char *large;
    float numbers[DIMS];
};

static const struct memferry_option options[] = {
    {.name = "gives", .type = MEMFERRY_OPTION_STRING, .default_value = "", .help = "What is wrong"},
    {.name = NULL},
};

static int source_open(const struct memferry_host *host, void **self)
{
    struct source *source = calloc(1, sizeof *source);

    if (source == NULL || (source->large = malloc(2 << 20)) == NULL) {
        return -ENOMEM;
    }
    memset(source->large, 'x', (2 << 20) - 1);
    source->large[(2 << 20) - 1] = '\0';
    source->host = host;
    source->gives = host->option(host, "gives");
    *self = source;
    return 0;
}

static void source_close(void *self)
{
    struct source *source = self;

    free(source->large);
    free(source);
}

static int source_probe(void *self, struct memferry_reason *why)
{
    (void)self;
    snprintf(why->text, sizeof why->text, "it is here");
    return 0;
}

static void source_deliver(void *self, const struct memferry_memory *memories, size_t n,
                           struct memferry_outcome *outcomes)
{
    (void)self;
    (void)memories;
    for (size_t i = 0; i < n; i++) {
        outcomes[i].verdict = MEMFERRY_DONE;
    }
}

static struct memferry_string text(const char *data)
{
    return (struct memferry_string){.data = data, .size = strlen(data)};
}

static struct memferry_memory good(const char *id)
{
    return (struct memferry_memory){.id = text(id),
                                    .content = text("as it should be"),
                                    .kind = text("note"),
                                    .created_ms = 1,
                                    .updated_ms = 1,
                                    .version = 1,
                                    .stamp = STAMP,
                                    .origin = text(ORIGIN),
                                    .session_id = text(""),
                                    .embedding_model = text("")};
}

/* What is not as it should be about the memory "bad". */
static void spoil(struct source *source, struct memferry_memory *memory)
{
    static const struct memferry_string no_text[] = {{"\xff\xfe", 2}};
    const char *gives = source->gives;

    if (strcmp(gives, "no-utf8-content") == 0) {
        memory->content = text("caf\xe9");
    } else if (strcmp(gives, "no-utf8-tag") == 0) {
        memory->tags = no_text;
        memory->tag_count = 1;
    } else if (strcmp(gives, "large-content") == 0) {
        memory->content = text(source->large);
    } else if (strcmp(gives, "far-future") == 0) {
        memory->stamp = INT64_MAX;
    } else if (strcmp(gives, "negative-stamp") == 0) {
        memory->stamp = -1;
    } else if (strcmp(gives, "no-origin") == 0) {
        memory->origin = text("\xff not a UUID");
    } else if (strcmp(gives, "no-numbers") == 0) {
        source->numbers[7] = NAN;
        memory->embedding = source->numbers;
        memory->dims = DIMS;
    } else if (strcmp(gives, "other-dims") == 0) {
        memory->embedding = source->numbers;
        memory->dims = 3;
    } else if (strcmp(gives, "long-session") == 0) {
        memory->session_id = text(source->large);
    }
}

static int give(const struct memferry_memory *memory, const char *after_id, size_t max, int *given,
                memferry_fetch_fn *fn, void *arg)
{
    if ((size_t)*given == max || strcmp(memory->id.data, after_id) <= 0) {
        return 0;
    }
    *given += 1;
    return fn(arg, memory);
}

/* Ids that are all alike for longer than an id may be. */
static int give_long(const char *after_id, size_t max, int *given, memferry_fetch_fn *fn, void *arg)
{
    char id[320];
    int r = 0;

    memset(id, 'l', sizeof id);
    for (int i = 0; r == 0 && i < LONG_COUNT; i++) {
        snprintf(id + 300, sizeof id - 300, "%04d", i);
        struct memferry_memory memory = good(id);
        r = give(&memory, after_id, max, given, fn, arg);
    }
    return r;
}

static int source_fetch(void *self, const char *after_id, size_t max, memferry_fetch_fn *fn,
                        void *arg)
{
    static const char *const ids[GOOD_COUNT] = {"a", "c", "z"};
    struct source *source = self;
    struct memferry_memory bad = good(strcmp(source->gives, "no-utf8-id") == 0 ? "bad\xff" : "bad");
    int given = 0, r = 0;

    spoil(source, &bad);
    for (int i = 0; r == 0 && i < GOOD_COUNT; i++) {
        struct memferry_memory memory = good(ids[i]);
        r = give(&memory, after_id, max, &given, fn, arg);
        if (r == 0 && i == 0) {
            r = give(&bad, after_id, max, &given, fn, arg);
        }
        if (r == 0 && i == 1 && strcmp(source->gives, "long-ids") == 0) {
            r = give_long(after_id, max, &given, fn, arg);
        }
        if (r == 0 && i == 1 && strcmp(source->gives, "twice") == 0) {
            r = fn(arg, &memory);
        }
        if (r == 0 && i == 1 && strcmp(source->gives, "out-of-order") == 0) {
            r = fn(arg, &bad);
        }
    }
    if (strcmp(source->gives, "an-error") == 0) {
        return -EIO;
    }
    return r != 0 ? r : given;
}

extern const struct memferry_plugin memferry_plugin;

__attribute__((visibility("default"))) const struct memferry_plugin memferry_plugin = {
    .abi = MEMFERRY_PLUGIN_ABI,
    .size = sizeof(struct memferry_plugin),
    .name = "source",
    .version = "1",
    .summary = "a source that is not as it should be",
    .options = options,
    .open = source_open,
    .close = source_close,
    .probe = source_probe,
    .deliver = source_deliver,
    .fetch = source_fetch,
};
