/*
 * deliver_bolt.c - a round of a delivery over Bolt: more ranges than connections, so that the next
 * is written and sent while the server works on those before.
 */
#include "plugins/neo4j-http/deliver.h"

enum { RANGE_MAX = 200 }; /* memories; more only when there would be too many ranges */

struct bolt_range {
    const struct delivery *d;
    struct range range;
};

/* As many for each connection, so that they end together. */
static size_t range_count(const struct delivery *d)
{
    size_t connections = d->graph->connections;
    size_t wave = connections * RANGE_MAX;
    size_t waves = (d->open_count + wave - 1) / wave;
    size_t most = HTTP_CONNECTIONS_MAX / connections;

    return delivery_range_count(d, connections * (waves < most ? waves : most));
}

static void write_parameters(struct bolt_request *request, struct pack *p)
{
    const struct bolt_range *r = request->arg;

    pack_map(p, 1);
    pack_text(p, "rows");
    pack_list(p, r->range.count);
    for (size_t i = 0; i < r->range.count; i++) {
        size_t at = r->d->open[r->range.first + i];
        deliver_pack_row(p, &r->d->memories[at], at, r->d->gone[at]);
    }
}

static void settle(struct delivery *d, const struct range *range, struct bolt_request *request)
{
    const char *target = bolt_target(d->graph->bolt);
    struct neo4j_reply reply;
    bool good = neo4j_reply_of_bolt(&reply, request, range->count, target);

    delivery_settle_reply(d, range, &reply, good, target);
    neo4j_reply_deinit(&reply);
    bolt_request_deinit(request);
}

void delivery_round_by_bolt(struct delivery *d)
{
    struct bolt_request requests[HTTP_CONNECTIONS_MAX];
    struct bolt_range ranges[HTTP_CONNECTIONS_MAX];
    size_t parts = range_count(d);

    for (size_t part = 0; part < parts; part++) {
        ranges[part] = (struct bolt_range){d, delivery_range(d, part, parts)};
        requests[part] = (struct bolt_request){
            .cypher = deliver_cypher, .parameters = write_parameters, .arg = &ranges[part]};
    }
    bolt_exchange(d->graph->bolt, requests, parts);
    for (size_t part = 0; part < parts; part++) {
        settle(d, &ranges[part].range, &requests[part]);
    }
}
