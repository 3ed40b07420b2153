/*
 * reply.c - replies, errors and notifications in both encodings, straight into the buffer of a
 * connection.
 *
 * Results come as MessagePack bytes. For MessagePack they are copied behind a few bytes of head;
 * for JSON they are read into a tree and written as text, the way of people and not the fast one.
 */
#include "client/wire/error_map.h"
#include "client/wire/json_write.h"
#include "client/wire/msgpack_read.h"
#include "client/wire/out.h"

#include <string.h>

#define ZONE_CHUNK_SIZE 8192
#define NIL             0xc0

static int write_text(msgpack_sbuffer *out, const char *text)
{
    return out_write(out, text, strlen(text));
}

/* Our own MessagePack bytes as JSON text. */
static int write_as_json(msgpack_sbuffer *out, const void *bytes, size_t size)
{
    struct msgpack_reader reader;
    struct rpc_failure failure;
    msgpack_object object;
    msgpack_zone zone;

    if (!msgpack_zone_init(&zone, ZONE_CHUNK_SIZE)) {
        return -ENOMEM;
    }
    msgpack_reader_init(&reader, bytes, size, &zone, &failure);
    reader.tree.trusted = true;
    enum rpc_code code = msgpack_read_value(&reader, &object);
    int r = code == RPC_INTERNAL ? -ENOMEM : code != RPC_OK ? -EBADMSG : 0;
    if (r == 0 && reader.at != reader.end) {
        r = -EBADMSG;
    }
    r = r == 0 ? json_from_msgpack(out, &object) : r;
    msgpack_zone_destroy(&zone);
    return r;
}

/* {"jsonrpc":"2.0","id":…,"member":value} and a newline. */
static int json_reply(msgpack_sbuffer *out, const struct rpc_id *id, const char *member,
                      const void *value, size_t size)
{
    bool known = id->present && id->json_size > 0;
    int r = write_text(out, "{\"jsonrpc\":\"2.0\",\"id\":");

    r = r == 0 ? out_write(out, known ? id->json : "null", known ? id->json_size : 4) : r;
    r = r == 0 ? write_text(out, member) : r;
    r = r == 0 ? write_as_json(out, value, size) : r;
    return r == 0 ? write_text(out, "}\n") : r;
}

/* [1, msgid, … ; the error and the result follow. */
static size_t reply_head(uint8_t *to, const struct rpc_id *id)
{
    size_t size = 0;

    to[size++] = 0x94;
    to[size++] = 1;
    if (!id->present) {
        to[size++] = NIL;
        return size;
    }
    return size + head_put_uint(to + size, id->msgid);
}

static int undo_if_failed(msgpack_sbuffer *out, size_t before, int r)
{
    if (r < 0) {
        out->size = before;
    }
    return r;
}

static int msgpack_reply(msgpack_sbuffer *out, const struct rpc_id *id, const void *result,
                         size_t result_size)
{
    uint8_t head[8];
    size_t size = reply_head(head, id);

    head[size++] = NIL;
    int r = out_write(out, head, size);
    return r == 0 ? out_write(out, result, result_size) : r;
}

int rpc_reply(msgpack_sbuffer *out, const struct rpc_id *id, const void *result, size_t result_size)
{
    size_t before = out->size;
    int r = id->encoding == WIRE_JSON ? json_reply(out, id, ",\"result\":", result, result_size)
                                      : msgpack_reply(out, id, result, result_size);

    return undo_if_failed(out, before, r);
}

static int msgerror_map_write(msgpack_sbuffer *out, const struct rpc_id *id,
                              const struct rpc_failure *failure, const void *data, size_t data_size)
{
    static const uint8_t nil = NIL;
    uint8_t head[8];
    int r = out_write(out, head, reply_head(head, id));

    r = r == 0 ? error_map_write(out, failure, data, data_size) : r;
    return r == 0 ? out_write(out, &nil, 1) : r;
}

static int json_error(msgpack_sbuffer *out, const struct rpc_id *id,
                      const struct rpc_failure *failure, const void *data, size_t data_size)
{
    msgpack_sbuffer error;

    msgpack_sbuffer_init(&error);
    int r = error_map_write(&error, failure, data, data_size);
    r = r == 0 ? json_reply(out, id, ",\"error\":", error.data, error.size) : r;
    msgpack_sbuffer_destroy(&error);
    return r;
}

int rpc_error(msgpack_sbuffer *out, const struct rpc_id *id, const struct rpc_failure *failure,
              const void *data, size_t data_size)
{
    size_t before = out->size;
    int r = id->encoding == WIRE_JSON ? json_error(out, id, failure, data, data_size)
                                      : msgerror_map_write(out, id, failure, data, data_size);

    return undo_if_failed(out, before, r);
}

static int json_notify(msgpack_sbuffer *out, const char *method, const void *params,
                       size_t params_size)
{
    int r = write_text(out, "{\"jsonrpc\":\"2.0\",\"method\":");

    r = r == 0 ? json_put_string(out, method, strlen(method)) : r;
    r = r == 0 ? write_text(out, ",\"params\":") : r;
    r = r == 0 ? write_as_json(out, params, params_size) : r;
    return r == 0 ? write_text(out, "}\n") : r;
}

/* …"method", [params]] */
static int pack_call(msgpack_sbuffer *out, const char *method, const void *params,
                     size_t params_size)
{
    static const uint8_t array_of_one = 0x91;
    int r = out_str(out, method);

    r = r == 0 ? out_write(out, &array_of_one, 1) : r;
    return r == 0 ? out_write(out, params, params_size) : r;
}

int rpc_notify(msgpack_sbuffer *out, enum wire_encoding encoding, const char *method,
               const void *params, size_t params_size)
{
    static const uint8_t head[] = {0x93, 2};
    size_t before = out->size;
    int r;

    if (encoding == WIRE_JSON) {
        r = json_notify(out, method, params, params_size);
    } else {
        r = out_write(out, head, sizeof head);
        r = r == 0 ? pack_call(out, method, params, params_size) : r;
    }
    return undo_if_failed(out, before, r);
}

int rpc_request_encode(msgpack_sbuffer *out, uint32_t msgid, const char *method, const void *params,
                       size_t params_size)
{
    uint8_t head[8] = {0x94, 0};
    size_t before = out->size;
    int r = out_write(out, head, 2 + head_put_uint(head + 2, msgid));

    r = r == 0 ? pack_call(out, method, params, params_size) : r;
    return undo_if_failed(out, before, r);
}
