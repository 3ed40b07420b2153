/*
 * fuzz_wire_json.c - bytes of a JSON connection.
 *
 * The first byte says how the rest comes in pieces; the lines must be the same as in one piece.
 * Each line is decoded, and written and decoded again. jansson, with its own parser, has to agree
 * on what is JSON, but for the bounds that it does not have.
 */
#include "client/wire/rpc.h"
#include "client/wire/scan.h"
#include "tests/fuzz/must.h"

#include <jansson.h>
#include <string.h>

#define ZONE_CHUNK_SIZE 4096

static enum scan_status scan_in_pieces(const uint8_t *bytes, size_t size, size_t piece,
                                       size_t *ret_size, bool *ret_too_deep)
{
    struct json_scan scan = {0};
    enum scan_status status = SCAN_MORE;

    for (size_t seen = 0; status == SCAN_MORE; seen += piece) {
        size_t end = seen < size ? seen : size;
        status = json_line_scan(&scan, bytes, end, ret_size, ret_too_deep);
        if (end == size) {
            break;
        }
    }
    return status;
}

static bool jansson_takes(const char *text, size_t size, size_t flags)
{
    json_t *value = json_loadb(text, size, flags | JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);

    json_decref(value);
    return value != NULL;
}

static bool is_our_bound(const char *failure)
{
    return strstr(failure, "nested deeper") != NULL || strstr(failure, "too many digits") != NULL;
}

static void compare_text(const char *text, size_t size, msgpack_zone *zone)
{
    static struct rpc_failure failure;
    msgpack_sbuffer first, second;
    msgpack_object object;

    msgpack_sbuffer_init(&first);
    msgpack_sbuffer_init(&second);
    if (json_to_msgpack(text, size, zone, &object, &failure) == 0) {
        must(jansson_takes(text, size, JSON_DECODE_INT_AS_REAL), "jansson takes what we take");
        must(json_from_msgpack(&first, &object) == 0, "what was read is written");
        must(json_to_msgpack(first.data, first.size, zone, &object, &failure) == 0,
             "what was written is read");
        must(json_from_msgpack(&second, &object) == 0, "and written again");
        must(first.size == second.size && memcmp(first.data, second.data, first.size) == 0,
             "as it was");
    } else if (memchr(text, '\0', size) == NULL) { /* to jansson a NUL is the end of the text */
        must(!jansson_takes(text, size, 0) || is_our_bound(failure.text),
             "we take what jansson takes");
    }
    msgpack_sbuffer_destroy(&first);
    msgpack_sbuffer_destroy(&second);
}

static void write_request(msgpack_sbuffer *out, const struct rpc_request *request)
{
    msgpack_object method = {
        .type = MSGPACK_OBJECT_STR,
        .via.str = {(uint32_t)strlen(request->method), request->method},
    };

    msgpack_sbuffer_write(out, "{\"params\":", 10);
    must(json_from_msgpack(out, &request->params) == 0, "params are written");
    msgpack_sbuffer_write(out, ",\"method\":", 10);
    must(json_from_msgpack(out, &method) == 0, "the method is written");
    if (request->id.present) {
        msgpack_sbuffer_write(out, ",\"id\":", 6);
        msgpack_sbuffer_write(out, request->id.json, request->id.json_size);
    }
    msgpack_sbuffer_write(out, "}\n", 2);
}

static void compare_request(const struct rpc_request *request, msgpack_zone *zone)
{
    static struct rpc_request again;
    static struct rpc_failure failure;
    msgpack_sbuffer first, second;

    msgpack_sbuffer_init(&first);
    msgpack_sbuffer_init(&second);
    write_request(&first, request);
    must(rpc_request_decode(WIRE_JSON, (const uint8_t *)first.data, first.size, zone, &again,
                            &failure) == RPC_OK,
         "what was written is decoded");
    write_request(&second, &again);
    must(first.size == second.size && memcmp(first.data, second.data, first.size) == 0,
         "the request comes back as it was");
    msgpack_sbuffer_destroy(&first);
    msgpack_sbuffer_destroy(&second);
}

/* An error with any id we kept is itself one line of JSON. */
static void answer(const struct rpc_request *request, const struct rpc_failure *failure)
{
    msgpack_sbuffer out;

    msgpack_sbuffer_init(&out);
    must(rpc_error(&out, &request->id, failure, NULL, 0) == 0, "an error is written");
    must(memchr(out.data, '\n', out.size) == out.data + out.size - 1, "one line");
    json_t *line = json_loadb(out.data, out.size, JSON_DECODE_INT_AS_REAL, NULL);
    bool wide_id = request->id.present; /* 1e400, a lone surrogate: echoed, not understood */
    must(line != NULL || wide_id, "a line of JSON");
    json_decref(line);
    msgpack_sbuffer_destroy(&out);
}

static void try_line(const uint8_t *line, size_t size, bool too_deep)
{
    static struct rpc_request request;
    static struct rpc_failure failure;
    msgpack_zone *zone = msgpack_zone_new(ZONE_CHUNK_SIZE);

    must(zone != NULL, "memory");
    if (rpc_request_decode(WIRE_JSON, line, size, zone, &request, &failure) == RPC_OK) {
        must(!too_deep, "the scan does not see more levels than there are");
        compare_request(&request, zone);
    } else {
        must(failure.code != RPC_OK && failure.text[0] != '\0', "a failure says what it is");
        answer(&request, &failure);
    }
    compare_text((const char *)line, size, zone);
    msgpack_zone_free(zone);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    size_t piece = 1 + data[0] % 16;
    data++;
    size--;
    while (size > 0) {
        size_t line = size, line_in_pieces = size;
        bool too_deep = false, too_deep_in_pieces = false;
        enum scan_status status = scan_in_pieces(data, size, size, &line, &too_deep);
        must(scan_in_pieces(data, size, piece, &line_in_pieces, &too_deep_in_pieces) == status,
             "pieces, status");
        must(line == line_in_pieces && too_deep == too_deep_in_pieces, "pieces, size and depth");
        must(line > 0 && line <= size, "the line is in the buffer");
        try_line(data, line, too_deep); /* the last one may have no newline */
        data += line;
        size -= line;
    }
    return 0;
}
