/*
 * param_embedding.h - a vector that a caller gives: a list of numbers, or float32s as bin or
 * base64.
 */
#ifndef MEMFERRY_PARAM_EMBEDDING_H
#define MEMFERRY_PARAM_EMBEDDING_H

#include "broker/params.h"

/* As many finite floats as dims, in any of the forms; or null. */
enum rpc_code param_check_embedding(const struct param *param, uint32_t dims);
/* What was checked, as bin of little-endian float32; nil for null. 0 or -ENOMEM. */
int param_pack_embedding(msgpack_packer *packer, const msgpack_object *value, uint32_t dims);
/* As floats for the caller to free; what *ret was is freed. Null is refused. */
enum rpc_code param_vector(const struct param *param, uint32_t dims, float **ret);

#endif
