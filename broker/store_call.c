/* store_call.c - to the store thread and back. */
#include "broker/store_call.h"

#include "broker/util/container.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static int work_run(struct applier_work *work, struct store *store, struct error *err)
{
    struct store_call *self = container_of(work, struct store_call, work);

    return self->run(self, store, err);
}

static void work_done(struct applier_work *work, int status, const struct error *err)
{
    struct store_call *self = container_of(work, struct store_call, work);

    self->status = status;
    if (err != NULL) {
        self->err = *err;
    }
    mailbox_post(self->services->mailbox, &self->note);
}

static void note_read(struct note *note)
{
    struct store_call *self = container_of(note, struct store_call, note);

    self->done(self);
    free(self);
}

struct store_call *store_call_new(struct services *services, struct call *call,
                                  int (*run)(struct store_call *, struct store *, struct error *),
                                  void (*done)(struct store_call *))
{
    struct store_call *self = calloc(1, sizeof *self);

    if (self == NULL) {
        call_fail(call, RPC_INTERNAL, "out of memory for the request");
        return NULL;
    }
    self->work = (struct applier_work){.run = work_run, .done = work_done};
    self->note.read = note_read;
    self->services = services;
    self->call = call;
    self->run = run;
    self->done = done;
    return self;
}

void store_call_add_lane(struct store_call *work, const char *name)
{
    assert(work->lane_count < BACKENDS_MAX);
    snprintf(work->lanes[work->lane_count++], sizeof work->lanes[0], "%s", name);
}

void store_call_submit(struct store_call *work)
{
    applier_submit(work->services->writes->applier, &work->work);
}

void store_call_fail(struct store_call *work)
{
    call_fail(work->call, work->status == -EIO ? RPC_STORAGE_FAILED : RPC_INTERNAL, "%s",
              work->err.text);
}
