/* unpack.c - the msgpack heads, read with every length checked against what is left. */
#include "broker/unpack.h"

#include <string.h>

struct unpack unpack_over(const uint8_t *data, size_t size)
{
    return (struct unpack){.at = data, .end = size > 0 ? data + size : data}; /* data may be NULL */
}

static size_t bytes_left(const struct unpack *in)
{
    return (size_t)(in->end - in->at);
}

/* A big-endian number of `size` bytes. */
static bool take_number(struct unpack *in, unsigned size, uint64_t *ret)
{
    if (bytes_left(in) < size) {
        return false;
    }
    uint64_t number = 0;
    for (unsigned i = 0; i < size; i++) {
        number = number << 8 | in->at[i];
    }
    in->at += size;
    *ret = number;
    return true;
}

static bool take_bytes(struct unpack *in, enum unpack_type type, uint64_t size,
                       struct unpack_value *ret)
{
    if (bytes_left(in) < size) {
        return false;
    }
    ret->type = type;
    ret->as.bytes.data = in->at;
    ret->as.bytes.size = (size_t)size;
    in->at += size;
    return true;
}

/* An element takes a byte at least, a pair two. */
static bool take_container(struct unpack *in, enum unpack_type type, uint64_t count,
                           struct unpack_value *ret)
{
    if (bytes_left(in) < (type == UNPACK_MAP ? 2 * count : count)) {
        return false;
    }
    ret->type = type;
    ret->as.count = (uint32_t)count;
    return true;
}

static bool take_signed(struct unpack *in, unsigned size, struct unpack_value *ret)
{
    uint64_t number;

    if (!take_number(in, size, &number)) {
        return false;
    }
    unsigned shift = 64 - 8 * size;
    int64_t value = (int64_t)(number << shift) >> shift;
    if (value >= 0) {
        ret->type = UNPACK_UINT;
        ret->as.number = (uint64_t)value;
    } else {
        ret->type = UNPACK_INT;
        ret->as.negative = value;
    }
    return true;
}

static bool take_float(struct unpack *in, unsigned size, struct unpack_value *ret)
{
    uint64_t bits;

    if (!take_number(in, size, &bits)) {
        return false;
    }
    ret->type = UNPACK_FLOAT;
    if (size == 4) {
        uint32_t low = (uint32_t)bits;
        float value;
        memcpy(&value, &low, sizeof value);
        ret->as.floating = (double)value;
    } else {
        memcpy(&ret->as.floating, &bits, sizeof bits);
    }
    return true;
}

/* Heads 0xc0 to 0xdf: a type byte, then a value or a length of its own size. */
static bool take_long_form(struct unpack *in, uint8_t head, struct unpack_value *ret)
{
    uint64_t number;

    switch (head) {
    case 0xc0:
        ret->type = UNPACK_NIL;
        return true;
    case 0xc2:
    case 0xc3:
        ret->type = UNPACK_BOOL;
        ret->as.boolean = head == 0xc3;
        return true;
    case 0xc4:
    case 0xc5:
    case 0xc6:
        return take_number(in, 1u << (head - 0xc4), &number) &&
               take_bytes(in, UNPACK_BIN, number, ret);
    case 0xca:
    case 0xcb:
        return take_float(in, head == 0xca ? 4 : 8, ret);
    case 0xcc:
    case 0xcd:
    case 0xce:
    case 0xcf:
        ret->type = UNPACK_UINT;
        return take_number(in, 1u << (head - 0xcc), &ret->as.number);
    case 0xd0:
    case 0xd1:
    case 0xd2:
    case 0xd3:
        return take_signed(in, 1u << (head - 0xd0), ret);
    case 0xd9:
    case 0xda:
    case 0xdb:
        return take_number(in, 1u << (head - 0xd9), &number) &&
               take_bytes(in, UNPACK_TEXT, number, ret);
    case 0xdc:
    case 0xdd:
        return take_number(in, head == 0xdc ? 2 : 4, &number) &&
               take_container(in, UNPACK_ARRAY, number, ret);
    case 0xde:
    case 0xdf:
        return take_number(in, head == 0xde ? 2 : 4, &number) &&
               take_container(in, UNPACK_MAP, number, ret);
    default: /* 0xc1 and the ext types: nothing of ours has them */
        return false;
    }
}

