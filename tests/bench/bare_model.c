/*
 * bare_model.c - the least that a durable reply can cost: what memferryd is measured against.
 *
 * A libuv loop reads records (a little-endian uint32 size, then the bytes) from a Unix socket and
 * queues them; a writer thread takes all that is queued, writes them as one block-aligned group
 * into a file that was filled with zeros before, calls fdatasync once, and the loop answers 12
 * bytes each: a uint64 number and a uint32 status. It parses nothing, checks nothing, recovers
 * nothing.
 *
 * Without FILE nothing is written: it answers at once, from the loop. How fast that goes shows that
 * the load generator is not what limits the others.
 *
 * Any failure ends it: it is a measuring stick.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#define FILE_BYTES   (64u << 20)
#define BLOCK_BYTES  4096u
#define RECORD_MAX   (1u << 20)
#define READ_BYTES   (256u << 10)
#define REPLY_BYTES  12u
#define GROUP_BYTES  (8u << 20)
#define PEER_BACKLOG 1024

struct peer;

struct record {
    struct record *next;
    struct peer *peer;
    uint64_t number;
    uint32_t size;
    char data[];
};

struct queue {
    struct record *head, **tail;
};

struct server {
    uv_loop_t loop;
    uv_pipe_t listener;
    uv_async_t wake;
    uv_signal_t term;
    pthread_t writer;
    pthread_mutex_t lock;
    pthread_cond_t filled;
    struct queue waiting, done; /* under lock */
    bool ending;                /* under lock */
    bool echo;
    int file;
    uint64_t file_at, numbered;
    char *group; /* the writer's */
};

struct peer {
    uv_pipe_t pipe;
    struct server *server;
    size_t used;
    size_t in_flight; /* records the writer has: the peer is freed after the last */
    bool closed;
    char buffer[READ_BYTES + RECORD_MAX];
};

struct answer {
    uv_write_t request;
    size_t used;
    char data[REPLY_BYTES * 256];
};

static void die(const char *what, int code)
{
    fprintf(stderr, "bare_model: %s: %s\n", what, code < 0 ? strerror(-code) : strerror(errno));
    exit(1);
}

static void queue_init(struct queue *queue)
{
    queue->head = NULL;
    queue->tail = &queue->head;
}

static void queue_push(struct queue *queue, struct record *record)
{
    record->next = NULL;
    *queue->tail = record;
    queue->tail = &record->next;
}

static struct record *queue_take(struct queue *queue)
{
    struct record *head = queue->head;
    queue_init(queue);
    return head;
}

/* ---- the writer ---- */

static void file_make(struct server *server, const char *path)
{
    static char zeros[1u << 20];
    server->file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (server->file < 0)
        die(path, 0);
    for (size_t at = 0; at < FILE_BYTES; at += sizeof(zeros)) {
        if (pwrite(server->file, zeros, sizeof(zeros), (off_t)at) != (ssize_t)sizeof(zeros))
            die(path, 0);
    }
    if (fsync(server->file) != 0)
        die(path, 0);
}

static void group_write(struct server *server, size_t size)
{
    size_t padded = (size + BLOCK_BYTES - 1) / BLOCK_BYTES * BLOCK_BYTES;
    memset(server->group + size, 0, padded - size);
    if (server->file_at + padded > FILE_BYTES)
        server->file_at = 0;
    if (pwrite(server->file, server->group, padded, (off_t)server->file_at) != (ssize_t)padded)
        die("write", 0);
    if (fdatasync(server->file) != 0)
        die("fdatasync", 0);
    server->file_at += padded;
}

/* Copies records into the group until it is full; returns the first that did not fit. */
static struct record *group_fill(struct server *server, struct record *record, size_t *ret_size)
{
    *ret_size = 0;
    while (record && *ret_size + 12 + record->size <= GROUP_BYTES) {
        record->number = ++server->numbered;
        memcpy(server->group + *ret_size, &record->number, 8);
        memcpy(server->group + *ret_size + 8, &record->size, 4);
        memcpy(server->group + *ret_size + 12, record->data, record->size);
        *ret_size += 12 + record->size;
        record = record->next;
    }
    return record;
}

static void hand_back(struct server *server, struct record *first, const struct record *end)
{
    pthread_mutex_lock(&server->lock);
    while (first != end) {
        struct record *next = first->next;
        queue_push(&server->done, first);
        first = next;
    }
    pthread_mutex_unlock(&server->lock);
    uv_async_send(&server->wake);
}

static void *writer_main(void *arg)
{
    struct server *server = arg;
    for (;;) {
        pthread_mutex_lock(&server->lock);
        while (!server->waiting.head && !server->ending)
            pthread_cond_wait(&server->filled, &server->lock);
        struct record *records = queue_take(&server->waiting);
        pthread_mutex_unlock(&server->lock);
        if (!records)
            return NULL;
        while (records) {
            size_t size;
            struct record *rest = group_fill(server, records, &size);
            group_write(server, size);
            hand_back(server, records, rest);
            records = rest;
        }
    }
}

/* ---- the loop ---- */

static void peer_free_if_done(struct peer *peer)
{
    if (peer->closed && peer->in_flight == 0)
        free(peer);
}

static void peer_closed_cb(uv_handle_t *handle)
{
    struct peer *peer = handle->data;
    peer->closed = true;
    peer_free_if_done(peer);
}

static void peer_close(struct peer *peer)
{
    if (!uv_is_closing((uv_handle_t *)&peer->pipe))
        uv_close((uv_handle_t *)&peer->pipe, peer_closed_cb);
}

static void answered_cb(uv_write_t *request, int status)
{
    (void)status;
    free(request->data);
}

