/*
 * query_embed.h - searches ask the embedder for the vectors of their texts.
 *
 * Happy path: an ask waits its turn (one is with the lane at a time), the lane's thread embeds its
 * text, and `done` is called in the loop with the vector.
 *
 * Failure modes: without an embedder, with one whose circuit is open, and after
 * QUERY_EMBED_WAIT_MS, done comes without a vector and with a sentence that says why. The lane ends
 * its call by itself, later. One that never does is told of at once, and is not waited for any more
 * when its lane has been replaced. Bounded: an ask belongs to a call.
 */
#ifndef MEMFERRY_QUERY_EMBED_H
#define MEMFERRY_QUERY_EMBED_H

#include "broker/backends.h"
#include "broker/event_embed.h"

#define QUERY_EMBED_WAIT_MS  2000
#define QUERY_EMBED_STUCK_MS 10000 /* in one call: who asks then is told so at once */

struct embed_ask {
    const char *text; /* borrowed until done */
    size_t size;
    void (*done)(struct embed_ask *);
    /* for done: */
    float *vector; /* the asker's to free; NULL: there is none, because … */
    char why[512];
    char model[EMBEDDING_MODEL_MAX + 1];
    /* while it waits */
    struct embed_ask *next;
    uint64_t deadline_ms;
};

struct embed_work;

struct query_embeds {
    uv_loop_t *loop;
    struct mailbox *mailbox;
    struct backends *backends;
    uv_timer_t timer;
    struct embed_ask *head, *tail; /* in the order they came, and so by their deadlines */
    struct embed_work *work;       /* what is with the lane; NULL: nothing */
    bool stopping;
};

void query_embeds_init(struct query_embeds *embeds, uv_loop_t *loop, struct mailbox *mailbox,
                       struct backends *backends);
/* done may come before this returns. */
void query_embeds_ask(struct query_embeds *embeds, struct embed_ask *ask);
/* Whatever waits is done, and whatever comes. */
void query_embeds_stop(struct query_embeds *embeds);

#endif
