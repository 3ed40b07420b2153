/*
 * deliver.c - one POST for each memory of a batch, as many side by side as there are connections.
 *
 * Happy path: each request is written and signed when its turn comes, into a slot of its own; its
 * answer is that memory's outcome.
 *
 * Failure modes: an answer that blames the backend holds for what was not sent yet: that is not
 * tried, and gets the same outcome. All else is one memory's.
 */
#include "plugins/n8n-webhook/n8n.h"

#include "plugins/common/verdict.h"

#include <assert.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>

struct delivery {
    struct n8n *n8n;
    const struct memferry_memory *memories;
    struct memferry_outcome *outcomes; /* verdict 0: still open */
    struct http_request *requests;
    struct n8n_slot **held; /* by each request that runs */
    size_t n;
    bool stopped;
    struct memferry_outcome trouble; /* of the backend, when stopped */
};

static struct n8n_slot *take_slot(struct n8n *n8n)
{
    for (size_t i = 0; i < n8n->connections; i++) {
        if (!n8n->slots[i].used) {
            n8n->slots[i].used = true;
            return &n8n->slots[i];
        }
    }
    assert(false); /* there is a slot for each connection */
    return NULL;
}

static int write_request(struct delivery *d, size_t i, struct n8n_slot *slot)
{
    char id[WEBHOOK_EVENT_ID_SIZE];
    size_t size = 0;
    int r = body_state_id(id, &d->memories[i]);

    if (r < 0) {
        return r;
    }
    json_writer_reset(&slot->writer);
    body_write_memory(&slot->writer, id, &d->memories[i], d->n8n->embedding);
    const char *body = json_writer_text(&slot->writer, &size);
    if (body == NULL) {
        return json_writer_status(&slot->writer) < 0 ? json_writer_status(&slot->writer) : -ENOMEM;
    }
    return webhook_client_sign(d->n8n->client, &slot->head, id, body, size, &d->requests[i]);
}

static int prepare(struct http_request *request)
{
    struct delivery *d = request->arg;
    size_t i = (size_t)(request - d->requests);

    if (d->stopped) {
        return -ECANCELED;
    }
    struct n8n_slot *slot = take_slot(d->n8n);
    int r = write_request(d, i, slot);
    if (r < 0) {
        slot->used = false;
        return r;
    }
    d->held[i] = slot;
    return 0;
}

/* A receiver may say that it holds a newer state; most say nothing that we know. */
static bool says_superseded(const struct http_reply *reply)
{
    json_t *root = reply->body == NULL ? NULL : json_loadb(reply->body, reply->body_size, 0, NULL);
    bool superseded = json_is_true(json_object_get(root, "superseded"));

    json_decref(root);
    return superseded;
}

static void settle(struct delivery *d, size_t i, struct memferry_outcome outcome)
{
    d->outcomes[i] = outcome;
    if (outcome.verdict == MEMFERRY_RETRY && !d->stopped &&
        (outcome.blame == MEMFERRY_BLAME_BACKEND || outcome.blame == MEMFERRY_BLAME_GONE)) {
        d->stopped = true;
        d->trouble = outcome;
    }
}

/* The reply goes at once: a batch of them may be large. */
static void finished(struct http_request *request)
{
    struct delivery *d = request->arg;
    size_t i = (size_t)(request - d->requests);
    struct memferry_outcome outcome = webhook_client_outcome(d->n8n->client, &request->reply);

    if (outcome.verdict == MEMFERRY_DONE && says_superseded(&request->reply)) {
        outcome.superseded = true;
    }
    http_reply_deinit(&request->reply);
    settle(d, i, outcome);
    d->held[i]->used = false;
}

/* What was never sent: too large, or behind a failure of the backend. */
static void settle_open(struct delivery *d)
{
    for (size_t i = 0; i < d->n; i++) {
        if (d->outcomes[i].verdict == 0) {
            d->outcomes[i] = d->stopped && d->requests[i].reply.failure == HTTP_CANCELLED
                                 ? d->trouble
                                 : webhook_client_outcome(d->n8n->client, &d->requests[i].reply);
        }
        http_reply_deinit(&d->requests[i].reply);
    }
}

static void deliver_all(struct delivery *d)
{
    for (size_t i = 0; i < d->n; i++) {
        d->outcomes[i] = (struct memferry_outcome){0};
        d->requests[i].prepare = prepare;
        d->requests[i].finished = finished;
        d->requests[i].arg = d;
    }
    http_exchange(webhook_client_http(d->n8n->client), d->requests, d->n);
    settle_open(d);
}

void n8n_deliver(void *self, const struct memferry_memory *memories, size_t n,
                 struct memferry_outcome *outcomes)
{
    struct delivery d = {.n8n = self, .memories = memories, .outcomes = outcomes, .n = n};

    d.requests = calloc(n, sizeof *d.requests);
    d.held = calloc(n, sizeof(struct n8n_slot *));
    if (d.requests != NULL && d.held != NULL) {
        deliver_all(&d);
    } else {
        for (size_t i = 0; i < n; i++) {
            outcomes[i] = outcome_retry(MEMFERRY_BLAME_BACKEND, -1, "out of memory");
        }
    }
    free(d.requests);
    free(d.held);
}
