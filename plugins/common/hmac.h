/*
 * hmac.h - HMAC-SHA256 by OpenSSL, over a message that comes in pieces.
 *
 * Happy path: hmac_begin with a key, hmac_add for each piece, hmac_end. One struct hmac serves any
 * number of messages, one after the other.
 *
 * Failure modes: OpenSSL has no HMAC or no SHA-256 (-ENOTSUP from hmac_new), or no memory. Failure
 * of a message is sticky and told by hmac_end.
 */
#ifndef MEMFERRY_PLUGINS_HMAC_H
#define MEMFERRY_PLUGINS_HMAC_H

#include <stdbool.h>
#include <stddef.h>

enum { HMAC_SIZE = 32 };

struct hmac;

int hmac_new(struct hmac **ret); /* 0, -ENOMEM, -ENOTSUP */
struct hmac *hmac_free(struct hmac *hmac);

void hmac_begin(struct hmac *hmac, const void *key, size_t size);
void hmac_add(struct hmac *hmac, const void *bytes, size_t size);
int hmac_end(struct hmac *hmac, unsigned char ret[HMAC_SIZE]); /* 0 or -EIO */

/* Without telling by its time where they differ. */
bool hmac_equal(const unsigned char a[HMAC_SIZE], const unsigned char b[HMAC_SIZE]);

#endif
