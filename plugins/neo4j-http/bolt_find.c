/*
 * bolt_find.c - may deliveries go over Bolt?
 *
 * Happy path: the server told over HTTP where it speaks Bolt; that is on the same machine; it lets
 * us in there; and the database has the same id both ways.
 *
 * Failure modes: none that matter, deliveries go over HTTP then, as a line in the log says. So it
 * is with https: what was to be encrypted stays so. The id keeps memories out of another server's
 * graph, where a tunnel or a container gives both ports of one machine to two of them.
 */
#include "plugins/neo4j-http/neo4j.h"

#include "plugins/common/http_settings.h"

#include <stdio.h>
#include <string.h>

static const char id_query[] = "CALL db.info() YIELD id RETURN id";
static const char http_scheme[] = "http://", bolt_scheme[] = "bolt://";

/* Of "host:port". */
static size_t host_size(const char *address)
{
    const char *colon = strrchr(address, ':');

    return colon == NULL ? strlen(address) : (size_t)(colon - address);
}

/* The address, when it is on the machine that url names; NULL: it is not, or there is none. */
static const char *usable_address(const struct neo4j *graph)
{
    const char *url = http_client_target(graph->http);
    const char *bolt = graph->bolt_direct;

    if (strncmp(url, http_scheme, strlen(http_scheme)) != 0 ||
        strncmp(bolt, bolt_scheme, strlen(bolt_scheme)) != 0) {
        return NULL;
    }
    url += strlen(http_scheme);
    bolt += strlen(bolt_scheme);
    size_t size = host_size(url);
    bool same = size == host_size(bolt) && strncasecmp(url, bolt, size) == 0;
    return same && bolt[strcspn(bolt, "/?#@")] == '\0' ? bolt : NULL;
}

static struct bolt *make_bolt(const struct neo4j *graph, const char *address)
{
    const struct memferry_host *host = graph->host;
    struct bolt_settings settings = {
        .host = host,
        .address = address,
        .user = graph->user,
        .password = graph->password,
        .database = host->option(host, "database"),
        .connect_timeout_ms = (long)host->option_int(host, "connect_timeout"),
        .timeout_ms = (long)host->option_int(host, "timeout"),
        .connections = graph->connections,
        .request_max = HTTP_BODY_DEFAULT_MAX,
        .reply_max = NEO4J_REPLY_MAX,
    };

    return bolt_new(&settings);
}

static void no_parameters(struct bolt_request *request, struct pack *p)
{
    (void)request;
    pack_map(p, 0);
}

/* Borrowed from the reply; NULL: no text. */
static const char *id_of(const struct neo4j_reply *reply)
{
    return json_string_value(json_array_get(neo4j_reply_row(reply, 0), 0));
}

/* Does the database that Bolt leads to have this id? */
static bool leads_to(struct neo4j *graph, const char *id, struct memferry_reason *why)
{
    struct bolt_request request = {.cypher = id_query, .parameters = no_parameters};
    struct neo4j_reply reply;

    bolt_exchange(graph->bolt, &request, 1);
    bool good = neo4j_reply_of_bolt(&reply, &request, 1, bolt_target(graph->bolt));
    if (!good) {
        *why = reply.failure.reason;
    } else if (id_of(&reply) == NULL || strcmp(id_of(&reply), id) != 0) {
        snprintf(why->text, sizeof why->text, "%.200s is another server or database",
                 bolt_target(graph->bolt));
        good = false;
    }
    neo4j_reply_deinit(&reply);
    bolt_request_deinit(&request);
    return good;
}

static bool is_same_database(struct neo4j *graph, struct memferry_reason *why)
{
    struct neo4j_reply reply;

    if (neo4j_run(graph, id_query, &reply, why) < 0) {
        return false;
    }
    snprintf(why->text, sizeof why->text, "the database has no id");
    bool same = id_of(&reply) != NULL && leads_to(graph, id_of(&reply), why);
    neo4j_reply_deinit(&reply);
    return same;
}

void neo4j_find_bolt(struct neo4j *graph)
{
    const struct memferry_host *host = graph->host;
    struct memferry_reason why = {.text = "out of memory"};
    const char *address = usable_address(graph);

    graph->bolt = bolt_free(graph->bolt);
    if (!graph->bolt_wanted || graph->bolt_direct[0] == '\0') {
        return;
    }
    if (address == NULL) {
        snprintf(why.text, sizeof why.text, "the server's is %.200s, at another place than url",
                 graph->bolt_direct);
    } else {
        graph->bolt = make_bolt(graph, address);
    }
    if (graph->bolt == NULL || !is_same_database(graph, &why)) {
        graph->bolt = bolt_free(graph->bolt);
        host->log(host, MEMFERRY_LOG_INFO, "deliveries go over HTTP, not Bolt: %s", why.text);
    }
}
