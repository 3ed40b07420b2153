/*
 * example-name.c - a memferry plugin: makes vectors by counting pieces of words.
 *
 * Happy path: each three bytes of a text add to one place of the vector, which is then brought to
 * length 1. Texts that share words come near each other; meaning it does not know. It needs no
 * server: put your own model where the counting is.
 *
 * Failure modes: none. The option `model` names what makes the vectors: another value means that
 * everything is embedded anew.
 */
#include <memferry/plugin.h>

#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PIECE 3

struct example {
    const struct memferry_host *host;
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
    free(self);
}

/* Called until it answers 0; only then texts come. */
static int example_probe(void *self, struct memferry_reason *why)
{
    (void)self;
    snprintf(why->text, sizeof why->text, "it counts pieces of %d bytes", PIECE);
    return 0;
}

/* ---- one text ---- */

/* FNV-1a */
static uint32_t hash(const char *data)
{
    uint32_t value = 2166136261u;

    for (size_t i = 0; i < PIECE; i++) {
        value = (value ^ (unsigned char)data[i]) * 16777619u;
    }
    return value;
}

static void embed_text(struct memferry_string text, float *vector, size_t dims)
{
    double sum = 0;

    memset(vector, 0, dims * sizeof *vector);
    for (size_t i = 0; i + PIECE <= text.size; i++) {
        uint32_t piece = hash(text.data + i);
        vector[piece % dims] += (piece >> 31) != 0 ? 1.0F : -1.0F;
    }
    for (size_t i = 0; i < dims; i++) {
        sum += (double)vector[i] * vector[i];
    }
    if (!(sum > 0)) { /* too short, or all cancelled out */
        vector[0] = 1;
        return;
    }
    for (size_t i = 0; i < dims; i++) {
        vector[i] = (float)(vector[i] / sqrt(sum));
    }
}

/* ---- a batch ---- */

static void example_embed(void *self, struct memferry_text *texts, size_t n, float *vectors,
                          struct memferry_outcome *outcomes)
{
    struct example *it = self;
    size_t dims = it->host->dims;

    for (size_t i = 0; i < n; i++) {
        if (it->host->cancelled(it->host)) {
            outcomes[i].verdict = MEMFERRY_RETRY;
            snprintf(outcomes[i].reason.text, sizeof outcomes[i].reason.text,
                     "the broker is stopping");
            continue;
        }
        embed_text(texts[i].text, vectors + i * dims, dims);
        outcomes[i].verdict = MEMFERRY_DONE;
    }
}

/* ---- what the broker sees ---- */

static const struct memferry_option options[] = {
    {.name = "model",
     .type = MEMFERRY_OPTION_STRING,
     .default_value = "example-name-1",
     .help = "what the vectors are called; another name embeds everything anew"},
    {.name = NULL},
};

extern const struct memferry_plugin memferry_plugin;

__attribute__((visibility("default"))) const struct memferry_plugin memferry_plugin = {
    .abi = MEMFERRY_PLUGIN_ABI,
    .size = sizeof(struct memferry_plugin),
    .name = "example-name",
    .version = "0.1",
    .summary = "makes vectors by counting pieces of words",
    .options = options,
    .open = example_open,
    .close = example_close,
    .probe = example_probe,
    .embed = example_embed,
};
