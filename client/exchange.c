/*
 * exchange.c - frames out, frames in.
 *
 * Happy path: a request is appended to `out` and sent as far as the socket takes it; poll waits for
 * the reply; what arrives is collected until the scanner finds a whole frame, which is decoded out
 * of the buffer into a reply of its own. Failures: the deadline passes (the connection stays, the
 * late reply will be skipped); the connection breaks; what arrives is no reply, or has no end below
 * CLIENT_REPLY_MAX. After the last two the connection is dropped.
 *
 * A broker that cannot talk MessagePack to us (too many connections) says so in a line of JSON: a
 * frame that begins with '{' is read as that.
 */
#include "client/connection.h"
#include "client/pipeline.h"
#include "client/wire/rpc.h"
#include "client/wire/scan.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

int exchange_queue(struct memferry *m, uint32_t msgid, const char *method,
                   const msgpack_sbuffer *params)
{
    size_t before = m->out.size;

    if (rpc_request_encode(&m->out, msgid, method, params->data, params->size) < 0) {
        m->out.size = before;
        return client_error_memory(m);
    }
    if (m->out.size - before > WIRE_FRAME_MAX) {
        m->out.size = before;
        return client_error(m, MEMFERRY_E_INVALID,
                            "the request %s is over %u MiB; send less in one", method,
                            WIRE_FRAME_MAX >> 20);
    }
    return MEMFERRY_OK;
}

int exchange_queue_params(struct memferry *m, uint32_t msgid, const char *method)
{
    return m->params_failed ? client_error_memory(m) : exchange_queue(m, msgid, method, &m->params);
}

static int connection_broke(struct memferry *m, int error)
{
    connection_drop(m, MEMFERRY_E_UNCERTAIN);
    return client_error(m, MEMFERRY_E_UNCERTAIN,
                        "the broker at %s ended the connection before it answered%s%s; the request "
                        "may have been carried out",
                        m->socket, error != 0 ? ": " : "", error != 0 ? strerror(error) : "");
}

static int reply_malformed(struct memferry *m, const char *how)
{
    connection_drop(m, MEMFERRY_E_UNCERTAIN);
    return client_error(m, MEMFERRY_E_PROTOCOL,
                        "what %s sent is no reply (%s): is it a memferryd of this protocol? The "
                        "request may have been carried out",
                        m->socket, how);
}

/* Keeps `out` from growing at its front. */
static void out_advance(struct memferry *m, size_t sent)
{
    m->out_sent += sent;
    if (m->out_sent == m->out.size) {
        m->out_sent = m->out.size = 0;
    } else if (m->out_sent > m->out.size / 2) {
        m->out.size -= m->out_sent;
        memmove(m->out.data, m->out.data + m->out_sent, m->out.size);
        m->out_sent = 0;
    }
}

int exchange_flush(struct memferry *m)
{
    while (m->fd >= 0 && m->out_sent < m->out.size) {
        ssize_t sent = send(m->fd, m->out.data + m->out_sent, m->out.size - m->out_sent,
                            MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent >= 0) {
            m->fresh = false;
            out_advance(m, (size_t)sent);
        } else if (errno == EPIPE || errno == ECONNRESET) {
            /* What the broker said before it left may still be there to be read. */
            m->out_sent = m->out.size = 0;
        } else if (errno == EAGAIN || errno == ENOBUFS) {
            break;
        } else if (errno != EINTR) {
            return connection_broke(m, errno);
        }
    }
    return MEMFERRY_OK;
}

