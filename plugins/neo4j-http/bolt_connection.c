/*
 * bolt_connection.c - one connection: made, logged in, and a statement's way over it.
 *
 * Happy path: curl resolves and connects; the handshake agrees on a version; HELLO and LOGON are
 * answered by a success each; then RUN and PULL of each request by a success each, with the row
 * before the second, which says that the transaction is committed.
 *
 * Failure modes: the end of the connection, a time-out, an answer that is no Bolt: a failure in the
 * reply, as of HTTP. A FAILURE is the answer, and the connection, which would ignore what comes
 * next, is closed. One that the server closed while it was idle is noticed before it is used, or
 * tried again when it was closed just then (bolt.c).
 */
#include "plugins/neo4j-http/bolt_internal.h"

#include "plugins/common/buffer.h"
#include "plugins/common/clock.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
    TAG_SUCCESS = 0x70,
    TAG_RECORD = 0x71,
    TAG_FAILURE = 0x7f,
    VERSION_BYTES = 4,
    POLL_MAX_MS = 1000, /* for cancelled() */
};

bool bolt_is_cancelled(const struct bolt *bolt)
{
    const struct memferry_host *host = bolt->settings.host;

    return host->cancelled != NULL && host->cancelled(host);
}

enum bolt_state bolt_fail(struct bolt_connection *c, enum http_failure failure, const char *what)
{
    struct http_reply *reply = &c->request->reply;

    reply->failure = failure;
    snprintf(reply->detail, sizeof reply->detail, "%.120s: %.120s", c->bolt->target, what);
    bolt_disconnect(c);
    return BOLT_FAILED;
}

void bolt_disconnect(struct bolt_connection *c)
{
    if (c->easy != NULL) {
        curl_easy_cleanup(c->easy);
    }
    c->easy = NULL;
    c->fd = -1;
    c->in_size = c->sent = 0;
    json_decref(c->row);
    json_decref(c->error);
    c->row = c->error = NULL;
}

void bolt_connection_deinit(struct bolt_connection *c)
{
    bolt_disconnect(c);
    if (c->out.data != NULL) {
        explicit_bzero(c->out.data, c->out.capacity); /* the login was there */
    }
    pack_deinit(&c->out);
    free(c->in);
}

/* ---- what comes ---- */

static enum bolt_state take_success(struct bolt_connection *c)
{
    return --c->awaited == 0 ? BOLT_FINISHED : BOLT_GOING_ON;
}

/* A structure of one field, whose tag says what it is. */
static enum bolt_state take_message(struct bolt_connection *c, const char *message, size_t size)
{
    json_t *field = size > 2 && message[0] == (char)0xb1 ? pack_read(message + 2, size - 2) : NULL;
    unsigned tag = size > 2 ? (unsigned char)message[1] : 0;

    if (tag == TAG_SUCCESS && json_is_object(field)) {
        json_decref(field);
        return take_success(c);
    }
    if (tag == TAG_RECORD && json_is_array(field) && c->row == NULL && c->awaited == 1) {
        c->row = field;
        return BOLT_GOING_ON;
    }
    if (tag == TAG_FAILURE && json_is_object(field)) {
        c->error = field;
        return BOLT_FINISHED;
    }
    json_decref(field);
    return bolt_fail(c, HTTP_BROKEN, "an answer that is no Bolt, or not to what was asked");
}

static enum bolt_state read_messages(struct bolt_connection *c)
{
    size_t at = 0, size = 0, used = 0;
    enum bolt_state state = BOLT_GOING_ON;
    const char *message;

    while (state == BOLT_GOING_ON &&
           (message = pack_message(c->in + at, c->in_size - at, &size, &used)) != NULL) {
        at += used;
        state = take_message(c, message, size);
    }
    if (state != BOLT_FAILED) {
        c->in_size -= at;
        memmove(c->in, c->in + at, c->in_size);
    }
    return state;
}

static enum bolt_state receive(struct bolt_connection *c)
{
    for (;;) {
        if (c->in_size > c->bolt->settings.reply_max) {
            return bolt_fail(c, HTTP_REPLY_TOO_LARGE, "the reply is over the limit");
        }
        if (!buffer_reserve(&c->in, &c->in_capacity, c->in_size + 1)) {
            return bolt_fail(c, HTTP_LOCAL, "out of memory for the reply");
        }
        ssize_t got = recv(c->fd, c->in + c->in_size, c->in_capacity - c->in_size, MSG_DONTWAIT);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            return BOLT_GOING_ON;
        }
        if (got <= 0) {
            return bolt_fail(c, HTTP_BROKEN,
                             got == 0 ? "the server closed the connection" : strerror(errno));
        }
        c->in_size += (size_t)got;
        c->heard = true;
        enum bolt_state state = read_messages(c);
        if (state != BOLT_GOING_ON) {
            return state;
        }
    }
}

/* What the server said before it closed the connection is still read. */
static enum bolt_state send_some(struct bolt_connection *c)
{
    while (c->sent < c->out.size) {
        ssize_t sent =
            send(c->fd, c->out.data + c->sent, c->out.size - c->sent, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) {
            continue;
        }
        if (sent < 0) {
            return errno == EAGAIN || errno == EWOULDBLOCK
                       ? BOLT_GOING_ON
                       : bolt_fail(c, HTTP_BROKEN, strerror(errno));
        }
        c->sent += (size_t)sent;
    }
    return BOLT_GOING_ON;
}

