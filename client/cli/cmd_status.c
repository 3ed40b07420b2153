/* cmd_status.c - memferry status: the broker, its store and journal, and the lanes, at a glance.
 * Never starts a broker: that there is none is an answer. */
#include "client/cli/backends.h"
#include "client/cli/commands.h"
#include "client/cli/json.h"
#include "client/cli/times.h"

#include <stdlib.h>

static void line(struct cli *cli, const char *name)
{
    fprintf(cli->out, "%s%-10s%s", cli_dim(cli), name, cli_plain(cli));
}

static void show_broker(struct cli *cli, const struct memferry_node *stats)
{
    const struct memferry_node *server = memferry_node_get(stats, "server");
    const struct memferry_node *peers = memferry_node_get(stats, "peers");
    char uptime[TIME_TEXT_SIZE];

    line(cli, "broker");
    fprintf(cli->out, "memferryd %s, pid %lld, up %s\n", field_text(server, "version"),
            (long long)field_int(server, "pid"),
            duration_text(field_int(server, "uptime_ms"), uptime));
    line(cli, "peers");
    fprintf(cli->out, "%lld of %lld\n", (long long)field_int(peers, "now"),
            (long long)field_int(peers, "max"));
}

static void show_store(struct cli *cli, const struct memferry_node *stats)
{
    const struct memferry_node *store = memferry_node_get(stats, "store");
    const struct memferry_node *journal = memferry_node_get(stats, "journal");

    line(cli, "memories");
    fprintf(cli->out, "%lld, and %lld deleted; %lld events, %lld embeddings",
            (long long)field_int(store, "memories"), (long long)field_int(store, "deleted"),
            (long long)field_int(store, "events"), (long long)field_int(store, "embeddings"));
    if (field_int(store, "embeddings_pending") > 0) {
        fprintf(cli->out, ", %lld pending", (long long)field_int(store, "embeddings_pending"));
    }
    fprintf(cli->out, "\n");
    line(cli, "journal");
    fprintf(cli->out, "committed to %lld, applied to %lld, in %lld segments\n",
            (long long)field_int(journal, "committed_seq"),
            (long long)field_int(store, "applied_seq"), (long long)field_int(journal, "segments"));
}

static void show_latency(struct cli *cli, const struct memferry_node *stats)
{
    const struct memferry_node *put = memferry_node_get(memferry_node_get(stats, "latency"), "put");

    if (field_int(put, "count") > 0) {
        line(cli, "puts");
        fprintf(cli->out, "%lld, durable in %.2f ms (median), %.2f ms (99 %%), %.2f ms (most)\n",
                (long long)field_int(put, "count"), (double)field_int(put, "p50_us") / 1000,
                (double)field_int(put, "p99_us") / 1000, (double)field_int(put, "max_us") / 1000);
    }
}

static void show_alerts(struct cli *cli, const struct memferry_node *stats)
{
    int64_t open = field_int(memferry_node_get(stats, "store"), "alerts_open");

    if (open > 0) {
        line(cli, "alerts");
        fprintf(cli->out, "%s%lld not acked%s: memferry alert\n", cli_red(cli), (long long)open,
                cli_plain(cli));
    }
}

static int show_status(struct cli *cli, const struct memferry_node *stats,
                       const struct memferry_node *backends)
{
    show_broker(cli, stats);
    show_store(cli, stats);
    show_latency(cli, stats);
    show_alerts(cli, stats);
    if (memferry_node_count(backends) == 0) {
        line(cli, "backends");
        fputs("none: memories stay on this machine\n", cli->out);
        return EXIT_OK;
    }
    fputc('\n', cli->out);
    return backends_print(cli, backends);
}

static int print_status_json(struct cli *cli, const struct memferry_node *stats,
                             const struct memferry_node *backends)
{
    char *stats_json = memferry_node_json(stats), *backends_json = memferry_node_json(backends);
    struct json json;

    json_open(&json);
    if (stats_json != NULL) {
        json_append_fields(&json, stats_json);
    }
    json_field_raw(&json, "backends", backends_json);
    const char *text = json_close(&json);
    int exit_code = EXIT_OK;
    if (text != NULL && stats_json != NULL && backends_json != NULL) {
        fprintf(cli->out, "%s\n", text);
    } else {
        exit_code = cli_fail(cli, EXIT_INTERNAL, "out of memory");
    }
    json_free(&json);
    free(stats_json);
    free(backends_json);
    return exit_code;
}

int command_status(struct cli *cli, const struct args *args)
{
    struct memferry_reply *stats = NULL, *list = NULL;

    if (args->word_count > 0) {
        return cli_usage(cli, "status takes no words");
    }
    int exit_code = cli_connect(cli);
    if (exit_code == EXIT_OK) {
        exit_code = cli_call(cli, "status", "stats", NULL, &stats);
    }
    if (exit_code == EXIT_OK) {
        exit_code = cli_call(cli, "status", "backend.list", NULL, &list);
    }
    if (exit_code == EXIT_OK) {
        const struct memferry_node *root = memferry_reply_root(stats);
        const struct memferry_node *backends =
            memferry_node_get(memferry_reply_root(list), "backends");
        exit_code =
            cli->json ? print_status_json(cli, root, backends) : show_status(cli, root, backends);
    }
    memferry_reply_free(stats);
    memferry_reply_free(list);
    return exit_code;
}