bool unpack_next(struct unpack *in, struct unpack_value *ret)
{
    if (in->at == in->end) {
        return false;
    }
    uint8_t head = *in->at++;
    if (head < 0x80) {
        ret->type = UNPACK_UINT;
        ret->as.number = head;
        return true;
    }
    if (head < 0x90) {
        return take_container(in, UNPACK_MAP, head & 0x0f, ret);
    }
    if (head < 0xa0) {
        return take_container(in, UNPACK_ARRAY, head & 0x0f, ret);
    }
    if (head < 0xc0) {
        return take_bytes(in, UNPACK_TEXT, head & 0x1f, ret);
    }
    if (head >= 0xe0) {
        ret->type = UNPACK_INT;
        ret->as.negative = (int64_t)head - 0x100;
        return true;
    }
    return take_long_form(in, head, ret);
}

/* Counts what is still to come instead of descending, so depth costs nothing. */
bool unpack_skip(struct unpack *in)
{
    struct unpack_value value;

    for (uint64_t left = 1; left > 0; left--) {
        if (left > bytes_left(in) || !unpack_next(in, &value)) {
            return false;
        }
        if (value.type == UNPACK_ARRAY) {
            left += value.as.count;
        } else if (value.type == UNPACK_MAP) {
            left += 2 * (uint64_t)value.as.count;
        }
    }
    return true;
}

static bool next_of(struct unpack *in, enum unpack_type type, struct unpack_value *ret)
{
    return unpack_next(in, ret) && ret->type == type;
}

bool unpack_map(struct unpack *in, uint32_t *ret_count)
{
    struct unpack_value value;
    bool good = next_of(in, UNPACK_MAP, &value);

    *ret_count = good ? value.as.count : 0;
    return good;
}

bool unpack_array(struct unpack *in, uint32_t *ret_count)
{
    struct unpack_value value;
    bool good = next_of(in, UNPACK_ARRAY, &value);

    *ret_count = good ? value.as.count : 0;
    return good;
}

bool unpack_text(struct unpack *in, const char **ret_data, size_t *ret_size)
{
    struct unpack_value value;

    if (!next_of(in, UNPACK_TEXT, &value)) {
        return false;
    }
    *ret_data = (const char *)value.as.bytes.data;
    *ret_size = value.as.bytes.size;
    return true;
}

bool unpack_name_is(const char *name, size_t size, const char *wanted)
{
    return size == strlen(wanted) && memcmp(name, wanted, size) == 0;
}

bool unpack_bin(struct unpack *in, const uint8_t **ret_data, size_t *ret_size)
{
    struct unpack_value value;

    if (!next_of(in, UNPACK_BIN, &value)) {
        return false;
    }
    *ret_data = value.as.bytes.data;
    *ret_size = value.as.bytes.size;
    return true;
}

bool unpack_uint(struct unpack *in, uint64_t *ret)
{
    struct unpack_value value;

    if (!next_of(in, UNPACK_UINT, &value)) {
        return false;
    }
    *ret = value.as.number;
    return true;
}

bool unpack_int(struct unpack *in, int64_t *ret)
{
    struct unpack_value value;

    if (!unpack_next(in, &value)) {
        return false;
    }
    if (value.type == UNPACK_INT) {
        *ret = value.as.negative;
        return true;
    }
    if (value.type != UNPACK_UINT || value.as.number > INT64_MAX) {
        return false;
    }
    *ret = (int64_t)value.as.number;
    return true;
}

bool unpack_bool(struct unpack *in, bool *ret)
{
    struct unpack_value value;

    if (!next_of(in, UNPACK_BOOL, &value)) {
        return false;
    }
    *ret = value.as.boolean;
    return true;
}

bool unpack_nil(struct unpack *in)
{
    if (in->at == in->end || *in->at != 0xc0) {
        return false;
    }
    in->at++;
    return true;
}
