/*
 * fetch.c - gives back what the graph holds, for recovery: memories by id, tombstones included.
 *
 * Happy path: pages of PAGE_MAX nodes above the last id, each read whole before its memories are
 * handed on, until there are enough or no more.
 *
 * Failure modes: a page over the reply's limit is asked for again in halves, down to one node. All
 * else is logged and ends the call; what was handed on before stays valid, and the caller goes on
 * behind the last id it got.
 */
#include "plugins/neo4j-http/neo4j.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { PAGE_MAX = 200 };

/* A node without stamp was not made by us. */
static const char fetch_cypher[] = "MATCH (m:Memory) WHERE m.id > $after AND m.stamp IS NOT NULL "
                                   "RETURN properties(m) ORDER BY m.id LIMIT $page";

struct fetch {
    struct neo4j *graph;
    memferry_fetch_fn *fn;
    void *arg;
    size_t given, max;
    size_t page;
    char *after; /* the last id that was handed on */
};

static int send_page(struct fetch *f, struct http_reply *ret)
{
    struct json_writer *w = &f->graph->writers[0];
    size_t size = 0;

    json_writer_reset(w);
    statement_begin(w, f->graph->api, fetch_cypher);
    json_write_key(w, "after");
    json_write_text(w, f->after);
    json_write_key(w, "page");
    json_write_uint(w, f->page);
    statement_end(w, f->graph->api);
    const char *body = json_writer_text(w, &size);
    if (body == NULL) {
        return -ENOMEM;
    }
    struct http_request request = neo4j_request(f->graph, body, size);
    http_exchange(f->graph->http, &request, 1);
    *ret = request.reply;
    return 0;
}

static int remember(struct fetch *f, const json_t *node)
{
    const char *id = json_string_value(json_object_get(node, "id"));
    char *after = id == NULL ? NULL : strdup(id);

    if (after == NULL) {
        return -ENOMEM;
    }
    free(f->after);
    f->after = after;
    return 0;
}

static int give_page(struct fetch *f, const struct neo4j_reply *reply)
{
    int r = 0;

    if (neo4j_reply_count(reply) > f->page) {
        f->graph->host->log(f->graph->host, MEMFERRY_LOG_ERROR,
                            "fetch: %s gave %zu rows where %zu were asked for; check url",
                            http_client_target(f->graph->http), neo4j_reply_count(reply), f->page);
        return -EPROTO;
    }
    for (size_t i = 0; i < neo4j_reply_count(reply) && r == 0; i++) {
        const json_t *node = json_array_get(neo4j_reply_row(reply, i), 0);
        r = memory_read(node, f->fn, f->arg);
        if (r < 0) {
            f->graph->host->log(f->graph->host, MEMFERRY_LOG_ERROR,
                                "fetch: the memory behind \"%s\" could not be taken: %s", f->after,
                                strerror(-r));
        }
        if (r == 0) {
            f->given++;
            r = remember(f, node);
        }
    }
    return r;
}

/* One page. *ret_end: there are no more. */
static int fetch_page(struct fetch *f, bool *ret_end)
{
    const struct memferry_host *host = f->graph->host;
    struct http_reply http = {0};
    struct neo4j_reply reply = {0};
    int r = send_page(f, &http);

    if (r == 0 && http.failure == HTTP_REPLY_TOO_LARGE && f->page > 1) {
        f->page /= 2;
    } else if (r == 0 && neo4j_reply_read(&reply, &http, f->graph->api, 1,
                                          http_client_target(f->graph->http))) {
        r = give_page(f, &reply);
        *ret_end = neo4j_reply_count(&reply) < f->page;
    } else {
        r = r < 0 ? r : http.failure == HTTP_CANCELLED ? -ECANCELED : -EIO;
        host->log(host, MEMFERRY_LOG_ERROR, "fetch: %s",
                  r == -ENOMEM ? "out of memory" : reply.failure.reason.text);
    }
    neo4j_reply_deinit(&reply);
    http_reply_deinit(&http);
    return r;
}

int neo4j_fetch(void *self, const char *after_id, size_t max, memferry_fetch_fn *fn, void *arg)
{
    struct fetch f = {.graph = self, .fn = fn, .arg = arg, .after = strdup(after_id)};
    bool end = false;
    int r = f.after == NULL ? -ENOMEM : 0;

    f.max = max < INT_MAX ? max : INT_MAX;
    f.page = PAGE_MAX;
    while (r == 0 && !end && f.given < f.max) {
        if (f.page > f.max - f.given) {
            f.page = f.max - f.given;
        }
        r = fetch_page(&f, &end);
    }
    free(f.after);
    return r != 0 ? r : (int)f.given;
}
