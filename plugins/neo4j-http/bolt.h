/*
 * bolt.h - a Bolt client: statements of one transaction each, several side by side, as http.h does
 * with requests. Deliveries go this way where they can: a vector costs the server a third of what
 * it costs it as JSON, and us a tenth.
 *
 * Happy path: bolt_new; bolt_exchange as often as needed; bolt_free. Connections are made when they
 * are needed, logged in, and kept.
 *
 * Failure modes: as of http.h, told in the same words; a statement that the server refuses is
 * HTTP_ANSWERED with errors in its root. A connection that failed in whatever way is closed, which
 * ends a transaction that was not committed, and made anew by the next exchange.
 *
 * It speaks Bolt 5.1 to 5.4 (Neo4j 5.7 and later) without TLS.
 */
#ifndef MEMFERRY_PLUGINS_NEO4J_BOLT_H
#define MEMFERRY_PLUGINS_NEO4J_BOLT_H

#include "plugins/common/http.h"
#include "plugins/neo4j-http/pack.h"

struct bolt_settings {
    const struct memferry_host *host;
    const char *address;         /* host:port */
    const char *user, *password; /* NULL: the server knows no logins */
    const char *database;
    long connect_timeout_ms, timeout_ms;
    size_t connections, request_max, reply_max;
};

struct bolt_request {
    const char *cypher;
    /* Writes the parameters, a map, when the request's turn has come; what could not be written is
     * the writer's status. */
    void (*parameters)(struct bolt_request *, struct pack *);
    void *arg; /* theirs */
    struct http_reply reply;
    json_t *root; /* what tx/commit would have answered: its results, of one row, and errors */
};

struct bolt;

/* NULL: no memory. The settings' strings are copied. */
struct bolt *bolt_new(const struct bolt_settings *settings);
struct bolt *bolt_free(struct bolt *bolt); /* NULL is fine; returns NULL */

const char *bolt_target(const struct bolt *bolt); /* "bolt://host:port" */

/* Runs them all, in this order, as many at once as there are connections. */
void bolt_exchange(struct bolt *bolt, struct bolt_request *requests, size_t n);

void bolt_request_deinit(struct bolt_request *request);

#endif
