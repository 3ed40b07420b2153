/*
 * message.c - what a client reads: [1, msgid, error, result] and [2, method, [params]].
 */
#include "client/wire/msgpack_read.h"

#include <errno.h>

enum { TYPE_REPLY = 1, TYPE_NOTIFICATION = 2 };

static bool take_reply(const msgpack_object *values, struct rpc_message *ret_message)
{
    const msgpack_object *msgid = &values[1], *error = &values[2], *result = &values[3];

    ret_message->is_error = error->type != MSGPACK_OBJECT_NIL;
    ret_message->body = ret_message->is_error ? *error : *result;
    if (msgid->type == MSGPACK_OBJECT_NIL) {
        ret_message->no_msgid = true;
        return ret_message->is_error;
    }
    if (msgid->type != MSGPACK_OBJECT_POSITIVE_INTEGER || msgid->via.u64 > UINT32_MAX) {
        return false;
    }
    ret_message->msgid = (uint32_t)msgid->via.u64;
    return true;
}

static bool take_notification(const msgpack_object *values, msgpack_zone *zone,
                              struct rpc_message *ret_message)
{
    const msgpack_object *method = &values[1], *params = &values[2];

    if (method->type != MSGPACK_OBJECT_STR || params->type != MSGPACK_OBJECT_ARRAY ||
        params->via.array.size != 1 || params->via.array.ptr[0].type != MSGPACK_OBJECT_MAP) {
        return false;
    }
    ret_message->is_notification = true;
    ret_message->method = zone_string(zone, method->via.str.ptr, method->via.str.size);
    ret_message->body = params->via.array.ptr[0];
    return ret_message->method != NULL;
}

int rpc_message_decode(const uint8_t *frame, size_t size, msgpack_zone *zone,
                       struct rpc_message *ret_message)
{
    struct msgpack_reader reader;
    struct rpc_failure failure;
    msgpack_object message;
    bool ok = false;

    *ret_message = (struct rpc_message){.body = {.type = MSGPACK_OBJECT_NIL}};
    msgpack_reader_init(&reader, frame, size, zone, &failure);
    if (msgpack_read_value(&reader, &message) != RPC_OK || reader.at != reader.end ||
        message.type != MSGPACK_OBJECT_ARRAY || message.via.array.size == 0 ||
        message.via.array.ptr[0].type != MSGPACK_OBJECT_POSITIVE_INTEGER) {
        return -EBADMSG;
    }
    const msgpack_object *values = message.via.array.ptr;
    if (values[0].via.u64 == TYPE_REPLY && message.via.array.size == 4) {
        ok = take_reply(values, ret_message);
    } else if (values[0].via.u64 == TYPE_NOTIFICATION && message.via.array.size == 3) {
        ok = take_notification(values, zone, ret_message);
    }
    return ok ? 0 : -EBADMSG;
}
