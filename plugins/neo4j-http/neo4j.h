/*
 * neo4j.h - what the files of this plugin share: the instance, statements, replies.
 *
 *   neo4j-http.c   options, open, close, the exported table
 *   schema.c       probe: which API there is, constraints, vector index
 *   bolt_find.c    probe: may deliveries go over Bolt?
 *   deliver.c      memories to the graph
 *   fetch.c        memories from the graph
 *   memory.c       one row of the graph as a struct memferry_memory
 *   statement.c    Cypher and its parameters as JSON; statement_pack.c: as PackStream
 *   reply.c        the server's JSON, and what its errors mean
 *   bolt.h         the Bolt client, on pack.h
 */
#ifndef MEMFERRY_PLUGINS_NEO4J_H
#define MEMFERRY_PLUGINS_NEO4J_H

#include "plugins/common/http.h"
#include "plugins/common/json_writer.h"
#include "plugins/common/verdict.h"
#include "plugins/neo4j-http/bolt.h"

#include <jansson.h>

enum neo4j_api {
    NEO4J_API_TX = 0, /* POST /db/{db}/tx/commit: takes a fraction of the CPU with embeddings */
    NEO4J_API_QUERY   /* POST /db/{db}/query/v2: where that is all there is */
};

/* The property of a memory's node that lists the names of its own props. */
#define NEO4J_KEYS_PROPERTY "memferry_keys"

/* The largest memory fits, escaped; and parsed it takes some ten times as much. */
#define NEO4J_REPLY_MAX ((size_t)32 << 20)

struct neo4j {
    const struct memferry_host *host;
    struct http_client *http;
    size_t connections;
    bool vector_index, bolt_wanted;
    struct bolt *bolt;     /* NULL: deliveries go over HTTP */
    char bolt_direct[256]; /* as the server tells it; "" before a probe */
    enum neo4j_api api;
    char version[40]; /* as the server tells it; "" before a probe */
    char *root_url, *tx_url, *query_url;
    struct json_writer *writers; /* one a connection: request bodies, kept */
    char *user, *password;       /* for Bolt; NULL: none */
};

/* ---- neo4j-http.c ---- */

/* A request with `body` (of a writer) to the API that is there. */
struct http_request neo4j_request(const struct neo4j *graph, const char *body, size_t body_size);

/* ---- statement.c ---- */

/* The wrapping of one statement: begin, then the parameters as keys and values, then end. */
void statement_begin(struct json_writer *w, enum neo4j_api api, const char *cypher);
void statement_end(struct json_writer *w, enum neo4j_api api);

/* Is this the name of a node property that is a memory's field, or our own? */
bool is_field_name(struct memferry_string name);

/* The statement that brings memories to their state, and returns one row: how many rows there were,
 * and for each that was not taken a list [i, wins, gone]. Not wins: a newer state is there. Wins,
 * but gone is not empty: these are names of props to remove, to be sent along in another try. */
extern const char deliver_cypher[];
/* One row of its parameter `rows`. gone: a JSON array of names to remove; NULL: none. */
void deliver_row(struct json_writer *w, const struct memferry_memory *memory, size_t i,
                 const json_t *gone);

/* The same in PackStream. */
void deliver_pack_row(struct pack *p, const struct memferry_memory *memory, size_t i,
                      const json_t *gone);

/* ---- bolt_find.c ---- */

/* After a probe over HTTP: sets graph->bolt if the server speaks Bolt where it says, and it is this
 * server that does. Deliveries go over HTTP otherwise. */
void neo4j_find_bolt(struct neo4j *graph);

/* ---- schema.c ---- */

struct neo4j_reply;

/* Runs one statement without parameters over HTTP. 0, or a negative errno with why filled and no
 * reply to deinit. */
int neo4j_run(struct neo4j *graph, const char *cypher, struct neo4j_reply *ret,
              struct memferry_reason *why);

/* ---- reply.c ---- */

struct neo4j_reply {
    json_t *root;
    json_t *rows; /* borrowed from root */
    enum neo4j_api api;
    struct memferry_outcome failure; /* of each memory that was in the request */
    bool again;                      /* a lock's trouble: the same request may do at once */
};

/* True: the statement ran and its rows are there. False: `failure` and `again` say why not. `n` is
 * how many memories were in the request. Free with neo4j_reply_deinit either way. */
bool neo4j_reply_read(struct neo4j_reply *ret, const struct http_reply *http, enum neo4j_api api,
                      size_t n, const char *target);
/* The same of a statement that went over Bolt. */
bool neo4j_reply_of_bolt(struct neo4j_reply *ret, const struct bolt_request *request, size_t n,
                         const char *target);
void neo4j_reply_deinit(struct neo4j_reply *reply);
size_t neo4j_reply_count(const struct neo4j_reply *reply);
/* The values of a row as an array; NULL: there is none. */
const json_t *neo4j_reply_row(const struct neo4j_reply *reply, size_t i);

/* ---- memory.c ---- */

/* Hands a node's properties to fn as a memory. Returns fn's answer, or -ENOMEM, or -EINVAL when the
 * node has no id. */
int memory_read(const json_t *node, memferry_fetch_fn *fn, void *arg);

/* ---- the calls of the table ---- */

int neo4j_probe(void *self, struct memferry_reason *why);
void neo4j_deliver(void *self, const struct memferry_memory *memories, size_t n,
                   struct memferry_outcome *outcomes);
int neo4j_fetch(void *self, const char *after_id, size_t max, memferry_fetch_fn *fn, void *arg);

#endif
