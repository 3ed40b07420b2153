/*
 * unpack.h - reads msgpack off bytes that are there already, one value at a time.
 *
 * It allocates nothing and trusts no header: a text, array or map that claims more than the bytes
 * left is refused where it stands. What it hands out is borrowed from the bytes. After a failure
 * the position is anywhere: give the whole input up.
 */
#ifndef MEMFERRY_UNPACK_H
#define MEMFERRY_UNPACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct unpack {
    const uint8_t *at, *end;
};

/* Encoded values that are kept as they are. */
struct unpack_slice {
    const uint8_t *data;
    size_t size;
};

enum unpack_type {
    UNPACK_NIL = 1,
    UNPACK_BOOL,
    UNPACK_UINT, /* 0 and up */
    UNPACK_INT,  /* below 0 */
    UNPACK_FLOAT,
    UNPACK_TEXT,
    UNPACK_BIN,
    UNPACK_ARRAY, /* `count` values follow */
    UNPACK_MAP    /* `count` pairs follow */
};

struct unpack_value {
    enum unpack_type type;
    union {
        bool boolean;
        uint64_t number;
        int64_t negative;
        double floating;
        uint32_t count;
        struct {
            const uint8_t *data;
            size_t size;
        } bytes; /* TEXT, BIN */
    } as;
};

struct unpack unpack_over(const uint8_t *data, size_t size);

/* The next value, or the head of the next container. False: none, or none of ours. */
bool unpack_next(struct unpack *in, struct unpack_value *ret);
/* Passes over one whole value with all that is in it. */
bool unpack_skip(struct unpack *in);

/* Each reads one value of its type; false for any other. */
bool unpack_map(struct unpack *in, uint32_t *ret_count);
bool unpack_array(struct unpack *in, uint32_t *ret_count);
bool unpack_text(struct unpack *in, const char **ret_data, size_t *ret_size);
/* Of a key that was read: whether it is this one. */
bool unpack_name_is(const char *name, size_t size, const char *wanted);
bool unpack_bin(struct unpack *in, const uint8_t **ret_data, size_t *ret_size);
bool unpack_uint(struct unpack *in, uint64_t *ret);
bool unpack_int(struct unpack *in, int64_t *ret);
bool unpack_bool(struct unpack *in, bool *ret);
/* True, and passed over, when the next value is nil; the position stays when it is not. */
bool unpack_nil(struct unpack *in);

#endif
