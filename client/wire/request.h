/* request.h - one decoder for each encoding, behind rpc_request_decode. Internal. */
#ifndef MEMFERRY_WIRE_REQUEST_H
#define MEMFERRY_WIRE_REQUEST_H

#include "client/wire/rpc.h"

enum rpc_code request_from_msgpack(const uint8_t *frame, size_t size, msgpack_zone *zone,
                                   struct rpc_request *ret_request,
                                   struct rpc_failure *ret_failure);
enum rpc_code request_from_json(const uint8_t *frame, size_t size, msgpack_zone *zone,
                                struct rpc_request *ret_request, struct rpc_failure *ret_failure);

#endif
