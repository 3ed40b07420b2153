/*
 * load.c - puts load on one server over its Unix socket, and measures each reply.
 *
 *     load --speak memferry|bare|redis --socket PATH [--connections N] [--depth P] [--size BYTES]
 *          [--seconds S] [--warm-up S]
 *
 * One thread, one epoll. Each connection keeps `depth` requests in flight: 1 is the closed loop of
 * a caller that waits. A latency is the time from just before the send to the reply's arrival. What
 * comes within the warm-up is not counted. Prints one JSON object. Exit code 1: the server refused
 * something, closed, or answered nothing for ten seconds.
 */
#include "histogram.h"
#include "speak.h"

#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS_MAX 1000
#define DEPTH_MAX       1024
#define SIZE_MAX_BYTES  (1u << 20)
#define INPUT_BYTES     (64u << 10)
#define SILENCE_MS      10000
#define EVENTS          64

struct connection {
    int fd;
    bool wants_write;
    uint64_t *sent_ns;  /* by slot */
    uint32_t *in_order; /* slots as they were sent: a ring, for servers that answer in order */
    uint32_t ring_head, ring_tail;
    uint32_t *idle; /* slots that are free */
    uint32_t idle_count;
    char *out;
    size_t out_size, out_at;
    char in[INPUT_BYTES];
    size_t in_size;
};

struct load {
    const struct speaker *speaker;
    const char *socket;
    unsigned connections, depth;
    size_t size;
    double seconds, warm_up;
    int epoll;
    char *request;
    size_t request_size;
    uint64_t unique, begin_ns, end_ns;
    struct histogram latencies;
};

static void die(const char *what)
{
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void *take(size_t count, size_t size)
{
    void *memory = calloc(count, size);
    if (!memory)
        die("calloc");
    return memory;
}

static int connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(address.sun_path)) {
        errno = ENAMETOOLONG;
        die(path);
    }
    memcpy(address.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
        die(path);
    return fd;
}

static struct connection *connection_new(struct load *load)
{
    struct connection *c = take(1, sizeof(*c));
    c->fd = connect_to(load->socket);
    c->sent_ns = take(load->depth, sizeof(*c->sent_ns));
    c->in_order = take(load->depth, sizeof(*c->in_order));
    c->idle = take(load->depth, sizeof(*c->idle));
    c->out = take(load->depth, load->request_size);
    for (uint32_t slot = load->depth; slot > 0; slot--)
        c->idle[c->idle_count++] = slot - 1;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    if (epoll_ctl(load->epoll, EPOLL_CTL_ADD, c->fd, &event) != 0)
        die("epoll_ctl");
    return c;
}

static void connection_free(struct connection *c)
{
    close(c->fd);
    free(c->sent_ns);
    free(c->in_order);
    free(c->idle);
    free(c->out);
    free(c);
}

static void watch_writable(struct load *load, struct connection *c, bool wanted)
{
    if (c->wants_write == wanted)
        return;
    struct epoll_event event = {.events = EPOLLIN | (wanted ? EPOLLOUT : 0u), .data.ptr = c};
    if (epoll_ctl(load->epoll, EPOLL_CTL_MOD, c->fd, &event) != 0)
        die("epoll_ctl");
    c->wants_write = wanted;
}

static void flush(struct load *load, struct connection *c)
{
    while (c->out_at < c->out_size) {
        ssize_t sent =
            send(c->fd, c->out + c->out_at, c->out_size - c->out_at, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && errno == EAGAIN)
            break;
        if (sent < 0)
            die("send");
        c->out_at += (size_t)sent;
    }
    if (c->out_at == c->out_size)
        c->out_at = c->out_size = 0;
    watch_writable(load, c, c->out_size > 0);
}

/* A request for each idle slot, in one write. Waits for the last write to have gone whole. */
static void submit(struct load *load, struct connection *c)
{
    if (c->out_size > 0)
        return;
    uint64_t now = now_ns();
    while (c->idle_count > 0) {
        uint32_t slot = c->idle[--c->idle_count];
        load->speaker->stamp(load->request, slot, load->unique++);
        memcpy(c->out + c->out_size, load->request, load->request_size);
        c->out_size += load->request_size;
        c->sent_ns[slot] = now;
        c->in_order[c->ring_tail++ % load->depth] = slot;
    }
    flush(load, c);
}

static void complete(struct load *load, struct connection *c, uint32_t slot, uint64_t now)
{
    if (slot >= load->depth) {
        errno = EPROTO;
        die("a reply to nothing that was asked");
    }
    if (now >= load->begin_ns && now < load->end_ns)
        histogram_add(&load->latencies, now - c->sent_ns[slot]);
    c->idle[c->idle_count++] = slot;
}