/* Room for CLIENT_READ_SIZE bytes behind in_end. */
static int in_reserve(struct memferry *m)
{
    if (m->in_start > 0) {
        memmove(m->in, m->in + m->in_start, m->in_end - m->in_start);
        m->in_end -= m->in_start;
        m->in_start = 0;
    }
    if (m->in_capacity - m->in_end >= CLIENT_READ_SIZE) {
        return MEMFERRY_OK;
    }
    size_t capacity = m->in_capacity == 0 ? 2 * CLIENT_READ_SIZE : 2 * m->in_capacity;
    uint8_t *in = realloc(m->in, capacity);
    if (in == NULL) {
        connection_drop(m, MEMFERRY_E_UNCERTAIN);
        return client_error(m, MEMFERRY_E_UNCERTAIN, "out of memory for the reply");
    }
    m->in = in;
    m->in_capacity = capacity;
    return MEMFERRY_OK;
}

/* Takes what is there. */
static int in_read(struct memferry *m)
{
    int rc = in_reserve(m);

    if (rc != MEMFERRY_OK) {
        return rc;
    }
    ssize_t size = recv(m->fd, m->in + m->in_end, m->in_capacity - m->in_end, MSG_DONTWAIT);
    if (size > 0) {
        m->in_end += (size_t)size;
        return MEMFERRY_OK;
    }
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) {
        return MEMFERRY_OK;
    }
    return connection_broke(m, size < 0 ? errno : 0);
}

static int exchange_deadline(struct memferry *m)
{
    return client_error(m, MEMFERRY_E_DEADLINE,
                        "the broker at %s did not answer in time; the request may have been "
                        "carried out",
                        m->socket);
}

/* One round: send, wait, read. */
static int exchange_round(struct memferry *m, int64_t deadline)
{
    int rc = exchange_flush(m);

    if (rc != MEMFERRY_OK) {
        return rc;
    }
    struct pollfd wait = {.fd = m->fd, .events = memferry_events(m)};
    int count = poll(&wait, 1, client_time_left(deadline));
    if (count == 0) {
        return exchange_deadline(m);
    }
    if (count < 0) {
        return errno == EINTR ? MEMFERRY_OK : connection_broke(m, errno);
    }
    return wait.revents & ~POLLOUT ? in_read(m) : MEMFERRY_OK;
}

/* A line of JSON from a broker that hangs up. False: it is not all there. */
static bool json_refusal(struct memferry *m, int *ret_code)
{
    const char *line = (const char *)m->in + m->in_start;
    size_t size = m->in_end - m->in_start;
    struct rpc_failure failure;
    msgpack_object message;
    msgpack_zone zone;

    if (memchr(line, '\n', size) == NULL && size < CLIENT_READ_SIZE) {
        return false;
    }
    const char *end = memchr(line, '\n', size);
    if (end == NULL || !msgpack_zone_init(&zone, MSGPACK_ZONE_CHUNK_SIZE)) {
        *ret_code = reply_malformed(m, "neither MessagePack nor a line");
        return true;
    }
    const msgpack_object *error = NULL;
    if (json_to_msgpack(line, (size_t)(end - line), &zone, &message, &failure) == 0) {
        error = object_get(&message, "error");
    }
    if (error != NULL && error->type == MSGPACK_OBJECT_MAP) {
        *ret_code = client_error_remote(m, error);
        connection_drop(m, *ret_code);
    } else {
        *ret_code = reply_malformed(m, "JSON on a MessagePack connection");
    }
    msgpack_zone_destroy(&zone);
    return true;
}

/* Decodes one frame into a reply of its own. */
static int frame_decode(struct memferry *m, const uint8_t *frame, size_t size,
                        struct rpc_message *ret_message, struct memferry_reply **ret_reply)
{
    struct memferry_reply *reply = reply_new();

    if (reply == NULL) {
        connection_drop(m, MEMFERRY_E_UNCERTAIN);
        return client_error(m, MEMFERRY_E_UNCERTAIN, "out of memory for the reply");
    }
    int rc = rpc_message_decode(frame, size, &reply->zone, ret_message) < 0 ? MEMFERRY_E_PROTOCOL
                                                                            : MEMFERRY_OK;
    if (rc == MEMFERRY_OK) {
        rc = reply_adopt(reply, &ret_message->body);
    }
    if (rc != MEMFERRY_OK) {
        memferry_reply_free(reply);
        return reply_malformed(m, "a frame that cannot be decoded");
    }
    *ret_reply = reply;
    return MEMFERRY_OK;
}

