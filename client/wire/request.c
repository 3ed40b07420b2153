/*
 * request.c - rpc_request_decode: the encoding's own decoder, from a clean start.
 */
#include "client/wire/request.h"

#include <assert.h>

enum rpc_code rpc_request_decode(enum wire_encoding encoding, const uint8_t *frame, size_t size,
                                 msgpack_zone *zone, struct rpc_request *ret_request,
                                 struct rpc_failure *ret_failure)
{
    assert(encoding == WIRE_MSGPACK || encoding == WIRE_JSON);
    ret_request->id.encoding = encoding;
    ret_request->id.present = false;
    ret_request->id.msgid = 0;
    ret_request->id.json_size = 0;
    ret_request->method = NULL;
    ret_request->params = (msgpack_object){.type = MSGPACK_OBJECT_MAP};
    if (encoding == WIRE_JSON) {
        return request_from_json(frame, size, zone, ret_request, ret_failure);
    }
    return request_from_msgpack(frame, size, zone, ret_request, ret_failure);
}
