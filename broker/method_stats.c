/*
 * method_stats.c - stats: how it goes, as numbers. The loop's are taken at once, the store's and
 * the machine's by the reader.
 */
#include "broker/footprint.h"
#include "broker/methods.h"
#include "broker/pack.h"
#include "broker/util/clock.h"
#include "broker/util/container.h"
#include "broker/version.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Bounds of the buckets of latencies: powers of two µs, 128 µs to 8 s. */
#define BUCKET_FIRST 7
#define BUCKET_LAST  23
#define BUCKET_COUNT (BUCKET_LAST - BUCKET_FIRST + 1)

struct stats_query {
    struct query query;
    int64_t started_ms, config_ms;
    char config[PATH_MAX]; /* "": none */
    struct journal_stats journal;
    struct search_stats search;
    const struct places *places;
    struct footprint footprint;
    unsigned peers, peers_most, peers_max;
    uint64_t subscribed, requests, errors, unapplied;
    uint64_t put_count, put_sum_us, put_p50_us, put_p99_us, put_max_us, put_below[BUCKET_COUNT];
};

static void take_numbers(struct stats_query *query, const struct services *services)
{
    const struct histogram *put = &services->stats->put;

    query->started_ms = services->stats->started_ms;
    query->config_ms = services->stats->config_ms;
    snprintf(query->config, sizeof query->config, "%s",
             services->config->file != NULL ? services->config->file : "");
    journal_stats(services->journal, &query->journal);
    search_indexer_stats(services->searches->indexer, &query->search);
    query->peers = services->peers->count;
    query->peers_most = services->peers->most;
    query->peers_max = services->peers->max;
    query->requests = services->peers->requests;
    query->errors = services->peers->errors;
    query->unapplied = services->writes->unapplied;
    query->subscribed = services->subscribers->count;
    query->places = services->places;
    query->put_count = put->count;
    query->put_sum_us = put->sum_us;
    query->put_p50_us = histogram_at(put, 0.50);
    query->put_p99_us = histogram_at(put, 0.99);
    query->put_max_us = put->max_us;
    for (unsigned i = 0; i < BUCKET_COUNT; i++) {
        query->put_below[i] = histogram_below(put, BUCKET_FIRST + i);
    }
}

static void pack_server(msgpack_packer *packer, const struct stats_query *query)
{
    pack_key(packer, "server");
    msgpack_pack_map(packer, 11);
    pack_text_member(packer, "version", MEMFERRY_VERSION);
    pack_uint_member(packer, "pid", (uint64_t)getpid());
    pack_int_member(packer, "started_ms", query->started_ms);
    pack_int_member(packer, "uptime_ms", clock_wall_ms() - query->started_ms);
    pack_text_member(packer, "state_dir", query->places->state_dir);
    pack_text_member(packer, "config", query->config);
    pack_int_member(packer, "config_ms", query->config_ms);
    pack_uint_member(packer, "rss_bytes", query->footprint.rss_bytes);
    pack_uint_member(packer, "cpu_ms", query->footprint.cpu_ms);
    pack_uint_member(packer, "open_files", query->footprint.descriptors);
    pack_uint_member(packer, "open_files_max", query->footprint.descriptors_max);
}

static void pack_store(msgpack_packer *packer, const struct stats_query *query,
                       const struct reader_counts *counts)
{
    pack_key(packer, "store");
    msgpack_pack_map(packer, 12);
    pack_uint_member(packer, "memories", counts->memories);
    pack_uint_member(packer, "deleted", counts->deleted);
    pack_uint_member(packer, "events", counts->events);
    pack_uint_member(packer, "embeddings", counts->embeddings);
    pack_uint_member(packer, "alerts_open", counts->alerts_open);
    pack_uint_member(packer, "embeddings_pending", counts->embeddings_pending);
    pack_uint_member(packer, "applied_seq", counts->applied_seq);
    pack_uint_member(packer, "unapplied", query->unapplied);
    pack_uint_member(packer, "sessions_active", counts->sessions_open);
    pack_uint_member(packer, "bytes", query->footprint.store_bytes);
    pack_uint_member(packer, "wal_bytes", query->footprint.wal_bytes);
    pack_time_member(packer, "backup_ms", query->footprint.backup_ms);
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

static void pack_search(msgpack_packer *packer, const struct stats_query *query)
{
    const struct search_stats *search = &query->search;

    pack_key(packer, "search");
    msgpack_pack_map(packer, 5);
    pack_uint_member(packer, "documents", search->documents);
    pack_uint_member(packer, "vectors", search->vectors);
    pack_uint_member(packer, "indexed_seq", search->indexed_seq);
    pack_uint_member(packer, "behind", search->behind);
    pack_uint_member(packer, "bytes", query->footprint.index_bytes);
}

static void pack_disk(msgpack_packer *packer, const struct footprint *footprint)
{
    pack_key(packer, "disk");
    msgpack_pack_map(packer, 2);
    pack_uint_member(packer, "bytes", footprint->disk_bytes);
    pack_uint_member(packer, "free_bytes", footprint->disk_free_bytes);
}

/* Pairs of a bound in µs and how many were below it. */
static void pack_latency(msgpack_packer *packer, const struct stats_query *query)
{
    pack_key(packer, "latency");
    msgpack_pack_map(packer, 1);
    pack_key(packer, "put");
    msgpack_pack_map(packer, 6);
    pack_uint_member(packer, "count", query->put_count);
    pack_uint_member(packer, "sum_us", query->put_sum_us);
    pack_uint_member(packer, "p50_us", query->put_p50_us);
    pack_uint_member(packer, "p99_us", query->put_p99_us);
    pack_uint_member(packer, "max_us", query->put_max_us);
    pack_key(packer, "below_us");
    msgpack_pack_array(packer, BUCKET_COUNT);
    for (unsigned i = 0; i < BUCKET_COUNT; i++) {
        msgpack_pack_array(packer, 2);
        msgpack_pack_uint64(packer, UINT64_C(1) << (BUCKET_FIRST + i));
        msgpack_pack_uint64(packer, query->put_below[i]);
    }
}

static void pack_loop(msgpack_packer *packer, const struct stats_query *query)
{
    pack_key(packer, "peers");
    msgpack_pack_map(packer, 4);
    pack_uint_member(packer, "now", query->peers);
    pack_uint_member(packer, "most", query->peers_most);
    pack_uint_member(packer, "max", query->peers_max);
    pack_uint_member(packer, "subscribed", query->subscribed);
    pack_key(packer, "requests");
    msgpack_pack_map(packer, 2);
    pack_uint_member(packer, "all", query->requests);
    pack_uint_member(packer, "errors", query->errors);
}

static int run_stats(struct query *base, struct reader *reader, struct error *err)
{
    struct stats_query *query = container_of(base, struct stats_query, query);
    struct reader_counts counts;
    msgpack_packer packer;
    int r = reader_counts(reader, &counts, err);

    footprint_read(query->places, &query->footprint);
    if (r != 0) {
        return r;
    }
    msgpack_packer_init(&packer, &base->result, msgpack_sbuffer_write);
    msgpack_pack_map(&packer, 8);
    pack_server(&packer, query);
    pack_store(&packer, query, &counts);
    pack_journal(&packer, &query->journal);
    pack_search(&packer, query);
    pack_disk(&packer, &query->footprint);
    pack_loop(&packer, query);
    pack_latency(&packer, query);
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
