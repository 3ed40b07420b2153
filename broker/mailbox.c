/* mailbox.c - notes from other threads, read in the loop in the order they were posted. */
#include "broker/mailbox.h"

#include "broker/util/container.h"

#include <stddef.h>

static struct note *take_all(struct mailbox *mailbox)
{
    pthread_mutex_lock(&mailbox->lock);
    struct note *notes = mailbox->head;
    mailbox->head = mailbox->tail = NULL;
    pthread_mutex_unlock(&mailbox->lock);
    return notes;
}

void mailbox_drain(struct mailbox *mailbox)
{
    struct note *note = take_all(mailbox);

    while (note != NULL) {
        struct note *next = note->next;
        note->next = NULL;
        note->read(note);
        note = next;
    }
}

static void async_cb(uv_async_t *async)
{
    mailbox_drain(container_of(async, struct mailbox, async));
}

int mailbox_init(struct mailbox *mailbox, uv_loop_t *loop)
{
    mailbox->head = mailbox->tail = NULL;
    pthread_mutex_init(&mailbox->lock, NULL);
    return uv_async_init(loop, &mailbox->async, async_cb);
}

void mailbox_post(struct mailbox *mailbox, struct note *note)
{
    note->next = NULL;
    pthread_mutex_lock(&mailbox->lock);
    if (mailbox->tail != NULL) {
        mailbox->tail->next = note;
    } else {
        mailbox->head = note;
    }
    mailbox->tail = note;
    pthread_mutex_unlock(&mailbox->lock);
    uv_async_send(&mailbox->async);
}

void mailbox_close(struct mailbox *mailbox)
{
    uv_close((uv_handle_t *)&mailbox->async, NULL);
}
