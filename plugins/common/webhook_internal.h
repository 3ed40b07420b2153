/* webhook_internal.h - what signing (webhook.c), verifying and reading secrets share. */
#ifndef MEMFERRY_PLUGINS_WEBHOOK_INTERNAL_H
#define MEMFERRY_PLUGINS_WEBHOOK_INTERNAL_H

#include "plugins/common/hmac.h"
#include "plugins/common/webhook.h"

#include <sys/types.h>

enum {
    WEBHOOK_BASE64_SIZE = (HMAC_SIZE + 2) / 3 * 4, /* without a NUL */
    WEBHOOK_TIMESTAMP_DIGITS = 19
};

struct webhook_key {
    unsigned char *bytes;
    size_t size;
};

struct webhook_signer {
    struct hmac *hmac;
    char hash_header[WEBHOOK_HEADER_NAME_MAX + 1]; /* "": none */
    struct webhook_key keys[WEBHOOK_SECRETS_MAX];
    size_t key_count;
};

bool webhook_is_id(const char *id);

/* The two signatures; `timestamp` is as it stands in the header. 0 or -EIO. */
int webhook_hash(struct webhook_signer *signer, size_t key, const void *body, size_t size,
                 unsigned char ret[HMAC_SIZE]);
int webhook_mac(struct webhook_signer *signer, size_t key, const char *id, const char *timestamp,
                const void *body, size_t size, unsigned char ret[HMAC_SIZE]);

/* Allocates the key. 0, -ENOMEM, or -EINVAL with why filled. */
int webhook_key_read(struct webhook_key *ret, const char *secret, size_t size,
                     struct memferry_reason *why);
void webhook_key_free(struct webhook_key *key);

/* Strict base64, padded, into at most `max` bytes; returns how many, or -EINVAL. */
ssize_t webhook_base64_decode(unsigned char *ret, size_t max, const char *text, size_t size);

#endif
