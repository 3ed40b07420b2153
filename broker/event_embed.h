/*
 * event_embed.h - what an EVENT_EMBED carries in its fields: the vector that an embedder made,
 * whose it is, and the hash of the content that it was made of.
 */
#ifndef MEMFERRY_EVENT_EMBED_H
#define MEMFERRY_EVENT_EMBED_H

#include "broker/event.h"
#include "broker/unpack.h"

#include <msgpack.h>

#define CONTENT_HASH_SIZE   16
#define EMBEDDING_MODEL_MAX 256 /* bytes */

/* Whose vector a caller's own is; no embedder's model has this name. */
#define EMBEDDING_MODEL_CALLER "caller"

struct event_embed {
    const uint8_t *content_hash; /* CONTENT_HASH_SIZE bytes */
    struct event_text model;
    bool truncated;             /* the content was cut: it was longer than the model's context */
    struct unpack_slice vector; /* little-endian float32, finite */
};

/* Of whole floats; no NaN, no infinity. */
bool embedding_is_finite(struct unpack_slice vector);

/* 1 to 256 bytes, and not "caller". */
bool event_embed_model_is_valid(struct event_text model);

/* Appends the fields. -EINVAL: another model or vector than event_embed_read takes. -ENOMEM. */
int event_embed_pack(const struct event_embed *embed, msgpack_sbuffer *out);
/* Borrowed from the fields. -EBADMSG when they are none of ours. How many floats a vector has is
 * the store's to know. */
int event_embed_read(const uint8_t *fields, size_t size, struct event_embed *ret);

#endif
