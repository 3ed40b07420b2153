/* pack.h - small helpers that make msgpack answers readable where they are written. */
#ifndef MEMFERRY_PACK_H
#define MEMFERRY_PACK_H

#include "broker/event.h"

#include <msgpack.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void pack_text(msgpack_packer *packer, const char *text, size_t size);
void pack_key(msgpack_packer *packer, const char *key);
void pack_text_member(msgpack_packer *packer, const char *key, const char *value);
void pack_uint_member(msgpack_packer *packer, const char *key, uint64_t value);
void pack_int_member(msgpack_packer *packer, const char *key, int64_t value);
void pack_bool_member(msgpack_packer *packer, const char *key, bool value);
/* nil when value is 0. */
void pack_time_member(msgpack_packer *packer, const char *key, int64_t value_ms);

/* Empties a buffer to pack into anew. What was usual it keeps, so that packing allocates nothing;
 * what was large goes. */
void pack_anew(msgpack_sbuffer *buffer);

/* The data of a busy error: {retry_after_ms}. */
void pack_retry_after(msgpack_sbuffer *out, uint64_t retry_after_ms);

#endif
