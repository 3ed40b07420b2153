/*
 * load_run.c - the connections of the load generator, in one epoll.
 *
 * The closed loop sends again when a reply has come. The open loop has a time for each request, and
 * the connections take turns: one that is late, because its window is full, sends as soon as it
 * can, and its latency counts from when it was due. So a server that stalls is charged for all
 * that would have been asked meanwhile (no coordinated omission). Replies of the open loop are
 * waited for after the end, for they count too.
 */
#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define INPUT_BYTES (64u << 10)
#define SILENCE_NS  10000000000u
#define EVENTS      64

struct connection {
    int fd;
    uint32_t number;
    bool wants_write;
    uint64_t due_ns, overdue; /* the open loop: how many requests are due, the first since when */
    uint64_t *sent_ns;        /* by slot */
    uint32_t *in_order; /* slots as they were sent: a ring, for servers that answer in order */
    uint32_t ring_head, ring_tail;
    uint32_t *idle; /* slots that are free */
    uint32_t idle_count;
    char *out;
    size_t out_size, out_at;
    char in[INPUT_BYTES];
    size_t in_size;
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

static int connect_unix(const char *path)
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

static int connect_tcp(unsigned port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
        die("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return fd;
}

static struct connection *connection_new(struct load *load, uint32_t number)
{
    struct connection *c = take(1, sizeof(*c));
    c->number = number;
    c->fd = load->socket ? connect_unix(load->socket) : connect_tcp(load->port);
    c->sent_ns = take(load->depth, sizeof(*c->sent_ns));
    c->in_order = take(load->depth, sizeof(*c->in_order));
    c->idle = take(load->depth, sizeof(*c->idle));
    c->out = take(load->depth + 1, load->request_size + SPEAK_OVERHEAD);
    if (load->speaker->greet)
        c->out_size = load->speaker->greet(c->out, number);
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

/* Whether this connection sends one now, and since when it was due. */
static bool is_due(const struct load *load, struct connection *c, uint64_t now, uint64_t *ret_ns)
{
    if (load->count > 0 && load->sent == load->count)
        return false;
    *ret_ns = now;
    if (load->rate <= 0)
        return now < load->end_ns;
    if (c->overdue == 0)
        return false;
    *ret_ns = c->due_ns;
    c->due_ns += load->step_ns * load->connections;
    c->overdue--;
    return true;
}

/* A request for each idle slot, in one write. Waits for the last write to have gone whole. */
static void submit(struct load *load, struct connection *c)
{
    uint64_t now = now_ns(), due;
    if (c->out_size > 0 && c->out_at > 0)
        return;
    while (c->idle_count > 0 && is_due(load, c, now, &due)) {
        uint32_t slot = c->idle[--c->idle_count];
        load->speaker->stamp(load->request, &(struct stamp){c->number, slot, load->unique++});
        memcpy(c->out + c->out_size, load->request, load->request_size);
        c->out_size += load->request_size;
        c->sent_ns[slot] = due;
        c->in_order[c->ring_tail++ % load->depth] = slot;
        load->sent++;
    }
    flush(load, c);
}

/* The open loop counts what was due within the time, whenever it was answered. */
static void complete(struct load *load, struct connection *c, uint32_t slot, uint64_t now)
{
    if (slot >= load->depth) {
        errno = EPROTO;
        die("a reply to nothing that was asked");
    }
    uint64_t counts_ns = load->rate > 0 ? c->sent_ns[slot] : now;
    if (counts_ns >= load->begin_ns && counts_ns < load->end_ns)
        histogram_add(&load->latencies, now - c->sent_ns[slot]);
    load->answered++;
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
        at += (size_t)size;
        if (slot == SPEAK_NO_REPLY)
            continue;
        c->ring_head++;
        complete(load, c, slot, now);
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

/* Deals out what has become due. */
static void fall_due(struct load *load, uint64_t now)
{
    while (load->due_ns <= now && load->due_ns < load->end_ns) {
        struct connection *c = load->all[load->turn];
        if (c->overdue++ == 0)
            c->due_ns = load->due_ns;
        load->due_ns += load->step_ns;
        load->turn = (load->turn + 1) % load->connections;
        submit(load, c);
    }
}

static struct timespec until_due(const struct load *load, uint64_t now)
{
    uint64_t wait = SILENCE_NS;
    uint64_t next = load->due_ns < load->end_ns ? load->due_ns : load->end_ns;
    if (load->rate > 0 && (load->due_ns < load->end_ns || load->answered == load->sent))
        wait = next > now ? next - now : 0;
    return (struct timespec){(time_t)(wait / 1000000000u), (long)(wait % 1000000000u)};
}

static bool is_over(const struct load *load, uint64_t now)
{
    if (load->count > 0)
        return load->answered == load->count;
    if (load->rate > 0)
        return load->due_ns >= load->end_ns && load->answered == load->sent && now >= load->end_ns;
    return now >= load->end_ns;
}

static void handle(struct load *load, const struct epoll_event *event)
{
    struct connection *c = event->data.ptr;
    if (event->events & EPOLLOUT)
        flush(load, c);
    if (event->events & ~(uint32_t)EPOLLOUT)
        receive(load, c);
}

static void loop(struct load *load)
{
    struct epoll_event events[EVENTS];
    uint64_t now = now_ns(), heard_ns = now;
    for (; !is_over(load, now); now = now_ns()) {
        if (load->rate > 0)
            fall_due(load, now);
        struct timespec wait = until_due(load, now_ns());
        int count = epoll_pwait2(load->epoll, events, EVENTS, &wait, NULL);
        if (count < 0 && errno != EINTR)
            die("epoll_pwait2");
        if (count > 0)
            heard_ns = now_ns();
        errno = ETIMEDOUT;
        if (load->sent > load->answered && now_ns() - heard_ns > SILENCE_NS)
            die("no reply");
        for (int i = 0; i < count; i++)
            handle(load, &events[i]);
    }
    load->drained_ns = now;
}

void load_run(struct load *load)
{
    load->epoll = epoll_create1(EPOLL_CLOEXEC);
    load->request = take(1, load->size + SPEAK_OVERHEAD);
    load->request_size = load->speaker->prepare(load->request, load->size);
    load->unique = now_ns() << 8; /* ids differ from run to run */
    load->all = take(load->connections, sizeof(struct connection *));
    for (unsigned i = 0; i < load->connections; i++)
        load->all[i] = connection_new(load, i);
    uint64_t start_ns = load->due_ns = now_ns();
    load->step_ns = load->rate > 0 ? (uint64_t)(1e9 / load->rate) : 0;
    load->begin_ns = start_ns + (load->count > 0 ? 0 : (uint64_t)(load->warm_up * 1e9));
    load->end_ns = load->count > 0 ? UINT64_MAX : load->begin_ns + (uint64_t)(load->seconds * 1e9);
    for (unsigned i = 0; i < load->connections; i++)
        submit(load, load->all[i]);
    loop(load);
    for (unsigned i = 0; i < load->connections; i++)
        connection_free(load->all[i]);
    free(load->all);
    close(load->epoll);
    free(load->request);
}
