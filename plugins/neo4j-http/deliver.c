/*
 * deliver.c - brings the graph to the state of a batch of memories.
 *
 * Happy path: the batch is cut into contiguous ranges of ids; each range is one request and one
 * transaction; as many as there are connections run side by side, over Bolt or HTTP; each reply
 * settles its memories.
 *
 * Failure modes: a range that fails gives all its memories one outcome (reply.c), and leaves the
 * other ranges alone. Rows that have props to remove, and ranges that met a deadlock, stay open and
 * go in another round; after ROUNDS_MAX they are retries.
 */
#include "plugins/neo4j-http/deliver.h"

#include <stdlib.h>

enum {
    ROUNDS_MAX = 4,
    RANGE_MIN = 25, /* memories: smaller requests cost more than they run beside each other */
};

void delivery_settle(struct delivery *d, const struct range *range, struct memferry_outcome outcome)
{
    for (size_t i = 0; i < range->count; i++) {
        d->outcomes[d->open[range->first + i]] = outcome;
    }
}

static void settle_all(struct memferry_outcome *outcomes, size_t n, struct memferry_outcome outcome)
{
    for (size_t i = 0; i < n; i++) {
        outcomes[i] = outcome;
    }
}

size_t delivery_range_count(const struct delivery *d, size_t max)
{
    size_t useful = (d->open_count + RANGE_MIN - 1) / RANGE_MIN;

    return useful < max ? useful : max;
}

struct range delivery_range(const struct delivery *d, size_t part, size_t parts)
{
    size_t first = d->open_count * part / parts;

    return (struct range){first, d->open_count * (part + 1) / parts - first};
}

/* A row that was not taken: [i, wins, gone]. False: it is no such thing. */
static bool settle_left(struct delivery *d, const json_t *left)
{
    size_t i = (size_t)json_integer_value(json_array_get(left, 0));
    json_t *gone = json_array_get(left, 2);

    if (!json_is_integer(json_array_get(left, 0)) || i >= d->n || !json_is_array(gone)) {
        return false;
    }
    if (!json_is_true(json_array_get(left, 1))) {
        d->outcomes[i] = outcome_done();
        d->outcomes[i].superseded = true;
    } else if (d->last_round) {
        d->outcomes[i] = outcome_retry(MEMFERRY_BLAME_RECORD, -1,
                                       "the memory kept changing in the graph meanwhile");
    } else {
        json_decref(d->gone[i]);
        d->gone[i] = json_incref(gone);
        d->outcomes[i] = (struct memferry_outcome){0};
    }
    return true;
}

/* The reply's only row: [rows, left]. */
static void settle_rows(struct delivery *d, const struct range *range,
                        const struct neo4j_reply *reply, const char *target)
{
    const json_t *row = neo4j_reply_row(reply, 0);
    const json_t *left = json_array_get(row, 1);
    bool good = json_integer_value(json_array_get(row, 0)) == (json_int_t)range->count &&
                json_is_array(left);

    delivery_settle(d, range, outcome_done());
    for (size_t i = 0; good && i < json_array_size(left); i++) {
        good = settle_left(d, json_array_get(left, i));
    }
    if (!good) {
        delivery_settle(d, range,
                        outcome_retry(MEMFERRY_BLAME_BACKEND, -1,
                                      "%s confirmed other rows than those that were sent", target));
    }
}

void delivery_settle_reply(struct delivery *d, const struct range *range,
                           const struct neo4j_reply *reply, bool good, const char *target)
{
    if (good) {
        settle_rows(d, range, reply, target);
    } else if (!reply->again || d->last_round) {
        delivery_settle(d, range, reply->failure);
    }
}

static void collect_open(struct delivery *d)
{
    d->open_count = 0;
    for (size_t i = 0; i < d->n; i++) {
        if (d->outcomes[i].verdict == 0) {
            d->open[d->open_count++] = i;
        }
    }
}

/* What no server should be asked: settled before anything is sent. */
static void refuse(struct delivery *d, size_t i)
{
    const struct memferry_memory *memory = &d->memories[i];

    d->outcomes[i] = (struct memferry_outcome){0};
    if (memory->embedding != NULL && memory->dims != d->graph->host->dims) {
        /* The server would store it and, without a word, not index it. */
        d->outcomes[i] = outcome_reject(MEMFERRY_BLAME_RECORD,
                                        "the embedding has %zu dimensions, the broker's have %u",
                                        memory->dims, d->graph->host->dims);
    }
    for (size_t k = 0; k < memory->prop_count; k++) {
        if (is_field_name(memory->props[k].name)) {
            d->outcomes[i] = outcome_reject(MEMFERRY_BLAME_RECORD,
                                            "the prop %s has the name of a property that memferry "
                                            "keeps on the node; rename it",
                                            memory->props[k].name.data);
        }
    }
}

static void deliver_all(struct delivery *d)
{
    for (size_t i = 0; i < d->n; i++) {
        refuse(d, i);
    }
    for (int round = 1; round <= ROUNDS_MAX; round++) {
        collect_open(d);
        if (d->open_count == 0) {
            return;
        }
        d->last_round = round == ROUNDS_MAX;
        if (d->graph->bolt != NULL) {
            delivery_round_by_bolt(d);
        } else {
            delivery_round_by_http(d);
        }
    }
}

void neo4j_deliver(void *self, const struct memferry_memory *memories, size_t n,
                   struct memferry_outcome *outcomes)
{
    struct delivery d = {.graph = self, .memories = memories, .outcomes = outcomes, .n = n};

    d.gone = calloc(n, sizeof(json_t *));
    d.open = calloc(n, sizeof *d.open);
    if (d.gone != NULL && d.open != NULL) {
        deliver_all(&d);
    } else {
        settle_all(outcomes, n, outcome_retry(MEMFERRY_BLAME_BACKEND, -1, "out of memory"));
    }
    for (size_t i = 0; d.gone != NULL && i < n; i++) {
        json_decref(d.gone[i]);
    }
    free(d.gone);
    free(d.open);
}
