/* subscribers.c - see subscribers.h. */
#include "broker/subscribers.h"

#include "broker/unpack.h"
#include "broker/util/container.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct subscriber {
    struct query query;
    struct subscriber *next;
    struct subscribers *set;
    struct peer *peer; /* NULL: it is gone, and so is this when its query has ended */
    uint32_t kinds;
    uint64_t cursor;
    bool reading; /* its query is on its way */
    bool more;    /* the last page was not the end */
    bool failed;  /* it could not be read: not before there is more */
};

static void start_reading(struct subscriber *subscriber);

static void unlink_and_free(struct subscriber *subscriber)
{
    struct subscriber **at = &subscriber->set->first;

    while (*at != subscriber) {
        at = &(*at)->next;
    }
    *at = subscriber->next;
    subscriber->set->count--;
    free(subscriber);
}

/* ---- a page ---- */

/* In the reader thread. */
static int run(struct query *query, struct reader *reader, struct error *err)
{
    struct subscriber *subscriber = container_of(query, struct subscriber, query);

    return reader_events(reader, &subscriber->cursor, subscriber->kinds, &query->result,
                         &subscriber->more, err);
}

/* The page is method, params, method, params … */
static int send_page(struct peer *peer, const msgpack_sbuffer *page)
{
    struct unpack in = unpack_over((const uint8_t *)page->data, page->size);
    char method[16];
    int r = 0;

    while (r == 0 && in.at != in.end) {
        const char *name;
        size_t size;
        if (!unpack_text(&in, &name, &size)) {
            return -EBADMSG;
        }
        const uint8_t *params = in.at;
        if (!unpack_skip(&in)) {
            return -EBADMSG;
        }
        snprintf(method, sizeof method, "%.*s", (int)size, name);
        r = rpc_notify(&peer->out, peer->encoding, method, params, (size_t)(in.at - params));
    }
    peer_mark_dirty(peer);
    return r;
}

static void take_page(struct subscriber *subscriber)
{
    struct subscribers *set = subscriber->set;
    struct peer *peer = subscriber->peer;

    subscriber->failed = subscriber->query.status != 0;
    if (subscriber->failed) {
        log_write(set->log, LOG_LEVEL_WARNING, "subscriber-failed",
                  "events for pid %d could not be read: %s", (int)peer->pid,
                  subscriber->query.err.text);
    } else if (peer->state == PEER_OPEN && send_page(peer, &subscriber->query.result) < 0) {
        log_write(set->log, LOG_LEVEL_ERROR, "subscriber-failed",
                  "events for pid %d could not be written; closing its connection", (int)peer->pid);
        peer_close(peer);
    }
}

static void done(struct query *query)
{
    struct subscriber *subscriber = container_of(query, struct subscriber, query);
    bool gone = subscriber->peer == NULL;

    subscriber->reading = false;
    if (!gone) {
        take_page(subscriber);
    }
    query_deinit(query);
    if (gone) {
        unlink_and_free(subscriber);
    } else {
        start_reading(subscriber);
    }
}

/* If there is something to read, and somebody who takes it. */
static void start_reading(struct subscriber *subscriber)
{
    struct subscribers *set = subscriber->set;
    const struct peer *peer = subscriber->peer;

    if (set->stopped || subscriber->reading || subscriber->failed || peer == NULL ||
        peer->state != PEER_OPEN || (!subscriber->more && subscriber->cursor >= set->applied_seq) ||
        !peer_takes_replies(peer)) {
        return;
    }
    subscriber->reading = true;
    subscriber->query = (struct query){.run = run, .done = done};
    queries_submit(set->queries, &subscriber->query, 0);
}

/* ---- the set ---- */

void subscribers_init(struct subscribers *subscribers, struct queries *queries,
                      uint64_t applied_seq, struct log *log)
{
    *subscribers = (struct subscribers){.queries = queries, .applied_seq = applied_seq, .log = log};
}

static struct subscriber *find(const struct subscribers *subscribers, const struct peer *peer)
{
    struct subscriber *subscriber = subscribers->first;

    while (subscriber != NULL && subscriber->peer != peer) {
        subscriber = subscriber->next;
    }
    return subscriber;
}

enum rpc_code subscribers_add(struct subscribers *subscribers, struct peer *peer, uint32_t kinds,
                              uint64_t cursor)
{
    if (find(subscribers, peer) != NULL) {
        return RPC_CONFLICT;
    }
    if (subscribers->stopped || subscribers->count == SUBSCRIBERS_MAX) {
        return RPC_BUSY;
    }
    struct subscriber *subscriber = calloc(1, sizeof *subscriber);
    if (subscriber == NULL) {
        return RPC_INTERNAL;
    }
    subscriber->set = subscribers;
    subscriber->peer = peer;
    subscriber->kinds = kinds;
    subscriber->cursor = cursor;
    subscriber->next = subscribers->first;
    subscribers->first = subscriber;
    subscribers->count++;
    return RPC_OK; /* reading begins in this turn, behind the answer */
}

void subscribers_peer_closed(struct subscribers *subscribers, const struct peer *peer)
{
    struct subscriber *subscriber = find(subscribers, peer);

    if (subscriber == NULL) {
        return;
    }
    subscriber->peer = NULL;
    if (!subscriber->reading) {
        unlink_and_free(subscriber);
    }
}

void subscribers_turn(struct subscribers *subscribers)
{
    for (struct subscriber *at = subscribers->first; at != NULL; at = at->next) {
        start_reading(at);
    }
}

void subscribers_wake(struct subscribers *subscribers, uint64_t applied_seq)
{
    subscribers->applied_seq = applied_seq;
    for (struct subscriber *at = subscribers->first; at != NULL; at = at->next) {
        at->failed = false;
        start_reading(at);
    }
}

void subscribers_stop(struct subscribers *subscribers)
{
    subscribers->stopped = true;
}
