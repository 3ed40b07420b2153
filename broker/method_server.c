/* method_server.c - hello and stats: who answers here, and how it goes. */
#include "broker/memory_params.h"
#include "broker/methods.h"
#include "broker/util/clock.h"
#include "broker/util/container.h"
#include "broker/version.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- hello ---- */

static enum rpc_code hello_params_read(void *target, const struct param *param)
{
    struct event_text client;
    uint64_t protocol;

    (void)target;
    if (param_is(param, "client")) {
        return param_text(param, 0, 256, &client);
    }
    return param_is(param, "protocol") ? param_uint(param, 1, UINT32_MAX, &protocol)
                                       : RPC_METHOD_NOT_FOUND;
}

static void pack_limits(msgpack_packer *packer, const struct services *services)
{
    pack_key(packer, "limits");
    msgpack_pack_map(packer, 7);
    pack_uint_member(packer, "frame_bytes", WIRE_FRAME_MAX);
    pack_uint_member(packer, "depth", WIRE_DEPTH_MAX);
    pack_uint_member(packer, "content_bytes", CONTENT_MAX);
    pack_uint_member(packer, "in_flight", PEER_CALLS_MAX);
    pack_uint_member(packer, "in_flight_bytes", PEER_CALL_BYTES_MAX);
    pack_uint_member(packer, "connections", services->peers->max);
    pack_uint_member(packer, "dims", services->config->dims);
}

static void pack_methods(msgpack_packer *packer)
{
    size_t count = 0;

    while (methods[count].name != NULL) {
        count++;
    }
    pack_key(packer, "methods");
    msgpack_pack_array(packer, count);
    for (size_t i = 0; i < count; i++) {
        pack_key(packer, methods[i].name);
    }
}

void method_hello(struct services *services, struct call *call, const msgpack_object *params)
{
    struct rpc_failure failure = {0};
    msgpack_sbuffer result;
    msgpack_packer packer;

    if (params_read(params, hello_params_read, NULL, &failure) != RPC_OK) {
        call_fail_with(call, &failure, NULL);
        return;
    }
    msgpack_sbuffer_init(&result);
    msgpack_packer_init(&packer, &result, msgpack_sbuffer_write);
    msgpack_pack_map(&packer, 6);
    pack_text_member(&packer, "server", "memferryd");
    pack_text_member(&packer, "version", MEMFERRY_VERSION);
    pack_uint_member(&packer, "protocol", MEMFERRY_PROTOCOL);
    pack_uint_member(&packer, "pid", (uint64_t)getpid());
    pack_limits(&packer, services);
    pack_methods(&packer);
    call_reply(call, &result);
    msgpack_sbuffer_destroy(&result);
}

/* ---- stats: the loop's numbers are taken at once, the store's by the reader ---- */

struct stats_query {
    struct query query;
    int64_t started_ms;
    struct journal_stats journal;
    struct search_stats search;
    unsigned peers, peers_most, peers_max;
    uint64_t requests, errors, unapplied, put_count, put_p50_us, put_p99_us, put_max_us;
};

static void take_numbers(struct stats_query *query, const struct services *services)
{
    const struct histogram *put = &services->stats->put;

    query->started_ms = services->stats->started_ms;
    journal_stats(services->journal, &query->journal);
    search_indexer_stats(services->searches->indexer, &query->search);
    query->peers = services->peers->count;
    query->peers_most = services->peers->most;
    query->peers_max = services->peers->max;
    query->requests = services->peers->requests;
    query->errors = services->peers->errors;
    query->unapplied = services->writes->unapplied;
    query->put_count = put->count;
    query->put_p50_us = histogram_at(put, 0.50);
    query->put_p99_us = histogram_at(put, 0.99);
    query->put_max_us = put->max_us;
}

static void pack_server(msgpack_packer *packer, const struct stats_query *query)
{
    pack_key(packer, "server");
    msgpack_pack_map(packer, 4);
    pack_text_member(packer, "version", MEMFERRY_VERSION);
    pack_uint_member(packer, "pid", (uint64_t)getpid());
    pack_int_member(packer, "started_ms", query->started_ms);
    pack_int_member(packer, "uptime_ms", clock_wall_ms() - query->started_ms);
}

