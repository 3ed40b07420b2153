/* bolt_internal.h - what bolt.c (the exchange) and bolt_connection.c (one connection) share. */
#ifndef MEMFERRY_PLUGINS_NEO4J_BOLT_INTERNAL_H
#define MEMFERRY_PLUGINS_NEO4J_BOLT_INTERNAL_H

#include "plugins/neo4j-http/bolt.h"

#include <curl/curl.h>

struct bolt_connection {
    struct bolt *bolt;
    CURL *easy;                   /* owns the socket; NULL: not connected */
    int fd;                       /* its socket */
    struct bolt_request *request; /* NULL: idle */
    int64_t deadline_ms;          /* of the request, monotonic */
    struct pack out;
    size_t sent;
    char *in; /* what came and was not read yet */
    size_t in_size, in_capacity;
    unsigned awaited; /* successes */
    bool reused;      /* it was there before the request */
    bool heard;       /* something came since the request was sent */
    json_t *row, *error;
};

struct bolt {
    struct bolt_settings settings; /* its strings are the copies */
    char *address, *user, *password, *database, *target;
    struct bolt_connection *connections;
};

enum bolt_state { BOLT_GOING_ON = 0, BOLT_FINISHED, BOLT_FAILED };

bool bolt_is_cancelled(const struct bolt *bolt);

/* Connects and logs in, unless that was done. BOLT_FINISHED: done, or, with c->error, refused;
 * BOLT_FAILED: the request's reply is filled. Waits; ends early when the host cancels. */
enum bolt_state bolt_connect(struct bolt_connection *c);
/* Sends what the socket takes, reads what is there. BOLT_FAILED: the reply is filled. */
enum bolt_state bolt_progress(struct bolt_connection *c);
/* Closes it. What was under way is forgotten. */
void bolt_disconnect(struct bolt_connection *c);
void bolt_connection_deinit(struct bolt_connection *c);

enum bolt_state bolt_fail(struct bolt_connection *c, enum http_failure failure, const char *what);

/* What the server is told, written to c->out. */
void bolt_write_login(struct bolt_connection *c);
void bolt_write_run(struct bolt_connection *c);

#endif
