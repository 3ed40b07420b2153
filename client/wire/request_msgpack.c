/*
 * request_msgpack.c - [0, msgid, method, [params]] and [2, method, [params]].
 *
 * The envelope is read value by value, so that the msgid is known before anything behind it can
 * fail.
 */
#include "client/wire/msgpack_read.h"
#include "client/wire/request.h"

enum { TYPE_REQUEST = 0, TYPE_NOTIFICATION = 2 };

static enum rpc_code invalid(struct msgpack_reader *reader, const char *what)
{
    return tree_fail(&reader->tree, RPC_INVALID_REQUEST, "%s", what);
}

/* The array's head and the type; *ret_left values follow. */
static enum rpc_code read_type(struct msgpack_reader *reader, uint64_t *ret_type,
                               uint32_t *ret_left)
{
    msgpack_object type;
    uint32_t count;
    enum rpc_code code =
        msgpack_read_array(reader, "a request is an array: [0, msgid, method, [params]]", &count);

    if (code != RPC_OK) {
        return code;
    }
    if (count == 0) {
        return invalid(reader, "the request is an empty array");
    }
    code = msgpack_read_value(reader, &type);
    if (code != RPC_OK) {
        return code;
    }
    if (type.type != MSGPACK_OBJECT_POSITIVE_INTEGER ||
        (type.via.u64 != TYPE_REQUEST && type.via.u64 != TYPE_NOTIFICATION)) {
        return invalid(reader, "the type is neither 0 (request) nor 2 (notification)");
    }
    *ret_type = type.via.u64;
    *ret_left = count - 1;
    return RPC_OK;
}

static enum rpc_code read_msgid(struct msgpack_reader *reader, struct rpc_id *ret_id)
{
    msgpack_object msgid;
    enum rpc_code code = msgpack_read_value(reader, &msgid);

    if (code != RPC_OK) {
        return code;
    }
    if (msgid.type != MSGPACK_OBJECT_POSITIVE_INTEGER || msgid.via.u64 > UINT32_MAX) {
        return invalid(reader, "msgid is not a uint32");
    }
    ret_id->present = true;
    ret_id->msgid = (uint32_t)msgid.via.u64;
    return RPC_OK;
}

static enum rpc_code read_method(struct msgpack_reader *reader, const char **ret_method)
{
    msgpack_object method;
    enum rpc_code code = msgpack_read_value(reader, &method);

    if (code != RPC_OK) {
        return code;
    }
    if (method.type != MSGPACK_OBJECT_STR || method.via.str.size == 0) {
        return invalid(reader, "method is not a string, or is empty");
    }
    *ret_method = zone_string(reader->tree.zone, method.via.str.ptr, method.via.str.size);
    return *ret_method != NULL ? RPC_OK : tree_no_memory(&reader->tree);
}

static enum rpc_code read_params(struct msgpack_reader *reader, msgpack_object *ret_params)
{
    struct tree *tree = &reader->tree;
    uint32_t count;
    enum rpc_code code = msgpack_read_array(reader, "params is not an array with one map", &count);

    if (code != RPC_OK) {
        return code;
    }
    if (count == 0) {
        *ret_params = (msgpack_object){.type = MSGPACK_OBJECT_MAP};
        return RPC_OK;
    }
    if (count > 1) {
        return tree_fail(tree, RPC_INVALID_REQUEST,
                         "params holds %u values; it takes one map of named parameters", count);
    }
    tree->blame = RPC_INVALID_PARAMS;
    tree->field_depth = tree->depth + 1;
    code = msgpack_read_value(reader, ret_params);
    if (code == RPC_OK && ret_params->type != MSGPACK_OBJECT_MAP) {
        return tree_fail(tree, RPC_INVALID_PARAMS, "params is not a map of named parameters");
    }
    return code;
}

static enum rpc_code read_request(struct msgpack_reader *reader, struct rpc_request *ret_request)
{
    uint64_t type = TYPE_NOTIFICATION;
    uint32_t left = 0;
    enum rpc_code code = read_type(reader, &type, &left);

    if (code == RPC_OK && type == TYPE_REQUEST && left > 0) {
        code = read_msgid(reader, &ret_request->id);
        left--;
    }
    if (code != RPC_OK) {
        return code;
    }
    if (left != 2) {
        return invalid(reader, type == TYPE_REQUEST
                                   ? "a request has four values: [0, msgid, method, [params]]"
                                   : "a notification has three values: [2, method, [params]]");
    }
    code = read_method(reader, &ret_request->method);
    if (code == RPC_OK) {
        code = read_params(reader, &ret_request->params);
    }
    if (code == RPC_OK && reader->at != reader->end) {
        return tree_fail(&reader->tree, RPC_PARSE_ERROR, "something follows the request");
    }
    return code;
}

enum rpc_code request_from_msgpack(const uint8_t *frame, size_t size, msgpack_zone *zone,
                                   struct rpc_request *ret_request, struct rpc_failure *ret_failure)
{
    struct msgpack_reader reader;

    msgpack_reader_init(&reader, frame, size, zone, ret_failure);
    return read_request(&reader, ret_request);
}
