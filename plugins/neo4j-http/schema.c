/*
 * schema.c - probe: is the server there, does it let us in, is its schema ours?
 *
 * Happy path: GET / says which API there is; then the constraints, without which MERGE is neither
 * unique nor fast, and the vector index, are made unless they are there; then the way that
 * deliveries go is chosen (bolt_find.c).
 *
 * Failure modes: whatever keeps deliveries from working is a reason. The vector index is not: a
 * server without it, or one of other dimensions, gets a warning in the log and its memories.
 */
#include "plugins/neo4j-http/neo4j.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *const constraints[] = {
    "CREATE CONSTRAINT memory_id IF NOT EXISTS FOR (m:Memory) REQUIRE m.id IS UNIQUE",
    "CREATE CONSTRAINT memory_session_id IF NOT EXISTS FOR (s:Session) REQUIRE s.id IS UNIQUE",
};

/* Index options take no parameters: the number is ours and a number. */
static const char index_format[] =
    "CREATE VECTOR INDEX memory_embedding IF NOT EXISTS FOR (m:Memory) ON (m.embedding) "
    "OPTIONS {indexConfig: {`vector.dimensions`: %u, `vector.similarity_function`: 'cosine'}}";

static const char index_query[] =
    "SHOW INDEXES YIELD type, labelsOrTypes, properties, options "
    "WHERE type = 'VECTOR' AND labelsOrTypes = ['Memory'] AND properties = ['embedding'] "
    "RETURN options.indexConfig['vector.dimensions']";

int neo4j_run(struct neo4j *graph, const char *cypher, struct neo4j_reply *ret,
              struct memferry_reason *why)
{
    struct json_writer *w = &graph->writers[0];
    size_t size = 0;

    json_writer_reset(w);
    statement_begin(w, graph->api, cypher);
    statement_end(w, graph->api);
    const char *body = json_writer_text(w, &size);
    if (body == NULL) {
        snprintf(why->text, sizeof why->text, "out of memory");
        return -ENOMEM;
    }
    struct http_request request = neo4j_request(graph, body, size);
    http_exchange(graph->http, &request, 1);
    bool good =
        neo4j_reply_read(ret, &request.reply, graph->api, 1, http_client_target(graph->http));
    http_reply_deinit(&request.reply);
    if (!good) {
        int r = probe_failure(graph->host, &ret->failure, why);
        neo4j_reply_deinit(ret);
        return r;
    }
    return 0;
}

static int run_for_effect(struct neo4j *graph, const char *cypher, struct memferry_reason *why)
{
    struct neo4j_reply reply;
    int r = neo4j_run(graph, cypher, &reply, why);

    if (r == 0) {
        neo4j_reply_deinit(&reply);
    }
    return r;
}

/* What GET / answered: tx/commit where there is one. */
static int choose_api(struct neo4j *graph, const struct http_reply *http,
                      struct memferry_reason *why)
{
    json_t *root = http->body == NULL ? NULL : json_loadb(http->body, http->body_size, 0, NULL);
    int r = 0;

    if (json_object_get(root, "transaction") != NULL) {
        graph->api = NEO4J_API_TX;
    } else if (json_object_get(root, "query") != NULL) {
        graph->api = NEO4J_API_QUERY;
    } else {
        snprintf(why->text, sizeof why->text,
                 "%s answered, but is no Neo4j with an HTTP API; check url",
                 http_client_target(graph->http));
        r = -EPROTO;
    }
    const char *version = json_string_value(json_object_get(root, "neo4j_version"));
    show_text(graph->version, sizeof graph->version, version != NULL ? version : "",
              version != NULL ? strlen(version) : 0);
    const char *bolt = json_string_value(json_object_get(root, "bolt_direct"));
    snprintf(graph->bolt_direct, sizeof graph->bolt_direct, "%s", bolt != NULL ? bolt : "");
    json_decref(root);
    return r;
}

static int discover(struct neo4j *graph, struct memferry_reason *why)
{
    static const char *const headers[] = {"Accept: application/json", NULL};
    const char *target = http_client_target(graph->http);
    struct http_request request = {.method = "GET", .url = graph->root_url, .headers = headers};
    int r;

    http_exchange(graph->http, &request, 1);
    struct memferry_outcome outcome = http_verdict(&request.reply, 1, target);
    if (outcome.verdict == MEMFERRY_DONE) {
        r = choose_api(graph, &request.reply, why);
    } else {
        r = probe_failure(graph->host, &outcome, why);
    }
    http_reply_deinit(&request.reply);
    return r;
}

/* An index that was there already keeps its dimensions, and leaves other vectors out silently. */
static bool check_index(struct neo4j *graph, const struct neo4j_reply *reply)
{
    const struct memferry_host *host = graph->host;
    const json_t *dims = json_array_get(neo4j_reply_row(reply, 0), 0);

    if (json_is_integer(dims) && json_integer_value(dims) != (json_int_t)host->dims) {
        host->log(host, MEMFERRY_LOG_WARNING,
                  "the vector index on (:Memory).embedding has %lld dimensions, the broker's "
                  "embeddings have %u: searches in Neo4j will not find them; drop the index and "
                  "probe again",
                  (long long)json_integer_value(dims), host->dims);
        return false;
    }
    return true;
}

static bool ensure_index(struct neo4j *graph)
{
    const struct memferry_host *host = graph->host;
    char cypher[sizeof index_format + 16];
    struct memferry_reason why = {.text = ""};
    struct neo4j_reply reply;

    snprintf(cypher, sizeof cypher, index_format, host->dims);
    if (run_for_effect(graph, cypher, &why) < 0 ||
        neo4j_run(graph, index_query, &reply, &why) < 0) {
        host->log(host, MEMFERRY_LOG_WARNING,
                  "no vector index could be made (Neo4j 5.15 or later has them; vector_index = "
                  "false says that none is wanted): %s",
                  why.text);
        return false;
    }
    bool fits = check_index(graph, &reply);
    neo4j_reply_deinit(&reply);
    return fits;
}

/* What a person wants to know of a graph that is well. */
static void tell(const struct neo4j *graph, bool indexed, struct memferry_reason *why)
{
    snprintf(why->text, sizeof why->text,
             "Neo4j %s at %.200s is reachable by %s%s; constraints are there, %s", graph->version,
             http_client_target(graph->http),
             graph->api == NEO4J_API_QUERY ? "the Query API" : "the transaction API",
             graph->bolt != NULL ? " and Bolt" : "",
             indexed               ? "and so is the vector index"
             : graph->vector_index ? "but no vector index that fits: see the log"
                                   : "no vector index is wanted");
}

int neo4j_probe(void *self, struct memferry_reason *why)
{
    struct neo4j *graph = self;
    int r = discover(graph, why);

    for (size_t i = 0; r == 0 && i < sizeof constraints / sizeof constraints[0]; i++) {
        r = run_for_effect(graph, constraints[i], why);
    }
    if (r == 0) {
        bool indexed = graph->vector_index && ensure_index(graph);
        neo4j_find_bolt(graph);
        tell(graph, indexed, why);
    }
    return r;
}
