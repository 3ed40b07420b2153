/* store_hash.h - the hash of a memory's content, to which an embedder's vector belongs. */
#ifndef MEMFERRY_STORE_HASH_H
#define MEMFERRY_STORE_HASH_H

#include "broker/event_embed.h"

/* XXH3-128: fast enough for every content, and nobody's proof of anything. Who could make two
 * contents collide is the owner of both. */
void store_hash_content(const struct event_text *content, uint8_t ret_hash[CONTENT_HASH_SIZE]);

#endif
