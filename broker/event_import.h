/*
 * event_import.h - what an EVENT_IMPORT carries in its fields: a memory's whole state as another
 * broker, or this one before its disk was lost, has had it last.
 */
#ifndef MEMFERRY_EVENT_IMPORT_H
#define MEMFERRY_EVENT_IMPORT_H

#include "broker/event.h"
#include "broker/unpack.h"

#include <msgpack.h>

#include <stdbool.h>

#define IMPORT_ORIGIN_SIZE 36 /* a UUID as text, lower case */

struct event_import {
    /* content, kind, tags, props, embedding: a map as a put's fields are */
    struct unpack_slice body;
    int64_t created_ms, updated_ms;
    int64_t deleted_ms; /* 0: lives */
    int64_t stamp_us;
    struct event_text origin;
    struct event_text session_id;      /* data NULL: none */
    struct event_text embedding_model; /* of the body's embedding; data NULL: a caller's */
    bool embedding_truncated;          /* by its embedder */
};

/* Appends the fields. -ENOMEM. */
int event_import_pack(const struct event_import *import, msgpack_sbuffer *out);
/* Borrowed from the fields. -EBADMSG when they are none of ours. What the body holds is not looked
 * at. */
int event_import_read(const uint8_t *fields, size_t size, struct event_import *ret);

#endif
