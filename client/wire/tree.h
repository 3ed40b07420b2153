/*
 * tree.h - what both decoders share while they build a tree of msgpack objects: the bounds, the
 * checks of text and keys, and the blame. Internal.
 *
 * A decoder calls tree_open/tree_close around a container, tree_take before it makes values,
 * tree_text for each string and tree_keys for each finished map. They return RPC_OK or the code of
 * the failure they filled in.
 */
#ifndef MEMFERRY_WIRE_TREE_H
#define MEMFERRY_WIRE_TREE_H

#include "client/wire/rpc.h"

struct tree {
    msgpack_zone *zone;
    struct rpc_failure *failure;
    unsigned depth;           /* containers open */
    uint32_t elements;        /* values made so far */
    bool trusted;             /* our own bytes: text and keys are not checked */
    enum rpc_code blame;      /* what bad text or a bad key counts as, here */
    unsigned field_depth;     /* the depth whose keys are fields to blame; 0: none is */
    msgpack_object_str field; /* the one that is being read */
};

void tree_init(struct tree *tree, msgpack_zone *zone, struct rpc_failure *failure);

/* Fails with `code` and the current field. */
enum rpc_code tree_fail(struct tree *tree, enum rpc_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
enum rpc_code tree_no_memory(struct tree *tree);

enum rpc_code tree_open(struct tree *tree);
void tree_close(struct tree *tree);
enum rpc_code tree_take(struct tree *tree, uint64_t count);
enum rpc_code tree_text(struct tree *tree, const char *text, size_t size);
enum rpc_code tree_keys(struct tree *tree, const msgpack_object_map *map);

/* A NUL-terminated copy in the zone; NULL without memory. */
char *zone_string(msgpack_zone *zone, const char *text, size_t size);

#endif
