/*
 * fault_server.c - see fault_server.h. A test that can't run aborts here: there is nothing to
 * handle.
 */
#include "tests/lib/fault_server.h"

#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    ANSWERS_MAX = 128,
    REQUESTS_MAX = 1024,
    CONNECTIONS_MAX = 256,
    TEXTS_MAX = 2048,
    DRIP_MS = 5
};

struct connection {
    struct fault_server *server;
    int fd;
    pthread_t thread;
};

struct fault_server {
    int listen_fd;
    int stop_fd; /* readable: end */
    unsigned port;
    char url[64];
    pthread_t thread;

    pthread_mutex_t mutex;
    pthread_cond_t arrived;
    struct fault_answer answers[ANSWERS_MAX];
    size_t answer_count, answer_next;
    char *texts[TEXTS_MAX]; /* our copies of the answers' strings, kept until stop */
    size_t text_count;
    char *requests[REQUESTS_MAX];
    size_t request_count;
    struct connection connections[CONNECTIONS_MAX];
    size_t connection_count;
};

static void must(bool good, const char *what)
{
    if (!good) {
        perror(what);
        abort();
    }
}

/* True when fd is readable, false when the server stops or after timeout_ms (-1: none). */
static bool wait_readable(struct fault_server *server, int fd, int timeout_ms)
{
    struct pollfd fds[] = {{.fd = server->stop_fd, .events = POLLIN}, {.fd = fd, .events = POLLIN}};

    poll(fds, fd < 0 ? 1 : 2, timeout_ms);
    return fds[0].revents == 0 && fd >= 0 && fds[1].revents != 0;
}

static bool is_stopping(struct fault_server *server)
{
    struct pollfd stop = {.fd = server->stop_fd, .events = POLLIN};

    return poll(&stop, 1, 0) == 1;
}

static bool send_all(int fd, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t n = send(fd, bytes, size, MSG_NOSIGNAL);
        if (n <= 0) {
            return false;
        }
        bytes += n;
        size -= (size_t)n;
    }
    return true;
}

static void reset_connection(int fd)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};

    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

static size_t body_size_of(const char *head)
{
    const char *line = strcasestr(head, "\r\nContent-Length:");

    return line == NULL ? 0 : strtoul(line + strlen("\r\nContent-Length:"), NULL, 10);
}

/* The whole next request, or NULL at the end of the connection. */
static char *read_request(struct connection *c)
{
    size_t size = 0, capacity = 1 << 16, need = SIZE_MAX;
    char *text = malloc(capacity);

    must(text != NULL, "malloc");
    while (size < need) {
        if (capacity - size < 2) {
            text = realloc(text, capacity *= 2);
            must(text != NULL, "realloc");
        }
        ssize_t n = !wait_readable(c->server, c->fd, -1)
                        ? 0
                        : recv(c->fd, text + size, capacity - size - 1, 0);
        if (n <= 0) {
            free(text);
            return NULL;
        }
        size += (size_t)n;
        text[size] = '\0';
        char *end = need == SIZE_MAX ? strstr(text, "\r\n\r\n") : NULL;
        if (end != NULL) {
            end[2] = '\0'; /* the search must end with the head */
            need = (size_t)(end - text) + 4 + body_size_of(text);
            end[2] = '\r';
        }
    }
    return text;
}

