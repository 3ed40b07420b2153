/*
 * bolt.c - the client and its exchange.
 *
 * Happy path: each idle connection takes the next request, writes it and sends what the socket
 * takes, so that the server works on the first while the next is written; poll waits for the
 * sockets and for the host's wake descriptor together.
 *
 * Failure modes: a request that fails has its reply filled and the others go on. When no connection
 * can be made, or the server lets us not in, those that wait are told the same and not tried: three
 * bad logins lock a user out. When the host cancels, what is under way is dropped with its
 * connection and what is waiting never starts.
 */
#include "plugins/neo4j-http/bolt_internal.h"

#include "plugins/common/clock.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { POLL_MAX_MS = 1000 };

/* ---- new, free ---- */

static char *copy(const char *text)
{
    return text == NULL ? NULL : strdup(text);
}

static bool init(struct bolt *bolt, const struct bolt_settings *from)
{
    struct bolt_settings *to = &bolt->settings;

    *to = *from;
    to->address = bolt->address = copy(from->address);
    to->user = bolt->user = copy(from->user);
    to->password = bolt->password = copy(from->password);
    to->database = bolt->database = copy(from->database);
    if (asprintf(&bolt->target, "bolt://%s", from->address) < 0) {
        bolt->target = NULL;
    }
    bolt->connections = calloc(from->connections, sizeof *bolt->connections);
    for (size_t i = 0; bolt->connections != NULL && i < from->connections; i++) {
        bolt->connections[i] = (struct bolt_connection){.bolt = bolt, .fd = -1};
        pack_init(&bolt->connections[i].out, from->request_max);
    }
    return bolt->address != NULL && bolt->database != NULL && bolt->target != NULL &&
           bolt->connections != NULL && (from->user == NULL) == (to->user == NULL) &&
           (from->password == NULL) == (to->password == NULL);
}

struct bolt *bolt_new(const struct bolt_settings *settings)
{
    struct bolt *bolt = calloc(1, sizeof *bolt);

    assert(settings->connections >= 1 && settings->connections <= HTTP_CONNECTIONS_MAX);
    return bolt == NULL || init(bolt, settings) ? bolt : bolt_free(bolt);
}

struct bolt *bolt_free(struct bolt *bolt)
{
    if (bolt == NULL) {
        return NULL;
    }
    for (size_t i = 0; bolt->connections != NULL && i < bolt->settings.connections; i++) {
        bolt_connection_deinit(&bolt->connections[i]);
    }
    if (bolt->password != NULL) {
        explicit_bzero(bolt->password, strlen(bolt->password));
    }
    free(bolt->connections);
    free(bolt->address);
    free(bolt->user);
    free(bolt->password);
    free(bolt->database);
    free(bolt->target);
    free(bolt);
    return NULL;
}

const char *bolt_target(const struct bolt *bolt)
{
    return bolt->target;
}

void bolt_request_deinit(struct bolt_request *request)
{
    http_reply_deinit(&request->reply);
    json_decref(request->root);
    request->root = NULL;
}

/* ---- the exchange ---- */

/* One call of bolt_exchange. */
struct exchange {
    struct bolt *bolt;
    struct bolt_request *requests;
    size_t n;
    size_t next; /* the first that was not started */
    size_t running;
    const struct bolt_request *refused; /* for want of a connection; NULL: none was */
};

/* The answer in the words of tx/commit. Without memory for it there is none: no row, no error. */
static void fill_root(struct bolt_connection *c)
{
    struct bolt_request *request = c->request;

    request->reply.status = 200;
    if (c->error != NULL) {
        request->root = json_pack("{s:[O]}", "errors", c->error);
    } else if (c->row != NULL) {
        request->root =
            json_pack("{s:[{s:[{s:O}]}], s:[]}", "results", "data", "row", c->row, "errors");
    }
}

static void finish(struct bolt_connection *c, enum bolt_state state)
{
    if (state == BOLT_FINISHED) {
        fill_root(c);
    }
    if (c->error != NULL) {
        bolt_disconnect(c);
    }
    json_decref(c->row);
    c->row = NULL;
    c->request = NULL;
}

static enum bolt_state send_request(struct bolt_connection *c)
{
    bolt_write_run(c);
    int r = pack_status(&c->out);
    if (r < 0) {
        return bolt_fail(c, r == -EMSGSIZE ? HTTP_REQUEST_TOO_LARGE : HTTP_LOCAL,
                         r == -EMSGSIZE ? "the memory is too large to send" : "out of memory");
    }
    c->sent = 0;
    c->awaited = 2;
    c->heard = false;
    c->deadline_ms = clock_monotonic_ms() + c->bolt->settings.timeout_ms;
    return bolt_progress(c);
}

