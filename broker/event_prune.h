/* event_prune.h - what an EVENT_PRUNE carries: the seq up to which a memory's versions go. */
#ifndef MEMFERRY_EVENT_PRUNE_H
#define MEMFERRY_EVENT_PRUNE_H

#include <msgpack.h>

#include <stddef.h>
#include <stdint.h>

/* Appends the fields. -ENOMEM. */
int event_prune_pack(uint64_t through, msgpack_sbuffer *out);
/* -EBADMSG when they are none of ours. */
int event_prune_read(const uint8_t *fields, size_t size, uint64_t *ret_through);

#endif
