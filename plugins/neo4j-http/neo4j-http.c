/*
 * neo4j-http.c - the plugin's table: options, open, close.
 *
 * Happy path: open reads the options and makes the HTTP client, without reaching the server; probe
 * (schema.c) does that, and finds out whether deliveries may go over Bolt. A delivery is one or
 * more requests side by side, each a transaction of its own, so that whatever a request's end was,
 * what it held is there whole or not at all.
 *
 * Failure modes: open fails by its options only: a URL that is none, a database name, a password
 * that can't be read. All else is told by verdicts (reply.c).
 */
#include "plugins/neo4j-http/neo4j.h"

#include "plugins/common/http_settings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct memferry_option options[] = {
    {.name = "url",
     .type = MEMFERRY_OPTION_STRING,
     .required = true,
     .help = "The server's HTTP address, such as http://127.0.0.1:7474"},
    {.name = "database",
     .type = MEMFERRY_OPTION_STRING,
     .default_value = "neo4j",
     .help = "The database to write to"},
    {.name = "user",
     .type = MEMFERRY_OPTION_STRING,
     .default_value = "neo4j",
     .help = "User name; empty for a server without authentication"},
    {.name = "password",
     .type = MEMFERRY_OPTION_SECRET,
     .default_value = "NEO4J_PASSWORD",
     .help = "Its password"},
    {.name = "batch",
     .type = MEMFERRY_OPTION_INT,
     .default_value = "1000",
     .min = 1,
     .max = 10000,
     .help = "Memories to a delivery, shared out over the connections"},
    {.name = "connections",
     .type = MEMFERRY_OPTION_INT,
     .default_value = "3",
     .min = 1,
     .max = HTTP_CONNECTIONS_MAX,
     .help = "Requests that run side by side"},
    {.name = "vector_index",
     .type = MEMFERRY_OPTION_BOOL,
     .default_value = "true",
     .help = "Keep a vector index over the embeddings"},
    {.name = "bolt",
     .type = MEMFERRY_OPTION_BOOL,
     .default_value = "true",
     .help = "Deliver over Bolt where the server, at url, says that it speaks it"},
#include "plugins/common/http_options.inc"
    {.name = NULL},
};

static bool is_database_name(const char *name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789._-";

    return name[0] != '\0' && name[strspn(name, allowed)] == '\0';
}

static int make_urls(struct neo4j *graph, const char *url, const char *database)
{
    int size = (int)strlen(url);

    while (size > 0 && url[size - 1] == '/') {
        size--;
    }
    if (asprintf(&graph->root_url, "%.*s/", size, url) < 0 ||
        asprintf(&graph->tx_url, "%.*s/db/%s/tx/commit", size, url, database) < 0 ||
        asprintf(&graph->query_url, "%.*s/db/%s/query/v2", size, url, database) < 0) {
        return -ENOMEM;
    }
    return 0;
}

static int read_credentials(struct neo4j *graph, struct http_settings *settings,
                            struct memferry_reason *why)
{
    const struct memferry_host *host = graph->host;
    const char *user = host->option(host, "user");
    size_t size;

    if (user == NULL || user[0] == '\0') {
        return 0;
    }
    const char *password = host->secret(host, "password", &size, why);
    if (password == NULL) {
        return -EACCES;
    }
    settings->user = graph->user = strdup(user);
    settings->password = graph->password = strdup(password);
    return graph->user == NULL || graph->password == NULL ? -ENOMEM : 0;
}

static int make_client(struct neo4j *graph, struct memferry_reason *why)
{
    struct http_settings settings = http_settings_read(graph->host);

    settings.connections = graph->connections;
    settings.reply_max = NEO4J_REPLY_MAX;
    int r = read_credentials(graph, &settings, why);
    return r < 0 ? r : http_client_new(&graph->http, &settings, why);
}

static int make_writers(struct neo4j *graph)
{
    graph->writers = calloc(graph->connections, sizeof *graph->writers);
    if (graph->writers == NULL) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < graph->connections; i++) {
        json_writer_init(&graph->writers[i], HTTP_BODY_DEFAULT_MAX);
    }
    return 0;
}

static int graph_init(struct neo4j *graph, struct memferry_reason *why)
{
    const struct memferry_host *host = graph->host;
    const char *database = host->option(host, "database");

    if (!is_database_name(database)) {
        snprintf(why->text, sizeof why->text,
                 "database: a name has letters, digits, dots and dashes only");
        return -EINVAL;
    }
    graph->connections = (size_t)host->option_int(host, "connections");
    graph->bolt_wanted = host->option_int(host, "bolt") != 0;
    graph->vector_index = host->option_int(host, "vector_index") != 0;
    int r = make_client(graph, why);
    if (r < 0) {
        return r;
    }
    snprintf(why->text, sizeof why->text, "out of memory");
    r = make_urls(graph, host->option(host, "url"), database);
    return r < 0 ? r : make_writers(graph);
}

static void neo4j_close(void *self)
{
    struct neo4j *graph = self;

    http_client_free(graph->http);
    bolt_free(graph->bolt);
    if (graph->password != NULL) {
        explicit_bzero(graph->password, strlen(graph->password));
    }
    free(graph->user);
    free(graph->password);
    for (size_t i = 0; graph->writers != NULL && i < graph->connections; i++) {
        json_writer_deinit(&graph->writers[i]);
    }
    free(graph->writers);
    free(graph->root_url);
    free(graph->tx_url);
    free(graph->query_url);
    free(graph);
}

static int neo4j_open(const struct memferry_host *host, void **self)
{
    struct memferry_reason why = {.text = "out of memory"};
    struct neo4j *graph = calloc(1, sizeof *graph);
    int r = -ENOMEM;

    if (graph != NULL) {
        graph->host = host;
        r = graph_init(graph, &why);
    }
    if (r < 0) {
        host->log(host, MEMFERRY_LOG_ERROR, "%s", why.text);
        if (graph != NULL) {
            neo4j_close(graph);
        }
        return r;
    }
    *self = graph;
    return 0;
}

struct http_request neo4j_request(const struct neo4j *graph, const char *body, size_t body_size)
{
    static const char *const headers[] = {"Content-Type: application/json",
                                          "Accept: application/json", NULL};

    return (struct http_request){
        .method = "POST",
        .url = graph->api == NEO4J_API_TX ? graph->tx_url : graph->query_url,
        .headers = headers,
        .body = body,
        .body_size = body_size,
    };
}

__attribute__((visibility("default"))) extern const struct memferry_plugin memferry_plugin;

const struct memferry_plugin memferry_plugin = {
    .abi = MEMFERRY_PLUGIN_ABI,
    .size = sizeof(struct memferry_plugin),
    .name = "neo4j-http",
    .version = MEMFERRY_VERSION,
    .summary = "Memories as a graph in Neo4j",
    .options = options,
    .open = neo4j_open,
    .close = neo4j_close,
    .probe = neo4j_probe,
    .deliver = neo4j_deliver,
    .fetch = neo4j_fetch,
};
