/*
 * connection.c - makes the connection, and ends it.
 *
 * Happy path: the address is checked, a non-blocking socket connects, the server's uid is ours (or
 * root's), and a `hello` is queued that goes out with the first request: greeting costs no round
 * trip. A backlog that is full is waited for with short naps, until the deadline. A connection that
 * lay idle is looked at before it is used, so that a broker restarted in between costs nothing.
 */
#include "client/connection.h"

#include "client/pipeline.h"
#include "client/put.h"
#include "client/wire/rpc.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define BACKLOG_NAP_MAX_MS 50

int64_t client_now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t client_deadline(int timeout_ms)
{
    return timeout_ms < 0 ? -1 : client_now_ms() + timeout_ms;
}

int client_time_left(int64_t deadline)
{
    if (deadline < 0) {
        return -1;
    }
    int64_t left = deadline - client_now_ms();
    return left <= 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
}

static int connect_failed(struct memferry *m, int error)
{
    if (error == ECONNREFUSED || error == ENOENT) {
        return client_error(m, MEMFERRY_E_CONNECT,
                            "no broker listens at %s (it ended without removing its socket); start "
                            "memferryd",
                            m->socket);
    }
    if (error == EAGAIN) {
        return client_error(m, MEMFERRY_E_DEADLINE,
                            "the broker at %s took no new connection in time; it is overloaded or "
                            "hangs, see its log",
                            m->socket);
    }
    return client_error(m, MEMFERRY_E_CONNECT, "cannot connect to %s: %s; check its permissions",
                        m->socket, strerror(error));
}

/* 0 or a positive errno; EAGAIN: the backlog stayed full until the deadline. */
static int connect_until(int fd, const struct sockaddr_un *address, int64_t deadline)
{
    int nap_ms = 1;

    while (connect(fd, (const struct sockaddr *)address, sizeof *address) < 0) {
        int left = client_time_left(deadline);
        if (errno == EINTR) {
            continue;
        }
        if (errno != EAGAIN || left == 0) {
            return errno;
        }
        poll(NULL, 0, left > 0 && left < nap_ms ? left : nap_ms);
        nap_ms = nap_ms * 2 < BACKLOG_NAP_MAX_MS ? nap_ms * 2 : BACKLOG_NAP_MAX_MS;
    }
    return 0;
}

static int check_server(struct memferry *m, int fd)
{
    struct ucred peer;
    socklen_t size = sizeof peer;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0) {
        return client_error(m, MEMFERRY_E_UNTRUSTED, "cannot tell who serves %s: %s", m->socket,
                            strerror(errno));
    }
    if (!address_uid_trusted(peer.uid)) {
        return client_error(m, MEMFERRY_E_UNTRUSTED,
                            "the server at %s runs as user %u, not as you or root: it is not "
                            "trusted; name another socket with MEMFERRY_SOCKET",
                            m->socket, (unsigned)peer.uid);
    }
    return MEMFERRY_OK;
}

static int connect_checked(struct memferry *m, int fd, int64_t deadline)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    memcpy(address.sun_path, m->socket, strlen(m->socket) + 1);
    int error = connect_until(fd, &address, deadline);
    return error != 0 ? connect_failed(m, error) : check_server(m, fd);
}

/* Who we are, for the broker's log: a notification, whose answer nobody has to wake up for. */
static int queue_hello(struct memferry *m)
{
    msgpack_sbuffer params;
    msgpack_packer packer;

    msgpack_sbuffer_init(&params);
    msgpack_packer_init(&packer, &params, msgpack_sbuffer_write);
    bool failed = msgpack_pack_map(&packer, 2) < 0 || pack_text(&packer, "client") < 0 ||
                  pack_text(&packer, m->client) < 0 || pack_text(&packer, "protocol") < 0 ||
                  msgpack_pack_int(&packer, CLIENT_PROTOCOL) < 0 ||
                  rpc_notify(&m->out, WIRE_MSGPACK, "hello", params.data, params.size) < 0;
    msgpack_sbuffer_destroy(&params);
    return failed ? client_error_memory(m) : MEMFERRY_OK;
}

static int connection_make(struct memferry *m, int64_t deadline)
{
    int rc = address_check(m);

    if (rc != MEMFERRY_OK) {
        return rc;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return client_error(m, MEMFERRY_E_CONNECT, "cannot make a socket: %s", strerror(errno));
    }
    rc = connect_checked(m, fd, deadline);
    if (rc != MEMFERRY_OK) {
        close(fd);
        return rc;
    }
    m->fd = fd;
    m->fresh = true;
    rc = queue_hello(m);
    if (rc != MEMFERRY_OK) {
        connection_drop(m, rc);
    }
    return rc;
}

/* Has the other side gone since the last reply? */
static bool connection_stale(const struct memferry *m)
{
    char byte;

    if (m->fresh || m->owed > 0) {
        return false;
    }
    ssize_t size = recv(m->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return size == 0 || (size < 0 && errno != EAGAIN && errno != EINTR);
}

int connection_ensure(struct memferry *m, int64_t deadline)
{
    if (m->fd >= 0 && connection_stale(m)) {
        connection_drop(m, MEMFERRY_E_UNCERTAIN);
    }
    return m->fd >= 0 ? MEMFERRY_OK : connection_make(m, deadline);
}

void connection_drop(struct memferry *m, int code)
{
    if (m->fd >= 0) {
        close(m->fd);
    }
    m->fd = -1;
    msgpack_sbuffer_clear(&m->out);
    m->out_sent = 0;
    m->in_start = m->in_end = 0;
    m->scan = (struct reply_scan){0};
    pipeline_fail(m, code);
}

int memferry_connect(struct memferry *m)
{
    client_error_clear(m);
    return connection_ensure(m, client_deadline(m->timeout_ms));
}
