/* pack.c - writes msgpack by the member. A packer on an sbuffer fails only without memory; the
 * answer is then cut short, which the reply's own check finds. */
#include "broker/pack.h"

#include <string.h>

void pack_text(msgpack_packer *packer, const char *text, size_t size)
{
    msgpack_pack_str_with_body(packer, text, size);
}

void pack_key(msgpack_packer *packer, const char *key)
{
    pack_text(packer, key, strlen(key));
}

void pack_text_member(msgpack_packer *packer, const char *key, const char *value)
{
    pack_key(packer, key);
    pack_text(packer, value, strlen(value));
}

void pack_uint_member(msgpack_packer *packer, const char *key, uint64_t value)
{
    pack_key(packer, key);
    msgpack_pack_uint64(packer, value);
}

void pack_int_member(msgpack_packer *packer, const char *key, int64_t value)
{
    pack_key(packer, key);
    msgpack_pack_int64(packer, value);
}

void pack_bool_member(msgpack_packer *packer, const char *key, bool value)
{
    pack_key(packer, key);
    if (value) {
        msgpack_pack_true(packer);
    } else {
        msgpack_pack_false(packer);
    }
}

void pack_time_member(msgpack_packer *packer, const char *key, int64_t value_ms)
{
    pack_key(packer, key);
    if (value_ms == 0) {
        msgpack_pack_nil(packer);
    } else {
        msgpack_pack_int64(packer, value_ms);
    }
}

void pack_retry_after(msgpack_sbuffer *out, uint64_t retry_after_ms)
{
    msgpack_packer packer;

    msgpack_packer_init(&packer, out, msgpack_sbuffer_write);
    msgpack_pack_map(&packer, 1);
    pack_uint_member(&packer, "retry_after_ms", retry_after_ms);
}

#define KEPT_BYTES ((size_t)64 << 10)

void pack_anew(msgpack_sbuffer *buffer)
{
    if (buffer->alloc > KEPT_BYTES) {
        msgpack_sbuffer_destroy(buffer);
        msgpack_sbuffer_init(buffer);
    }
    msgpack_sbuffer_clear(buffer);
}
