/*
 * fuzz_reply.c - what a client is answered, by a broker or by whoever listens there.
 *
 * The first byte says how the rest comes in pieces; the replies must end where they do in one
 * piece. Then the client reads them over a socket, up to what is none: each reply it gives is
 * walked, and written in both encodings and read again it is the same.
 */
#include "client/connection.h"
#include "client/wire/rpc.h"
#include "tests/fuzz/must.h"

#include <jansson.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { INPUT_MAX = 64 << 10 };

/* ---- where a reply ends ---- */

static enum reply_scan_status scan_in_pieces(const uint8_t *bytes, size_t size, size_t piece,
                                             size_t *ret_size)
{
    struct reply_scan scan = {0};
    enum reply_scan_status status = REPLY_MORE;

    for (size_t seen = 0; status == REPLY_MORE; seen += piece) {
        size_t end = seen < size ? seen : size;
        status = reply_scan(&scan, bytes, end, INPUT_MAX, ret_size);
        if (end == size) {
            break;
        }
    }
    return status;
}

static void scan_all(const uint8_t *data, size_t size, size_t piece)
{
    while (size > 0) {
        size_t whole = 0, pieced = 0;
        enum reply_scan_status status = scan_in_pieces(data, size, size, &whole);
        must(scan_in_pieces(data, size, piece, &pieced) == status, "pieces, status");
        must(whole == pieced, "pieces, size");
        if (status != REPLY_COMPLETE) {
            return;
        }
        must(whole > 0 && whole <= size, "a reply ends in the buffer");
        data += whole;
        size -= whole;
    }
}

/* ---- what stands in it ---- */

static void walk(const struct memferry_node *node)
{
    size_t size, count = memferry_node_count(node);
    const char *text = memferry_node_string(node, NULL);
    const uint8_t *bytes = memferry_node_binary(node, &size);

    if (text != NULL) {
        must(text[node->object.via.str.size] == '\0', "a string ends");
        must(strlen(text) == node->object.via.str.size, "and holds no NUL");
    }
    must(bytes == NULL || bytes[size] == 0, "so do bytes");
    (void)memferry_node_int(node, 0);
    (void)memferry_node_float(node, 0);
    for (size_t i = 0; i < count; i++) {
        const char *key = memferry_node_key(node, i);
        must((key != NULL) == (memferry_node_kind(node) == MEMFERRY_NODE_MAP), "keys are a map's");
        must(key == NULL || memferry_node_get(node, key) != NULL, "and found");
        walk(memferry_node_at(node, i));
    }
    must(memferry_node_at(node, count) == NULL && memferry_node_key(node, count) == NULL,
         "the end");
}

/* Text that came from JSON comes back as it was. */
static void as_json(struct memferry *m, const struct memferry_node *node)
{
    char *first = memferry_node_json(node);
    struct memferry_reply *reply = NULL;

    if (first == NULL) { /* a NaN, which JSON has not */
        return;
    }
    must(memferry_parse_json(m, first, &reply) == MEMFERRY_OK, "JSON that was written is read");
    char *second = memferry_node_json(memferry_reply_root(reply));
    must(second != NULL, "and written again");
    struct memferry_reply *again = NULL;
    must(memferry_parse_json(m, second, &again) == MEMFERRY_OK, "and read");
    char *third = memferry_node_json(memferry_reply_root(again));
    must(third != NULL && strcmp(second, third) == 0, "as it was");
    memferry_reply_free(again);
    memferry_reply_free(reply);
    free(third);
    free(second);
    free(first);
}

static void pack(msgpack_sbuffer *out, msgpack_object object)
{
    msgpack_packer packer;

    msgpack_packer_init(&packer, out, msgpack_sbuffer_write);
    must(msgpack_pack_object(&packer, object) == 0, "packing");
}

/* As the broker would answer with it, on a connection of either encoding. */
static void answer_with(const struct memferry_node *node)
{
    struct rpc_id id = {.encoding = WIRE_MSGPACK, .present = true, .msgid = 7};
    struct rpc_message message;
    msgpack_sbuffer body, reply, again;
    msgpack_zone *zone = msgpack_zone_new(4096);

    msgpack_sbuffer_init(&body);
    msgpack_sbuffer_init(&reply);
    msgpack_sbuffer_init(&again);
    pack(&body, node->object);
    must(zone != NULL && rpc_reply(&reply, &id, body.data, body.size) == 0, "a reply is written");
    if (rpc_message_decode((const uint8_t *)reply.data, reply.size, zone, &message) == 0) {
        must(!message.is_error && message.msgid == 7, "its head is read");
        pack(&again, message.body);
        must(again.size == body.size && memcmp(again.data, body.data, body.size) == 0, "its body");
    }
    id = (struct rpc_id){.encoding = WIRE_JSON, .present = true, .json_size = 1, .json = "7"};
    msgpack_sbuffer_clear(&reply);
    if (rpc_reply(&reply, &id, body.data, body.size) == 0) {
        must(memchr(reply.data, '\n', reply.size) == reply.data + reply.size - 1, "one line");
        json_t *line =
            json_loadb(reply.data, reply.size, JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL, NULL);
        must(line != NULL, "of JSON");
        json_decref(line);
    } else {
        must(reply.size == 0, "or nothing at all");
    }
    msgpack_zone_free(zone);
    msgpack_sbuffer_destroy(&again);
    msgpack_sbuffer_destroy(&reply);
    msgpack_sbuffer_destroy(&body);
}

static void take_reply(struct memferry *m, const struct memferry_reply *reply)
{
    const struct memferry_node *root = memferry_reply_root(reply);
    struct memferry_receipt receipt;

    walk(root);
    as_json(m, root);
    answer_with(root);
    if (memferry_reply_receipt(reply, &receipt) == MEMFERRY_OK) {
        must(memchr(receipt.id, '\0', sizeof receipt.id) != NULL &&
                 memchr(receipt.event_id, '\0', sizeof receipt.event_id) != NULL,
             "a receipt's ids end");
    }
    if (root->object.type == MSGPACK_OBJECT_MAP) {
        must(client_error_remote(m, &root->object) <= MEMFERRY_E_REMOTE, "an error has a code");
        must(memferry_error(m)[0] != '\0', "and a text");
    }
}

/* ---- over a socket ---- */

static void receive_all(const uint8_t *data, size_t size)
{
    struct memferry_settings settings = {.size = sizeof settings, .session_file = ""};
    struct memferry *m;
    int ends[2], rc, room = 4 * INPUT_MAX;

    must(memferry_open(&m, &settings) == MEMFERRY_OK, "memory");
    must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0, "sockets");
    must(setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof room) == 0, "room");
    must(send(ends[1], data, size, MSG_DONTWAIT) == (ssize_t)size, "sent");
    close(ends[1]);
    m->fd = ends[0];
    m->last_blocking = 1;
    do {
        struct memferry_reply *reply = NULL;
        uint32_t msgid;
        bool is_error;
        rc = exchange_receive(m, client_deadline(60000), &msgid, &is_error, &reply);
        must((rc == MEMFERRY_OK) == (reply != NULL), "a reply, or a failure");
        if (rc == MEMFERRY_OK) {
            take_reply(m, reply);
        }
        memferry_reply_free(reply);
    } while (rc == MEMFERRY_OK);
    must(m->fd < 0 && memferry_error(m)[0] != '\0', "the end is told, and the connection gone");
    memferry_close(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > INPUT_MAX) {
        return 0;
    }
    scan_all(data + 1, size - 1, 1 + data[0] % 16);
    receive_all(data + 1, size - 1);
    return 0;
}
