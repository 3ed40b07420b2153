/*
 * memory_params.h - the parameters of memory.put, checked and turned into an event's fields.
 *
 * Bounds are those of protocol.md; what it leaves open is bounded here.
 */
#ifndef MEMFERRY_MEMORY_PARAMS_H
#define MEMFERRY_MEMORY_PARAMS_H

#include "broker/pack.h"
#include "broker/params.h"
#include "broker/reader.h"

#define CONTENT_MAX     ((size_t)1 << 20)
#define KIND_MAX        64
#define TAGS_MAX        256
#define TAG_MAX         256
#define PROPS_MAX       1024
#define PROP_NAME_MAX   256
#define PROP_LIST_MAX   4096
#define EVENT_ID_MAX    256
#define REASON_MAX      1024
#define WAIT_DEFAULT_MS 30000
#define WAIT_MAX_MS     3600000

struct put_params {
    struct event event; /* but for fields, peer_pid and what the caller left out */
    const msgpack_object *content, *kind, *tags, *props, *embedding; /* NULL: not given */
    bool wait_delivered;
    uint64_t timeout_ms;
    uint32_t dims;
};

/* A param_read_fn for struct put_params. */
enum rpc_code put_params_read(void *target, const struct param *param);
/* Writes the event's `fields`: a msgpack map of what was given. 0 or -ENOMEM. */
int put_params_pack_fields(const struct put_params *params, msgpack_sbuffer *out);

/* wait and timeout_ms, shared with memory.delete. RPC_METHOD_NOT_FOUND: neither. */
enum rpc_code wait_params_read(bool *wait_delivered, uint64_t *timeout_ms,
                               const struct param *param);

/* What a filter borrows. */
struct filter_texts {
    char session_id[SESSION_ID_MAX + 1], kind[KIND_MAX + 1], tag[TAG_MAX + 1];
};
/* session_id, kind, tag, since, until, deleted: shared by all that filter memories.
 * RPC_METHOD_NOT_FOUND: none of them. */
enum rpc_code filter_params_read(struct reader_filter *filter, struct filter_texts *texts,
                                 const struct param *param);

#endif