static void take_replies(struct load *load, struct connection *c, uint64_t now)
{
    size_t at = 0;
    while (at < c->in_size) {
        uint32_t slot = c->in_order[c->ring_head % load->depth];
        ssize_t size = load->speaker->reply(c->in + at, c->in_size - at, &slot);
        if (size < 0) {
            fprintf(stderr, "load: refused: %.*s\n", (int)(c->in_size - at), c->in + at);
            exit(1);
        }
        if (size == 0)
            break;
        c->ring_head++;
        complete(load, c, slot, now);
        at += (size_t)size;
    }
    memmove(c->in, c->in + at, c->in_size - at);
    c->in_size -= at;
}

static void receive(struct load *load, struct connection *c)
{
    ssize_t got = recv(c->fd, c->in + c->in_size, sizeof(c->in) - c->in_size, MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got == 0)
        errno = ECONNRESET;
    if (got <= 0)
        die("recv");
    c->in_size += (size_t)got;
    take_replies(load, c, now_ns());
    submit(load, c);
}

static void run(struct load *load)
{
    struct epoll_event events[EVENTS];
    while (now_ns() < load->end_ns) {
        int count = epoll_wait(load->epoll, events, EVENTS, SILENCE_MS);
        if (count < 0 && errno == EINTR)
            continue;
        if (count == 0)
            errno = ETIMEDOUT;
        if (count <= 0)
            die("epoll_wait");
        for (int i = 0; i < count; i++) {
            struct connection *c = events[i].data.ptr;
            if (events[i].events & EPOLLOUT)
                flush(load, c);
            if (events[i].events & ~(uint32_t)EPOLLOUT)
                receive(load, c);
        }
    }
}

static void report(const struct load *load)
{
    const struct histogram *h = &load->latencies;
    printf("{\"replies\": %llu, \"seconds\": %.3f, \"rate\": %.1f, \"p50_us\": %.1f, "
           "\"p90_us\": %.1f, \"p99_us\": %.1f, \"p999_us\": %.1f, \"max_us\": %.1f}\n",
           (unsigned long long)h->total, load->seconds, (double)h->total / load->seconds,
           (double)histogram_quantile(h, 0.5) / 1e3, (double)histogram_quantile(h, 0.9) / 1e3,
           (double)histogram_quantile(h, 0.99) / 1e3, (double)histogram_quantile(h, 0.999) / 1e3,
           (double)h->max / 1e3);
}

static unsigned number(const char *text, unsigned min, unsigned max)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);
    if (*end != '\0' || value < min || value > max) {
        fprintf(stderr, "load: %s is no number from %u to %u\n", text, min, max);
        exit(64);
    }
    return (unsigned)value;
}

static void read_option(struct load *load, int option, const char *value)
{
    if (option == 'l')
        load->speaker = speaker_find(value);
    else if (option == 's')
        load->socket = value;
    else if (option == 'c')
        load->connections = number(value, 1, CONNECTIONS_MAX);
    else if (option == 'd')
        load->depth = number(value, 1, DEPTH_MAX);
    else if (option == 'z')
        load->size = number(value, 256, SIZE_MAX_BYTES);
    else if (option == 't')
        load->seconds = strtod(value, NULL);
    else if (option == 'w')
        load->warm_up = strtod(value, NULL);
    else
        exit(64);
}

static void read_options(struct load *load, int argc, char **argv)
{
    static const struct option options[] = {
        {"speak", required_argument, NULL, 'l'},       {"socket", required_argument, NULL, 's'},
        {"connections", required_argument, NULL, 'c'}, {"depth", required_argument, NULL, 'd'},
        {"size", required_argument, NULL, 'z'},        {"seconds", required_argument, NULL, 't'},
        {"warm-up", required_argument, NULL, 'w'},     {NULL, 0, NULL, 0},
    };
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
        read_option(load, option, optarg);
    if (!load->speaker || !load->socket || load->seconds <= 0 || optind != argc) {
        fprintf(stderr, "load: needs --speak memferry|bare|redis and --socket PATH\n");
        exit(64);
    }
}

int main(int argc, char **argv)
{
    struct load *load = take(1, sizeof(*load));
    *load = (struct load){.connections = 1, .depth = 1, .size = 600, .seconds = 1, .warm_up = 0.2};
    read_options(load, argc, argv);
    load->epoll = epoll_create1(EPOLL_CLOEXEC);
    load->request = take(1, load->size + SPEAK_OVERHEAD);
    load->request_size = load->speaker->prepare(load->request, load->size);
    load->unique = now_ns() << 8; /* ids differ from run to run */
    struct connection **connections = take(load->connections, sizeof(struct connection *));
    for (unsigned i = 0; i < load->connections; i++)
        connections[i] = connection_new(load);
    load->begin_ns = now_ns() + (uint64_t)(load->warm_up * 1e9);
    load->end_ns = load->begin_ns + (uint64_t)(load->seconds * 1e9);
    for (unsigned i = 0; i < load->connections; i++)
        submit(load, connections[i]);
    run(load);
    report(load);
    for (unsigned i = 0; i < load->connections; i++)
        connection_free(connections[i]);
    free(connections);
    close(load->epoll);
    free(load->request);
    free(load);
    return 0;
}
