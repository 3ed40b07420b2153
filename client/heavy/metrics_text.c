/*
 * metrics_text.c - every metric by a table: where its value stands in a reply, and what it is
 * called outside. Times are in seconds, sizes in bytes; what has no value is left out. The only
 * label with values of its own is `backend`, by the config: at most as many as that has.
 */
#include "client/heavy/metrics_text.h"

#include <string.h>

enum scale { ONE = 0, FROM_MS, FROM_US };

struct metric {
    const char *name, *type, *help;
    const char *section; /* of the reply; NULL: of the reply itself */
    const char *key;
    enum scale scale;
};

/* clang-format off */
static const struct metric of_stats[] = {
    {"start_time_seconds", "gauge", "When the broker started, since 1970.", "server", "started_ms", FROM_MS},
    {"process_resident_memory_bytes", "gauge", "Memory of the broker's process.", "server", "rss_bytes", ONE},
    {"process_cpu_seconds_total", "counter", "Processor time of the broker.", "server", "cpu_ms", FROM_MS},
    {"process_open_fds", "gauge", "Open files of the broker.", "server", "open_files", ONE},
    {"process_max_fds", "gauge", "How many it may open.", "server", "open_files_max", ONE},
    {"memories", "gauge", "Memories that are not deleted.", "store", "memories", ONE},
    {"memories_deleted", "gauge", "Memories that are deleted, and kept.", "store", "deleted", ONE},
    {"events", "gauge", "Events that the store holds.", "store", "events", ONE},
    {"embeddings", "gauge", "Vectors that the store holds.", "store", "embeddings", ONE},
    {"embeddings_pending", "gauge", "Memories that wait for a vector.", "store", "embeddings_pending", ONE},
    {"alerts_open", "gauge", "Alerts that nobody has acked.", "store", "alerts_open", ONE},
    {"sessions_active", "gauge", "Sessions that have not ended.", "store", "sessions_active", ONE},
    {"store_bytes", "gauge", "Size of memferry.db.", "store", "bytes", ONE},
    {"store_wal_bytes", "gauge", "Size of its WAL.", "store", "wal_bytes", ONE},
    {"store_unapplied_events", "gauge", "Events in the journal and not yet in the store.", "store", "unapplied", ONE},
    {"backup_timestamp_seconds", "gauge", "When the newest backup was made.", "store", "backup_ms", FROM_MS},
    {"journal_segments", "gauge", "Segments of the journal.", "journal", "segments", ONE},
    {"journal_groups_total", "counter", "Groups written, each with one sync.", "journal", "groups", ONE},
    {"journal_records_total", "counter", "Events written.", "journal", "records", ONE},
    {"journal_written_bytes_total", "counter", "Payload of the events written.", "journal", "bytes", ONE},
    {"journal_committed_seq", "gauge", "The newest event that is durable.", "journal", "committed_seq", ONE},
    {"search_documents", "gauge", "Memories in the search index.", "search", "documents", ONE},
    {"search_behind_events", "gauge", "Events that the search index has not seen.", "search", "behind", ONE},
    {"search_index_bytes", "gauge", "Size of the search index.", "search", "bytes", ONE},
    {"disk_bytes", "gauge", "Size of the state directory's file system.", "disk", "bytes", ONE},
    {"disk_free_bytes", "gauge", "What is free there.", "disk", "free_bytes", ONE},
    {"connections", "gauge", "Connections of clients.", "peers", "now", ONE},
    {"connections_max", "gauge", "How many there may be.", "peers", "max", ONE},
    {"subscribers", "gauge", "Connections that are told of events.", "peers", "subscribed", ONE},
    {"requests_total", "counter", "Requests answered.", "requests", "all", ONE},
    {"request_errors_total", "counter", "Requests answered with an error.", "requests", "errors", ONE},
};

static const struct metric of_health[] = {
    {"healthy", "gauge", "1: writer, store and backends' calls finish what they have to do.", NULL, "ok", ONE},
    {"writer_stalled_seconds", "gauge", "How long the journal's writer has had work without finishing a step.", NULL, "writer_ms", FROM_MS},
    {"store_stalled_seconds", "gauge", "The same for the store.", NULL, "store_ms", FROM_MS},
    {"storage_full", "gauge", "1: new memories are refused until the disk has room.", NULL, "full", ONE},
};

