/*
 * params.h - typed reads of a call's parameters, each refusal naming the field.
 *
 * A method walks its map once: for each key it asks for the type it wants. All readers return
 * RPC_OK, or RPC_INVALID_PARAMS with *ret_failure filled. Strings are borrowed from the request.
 */
#ifndef MEMFERRY_PARAMS_H
#define MEMFERRY_PARAMS_H

#include "broker/event.h"
#include "client/wire/rpc.h"

#include <stdbool.h>

/* How one parameter is read into the method's own struct. */
struct param {
    const char *name;
    const msgpack_object *value;
    struct rpc_failure *failure;
};

enum rpc_code param_fail(const struct param *param, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* min ≤ bytes ≤ max. */
enum rpc_code param_text(const struct param *param, size_t min, size_t max, struct event_text *ret);
/* As param_text, copied with a NUL into ret, which holds max + 1 bytes. */
enum rpc_code param_copy(const struct param *param, size_t min, size_t max, char *ret);
/* As param_copy of 1 to max bytes, with *ret at it: a filter that is NULL when it is not given. */
enum rpc_code param_filter(const struct param *param, size_t max, char *buffer, const char **ret);
/* One of `count` names; *ret is which. */
enum rpc_code param_choice(const struct param *param, const char *const *names, size_t count,
                           unsigned *ret);
/* A list of 1 to max_count strings of 1 to id_max bytes. */
enum rpc_code param_ids(const struct param *param, uint32_t max_count, size_t id_max,
                        const msgpack_object_array **ret);
enum rpc_code param_bool(const struct param *param, bool *ret);
enum rpc_code param_uint(const struct param *param, uint64_t min, uint64_t max, uint64_t *ret);
/* Milliseconds since the epoch, or an RFC 3339 text. */
enum rpc_code param_time(const struct param *param, int64_t *ret_ms);

/* Calls read(target, param) for each parameter, in order; read answers RPC_METHOD_NOT_FOUND for a
 * name it doesn't know, which becomes "unknown parameter". */
typedef enum rpc_code param_read_fn(void *target, const struct param *param);
enum rpc_code params_read(const msgpack_object *params, param_read_fn *read, void *target,
                          struct rpc_failure *ret_failure);

/* For methods without any. */
enum rpc_code params_none(const msgpack_object *params, struct rpc_failure *ret_failure);

bool param_is(const struct param *param, const char *name);

#endif