static void pack_store(msgpack_packer *packer, const struct stats_query *query,
                       const struct reader_counts *counts)
{
    pack_key(packer, "store");
    msgpack_pack_map(packer, 8);
    pack_uint_member(packer, "memories", counts->memories);
    pack_uint_member(packer, "deleted", counts->deleted);
    pack_uint_member(packer, "events", counts->events);
    pack_uint_member(packer, "embeddings", counts->embeddings);
    pack_uint_member(packer, "alerts_open", counts->alerts_open);
    pack_uint_member(packer, "embeddings_pending", counts->embeddings_pending);
    pack_uint_member(packer, "applied_seq", counts->applied_seq);
    pack_uint_member(packer, "unapplied", query->unapplied);
}

static void pack_journal(msgpack_packer *packer, const struct journal_stats *journal)
{
    pack_key(packer, "journal");
    msgpack_pack_map(packer, 6);
    pack_uint_member(packer, "committed_seq", journal->committed_seq);
    pack_uint_member(packer, "first_seq", journal->first_seq);
    pack_uint_member(packer, "segments", journal->segments);
    pack_uint_member(packer, "groups", journal->groups);
    pack_uint_member(packer, "records", journal->records);
    pack_uint_member(packer, "bytes", journal->payload_bytes);
}

static void pack_search(msgpack_packer *packer, const struct search_stats *search)
{
    pack_key(packer, "search");
    msgpack_pack_map(packer, 4);
    pack_uint_member(packer, "documents", search->documents);
    pack_uint_member(packer, "vectors", search->vectors);
    pack_uint_member(packer, "indexed_seq", search->indexed_seq);
    pack_uint_member(packer, "behind", search->behind);
}

static void pack_loop(msgpack_packer *packer, const struct stats_query *query)
{
    pack_key(packer, "peers");
    msgpack_pack_map(packer, 3);
    pack_uint_member(packer, "now", query->peers);
    pack_uint_member(packer, "most", query->peers_most);
    pack_uint_member(packer, "max", query->peers_max);
    pack_key(packer, "requests");
    msgpack_pack_map(packer, 2);
    pack_uint_member(packer, "all", query->requests);
    pack_uint_member(packer, "errors", query->errors);
    pack_key(packer, "latency");
    msgpack_pack_map(packer, 1);
    pack_key(packer, "put");
    msgpack_pack_map(packer, 4);
    pack_uint_member(packer, "count", query->put_count);
    pack_uint_member(packer, "p50_us", query->put_p50_us);
    pack_uint_member(packer, "p99_us", query->put_p99_us);
    pack_uint_member(packer, "max_us", query->put_max_us);
}

static int run_stats(struct query *base, struct reader *reader, struct error *err)
{
    struct stats_query *query = container_of(base, struct stats_query, query);
    struct reader_counts counts;
    msgpack_packer packer;
    int r = reader_counts(reader, &counts, err);

    if (r != 0) {
        return r;
    }
    msgpack_packer_init(&packer, &base->result, msgpack_sbuffer_write);
    msgpack_pack_map(&packer, 7);
    pack_server(&packer, query);
    pack_store(&packer, query, &counts);
    pack_journal(&packer, &query->journal);
    pack_search(&packer, &query->search);
    pack_loop(&packer, query);
    return 0;
}

static void stats_done(struct query *query)
{
    query_answer(query);
    query_deinit(query);
    free(container_of(query, struct stats_query, query));
}

void method_stats(struct services *services, struct call *call, const msgpack_object *params)
{
    struct rpc_failure failure = {0};
    struct stats_query *query = NULL;

    if (params_none(params, &failure) != RPC_OK) {
        call_fail_with(call, &failure, NULL);
        return;
    }
    query = calloc(1, sizeof *query);
    if (query == NULL) {
        call_fail(call, RPC_INTERNAL, "out of memory for the request");
        return;
    }
    take_numbers(query, services);
    query->query.run = run_stats;
    query->query.done = stats_done;
    services_read(services, &query->query, call);
}