static const struct metric of_backend[] = {
    {"backend_paused", "gauge", "1: it gets nothing until it is resumed.", NULL, "paused", ONE},
    {"backend_pending", "gauge", "Memories that it does not have yet.", NULL, "pending", ONE},
    {"backend_oldest_pending_seconds", "gauge", "How long the oldest of them has waited.", NULL, "oldest_pending_ms", FROM_MS},
    {"backend_deferred", "gauge", "Memories that are tried again later.", NULL, "deferred", ONE},
    {"backend_dead", "gauge", "Memories that it refuses.", NULL, "dead", ONE},
    {"backend_delivered_total", "counter", "Memories that it has taken.", NULL, "delivered", ONE},
    {"backend_retried_total", "counter", "Deliveries to be tried again.", NULL, "retried", ONE},
    {"backend_rejected_total", "counter", "Deliveries that it refused.", NULL, "rejected", ONE},
    {"backend_circuit_opened_total", "counter", "Times that it failed as a whole.", NULL, "circuit_opened", ONE},
    {"backend_last_success_timestamp_seconds", "gauge", "When it last took something.", NULL, "last_success_ms", FROM_MS},
    {"backend_call_seconds", "gauge", "How long its plugin has been in one call.", NULL, "call_ms", FROM_MS},
};
/* clang-format on */

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

static void write_head(FILE *out, const char *name, const char *type, const char *help)
{
    fprintf(out, "# HELP memferry_%s %s\n# TYPE memferry_%s %s\n", name, help, name, type);
}

/* As a label's value: backslash, quote and line end escaped. */
static void write_escaped(FILE *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '\n') {
            fputs("\\n", out);
        } else {
            if (*text == '\\' || *text == '"') {
                fputc('\\', out);
            }
            fputc(*text, out);
        }
    }
}

static void write_label(FILE *out, char before, const char *name, const char *value)
{
    fprintf(out, "%c%s=\"", before, name);
    write_escaped(out, value);
    fputc('"', out);
}

static void write_number(FILE *out, int64_t value, enum scale scale)
{
    long long whole = value;

    switch (scale) {
    case ONE:
        fprintf(out, " %lld\n", whole);
        return;
    case FROM_MS:
        fprintf(out, " %lld.%03lld\n", whole / 1000, whole % 1000);
        return;
    case FROM_US:
        fprintf(out, " %lld.%06lld\n", whole / 1000000, whole % 1000000);
        return;
    }
}

/* False: there is none. A wall clock that was set back makes no negative time. */
static bool read_value(const struct memferry_node *map, const struct metric *metric, int64_t *ret)
{
    const struct memferry_node *node = memferry_node_get(map, metric->key);

    switch (memferry_node_kind(node)) {
    case MEMFERRY_NODE_BOOL:
        *ret = memferry_node_bool(node, false);
        return true;
    case MEMFERRY_NODE_INT:
    case MEMFERRY_NODE_FLOAT:
        *ret = memferry_node_int(node, 0);
        *ret = *ret < 0 ? 0 : *ret;
        return true;
    default:
        return false;
    }
}

static void write_metrics(FILE *out, const struct memferry_node *reply, const struct metric *table,
                          size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct metric *metric = &table[i];
        const struct memferry_node *map =
            metric->section != NULL ? memferry_node_get(reply, metric->section) : reply;
        int64_t value;
        if (read_value(map, metric, &value)) {
            write_head(out, metric->name, metric->type, metric->help);
            fprintf(out, "memferry_%s", metric->name);
            write_number(out, value, metric->scale);
        }
    }
}

/* ---- backends ---- */

