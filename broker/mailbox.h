/*
 * mailbox.h - how other threads reach the loop: a queue of notes, and one uv_async_t.
 *
 * A note is embedded in what it speaks of. mailbox_post hands it over; the loop calls note->read
 * once, in the order posted. Nothing is allocated, so posting cannot fail. Bounded by what is in
 * flight: each note belongs to a call, a lane's request or a batch.
 */
#ifndef MEMFERRY_MAILBOX_H
#define MEMFERRY_MAILBOX_H

#include <pthread.h>
#include <uv.h>

struct note {
    struct note *next;
    void (*read)(struct note *); /* in the loop; the note is its own again */
};

struct mailbox {
    uv_async_t async;
    pthread_mutex_t lock;
    struct note *head, *tail;
};

int mailbox_init(struct mailbox *mailbox, uv_loop_t *loop);
/* Any thread. */
void mailbox_post(struct mailbox *mailbox, struct note *note);
/* Closes the handle; notes posted later are never read. In the loop. */
void mailbox_close(struct mailbox *mailbox);
/* Reads what is queued now. In the loop's thread. */
void mailbox_drain(struct mailbox *mailbox);

#endif
