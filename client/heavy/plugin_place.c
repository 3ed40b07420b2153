/* plugin_place.c - see plugin_place.h. One thread, poll, a pair of sockets for each connection. */
#include "client/heavy/plugin_place.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define SCHEME       "http://"
#define PIECE        (64u << 10)
#define WAIT_ROUNDS  10000 /* of a millisecond */
#define DEFAULT_PORT "80"

/* ---- the address ---- */

/* HOST[:PORT] of the value, and what is behind it. */
static bool split(const char *value, char host[256], char port[8], const char **ret_rest)
{
    if (strncmp(value, SCHEME, strlen(SCHEME)) != 0) {
        return false;
    }
    value += strlen(SCHEME);
    size_t size = strcspn(value, "/?#"), host_size = strcspn(value, ":/?#");
    if (memchr(value, '@', size) != NULL || host_size == 0 || host_size >= 256) {
        return false;
    }
    snprintf(host, 256, "%.*s", (int)host_size, value);
    snprintf(port, 8, "%.*s", (int)(host_size < size ? size - host_size - 1 : 2),
             host_size < size ? value + host_size + 1 : DEFAULT_PORT);
    *ret_rest = value + size;
    return true;
}

bool place_is_address(const char *value)
{
    char host[256], port[8];
    const char *rest;

    return split(value, host, port, &rest);
}

static int connect_on(const struct place *place)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    int fd = -1;

    if (getaddrinfo(place->host, place->port, &hints, &found) != 0) {
        return -1;
    }
    for (struct addrinfo *at = found; at != NULL && fd < 0; at = at->ai_next) {
        fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd >= 0 && connect(fd, at->ai_addr, at->ai_addrlen) < 0) {
            close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(found);
    return fd;
}

/* ---- pairs ---- */

static void drop(struct place *place, size_t i)
{
    for (size_t side = 0; side < 2; side++) {
        if (place->pairs[i][side] >= 0) {
            close(place->pairs[i][side]);
        }
        place->pairs[i][side] = -1;
    }
}

static void drop_all(struct place *place)
{
    for (size_t i = 0; i < PLACE_PAIRS; i++) {
        drop(place, i);
    }
}

static void take_connection(struct place *place)
{
    int fd = accept4(place->listener, NULL, NULL, SOCK_CLOEXEC);
    size_t i = 0;

    while (i < PLACE_PAIRS && place->pairs[i][0] >= 0) {
        i++;
    }
    if (fd < 0) {
        return;
    }
    if (i == PLACE_PAIRS || place->mode == PLACE_REFUSES) {
        close(fd);
        return;
    }
    place->pairs[i][0] = fd;
    if (place->mode == PLACE_PASSES) {
        place->pairs[i][1] = connect_on(place);
        if (place->pairs[i][1] < 0) {
            drop(place, i);
        }
    }
}

static bool send_all(int fd, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t sent = send(fd, data, size, MSG_NOSIGNAL);
        if (sent <= 0) {
            return false;
        }
        data += sent;
        size -= (size_t)sent;
    }
    return true;
}

static void pass(struct place *place, size_t i, size_t side)
{
    char data[PIECE];
    ssize_t size = recv(place->pairs[i][side], data, sizeof data, MSG_DONTWAIT);
    int other = place->pairs[i][1 - side];

    if (size > 0 && side == 0) {
        place->requests++;
    }
    if (size <= 0 ||
        (place->mode == PLACE_PASSES && (other < 0 || !send_all(other, data, (size_t)size)))) {
        drop(place, i);
    }
}

/* ---- the thread ---- */

static void *serve(void *arg)
{
    struct place *place = arg;
    struct pollfd polled[2 + 2 * PLACE_PAIRS];

    while (!place->stop) {
        polled[0] = (struct pollfd){.fd = place->wake_fd, .events = POLLIN};
        polled[1] = (struct pollfd){.fd = place->listener, .events = POLLIN};
        for (size_t i = 0; i < 2 * PLACE_PAIRS; i++) { /* poll passes over a descriptor of -1 */
            polled[2 + i] = (struct pollfd){.fd = place->pairs[i / 2][i % 2], .events = POLLIN};
        }
        poll(polled, sizeof polled / sizeof polled[0], -1);
        if (polled[0].revents != 0) {
            eventfd_t value;
            eventfd_read(place->wake_fd, &value);
        }
        if (place->mode == PLACE_REFUSES) {
            drop_all(place);
        }
        for (size_t i = 0; i < 2 * PLACE_PAIRS; i++) {
            if (polled[2 + i].revents != 0 && place->pairs[i / 2][i % 2] == polled[2 + i].fd &&
                polled[2 + i].fd >= 0) {
                pass(place, i / 2, i % 2);
            }
        }
        if (polled[1].revents != 0) {
            take_connection(place);
        }
    }
    drop_all(place);
    return NULL;
}

static bool listen_on(struct place *place, const char *rest)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;

    place->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    place->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (place->listener < 0 || place->wake_fd < 0 ||
        bind(place->listener, (struct sockaddr *)&address, size) < 0 ||
        listen(place->listener, PLACE_PAIRS) < 0 ||
        getsockname(place->listener, (struct sockaddr *)&address, &size) < 0) {
        return false;
    }
    return snprintf(place->value, sizeof place->value, SCHEME "127.0.0.1:%u%s",
                    (unsigned)ntohs(address.sin_port), rest) < (int)sizeof place->value;
}

bool place_start(struct place *place, const char *value)
{
    const char *rest;

    *place = (struct place){.listener = -1, .wake_fd = -1};
    for (size_t i = 0; i < PLACE_PAIRS; i++) {
        place->pairs[i][0] = place->pairs[i][1] = -1;
    }
    return split(value, place->host, place->port, &rest) && listen_on(place, rest) &&
           pthread_create(&place->thread, NULL, serve, place) == 0;
}

void place_set(struct place *place, enum place_mode mode)
{
    place->mode = mode;
    eventfd_write(place->wake_fd, 1);
}

bool place_wait_request(struct place *place, unsigned before)
{
    for (unsigned i = 0; i < WAIT_ROUNDS; i++) {
        if (place->requests != before) {
            return true;
        }
        poll(NULL, 0, 1);
    }
    return false;
}

void place_stop(struct place *place)
{
    place->stop = true;
    eventfd_write(place->wake_fd, 1);
    pthread_join(place->thread, NULL);
    close(place->listener);
    close(place->wake_fd);
}