enum bolt_state bolt_progress(struct bolt_connection *c)
{
    enum bolt_state state = receive(c);

    if (state == BOLT_GOING_ON) {
        state = send_some(c);
    }
    return state;
}

/* ---- making it ---- */

static int cancelled_cb(void *arg, curl_off_t a, curl_off_t b, curl_off_t d, curl_off_t e)
{
    (void)a, (void)b, (void)d, (void)e;
    return bolt_is_cancelled(arg) ? 1 : 0;
}

static CURL *make_handle(struct bolt_connection *c, char *message)
{
    const struct bolt_settings *s = &c->bolt->settings;
    char url[300];
    CURL *easy = curl_easy_init();

    if (easy == NULL) {
        return NULL;
    }
    snprintf(url, sizeof url, "http://%s", s->address);
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 1L);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, s->connect_timeout_ms);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, message);
    curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, cancelled_cb);
    curl_easy_setopt(easy, CURLOPT_XFERINFODATA, c->bolt);
    return easy;
}

static enum bolt_state open_socket(struct bolt_connection *c)
{
    char message[CURL_ERROR_SIZE] = "";
    curl_socket_t fd = CURL_SOCKET_BAD;

    c->easy = make_handle(c, message);
    if (c->easy == NULL) {
        return bolt_fail(c, HTTP_LOCAL, "out of memory for a connection");
    }
    CURLcode result = curl_easy_perform(c->easy);
    if (result == CURLE_OK) {
        result = curl_easy_getinfo(c->easy, CURLINFO_ACTIVESOCKET, &fd);
    }
    if (result == CURLE_ABORTED_BY_CALLBACK) {
        return bolt_fail(c, HTTP_CANCELLED, "the broker is ending the call");
    }
    if (result != CURLE_OK) {
        return bolt_fail(c, HTTP_UNREACHABLE,
                         message[0] != '\0' ? message : curl_easy_strerror(result));
    }
    c->fd = fd;
    return BOLT_FINISHED;
}

/* Waits for bytes; false: the reply is filled. */
static bool wait_for_bytes(struct bolt_connection *c, int64_t deadline_ms)
{
    const struct memferry_host *host = c->bolt->settings.host;
    struct pollfd fds[2] = {{.fd = c->fd, .events = POLLIN},
                            {.fd = host->wake_fd, .events = POLLIN}};

    while (!bolt_is_cancelled(c->bolt)) {
        int64_t left_ms = deadline_ms - clock_monotonic_ms();
        if (left_ms <= 0) {
            bolt_fail(c, HTTP_TIMED_OUT, "no answer to the login in time");
            return false;
        }
        int ready = poll(fds, 2, left_ms < POLL_MAX_MS ? (int)left_ms : POLL_MAX_MS);
        if (ready > 0 && fds[0].revents != 0) {
            return true;
        }
        if (ready < 0 && errno != EINTR) {
            bolt_fail(c, HTTP_LOCAL, strerror(errno));
            return false;
        }
    }
    bolt_fail(c, HTTP_CANCELLED, "the broker is ending the call");
    return false;
}

static enum bolt_state shake_hands(struct bolt_connection *c, int64_t deadline_ms)
{
    static const char offer[] = "\x60\x60\xb0\x17"
                                "\0\x03\x04\x05"          /* 5.4 and the three below it */
                                "\0\0\0\0\0\0\0\0\0\0\0"; /* nothing else */
    char chosen[VERSION_BYTES];

    if (send(c->fd, offer, sizeof offer, MSG_NOSIGNAL) != (ssize_t)sizeof offer ||
        !wait_for_bytes(c, deadline_ms)) {
        return c->easy == NULL ? BOLT_FAILED : bolt_fail(c, HTTP_BROKEN, "no handshake");
    }
    ssize_t got = recv(c->fd, chosen, sizeof chosen, MSG_DONTWAIT);
    if (got != (ssize_t)sizeof chosen || chosen[3] != 5) {
        return bolt_fail(c, HTTP_BROKEN, "it speaks no Bolt 5.1 to 5.4");
    }
    return BOLT_FINISHED;
}

static enum bolt_state log_in(struct bolt_connection *c, int64_t deadline_ms)
{
    enum bolt_state state;

    bolt_write_login(c);
    c->sent = 0;
    c->awaited = 2;
    while ((state = bolt_progress(c)) == BOLT_GOING_ON) {
        if (!wait_for_bytes(c, deadline_ms)) {
            return BOLT_FAILED;
        }
    }
    return c->row == NULL ? state : bolt_fail(c, HTTP_BROKEN, "it answered a login with a row");
}

/* Not closed by the server since it was used, and nothing came that was not asked for: the next
 * request would take it for its answer. */
static bool is_alive(const struct bolt_connection *c)
{
    char byte;

    return c->easy != NULL && c->in_size == 0 &&
           recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 &&
           (errno == EAGAIN || errno == EWOULDBLOCK);
}

enum bolt_state bolt_connect(struct bolt_connection *c)
{
    int64_t deadline_ms = clock_monotonic_ms() + c->bolt->settings.connect_timeout_ms;

    c->reused = is_alive(c);
    if (c->reused) {
        return BOLT_FINISHED;
    }
    bolt_disconnect(c);
    enum bolt_state state = open_socket(c);
    if (state == BOLT_FINISHED) {
        state = shake_hands(c, deadline_ms);
    }
    return state == BOLT_FINISHED ? log_in(c, deadline_ms) : state;
}
