/*
 * reply.h - a reply and its nodes, over msgpack objects. Internal.
 *
 * A node is a msgpack object by another name, so a reply is decoded once and never copied into a
 * second tree; its strings are moved into the reply's own zone, with a NUL behind each.
 */
#ifndef MEMFERRY_CLIENT_REPLY_H
#define MEMFERRY_CLIENT_REPLY_H

#include "memferry/client.h"

#include <msgpack.h>

#include <stddef.h>
#include <stdint.h>

struct memferry_node {
    msgpack_object object;
};

struct memferry_reply {
    msgpack_zone zone;
    struct memferry_node root;
};

/* An empty reply (null) with a zone to decode into; NULL: out of memory. */
struct memferry_reply *reply_new(void);
/* Makes `object`, which lives in the reply's zone, its root, and moves strings out of the bytes
 * they were decoded from. MEMFERRY_E_PROTOCOL for what the protocol has not, or
 * MEMFERRY_E_MEMORY. */
int reply_adopt(struct memferry_reply *reply, const msgpack_object *object);

/* A receipt out of a map; MEMFERRY_E_PROTOCOL: it is none. */
int receipt_read(const struct memferry_node *map, struct memferry_receipt *ret);

const msgpack_object *object_get(const msgpack_object *map, const char *key);

/* Finds the end of a reply in a growing buffer; zero before the first byte. It trusts no count: a
 * container that claims more than `limit` leaves room for is refused at its head. */
struct reply_scan {
    size_t offset;
    uint64_t pending; /* values still to come */
};

enum reply_scan_status { REPLY_COMPLETE = 0, REPLY_MORE, REPLY_MALFORMED };

enum reply_scan_status reply_scan(struct reply_scan *scan, const uint8_t *buffer, size_t size,
                                  size_t limit, size_t *ret_size);

#endif
