/* param_embedding.c - see param_embedding.h. */
#include "broker/param_embedding.h"

#include "client/wire/rpc.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool is_number(const msgpack_object *value)
{
    return value->type == MSGPACK_OBJECT_POSITIVE_INTEGER ||
           value->type == MSGPACK_OBJECT_NEGATIVE_INTEGER ||
           value->type == MSGPACK_OBJECT_FLOAT32 || value->type == MSGPACK_OBJECT_FLOAT64;
}

static double number(const msgpack_object *value)
{
    switch (value->type) {
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
        return (double)value->via.u64;
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        return (double)value->via.i64;
    default:
        return value->via.f64;
    }
}

/* ---- checked ---- */

static enum rpc_code check_dims(const struct param *param, size_t floats, uint32_t dims)
{
    if (floats != dims) {
        return param_fail(param, "embedding has %zu floats; this broker keeps %u ([broker] dims)",
                          floats, dims);
    }
    return RPC_OK;
}

static enum rpc_code check_float(const struct param *param, size_t i, float value)
{
    return isfinite(value) ? RPC_OK
                           : param_fail(param, "embedding[%zu] is not a finite float32", i);
}

static enum rpc_code check_embedding_bytes(const struct param *param, const void *bytes,
                                           size_t size, uint32_t dims)
{
    if (size % sizeof(float) != 0) {
        return param_fail(param, "embedding has %zu bytes, which is no whole number of float32s",
                          size);
    }
    enum rpc_code code = check_dims(param, size / sizeof(float), dims);
    for (size_t i = 0; code == RPC_OK && i < dims; i++) {
        float value;
        memcpy(&value, (const char *)bytes + i * sizeof value, sizeof value);
        code = check_float(param, i, value);
    }
    return code;
}

static enum rpc_code check_embedding_list(const struct param *param, uint32_t dims)
{
    const msgpack_object_array *list = &param->value->via.array;
    enum rpc_code code = check_dims(param, list->size, dims);

    for (uint32_t i = 0; code == RPC_OK && i < list->size; i++) {
        if (!is_number(&list->ptr[i])) {
            return param_fail(param, "embedding[%u] is not a number", i);
        }
        code = check_float(param, i, (float)number(&list->ptr[i]));
    }
    return code;
}

static enum rpc_code check_embedding_text(const struct param *param, uint32_t dims)
{
    const msgpack_object_str *text = &param->value->via.str;
    uint8_t *bytes = malloc(text->size / 4 * 3 + 3);

    if (bytes == NULL) {
        return param_fail(param, "out of memory for embedding");
    }
    long size = base64_decode(text->ptr, text->size, bytes);
    enum rpc_code code =
        size < 0 ? param_fail(param, "embedding is neither a list of numbers nor base64")
                 : check_embedding_bytes(param, bytes, (size_t)size, dims);
    free(bytes);
    return code;
}

enum rpc_code param_check_embedding(const struct param *param, uint32_t dims)
{
    switch (param->value->type) {
    case MSGPACK_OBJECT_NIL:
        return RPC_OK;
    case MSGPACK_OBJECT_ARRAY:
        return check_embedding_list(param, dims);
    case MSGPACK_OBJECT_BIN:
        return check_embedding_bytes(param, param->value->via.bin.ptr, param->value->via.bin.size,
                                     dims);
    case MSGPACK_OBJECT_STR:
        return check_embedding_text(param, dims);
    default:
        return param_fail(param, "embedding must be a list of numbers, or float32s as bin or "
                                 "base64");
    }
}

/* ---- packed ---- */

static int pack_base64(msgpack_packer *packer, const msgpack_object_str *text, size_t size)
{
    uint8_t *bytes = malloc(text->size / 4 * 3 + 3);

    if (bytes == NULL) {
        return -ENOMEM;
    }
    base64_decode(text->ptr, text->size, bytes);
    msgpack_pack_bin_body(packer, bytes, size);
    free(bytes);
    return 0;
}

/* The vector as bin of little-endian float32, whatever form it came in. Checked before. */
int param_pack_embedding(msgpack_packer *packer, const msgpack_object *value, uint32_t dims)
{
    size_t size = dims * sizeof(float);

    if (value->type == MSGPACK_OBJECT_NIL) {
        return msgpack_pack_nil(packer);
    }
    msgpack_pack_bin(packer, size);
    if (value->type == MSGPACK_OBJECT_BIN) {
        return msgpack_pack_bin_body(packer, value->via.bin.ptr, size);
    }
    if (value->type == MSGPACK_OBJECT_STR) {
        return pack_base64(packer, &value->via.str, size);
    }
    for (uint32_t i = 0; i < dims; i++) {
        float one = (float)number(&value->via.array.ptr[i]);
        msgpack_pack_bin_body(packer, &one, sizeof one);
    }
    return 0;
}

enum rpc_code param_vector(const struct param *param, uint32_t dims, float **ret)
{
    size_t size = dims * sizeof(float);
    enum rpc_code code = param->value->type == MSGPACK_OBJECT_NIL
                             ? param_fail(param, "an embedding to search by is no null")
                             : param_check_embedding(param, dims);
    msgpack_sbuffer bytes;
    msgpack_packer packer;

    if (code != RPC_OK) {
        return code;
    }
    msgpack_sbuffer_init(&bytes);
    msgpack_packer_init(&packer, &bytes, msgpack_sbuffer_write);
    float *vector = malloc(size);
    int failed = param_pack_embedding(&packer, param->value, dims);
    if (failed == 0 && vector != NULL) {
        memcpy(vector, bytes.data + bytes.size - size, size); /* behind the head */
        free(*ret);
        *ret = vector;
    } else {
        code = param_fail(param, "out of memory for embedding");
        free(vector);
    }
    msgpack_sbuffer_destroy(&bytes);
    return code;
}
