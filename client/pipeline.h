/*
 * pipeline.h - the requests in flight. Internal.
 *
 * A slot is free, in flight, or done and waiting to be received. Its number is in the low bits of
 * the msgid, a generation above them, so that a late reply never meets the slot's next request.
 */
#ifndef MEMFERRY_CLIENT_PIPELINE_H
#define MEMFERRY_CLIENT_PIPELINE_H

#include "client/connection.h"

enum slot_state { SLOT_FREE = 0, SLOT_IN_FLIGHT, SLOT_DONE };

struct slot {
    enum slot_state state;
    uint32_t msgid;
    uint64_t tag;
    int code;
    struct memferry_reply *reply;
    struct slot *next; /* among the free, or the done in the order they came */
};

/* Files a reply under its request; consumed. A reply that nobody waits for is freed. */
void pipeline_complete(struct memferry *m, uint32_t msgid, bool is_error,
                       struct memferry_reply *reply);
/* Completes all that is in flight with `code`. */
void pipeline_fail(struct memferry *m, int code);
void pipeline_free(struct memferry *m);

#endif
