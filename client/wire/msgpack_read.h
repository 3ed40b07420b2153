/*
 * msgpack_read.h - MessagePack bytes to a tree. Internal.
 *
 * Builds in the zone by what is there, never by what a header claims: a container's elements are
 * counted against the bytes left first, so no byte makes more than 24 bytes of tree. Strings and
 * binaries stay in the frame.
 */
#ifndef MEMFERRY_WIRE_MSGPACK_READ_H
#define MEMFERRY_WIRE_MSGPACK_READ_H

#include "client/wire/head.h"
#include "client/wire/tree.h"

struct msgpack_reader {
    struct tree tree;
    const uint8_t *at, *end;
};

void msgpack_reader_init(struct msgpack_reader *reader, const uint8_t *bytes, size_t size,
                         msgpack_zone *zone, struct rpc_failure *failure);

/* The head of an array, which is then open: its elements are read one by one, and tree_close is
 * the caller's. Fails with RPC_INVALID_REQUEST and `otherwise` when it is something else. */
enum rpc_code msgpack_read_array(struct msgpack_reader *reader, const char *otherwise,
                                 uint32_t *ret_count);
/* One whole value. */
enum rpc_code msgpack_read_value(struct msgpack_reader *reader, msgpack_object *ret_object);

#endif
