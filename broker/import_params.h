/* import_params.h - one memory of memory.import, checked and turned into an event's fields. */
#ifndef MEMFERRY_IMPORT_PARAMS_H
#define MEMFERRY_IMPORT_PARAMS_H

#include "broker/event_import.h"
#include "broker/memory_params.h"

/* What is further ahead of this machine's clock is refused: the clock of who made it is wrong, and
 * ours would follow it. */
#define IMPORT_AHEAD_MAX_US ((int64_t)24 * 3600 * 1000000)

struct import_params {
    struct put_params put;      /* id, content, kind, tags, props, embedding, session_id */
    struct event_import import; /* but for its body */
    char origin[IMPORT_ORIGIN_SIZE + 1];
    uint64_t stamp;
    bool has_created, has_updated, has_stamp;
};

/* Reads and checks a whole memory. */
enum rpc_code import_params_read(struct import_params *params, const msgpack_object *memory,
                                 uint32_t dims, int64_t now_us, struct rpc_failure *ret_failure);
/* Appends the event's fields. 0 or -ENOMEM. */
int import_params_pack(const struct import_params *params, msgpack_sbuffer *out);

#endif
