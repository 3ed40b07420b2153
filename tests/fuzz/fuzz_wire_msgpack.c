/*
 * fuzz_wire_msgpack.c - bytes of a MessagePack connection.
 *
 * The first byte says how the rest comes in pieces; the frames must be the same as in one piece.
 * Each frame is decoded; what msgpack-c makes of it, and what comes back after it was written
 * again, must be the same tree.
 */
#include "client/wire/rpc.h"
#include "client/wire/scan.h"
#include "tests/fuzz/must.h"

#include <string.h>

#define ZONE_CHUNK_SIZE 4096

static enum scan_status scan_in_pieces(const uint8_t *bytes, size_t size, size_t piece,
                                       size_t *ret_size)
{
    struct msgpack_scan scan = {0};
    enum scan_status status = SCAN_MORE;

    for (size_t seen = 0; status == SCAN_MORE; seen += piece) {
        size_t end = seen < size ? seen : size;
        status = msgpack_scan(&scan, bytes, end, ret_size);
        if (end == size) {
            break;
        }
    }
    return status;
}

static void pack(msgpack_sbuffer *out, msgpack_object object)
{
    msgpack_packer packer;

    out->size = 0;
    msgpack_packer_init(&packer, out, msgpack_sbuffer_write);
    must(msgpack_pack_object(&packer, object) == 0, "packing");
}

static bool same_bytes(const msgpack_sbuffer *a, const msgpack_sbuffer *b)
{
    return a->size == b->size && (a->size == 0 || memcmp(a->data, b->data, a->size) == 0);
}

/* msgpack-c, which is safe behind the scan, reads the same params. */
static void compare_with_msgpack_c(const uint8_t *frame, size_t size, const msgpack_sbuffer *params)
{
    msgpack_unpacked unpacked;
    msgpack_sbuffer theirs;
    size_t offset = 0;

    msgpack_unpacked_init(&unpacked);
    msgpack_sbuffer_init(&theirs);
    must(msgpack_unpack_next(&unpacked, (const char *)frame, size, &offset) ==
             MSGPACK_UNPACK_SUCCESS,
         "msgpack-c reads what we read");
    must(offset == size, "msgpack-c sees the same end");
    const msgpack_object_array *request = &unpacked.data.via.array;
    const msgpack_object_array *list = &request->ptr[request->size - 1].via.array;
    if (list->size == 1) {
        pack(&theirs, list->ptr[0]);
        must(same_bytes(params, &theirs), "msgpack-c makes the same tree");
    }
    msgpack_sbuffer_destroy(&theirs);
    msgpack_unpacked_destroy(&unpacked);
}

static void compare_with_itself(const struct rpc_request *request, const msgpack_sbuffer *params,
                                msgpack_zone *zone)
{
    static struct rpc_request again;
    static struct rpc_failure failure;
    msgpack_sbuffer frame, params_again;

    msgpack_sbuffer_init(&frame);
    msgpack_sbuffer_init(&params_again);
    must(rpc_request_encode(&frame, request->id.msgid, request->method, params->data,
                            params->size) == 0,
         "encoding");
    must(rpc_request_decode(WIRE_MSGPACK, (const uint8_t *)frame.data, frame.size, zone, &again,
                            &failure) == RPC_OK,
         "what was written is decoded");
    pack(&params_again, again.params);
    must(again.id.msgid == request->id.msgid, "the msgid comes back");
    must(strcmp(again.method, request->method) == 0, "the method comes back");
    must(same_bytes(params, &params_again), "the params come back");
    msgpack_sbuffer_destroy(&params_again);
    msgpack_sbuffer_destroy(&frame);
}

/* As JSON the first text may say less (bin, float32); from then on it stays as it is. */
static void compare_as_json(const msgpack_object *object, msgpack_zone *zone)
{
    static struct rpc_failure failure;
    msgpack_sbuffer text[3];
    msgpack_object back = *object;

    for (int i = 0; i < 3; i++) {
        msgpack_sbuffer_init(&text[i]);
    }
    for (int i = 0; i < 3; i++) {
        if (json_from_msgpack(&text[i], &back) != 0) {
            must(i == 0, "what came from JSON can be written as JSON");
            break;
        }
        must(memchr(text[i].data, '\n', text[i].size) == NULL, "JSON stays on its line");
        must(json_to_msgpack(text[i].data, text[i].size, zone, &back, &failure) == 0,
             "JSON that was written is read");
        must(i < 2 || same_bytes(&text[1], &text[2]), "JSON comes back as it was");
    }
    for (int i = 0; i < 3; i++) {
        msgpack_sbuffer_destroy(&text[i]);
    }
}

static void try_frame(const uint8_t *frame, size_t size)
{
    static struct rpc_request request;
    static struct rpc_failure failure;
    struct rpc_message message;
    msgpack_zone *zone = msgpack_zone_new(ZONE_CHUNK_SIZE);
    msgpack_sbuffer params;

    must(zone != NULL, "memory");
    msgpack_sbuffer_init(&params);
    if (rpc_request_decode(WIRE_MSGPACK, frame, size, zone, &request, &failure) == RPC_OK) {
        pack(&params, request.params);
        compare_with_msgpack_c(frame, size, &params);
        compare_with_itself(&request, &params, zone);
        compare_as_json(&request.params, zone);
    } else {
        must(failure.code != RPC_OK && failure.text[0] != '\0', "a failure says what it is");
    }
    (void)rpc_message_decode(frame, size, zone, &message);
    msgpack_sbuffer_destroy(&params);
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
    try_frame(data, size); /* not scanned: no harm either */
    while (size > 0) {
        size_t frame = 0, frame_in_pieces = 0;
        enum scan_status status = scan_in_pieces(data, size, size, &frame);
        must(scan_in_pieces(data, size, piece, &frame_in_pieces) == status, "pieces, status");
        must(frame == frame_in_pieces, "pieces, size");
        if (status != SCAN_COMPLETE) {
            break;
        }
        must(frame > 0 && frame <= size, "the frame is in the buffer");
        try_frame(data, frame);
        data += frame;
        size -= frame;
    }
    return 0;
}
