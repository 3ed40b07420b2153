/* error_map.h - an error as both encodings tell it. Internal. */
#ifndef MEMFERRY_WIRE_ERROR_MAP_H
#define MEMFERRY_WIRE_ERROR_MAP_H

#include "client/wire/rpc.h"

/* Appends {"code", "name", "message", "data"?}. 0, -ENOMEM, or -EBADMSG when data is no map; then
 * the caller undoes what was written. */
int error_map_write(msgpack_sbuffer *out, const struct rpc_failure *failure, const void *data,
                    size_t data_size);

#endif