static void answer_send(struct peer *peer, struct answer *answer)
{
    uv_buf_t buf = uv_buf_init(answer->data, (unsigned)answer->used);
    answer->request.data = answer;
    int status = uv_is_closing((uv_handle_t *)&peer->pipe)
                     ? UV_ECANCELED
                     : uv_write(&answer->request, (uv_stream_t *)&peer->pipe, &buf, 1, answered_cb);
    if (status < 0)
        free(answer);
}

/* Answers a run of records of one peer with one write; returns the first of another run. */
static struct record *answer_run(struct record *record)
{
    struct peer *peer = record->peer;
    struct answer *answer = malloc(sizeof(*answer));
    if (!answer)
        die("malloc", 0);
    answer->used = 0;
    while (record && record->peer == peer && answer->used < sizeof(answer->data)) {
        struct record *next = record->next;
        memcpy(answer->data + answer->used, &record->number, 8);
        memset(answer->data + answer->used + 8, 0, 4);
        answer->used += REPLY_BYTES;
        peer->in_flight--;
        free(record);
        record = next;
    }
    answer_send(peer, answer);
    peer_free_if_done(peer);
    return record;
}

static void answer_all(struct record *record)
{
    while (record)
        record = answer_run(record);
}

static void wake_cb(uv_async_t *wake)
{
    struct server *server = wake->data;
    pthread_mutex_lock(&server->lock);
    struct record *record = queue_take(&server->done);
    pthread_mutex_unlock(&server->lock);
    answer_all(record);
}

/* Queues what is whole in the buffer; returns how many bytes that was. */
static size_t peer_queue(struct peer *peer, struct queue *ret_queue)
{
    size_t at = 0;
    while (peer->used - at >= 4) {
        uint32_t size;
        memcpy(&size, peer->buffer + at, 4);
        if (size > RECORD_MAX)
            die("a record is too large", 0);
        if (peer->used - at < 4 + (size_t)size)
            break;
        struct record *record = malloc(sizeof(*record) + size);
        if (!record)
            die("malloc", 0);
        record->peer = peer;
        record->size = size;
        memcpy(record->data, peer->buffer + at + 4, size);
        queue_push(ret_queue, record);
        peer->in_flight++;
        at += 4 + (size_t)size;
    }
    return at;
}

static void peer_read_cb(uv_stream_t *stream, ssize_t size, const uv_buf_t *buf)
{
    (void)buf;
    struct peer *peer = stream->data;
    if (size < 0) {
        peer_close(peer);
        return;
    }
    struct queue queue;
    queue_init(&queue);
    peer->used += (size_t)size;
    size_t taken = peer_queue(peer, &queue);
    memmove(peer->buffer, peer->buffer + taken, peer->used - taken);
    peer->used -= taken;
    if (!queue.head)
        return;
    struct server *server = peer->server;
    if (server->echo) {
        answer_all(queue.head);
        return;
    }
    pthread_mutex_lock(&server->lock);
    *server->waiting.tail = queue.head;
    server->waiting.tail = queue.tail;
    pthread_cond_signal(&server->filled);
    pthread_mutex_unlock(&server->lock);
}

static void peer_alloc_cb(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_buf)
{
    (void)suggested;
    struct peer *peer = handle->data;
    *ret_buf =
        uv_buf_init(peer->buffer + peer->used, (unsigned)(sizeof(peer->buffer) - peer->used));
}

static void connection_cb(uv_stream_t *listener, int status)
{
    struct server *server = listener->data;
    struct peer *peer = malloc(sizeof(*peer));
    if (status < 0 || !peer)
        die("accept", status);
    peer->server = server;
    peer->used = 0;
    peer->in_flight = 0;
    peer->closed = false;
    uv_pipe_init(&server->loop, &peer->pipe, 0);
    peer->pipe.data = peer;
    status = uv_accept(listener, (uv_stream_t *)&peer->pipe);
    if (status < 0)
        die("accept", status);
    uv_read_start((uv_stream_t *)&peer->pipe, peer_alloc_cb, peer_read_cb);
}

static void term_cb(uv_signal_t *term, int number)
{
    (void)number;
    uv_stop(term->loop);
}

static void server_listen(struct server *server, const char *path)
{
    unlink(path);
    uv_loop_init(&server->loop);
    uv_pipe_init(&server->loop, &server->listener, 0);
    uv_async_init(&server->loop, &server->wake, wake_cb);
    uv_signal_init(&server->loop, &server->term);
    server->listener.data = server;
    server->wake.data = server;
    uv_signal_start(&server->term, term_cb, SIGTERM);
    int status = uv_pipe_bind(&server->listener, path);
    if (status == 0)
        status = uv_listen((uv_stream_t *)&server->listener, PEER_BACKLOG, connection_cb);
    if (status < 0)
        die(path, status);
}

int main(int argc, char **argv)
{
    if (argc != 2 && argc != 3) {
        fprintf(stderr, "usage: bare_model SOCKET [FILE]\n");
        return 64;
    }
    signal(SIGPIPE, SIG_IGN); /* a client may go with replies on their way */
    struct server *server = calloc(1, sizeof(*server));
    if (!server)
        die("calloc", 0);
    server->group = aligned_alloc(BLOCK_BYTES, GROUP_BYTES + BLOCK_BYTES);
    if (!server->group)
        die("aligned_alloc", 0);
    queue_init(&server->waiting);
    queue_init(&server->done);
    pthread_mutex_init(&server->lock, NULL);
    pthread_cond_init(&server->filled, NULL);
    server->echo = argc == 2;
    if (!server->echo)
        file_make(server, argv[2]);
    server_listen(server, argv[1]);
    if (pthread_create(&server->writer, NULL, writer_main, server) != 0)
        die("pthread_create", 0);
    uv_run(&server->loop, UV_RUN_DEFAULT);
    return 0; /* the process ends, and all it holds with it */
}
