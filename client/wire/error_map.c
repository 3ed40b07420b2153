/*
 * error_map.c - the map that tells an error: {"code", "name", "message", "data"?}, as MessagePack.
 */
#include "client/wire/error_map.h"

#include "client/wire/head.h"
#include "client/wire/out.h"
#include "client/wire/utf8.h"

#include <assert.h>

/* Text that others put together: whatever is not UTF-8 in it is shown as '?'. */
static int pack_foreign_text(msgpack_sbuffer *out, const char *text, size_t capacity)
{
    char clean[sizeof((struct rpc_failure *)NULL)->text];
    size_t size = strnlen(text, capacity);

    assert(capacity <= sizeof clean);
    size = size < sizeof clean ? size : sizeof clean - 1;
    size = utf8_whole(text, size);
    for (size_t at = 0; at < size;) {
        size_t step = utf8_character(text + at, size - at);
        if (step == 0) {
            clean[at++] = '?';
            continue;
        }
        memcpy(clean + at, text + at, step);
        at += step;
    }
    clean[size] = '\0';
    return out_str(out, clean);
}

/* A negative integer of at most 16 bits, as all codes are. */
static int pack_code(msgpack_sbuffer *out, enum rpc_code code)
{
    uint8_t bytes[3] = {0xd1, (uint8_t)((unsigned)code >> 8), (uint8_t)code};

    assert(code < 0 && code >= INT16_MIN);
    return out_write(out, bytes, sizeof bytes);
}

/* The caller's map with "field" added. */
static int pack_data(msgpack_sbuffer *out, const struct rpc_failure *failure, const uint8_t *data,
                     size_t data_size)
{
    struct msgpack_head map = {.type = MSGPACK_OBJECT_MAP, .size = 0, .argument = 0};
    bool with_field = failure->field[0] != '\0';
    uint8_t head[5];

    if (data_size > 0 &&
        (!msgpack_head_read(&map, data, data_size) || map.type != MSGPACK_OBJECT_MAP)) {
        return -EBADMSG;
    }
    int r = out_write(out, head, head_put_map(head, (uint32_t)map.argument + with_field));
    if (r == 0 && data_size > map.size) {
        r = out_write(out, data + map.size, data_size - map.size);
    }
    if (r == 0 && with_field) {
        r = out_str(out, "field");
        r = r == 0 ? pack_foreign_text(out, failure->field, sizeof failure->field) : r;
    }
    return r;
}

int error_map_write(msgpack_sbuffer *out, const struct rpc_failure *failure, const void *data,
                    size_t data_size)
{
    bool with_data = data_size > 0 || failure->field[0] != '\0';
    uint8_t head[5];
    int r = out_write(out, head, head_put_map(head, with_data ? 4 : 3));

    r = r == 0 ? out_str(out, "code") : r;
    r = r == 0 ? pack_code(out, failure->code) : r;
    r = r == 0 ? out_str(out, "name") : r;
    r = r == 0 ? out_str(out, rpc_code_name(failure->code)) : r;
    r = r == 0 ? out_str(out, "message") : r;
    r = r == 0 ? pack_foreign_text(out, failure->text, sizeof failure->text) : r;
    if (r == 0 && with_data) {
        r = out_str(out, "data");
        r = r == 0 ? pack_data(out, failure, data, data_size) : r;
    }
    return r;
}