/* The members of a metric stand together, so it is backend by backend for each. */
static void write_for_backends(FILE *out, const struct memferry_node *backends,
                               const struct metric *metric)
{
    bool headed = false;

    for (size_t i = 0; i < memferry_node_count(backends); i++) {
        const struct memferry_node *backend = memferry_node_at(backends, i);
        int64_t value = 0;
        /* Nothing pending has waited no time: a series that is there can be watched. */
        bool is_age = strcmp(metric->key, "oldest_pending_ms") == 0;
        if (look_is_attached(backend) && (read_value(backend, metric, &value) || is_age)) {
            if (!headed) {
                write_head(out, metric->name, metric->type, metric->help);
                headed = true;
            }
            fprintf(out, "memferry_%s", metric->name);
            write_label(out, '{', "backend", field_text(backend, "name"));
            fputc('}', out);
            write_number(out, value, metric->scale);
        }
    }
}

static void write_backend_state(FILE *out, const struct memferry_node *backends)
{
    write_head(out, "backend_info", "gauge", "Backends of the config.");
    for (size_t i = 0; i < memferry_node_count(backends); i++) {
        const struct memferry_node *backend = memferry_node_at(backends, i);
        if (look_is_attached(backend)) {
            fputs("memferry_backend_info", out);
            write_label(out, '{', "backend", field_text(backend, "name"));
            write_label(out, ',', "plugin", field_text(backend, "plugin"));
            write_label(out, ',', "kind", field_text(backend, "kind"));
            fputs("} 1\n", out);
        }
    }
    write_head(out, "backend_up", "gauge", "1: its circuit is closed, deliveries go on.");
    for (size_t i = 0; i < memferry_node_count(backends); i++) {
        const struct memferry_node *backend = memferry_node_at(backends, i);
        if (look_is_attached(backend)) {
            fputs("memferry_backend_up", out);
            write_label(out, '{', "backend", field_text(backend, "name"));
            fprintf(out, "} %d\n", strcmp(field_text(backend, "circuit"), "closed") == 0);
        }
    }
}

/* ---- latency ---- */

static void write_latency(FILE *out, const struct memferry_node *stats)
{
    const struct memferry_node *put = memferry_node_get(memferry_node_get(stats, "latency"), "put");
    const struct memferry_node *below = memferry_node_get(put, "below_us");

    if (memferry_node_count(below) == 0) {
        return;
    }
    write_head(out, "put_durable_seconds", "histogram",
               "How long puts and deletes took, from their request to their receipt.");
    for (size_t i = 0; i < memferry_node_count(below); i++) {
        const struct memferry_node *pair = memferry_node_at(below, i);
        long long bound_us = memferry_node_int(memferry_node_at(pair, 0), 0);
        fprintf(out, "memferry_put_durable_seconds_bucket{le=\"%lld.%06lld\"} %lld\n",
                bound_us / 1000000, bound_us % 1000000,
                (long long)memferry_node_int(memferry_node_at(pair, 1), 0));
    }
    fprintf(out, "memferry_put_durable_seconds_bucket{le=\"+Inf\"} %lld\n",
            (long long)field_int(put, "count"));
    fputs("memferry_put_durable_seconds_sum", out);
    write_number(out, field_int(put, "sum_us"), FROM_US);
    fputs("memferry_put_durable_seconds_count", out);
    write_number(out, field_int(put, "count"), ONE);
}

void metrics_write(FILE *out, const struct look *look)
{
    write_head(out, "up", "gauge", "1: the broker answers.");
    fprintf(out, "memferry_up %d\n", look != NULL);
    if (look == NULL) {
        return;
    }
    write_head(out, "build_info", "gauge", "The broker's version.");
    fputs("memferry_build_info", out);
    write_label(out, '{', "version",
                field_text(memferry_node_get(look->stats, "server"), "version"));
    fputs("} 1\n", out);
    write_metrics(out, look->stats, of_stats, COUNT(of_stats));
    write_metrics(out, look->health, of_health, COUNT(of_health));
    write_latency(out, look->stats);
    if (memferry_node_count(look->backends) > 0) {
        write_backend_state(out, look->backends);
    }
    for (size_t i = 0; i < COUNT(of_backend); i++) {
        write_for_backends(out, look->backends, &of_backend[i]);
    }
}
