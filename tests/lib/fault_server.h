/*
 * fault_server.h - an HTTP server on loopback that answers, or fails, as a test's script says.
 *
 * Happy path: start, push answers, let the code under test send requests (each takes the next
 * answer; the last one repeats), look at what was received, stop. It runs in threads of its own,
 * one for each connection.
 */
#ifndef MEMFERRY_TESTS_FAULT_SERVER_H
#define MEMFERRY_TESTS_FAULT_SERVER_H

#include <stddef.h>

enum fault_kind {
    FAULT_REPLY = 0, /* status, headers and body, whole; the connection stays */
    FAULT_RESET,     /* a reset in place of a reply */
    FAULT_RESET_MID_BODY,
    FAULT_TRUNCATED, /* closes after half of the body */
    FAULT_HANG,      /* no answer until the server stops */
    FAULT_DRIP,      /* the body a byte at a time, and never the last one */
    FAULT_HUGE,      /* a body without end */
    FAULT_GARBAGE    /* bytes that are not HTTP */
};

struct fault_answer {
    enum fault_kind kind;
    int status;
    const char *headers; /* lines that end with \r\n; NULL: none */
    const char *body;    /* NULL: empty */
};

struct fault_server;

struct fault_server *fault_server_start(void); /* aborts when it can't */
void fault_server_stop(struct fault_server *server);

/* Writes the address of a port where nobody listens, and nobody else can as long as the descriptor
 * that is returned stays open. */
int fault_address_refused(char *url, size_t size);

unsigned fault_server_port(const struct fault_server *server);
/* "http://127.0.0.1:port" */
const char *fault_server_url(const struct fault_server *server);

/* The strings are copied. */
void fault_server_push(struct fault_server *server, struct fault_answer answer);
/* Forgets answers and requests. */
void fault_server_clear(struct fault_server *server);

/* How many whole requests came, over how many connections. */
size_t fault_server_request_count(struct fault_server *server);
size_t fault_server_connection_count(struct fault_server *server);
/* Head and body of the i-th request, with a NUL; valid until clear or stop. NULL: there is none. */
const char *fault_server_request(struct fault_server *server, size_t i);
/* Returns when `count` requests have come. */
void fault_server_wait_requests(struct fault_server *server, size_t count);

#endif