/* Nobody waits for an answer any more. */
static bool has_hung_up(int fd)
{
    struct pollfd peer = {.fd = fd, .events = POLLRDHUP};

    return poll(&peer, 1, 0) == 1 && (peer.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

/* False: the client timed out before we looked, and its test has gone on to something else. */
static bool take_answer(struct connection *c, char *request, struct fault_answer *ret)
{
    struct fault_server *server = c->server;

    pthread_mutex_lock(&server->mutex);
    if (server->answer_count == 0 && has_hung_up(c->fd)) {
        pthread_mutex_unlock(&server->mutex);
        free(request);
        return false;
    }
    must(server->answer_count > 0 && server->request_count < REQUESTS_MAX, "no answer left");
    size_t i = server->answer_next;
    if (i + 1 < server->answer_count) {
        server->answer_next++;
    }
    *ret = server->answers[i];
    server->requests[server->request_count++] = request;
    pthread_cond_broadcast(&server->arrived);
    pthread_mutex_unlock(&server->mutex);
    return true;
}

static bool send_head(int fd, const struct fault_answer *answer, size_t body_size)
{
    char head[2048];
    int size = snprintf(head, sizeof head, "HTTP/1.1 %d X\r\n%sContent-Length: %zu\r\n\r\n",
                        answer->status == 0 ? 200 : answer->status,
                        answer->headers == NULL ? "" : answer->headers, body_size);

    return send_all(fd, head, (size_t)size);
}

static void drip(struct connection *c, const char *body)
{
    for (size_t i = 0; i + 1 < strlen(body) && !is_stopping(c->server); i++) {
        send_all(c->fd, body + i, 1);
        wait_readable(c->server, -1, DRIP_MS);
    }
    wait_readable(c->server, -1, -1);
}

static void send_without_end(struct connection *c)
{
    static const char zeros[65536];

    while (!is_stopping(c->server) && send_all(c->fd, zeros, sizeof zeros)) {
    }
}

/* Returns whether the connection goes on. */
static bool give_answer(struct connection *c, const struct fault_answer *answer)
{
    const char *body = answer->body == NULL ? "" : answer->body;
    size_t size = strlen(body);

    switch (answer->kind) {
    case FAULT_REPLY:
        return send_head(c->fd, answer, size) && send_all(c->fd, body, size);
    case FAULT_RESET:
        reset_connection(c->fd);
        return false;
    case FAULT_RESET_MID_BODY:
        send_head(c->fd, answer, size + 10);
        send_all(c->fd, body, size);
        reset_connection(c->fd);
        return false;
    case FAULT_TRUNCATED:
        send_head(c->fd, answer, size);
        send_all(c->fd, body, size / 2);
        return false;
    case FAULT_HANG:
        wait_readable(c->server, -1, -1);
        return false;
    case FAULT_DRIP:
        send_head(c->fd, answer, size);
        drip(c, body);
        return false;
    case FAULT_HUGE:
        send_head(c->fd, answer, (size_t)1 << 40);
        send_without_end(c);
        return false;
    case FAULT_GARBAGE:
        send_all(c->fd, "\x15\x03\x01 no HTTP\n", 12);
        return false;
    }
    return false;
}

static void *serve_connection(void *arg)
{
    struct connection *c = arg;
    bool open = true;

    while (open) {
        char *request = read_request(c);
        if (request == NULL) {
            break;
        }
        struct fault_answer answer;
        open = take_answer(c, request, &answer) && give_answer(c, &answer);
    }
    close(c->fd);
    return NULL;
}

static void *accept_connections(void *arg)
{
    struct fault_server *server = arg;

    while (wait_readable(server, server->listen_fd, -1)) {
        int fd = accept(server->listen_fd, NULL, NULL);
        if (fd < 0) {
            continue;
        }
        pthread_mutex_lock(&server->mutex);
        must(server->connection_count < CONNECTIONS_MAX, "too many connections");
        struct connection *c = &server->connections[server->connection_count++];
        c->server = server;
        c->fd = fd;
        must(pthread_create(&c->thread, NULL, serve_connection, c) == 0, "pthread_create");
        pthread_mutex_unlock(&server->mutex);
    }
    return NULL;
}

static void listen_on_loopback(struct fault_server *server)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;

    server->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(server->listen_fd >= 0, "socket");
    must(bind(server->listen_fd, (struct sockaddr *)&address, size) == 0, "bind");
    must(listen(server->listen_fd, 64) == 0, "listen");
    must(getsockname(server->listen_fd, (struct sockaddr *)&address, &size) == 0, "getsockname");
    server->port = ntohs(address.sin_port);
    snprintf(server->url, sizeof server->url, "http://127.0.0.1:%u", server->port);
}

struct fault_server *fault_server_start(void)
{
    struct fault_server *server = calloc(1, sizeof *server);

    must(server != NULL, "calloc");
    server->stop_fd = eventfd(0, EFD_CLOEXEC);
    must(server->stop_fd >= 0, "eventfd");
    pthread_mutex_init(&server->mutex, NULL);
    pthread_cond_init(&server->arrived, NULL);
    listen_on_loopback(server);
    must(pthread_create(&server->thread, NULL, accept_connections, server) == 0, "pthread_create");
    return server;
}

void fault_server_stop(struct fault_server *server)
{
    uint64_t one = 1;

    must(write(server->stop_fd, &one, sizeof one) == sizeof one, "write");
    pthread_join(server->thread, NULL);
    for (size_t i = 0; i < server->connection_count; i++) {
        pthread_join(server->connections[i].thread, NULL);
    }
    fault_server_clear(server);
    for (size_t i = 0; i < server->text_count; i++) {
        free(server->texts[i]);
    }
    close(server->listen_fd);
    close(server->stop_fd);
    pthread_mutex_destroy(&server->mutex);
    pthread_cond_destroy(&server->arrived);
    free(server);
}

unsigned fault_server_port(const struct fault_server *server)
{
    return server->port;
}

const char *fault_server_url(const struct fault_server *server)
{
    return server->url;
}

static const char *keep(struct fault_server *server, const char *text)
{
    if (text == NULL) {
        return NULL;
    }
    must(server->text_count < TEXTS_MAX, "too many texts");
    char *copy = strdup(text);
    must(copy != NULL, "strdup");
    server->texts[server->text_count++] = copy;
    return copy;
}

void fault_server_push(struct fault_server *server, struct fault_answer answer)
{
    pthread_mutex_lock(&server->mutex);
    must(server->answer_count < ANSWERS_MAX, "too many answers");
    bool used_up = server->answer_next + 1 == server->answer_count &&
                   server->request_count >= server->answer_count;
    answer.headers = keep(server, answer.headers);
    answer.body = keep(server, answer.body);
    server->answers[server->answer_count++] = answer;
    if (used_up) { /* the last one was taken already: go on with the new one */
        server->answer_next++;
    }
    pthread_mutex_unlock(&server->mutex);
}

void fault_server_clear(struct fault_server *server)
{
    pthread_mutex_lock(&server->mutex);
    for (size_t i = 0; i < server->request_count; i++) {
        free(server->requests[i]);
    }
    server->request_count = 0;
    server->answer_count = server->answer_next = 0;
    pthread_mutex_unlock(&server->mutex);
}

size_t fault_server_request_count(struct fault_server *server)
{
    pthread_mutex_lock(&server->mutex);
    size_t count = server->request_count;
    pthread_mutex_unlock(&server->mutex);
    return count;
}

size_t fault_server_connection_count(struct fault_server *server)
{
    pthread_mutex_lock(&server->mutex);
    size_t count = server->connection_count;
    pthread_mutex_unlock(&server->mutex);
    return count;
}

const char *fault_server_request(struct fault_server *server, size_t i)
{
    pthread_mutex_lock(&server->mutex);
    const char *request = i < server->request_count ? server->requests[i] : NULL;
    pthread_mutex_unlock(&server->mutex);
    return request;
}

void fault_server_wait_requests(struct fault_server *server, size_t count)
{
    pthread_mutex_lock(&server->mutex);
    while (server->request_count < count) {
        pthread_cond_wait(&server->arrived, &server->mutex);
    }
    pthread_mutex_unlock(&server->mutex);
}

int fault_address_refused(char *url, size_t size)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&address, length) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &length) != 0) {
        perror("fault_address_refused");
        abort();
    }
    snprintf(url, size, "http://127.0.0.1:%u", (unsigned)ntohs(address.sin_port));
    return fd;
}
