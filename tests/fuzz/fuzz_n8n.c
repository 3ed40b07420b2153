/*
 * fuzz_n8n.c - what an n8n, or any other receiver of webhooks, answers.
 *
 * The first byte says how many memories there are, and whether it is probed instead; the rest is
 * replies (replies.h). A memory's outcome is that of its own request: DONE by 2xx or 409 only, and
 * behind an answer that blames the backend nothing more is sent.
 */
#include "plugins/n8n-webhook/n8n.h"
#include "tests/fuzz/replies.h"
#include "tests/lib/fake_host.h"
#include "tests/lib/sample_memory.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

enum { MEMORIES_MAX = 12 };

extern const struct memferry_plugin memferry_plugin;

static bool may_be_done(const struct given_reply *given)
{
    return given->failure == HTTP_ANSWERED &&
           ((given->status >= 200 && given->status < 300) || given->status == 409);
}

static bool says_superseded(const struct given_reply *given)
{
    json_t *root = json_loadb((const char *)given->body, given->body_size, 0, NULL);
    bool superseded = json_is_true(json_object_get(root, "superseded"));

    json_decref(root);
    return given->status == 409 || superseded;
}

static void deliver(void *self, const struct replies *replies, size_t n)
{
    struct memferry_memory memories[MEMORIES_MAX];
    struct memferry_outcome outcomes[MEMORIES_MAX];
    char ids[MEMORIES_MAX][8];
    bool stopped = false;

    for (size_t i = 0; i < n; i++) {
        snprintf(ids[i], sizeof ids[i], "m%zu", i);
        memories[i] = sample_memory(ids[i], (int64_t)i + 1);
    }
    memset(outcomes, 0x5a, sizeof outcomes);
    memferry_plugin.deliver(self, memories, n, outcomes);
    for (size_t i = 0; i < n; i++) {
        const struct given_reply *given = &replies->given[i];
        bool sent = i < replies->given_count;
        must_be_outcome(&outcomes[i], 1);
        must(outcomes[i].verdict != MEMFERRY_DONE || (sent && may_be_done(given)),
             "done is what was confirmed");
        must(!outcomes[i].superseded || (sent && says_superseded(given)),
             "superseded is what says so");
        must(!stopped || outcomes[i].verdict == MEMFERRY_RETRY, "nothing is sent to who is down");
        stopped |= outcomes[i].blame >= MEMFERRY_BLAME_BACKEND;
    }
    must(replies->given_count <= n, "each is asked once");
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
    fake_host_set(&host, "url", "http://127.0.0.1:1/webhook/memory-sync");
    fake_host_set(&host, "secret", "a secret of some length");
    must(memferry_plugin.open(&host.host, &self) == 0, "it opens");
    replies_begin(&replies, data + 1, size - 1);
    if (data[0] & 0x80) {
        int r = memferry_plugin.probe(self, &why);
        must(why.text[0] != '\0', "what was found is told");
        must(r != -ENOLINK || (replies.given_count == 1 && replies.given[0].status == 410),
             "gone is who says so");
    } else {
        deliver(self, &replies, 1 + data[0] % MEMORIES_MAX);
    }
    replies_end();
    memferry_plugin.close(self);
    fake_host_deinit(&host);
    return 0;
}