/* The next frame of the buffer; *ret_reply stays NULL when it is not all there. */
static int frame_take(struct memferry *m, struct rpc_message *ret_message,
                      struct memferry_reply **ret_reply)
{
    size_t available = m->in_end - m->in_start, size;
    int rc;

    if (available == 0) {
        return MEMFERRY_OK;
    }
    const uint8_t *frame = m->in + m->in_start;
    if (m->scan.offset == 0 && frame[0] == '{') {
        return json_refusal(m, &rc) ? rc : MEMFERRY_OK;
    }
    switch (reply_scan(&m->scan, frame, available, CLIENT_REPLY_MAX, &size)) {
    case REPLY_MORE:
        return MEMFERRY_OK;
    case REPLY_MALFORMED:
        return reply_malformed(m, "not MessagePack, or too large");
    case REPLY_COMPLETE:
        break;
    }
    rc = frame_decode(m, frame, size, ret_message, ret_reply);
    if (rc == MEMFERRY_OK) {
        m->in_start += size;
    }
    return rc;
}

/* Is it the answer to something? Frees what is not. */
static bool frame_wanted(const struct memferry *m, const struct rpc_message *message)
{
    if (message->is_notification) {
        return false;
    }
    if (message->msgid & CLIENT_MSGID_BLOCKING) {
        return (message->msgid & ~CLIENT_MSGID_BLOCKING) == m->last_blocking;
    }
    return true;
}

/* Waits for the next frame. After a failure other than MEMFERRY_E_DEADLINE the connection is gone.
 */
static int frame_await(struct memferry *m, int64_t deadline, struct rpc_message *ret_message,
                       struct memferry_reply **ret_reply)
{
    *ret_reply = NULL;
    for (;;) {
        int rc = m->fd >= 0 ? frame_take(m, ret_message, ret_reply) : MEMFERRY_E_UNCERTAIN;
        if (rc != MEMFERRY_OK) {
            return rc;
        }
        if (*ret_reply == NULL) {
            rc = exchange_round(m, deadline);
            if (rc != MEMFERRY_OK) {
                return rc;
            }
            continue;
        }
        if (ret_message->no_msgid) {
            memferry_reply_free(*ret_reply);
            *ret_reply = NULL;
            return reply_malformed(m, "it could not read our request");
        }
        return MEMFERRY_OK;
    }
}

int exchange_receive(struct memferry *m, int64_t deadline, uint32_t *ret_msgid, bool *ret_is_error,
                     struct memferry_reply **ret_reply)
{
    for (;;) {
        struct memferry_reply *reply;
        struct rpc_message message;
        int rc = frame_await(m, deadline, &message, &reply);
        if (rc != MEMFERRY_OK) {
            return rc;
        }
        if (frame_wanted(m, &message)) {
            *ret_msgid = message.msgid;
            *ret_is_error = message.is_error;
            *ret_reply = reply;
            return MEMFERRY_OK;
        }
        memferry_reply_free(reply);
    }
}

int exchange_notification(struct memferry *m, int64_t deadline, const char **ret_name,
                          struct memferry_reply **ret_reply)
{
    for (;;) {
        struct memferry_reply *reply;
        struct rpc_message message;
        int rc = frame_await(m, deadline, &message, &reply);
        if (rc != MEMFERRY_OK) {
            return rc;
        }
        if (message.is_notification) {
            *ret_name = message.method; /* in the reply's zone */
            *ret_reply = reply;
            return MEMFERRY_OK;
        }
        if (frame_wanted(m, &message) && (message.msgid & CLIENT_MSGID_BLOCKING) == 0) {
            pipeline_complete(m, message.msgid, message.is_error, reply);
        } else {
            memferry_reply_free(reply);
        }
    }
}
