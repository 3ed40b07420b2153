/*
 * fuzz_ollama.c - what an Ollama, or whoever stands there, answers.
 *
 * The first byte says how many texts there are and whether it is probed before; the rest is replies
 * (replies.h). A vector counts only when a reply gave it, and is finite and of length 1; each text
 * has an outcome, and the plugin stops asking.
 */
#include "plugins/ollama-embed/ollama.h"
#include "tests/fuzz/replies.h"
#include "tests/lib/fake_host.h"

#include <math.h>
#include <string.h>

enum {
    DIMS = 3,
    TEXTS_MAX = 8,
    TRIES_MAX = 64 /* of a text: cut by a quarter until it has 32 bytes, and once in company */
};

extern const struct memferry_plugin memferry_plugin;

static char long_text[40000]; /* longer than a context of 2,048 tokens */

static void make_texts(struct memferry_text *texts, size_t n)
{
    static const char *const samples[] = {"Tea at four", "", "x", long_text, "a b c d", "  \n"};

    memset(long_text, 'w', sizeof long_text - 1);
    for (size_t i = 0; i < n; i++) {
        const char *sample = samples[i % (sizeof samples / sizeof samples[0])];
        texts[i] = (struct memferry_text){.text = {sample, strlen(sample)}, .query = i % 5 == 4};
    }
}

static void must_be_unit(const float *vector)
{
    double sum = 0;

    for (size_t i = 0; i < DIMS; i++) {
        must(isfinite(vector[i]), "a vector is finite");
        sum += (double)vector[i] * (double)vector[i];
    }
    must(fabs(sum - 1) < 1e-5, "and of length 1");
}

static void embed(void *self, const struct replies *replies, size_t n)
{
    struct memferry_text texts[TEXTS_MAX];
    struct memferry_outcome outcomes[TEXTS_MAX];
    float vectors[TEXTS_MAX * DIMS];
    size_t good_before = replies_good(replies), asked_before = replies->asked;
    bool any_done = false;

    make_texts(texts, n);
    memset(outcomes, 0x5a, sizeof outcomes);
    memset(vectors, 0xff, sizeof vectors); /* each a NaN */
    memferry_plugin.embed(self, texts, n, vectors, outcomes);
    for (size_t i = 0; i < n; i++) {
        must_be_outcome(&outcomes[i], n);
        if (outcomes[i].verdict == MEMFERRY_DONE) {
            must_be_unit(&vectors[i * DIMS]);
            any_done = true;
        }
    }
    must(!any_done || replies_good(replies) > good_before, "a vector comes from a good reply");
    must(replies->asked - asked_before <= n * TRIES_MAX, "the tries are bounded");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct replies replies;
    struct memferry_reason why = {.text = ""};
    struct fake_host host;
    void *self;

    if (size < 1) {
        return 0;
    }
    fake_host_init(&host, memferry_plugin.options);
    host.quiet = true;
    host.host.dims = DIMS;
    must(memferry_plugin.open(&host.host, &self) == 0, "it opens");
    replies_begin(&replies, data + 1, size - 1);
    if (data[0] & 8) {
        int r = memferry_plugin.probe(self, &why);
        must(r == 0 || why.text[0] != '\0', "what is wrong is told");
        must(r != 0 || replies_good(&replies) > 0, "who is well has answered");
    }
    embed(self, &replies, 1 + data[0] % TEXTS_MAX);
    replies_end();
    memferry_plugin.close(self);
    fake_host_deinit(&host);
    return 0;
}
