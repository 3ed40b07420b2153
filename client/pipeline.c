/*
 * pipeline.c - many requests in flight on one connection.
 *
 * Happy path: submit takes a free slot, sends, and returns; receive hands out completions in the
 * order the replies came. A connection that breaks completes every slot in flight with what broke
 * it, once each, and the next submit connects anew: whether to send again is the caller's to say,
 * because only he knows which event_ids he used.
 */
#include "client/pipeline.h"

#include "client/put.h"

#include <assert.h>
#include <poll.h>
#include <stdlib.h>

#define SLOT_BITS       10 /* of a msgid: CLIENT_WINDOW_MAX slots */
#define GENERATION_STEP (1u << SLOT_BITS)

static int slots_make(struct memferry *m)
{
    assert(m->window <= GENERATION_STEP);
    m->slots = calloc(m->window, sizeof *m->slots);
    if (m->slots == NULL) {
        return client_error_memory(m);
    }
    for (unsigned i = m->window; i > 0; i--) {
        m->slots[i - 1].msgid = i - 1;
        m->slots[i - 1].next = m->free_slots;
        m->free_slots = &m->slots[i - 1];
    }
    return MEMFERRY_OK;
}

static struct slot *slot_take(struct memferry *m)
{
    struct slot *slot = m->free_slots;

    m->free_slots = slot->next;
    slot->state = SLOT_IN_FLIGHT;
    slot->msgid = (slot->msgid + GENERATION_STEP) & ~CLIENT_MSGID_BLOCKING;
    slot->tag = ++m->last_tag;
    slot->next = NULL;
    m->owed++;
    return slot;
}

static void slot_release(struct memferry *m, struct slot *slot)
{
    slot->state = SLOT_FREE;
    slot->reply = NULL;
    slot->next = m->free_slots;
    m->free_slots = slot;
    m->owed--;
}

static void slot_done(struct memferry *m, struct slot *slot, int code, struct memferry_reply *reply)
{
    assert(slot->state == SLOT_IN_FLIGHT);
    slot->state = SLOT_DONE;
    slot->code = code;
    slot->reply = reply;
    slot->next = NULL;
    if (m->done_last != NULL) {
        m->done_last->next = slot;
    } else {
        m->done_first = slot;
    }
    m->done_last = slot;
}

void pipeline_complete(struct memferry *m, uint32_t msgid, bool is_error,
                       struct memferry_reply *reply)
{
    uint32_t index = msgid & (GENERATION_STEP - 1);
    struct slot *slot = m->slots != NULL && index < m->window ? &m->slots[index] : NULL;

    if (slot == NULL || slot->state != SLOT_IN_FLIGHT || slot->msgid != msgid) {
        memferry_reply_free(reply);
        return;
    }
    slot_done(m, slot, is_error ? client_error_remote(m, &reply->root.object) : MEMFERRY_OK, reply);
}

void pipeline_fail(struct memferry *m, int code)
{
    for (unsigned i = 0; m->slots != NULL && i < m->window; i++) {
        if (m->slots[i].state == SLOT_IN_FLIGHT) {
            slot_done(m, &m->slots[i], code, NULL);
        }
    }
}

void pipeline_free(struct memferry *m)
{
    for (unsigned i = 0; m->slots != NULL && i < m->window; i++) {
        memferry_reply_free(m->slots[i].reply);
    }
    free(m->slots);
    m->slots = NULL;
}

static int window_check(struct memferry *m)
{
    client_error_clear(m);
    if (m->slots == NULL) {
        int rc = slots_make(m);
        if (rc != MEMFERRY_OK) {
            return rc;
        }
    }
    if (m->free_slots == NULL || m->out.size - m->out_sent > CLIENT_OUT_MAX) {
        return client_error(m, MEMFERRY_E_FULL,
                            "%u requests are in flight; receive answers before you submit more",
                            m->owed);
    }
    return MEMFERRY_OK;
}

/* Sends m->params. */
static int submit(struct memferry *m, const char *method, uint64_t *ret_tag)
{
    int rc = connection_ensure(m, client_deadline(m->timeout_ms));

    if (rc != MEMFERRY_OK) {
        return rc;
    }
    struct slot *slot = slot_take(m);
    rc = exchange_queue_params(m, slot->msgid, method);
    if (rc != MEMFERRY_OK) {
        slot_release(m, slot);
        return rc;
    }
    *ret_tag = slot->tag;
    /* From here on a failure is the completion's to tell. */
    exchange_flush(m);
    client_error_clear(m);
    return MEMFERRY_OK;
}

int memferry_submit_put(struct memferry *m, const struct memferry_put *given, uint64_t *ret_tag)
{
    struct memferry_put put;
    struct put_ids ids;
    int rc = window_check(m);

    if (rc == MEMFERRY_OK) {
        rc = put_copy(m, given, &put);
    }
    if (rc != MEMFERRY_OK) {
        return rc;
    }
    put_ids_make(&ids, &put);
    rc = put_encode(m, &put, &ids, put.retry);
    return rc != MEMFERRY_OK ? rc : submit(m, "memory.put", ret_tag);
}

int memferry_submit(struct memferry *m, const char *method, const char *params_json,
                    uint64_t *ret_tag)
{
    int rc = window_check(m);

    if (rc == MEMFERRY_OK) {
        rc = params_from_json(m, params_json);
    }
    return rc != MEMFERRY_OK ? rc : submit(m, method, ret_tag);
}

static void done_pop(struct memferry *m, struct memferry_completion *ret)
{
    struct slot *slot = m->done_first;

    *ret = (struct memferry_completion){.tag = slot->tag, .code = slot->code, .reply = slot->reply};
    m->done_first = slot->next;
    if (m->done_first == NULL) {
        m->done_last = NULL;
    }
    slot_release(m, slot);
}

/* The text that belongs to a completion, whichever failure was the last on the connection. */
static void completion_error(struct memferry *m, const struct memferry_completion *completion)
{
    client_error_clear(m);
    if (completion->code == MEMFERRY_OK) {
        return;
    }
    if (completion->reply != NULL) {
        client_error_remote(m, &completion->reply->root.object);
        return;
    }
    client_error(m, completion->code, "%s: the connection to %s ended before the answer",
                 memferry_strerror(completion->code), m->socket);
}

int memferry_receive(struct memferry *m, int timeout_ms, struct memferry_completion *ret)
{
    int64_t deadline = client_deadline(timeout_ms);

    client_error_clear(m);
    *ret = (struct memferry_completion){0};
    if (m->owed == 0) {
        return client_error(m, MEMFERRY_E_INVALID, "nothing is in flight; submit first");
    }
    while (m->done_first == NULL) {
        struct memferry_reply *reply;
        uint32_t msgid;
        bool is_error;
        int rc = exchange_receive(m, deadline, &msgid, &is_error, &reply);
        if (rc == MEMFERRY_E_DEADLINE) {
            return client_error(m, MEMFERRY_E_AGAIN, "no answer is there yet");
        }
        if (rc == MEMFERRY_OK) {
            pipeline_complete(m, msgid, is_error, reply);
        }
        /* Otherwise the connection was dropped, and every slot in flight is done. */
    }
    done_pop(m, ret);
    completion_error(m, ret);
    return MEMFERRY_OK;
}

unsigned memferry_in_flight(const struct memferry *m)
{
    return m->owed;
}

int memferry_fd(const struct memferry *m)
{
    return m->fd;
}

short memferry_events(const struct memferry *m)
{
    return (short)(POLLIN | (m->out_sent < m->out.size ? POLLOUT : 0));
}