/* The server closed an idle connection just when it was used again. What it may have got all the
 * same does no harm twice. */
static bool deserves_another(const struct bolt_connection *c, enum bolt_state state)
{
    return state == BOLT_FAILED && c->request->reply.failure == HTTP_BROKEN && c->reused &&
           !c->heard;
}

static void start(struct exchange *x, struct bolt_connection *c, struct bolt_request *request)
{
    http_reply_deinit(&request->reply);
    c->request = request;
    enum bolt_state state = bolt_connect(c);
    if (state == BOLT_FINISHED && c->error == NULL) {
        state = send_request(c);
    } else {
        x->refused = request;
    }
    if (state == BOLT_GOING_ON) {
        x->running++;
    } else if (deserves_another(c, state)) {
        start(x, c, request); /* once: that connection will be new */
    } else {
        finish(c, state);
    }
}

/* Tells a request what another was told. */
static void refuse(const struct exchange *x, struct bolt_request *request)
{
    request->reply = x->refused->reply; /* it has no body */
    request->root = json_incref(x->refused->root);
}

static void start_waiting(struct exchange *x)
{
    for (size_t i = 0; i < x->bolt->settings.connections; i++) {
        struct bolt_connection *c = &x->bolt->connections[i];
        while (c->request == NULL && x->next < x->n && !bolt_is_cancelled(x->bolt)) {
            struct bolt_request *request = &x->requests[x->next++];
            if (x->refused != NULL) {
                refuse(x, request);
            } else {
                start(x, c, request);
            }
        }
    }
}

static void abandon(struct exchange *x)
{
    for (size_t i = 0; i < x->bolt->settings.connections; i++) {
        struct bolt_connection *c = &x->bolt->connections[i];
        if (c->request != NULL) {
            finish(c, bolt_fail(c, HTTP_CANCELLED, "the broker is ending the call"));
        }
    }
    while (x->next < x->n) {
        struct bolt_request *request = &x->requests[x->next++];
        request->reply.failure = HTTP_CANCELLED;
        snprintf(request->reply.detail, sizeof request->reply.detail, "%.200s: not sent",
                 x->bolt->target);
    }
}

/* What is under way, and for how long poll may wait. */
static int fill_polls(const struct exchange *x, struct pollfd *fds, size_t *ret_count)
{
    int64_t wait_ms = POLL_MAX_MS, now_ms = clock_monotonic_ms();

    fds[0] = (struct pollfd){.fd = x->bolt->settings.host->wake_fd, .events = POLLIN};
    for (size_t i = 0; i < x->bolt->settings.connections; i++) {
        const struct bolt_connection *c = &x->bolt->connections[i];
        bool runs = c->request != NULL;
        fds[i + 1] = (struct pollfd){.fd = runs ? c->fd : -1, .events = POLLIN};
        if (runs && c->sent < c->out.size) {
            fds[i + 1].events = POLLIN | POLLOUT;
        }
        if (runs && c->deadline_ms - now_ms < wait_ms) {
            wait_ms = c->deadline_ms - now_ms;
        }
    }
    *ret_count = x->bolt->settings.connections + 1;
    return wait_ms > 0 ? (int)wait_ms : 0;
}

static void progress(struct exchange *x, const struct pollfd *fds)
{
    int64_t now_ms = clock_monotonic_ms();

    for (size_t i = 0; i < x->bolt->settings.connections; i++) {
        struct bolt_connection *c = &x->bolt->connections[i];
        enum bolt_state state = BOLT_GOING_ON;
        if (c->request == NULL) {
            continue;
        }
        if (fds[i + 1].revents != 0) {
            state = bolt_progress(c);
        }
        if (state == BOLT_GOING_ON && now_ms >= c->deadline_ms) {
            state = bolt_fail(c, HTTP_TIMED_OUT, "no answer in time");
        }
        if (state == BOLT_GOING_ON) {
            continue;
        }
        x->running--;
        if (deserves_another(c, state)) {
            start(x, c, c->request);
        } else {
            finish(c, state);
        }
    }
}

void bolt_exchange(struct bolt *bolt, struct bolt_request *requests, size_t n)
{
    struct exchange x = {.bolt = bolt, .requests = requests, .n = n};
    struct pollfd fds[HTTP_CONNECTIONS_MAX + 1];
    size_t count;

    for (;;) {
        start_waiting(&x);
        if (bolt_is_cancelled(bolt)) {
            abandon(&x);
        }
        if (x.running == 0 || bolt_is_cancelled(bolt)) {
            return;
        }
        int wait_ms = fill_polls(&x, fds, &count);
        if (poll(fds, count, wait_ms) < 0 && errno != EINTR) {
            abandon(&x);
            return;
        }
        progress(&x, fds);
    }
}
