/* own_events.c - see own_events.h. */
#include "broker/own_events.h"

#include "broker/util/container.h"

#include <errno.h>
#include <stdlib.h>

struct own_note {
    struct note note;
    struct own_events *own;
    struct emission *emission;
};

static int status_of(enum rpc_code code)
{
    switch (code) {
    case RPC_OK:
        return 0;
    case RPC_STORAGE_FULL:
        return -ENOSPC;
    case RPC_NOT_FOUND:
        return -ENOENT;
    case RPC_CONFLICT:
        return -ESTALE;
    case RPC_STORAGE_FAILED:
        return -EIO;
    default:
        return -EBADMSG;
    }
}

static void answered(struct write_request *request)
{
    struct emission *emission = request->emission;

    for (size_t i = 0; i < request->count; i++) {
        struct rpc_failure failure;
        struct error err;
        int status = status_of(write_outcome(&request->items[i], &failure));

        error_set(&err, status, "%s", failure.text);
        emission->items[i].result = request->items[i].change.result;
        emission_set_status(emission, i, status, &err);
    }
    emission->done(emission);
}

/* Nothing was written. */
static void refuse(struct emission *emission, int status, const char *why)
{
    struct error err;

    error_set(&err, status, "%s", why);
    for (size_t i = 0; i < emission->count; i++) {
        emission_set_status(emission, i, status, &err);
    }
    emission->done(emission);
}

static void refuse_for_memory(struct emission *emission)
{
    refuse(emission, -ENOMEM, "out of memory for events of the broker's own");
}

static void note_read(struct note *note)
{
    struct own_note *own_note = container_of(note, struct own_note, note);
    struct own_events *own = own_note->own;
    struct emission *emission = own_note->emission;
    struct write_request *request;

    free(own_note);
    if (own->stopped) {
        refuse(emission, -EIO, "the broker has stopped");
        return;
    }
    request = write_request_new(NULL, emission->count);
    if (request == NULL) {
        refuse_for_memory(emission);
        return;
    }
    request->emission = emission;
    request->done = answered;
    for (size_t i = 0; i < emission->count; i++) {
        struct emission_item *item = &emission->items[i];
        write_request_take(request, i, item->payload, item->size);
        item->payload = NULL;
    }
    writes_submit(own->writes, request);
}

static void submit(struct emitter *emitter, struct emission *emission)
{
    struct own_note *own_note = calloc(1, sizeof *own_note);

    if (own_note == NULL) {
        refuse_for_memory(emission);
        return;
    }
    own_note->note.read = note_read;
    own_note->own = container_of(emitter, struct own_events, emitter);
    own_note->emission = emission;
    mailbox_post(own_note->own->mailbox, &own_note->note);
}

void own_events_init(struct own_events *own, struct mailbox *mailbox, struct writes *writes)
{
    *own = (struct own_events){.emitter = {.submit = submit}, .mailbox = mailbox, .writes = writes};
}

void own_events_stop(struct own_events *own)
{
    own->stopped = true;
}
