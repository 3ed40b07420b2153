/*
 * deliver_http.c - a round of a delivery over HTTP: a range for each connection, written before
 * anything is sent, since its writer holds the body until the reply is there.
 */
#include "plugins/neo4j-http/deliver.h"

#include <errno.h>

static int write_body(const struct delivery *d, const struct range *range, struct json_writer *w)
{
    json_writer_reset(w);
    statement_begin(w, d->graph->api, deliver_cypher);
    json_write_key(w, "rows");
    json_begin_array(w);
    for (size_t i = 0; i < range->count; i++) {
        size_t at = d->open[range->first + i];
        deliver_row(w, &d->memories[at], at, d->gone[at]);
    }
    json_end_array(w);
    statement_end(w, d->graph->api);
    return json_writer_status(w);
}

/* The request of a range; false when it can't be made, and its memories are settled. */
static bool make_request(struct delivery *d, const struct range *range, struct json_writer *w,
                         struct http_request *ret)
{
    size_t size = 0;
    int r = write_body(d, range, w);
    const char *body = json_writer_text(w, &size);

    if (body != NULL) {
        *ret = neo4j_request(d->graph, body, size);
        return true;
    }
    if (r == -EMSGSIZE) {
        delivery_settle(d, range,
                        outcome_reject(blame_for(range->count), "the memory is too large to send"));
    } else {
        delivery_settle(d, range, outcome_retry(MEMFERRY_BLAME_BACKEND, -1, "out of memory"));
    }
    return false;
}

static void settle(struct delivery *d, const struct range *range, struct http_request *request)
{
    const char *target = http_client_target(d->graph->http);
    struct neo4j_reply reply;
    bool good = neo4j_reply_read(&reply, &request->reply, d->graph->api, range->count, target);

    delivery_settle_reply(d, range, &reply, good, target);
    neo4j_reply_deinit(&reply);
    http_reply_deinit(&request->reply);
}

void delivery_round_by_http(struct delivery *d)
{
    struct http_request requests[HTTP_CONNECTIONS_MAX];
    struct range ranges[HTTP_CONNECTIONS_MAX];
    size_t parts = delivery_range_count(d, d->graph->connections), made = 0;

    for (size_t part = 0; part < parts; part++) {
        ranges[made] = delivery_range(d, part, parts);
        if (make_request(d, &ranges[made], &d->graph->writers[part], &requests[made])) {
            made++;
        }
    }
    http_exchange(d->graph->http, requests, made);
    for (size_t i = 0; i < made; i++) {
        settle(d, &ranges[i], &requests[i]);
    }
}
