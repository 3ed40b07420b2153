/* store_hash.c - see store_hash.h. */
#include "broker/store_hash.h"

#include <string.h>
#include <xxhash.h>

void store_hash_content(const struct event_text *content, uint8_t ret_hash[CONTENT_HASH_SIZE])
{
    XXH128_canonical_t canonical;

    XXH128_canonicalFromHash(&canonical, XXH3_128bits(content->data, content->size));
    memcpy(ret_hash, canonical.digest, CONTENT_HASH_SIZE);
}
