/*
 * webhook.c - a signer, and the headers it makes.
 *
 * Happy path: a signer with one secret or two; webhook_sign writes all the lines, so that a request
 * never goes out with half of them.
 *
 * Failure modes: a header's name or an id that can't stand in a header, a secret that can't be read
 * (webhook_secret.c), OpenSSL without HMAC.
 */
#include "plugins/common/webhook_internal.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* What a header's name is made of (RFC 9110), without what nobody uses. */
static bool is_header_name(const char *name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789-_.";

    return name[0] != '\0' && name[strspn(name, allowed)] == '\0' &&
           strlen(name) <= WEBHOOK_HEADER_NAME_MAX;
}

/* Headers that mean something else in every request. */
static bool is_taken(const char *name)
{
    static const char *const taken[] = {"webhook-id",
                                        "webhook-timestamp",
                                        "webhook-signature",
                                        "content-type",
                                        "content-length",
                                        "host",
                                        "authorization",
                                        "connection",
                                        "user-agent",
                                        "transfer-encoding",
                                        "expect",
                                        "accept"};

    for (size_t i = 0; i < sizeof taken / sizeof taken[0]; i++) {
        if (strcasecmp(taken[i], name) == 0) {
            return true;
        }
    }
    return false;
}

static int set_hash_header(struct webhook_signer *signer, const char *name,
                           struct memferry_reason *why)
{
    if (name == NULL || name[0] == '\0') {
        return 0;
    }
    if (!is_header_name(name) || is_taken(name)) {
        snprintf(why->text, sizeof why->text,
                 "the name of the signature's header must be one that no other header has, of at "
                 "most %d letters, digits and dashes, such as " WEBHOOK_HASH_HEADER,
                 WEBHOOK_HEADER_NAME_MAX);
        return -EINVAL;
    }
    snprintf(signer->hash_header, sizeof signer->hash_header, "%s", name);
    return 0;
}

int webhook_signer_new(struct webhook_signer **ret, const char *hash_header,
                       struct memferry_reason *why)
{
    struct webhook_signer *signer = calloc(1, sizeof *signer);
    int r = signer == NULL ? -ENOMEM : hmac_new(&signer->hmac);

    *ret = NULL;
    if (r < 0) {
        snprintf(why->text, sizeof why->text, "%s",
                 r == -ENOMEM ? "out of memory"
                              : "OpenSSL offers no HMAC-SHA256; look at its configuration");
    } else {
        r = set_hash_header(signer, hash_header, why);
    }
    if (r < 0) {
        webhook_signer_free(signer);
        return r;
    }
    *ret = signer;
    return 0;
}

struct webhook_signer *webhook_signer_free(struct webhook_signer *signer)
{
    if (signer == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < signer->key_count; i++) {
        webhook_key_free(&signer->keys[i]);
    }
    hmac_free(signer->hmac);
    free(signer);
    return NULL;
}

int webhook_signer_add(struct webhook_signer *signer, const char *secret, size_t size,
                       struct memferry_reason *why)
{
    assert(signer->key_count < WEBHOOK_SECRETS_MAX);
    int r = webhook_key_read(&signer->keys[signer->key_count], secret, size, why);

    if (r == 0) {
        signer->key_count++;
    }
    return r;
}

bool webhook_is_id(const char *id)
{
    size_t size = 0;

    /* A dot would let a part of the id pass for the timestamp. */
    while (size <= WEBHOOK_ID_MAX && id[size] > ' ' && id[size] < 0x7f && id[size] != '.') {
        size++;
    }
    return size > 0 && size <= WEBHOOK_ID_MAX && id[size] == '\0';
}

int webhook_hash(struct webhook_signer *signer, size_t key, const void *body, size_t size,
                 unsigned char ret[HMAC_SIZE])
{
    hmac_begin(signer->hmac, signer->keys[key].bytes, signer->keys[key].size);
    hmac_add(signer->hmac, body, size);
    return hmac_end(signer->hmac, ret);
}

int webhook_mac(struct webhook_signer *signer, size_t key, const char *id, const char *timestamp,
                const void *body, size_t size, unsigned char ret[HMAC_SIZE])
{
    hmac_begin(signer->hmac, signer->keys[key].bytes, signer->keys[key].size);
    hmac_add(signer->hmac, id, strlen(id));
    hmac_add(signer->hmac, ".", 1);
    hmac_add(signer->hmac, timestamp, strlen(timestamp));
    hmac_add(signer->hmac, ".", 1);
    hmac_add(signer->hmac, body, size);
    return hmac_end(signer->hmac, ret);
}

/* "v1,…" of each secret, with spaces between. */
static int write_signatures(struct webhook_signer *signer, const char *id, const char *timestamp,
                            const void *body, size_t size, char line[WEBHOOK_LINE_MAX])
{
    char *at = line + sprintf(line, "webhook-signature:");

    for (size_t i = 0; i < signer->key_count; i++) {
        unsigned char mac[HMAC_SIZE];
        if (webhook_mac(signer, i, id, timestamp, body, size, mac) < 0) {
            return -EIO;
        }
        at += sprintf(at, " v1,");
        at += EVP_EncodeBlock((unsigned char *)at, mac, HMAC_SIZE);
    }
    return 0;
}

static int write_hash(struct webhook_signer *signer, const void *body, size_t size,
                      char line[WEBHOOK_LINE_MAX])
{
    unsigned char hash[HMAC_SIZE];

    if (webhook_hash(signer, 0, body, size, hash) < 0) {
        return -EIO;
    }
    char *at = line + sprintf(line, "%s: sha256=", signer->hash_header);
    for (size_t i = 0; i < HMAC_SIZE; i++) {
        at += sprintf(at, "%02x", hash[i]);
    }
    return 0;
}

/* Every line fits: the longest are a name of 64 and a hash of 64, or two signatures of 47. */
_Static_assert(WEBHOOK_HEADER_NAME_MAX + 2 * HMAC_SIZE + 16 < WEBHOOK_LINE_MAX, "hash");
_Static_assert(WEBHOOK_SECRETS_MAX *(WEBHOOK_BASE64_SIZE + 4) + 24 < WEBHOOK_LINE_MAX, "signature");
_Static_assert(WEBHOOK_ID_MAX + 24 < WEBHOOK_LINE_MAX, "id");

int webhook_sign(struct webhook_signer *signer, const char *id, int64_t timestamp_s,
                 const void *body, size_t size, struct webhook_headers *ret)
{
    char timestamp[WEBHOOK_TIMESTAMP_DIGITS + 2];
    size_t lines = 0;

    assert(signer->key_count > 0);
    if (!webhook_is_id(id)) {
        return -EINVAL;
    }
    snprintf(timestamp, sizeof timestamp, "%" PRId64, timestamp_s);
    snprintf(ret->text[lines++], WEBHOOK_LINE_MAX, "webhook-id: %s", id);
    snprintf(ret->text[lines++], WEBHOOK_LINE_MAX, "webhook-timestamp: %s", timestamp);
    if (write_signatures(signer, id, timestamp, body, size, ret->text[lines++]) < 0 ||
        (signer->hash_header[0] != '\0' &&
         write_hash(signer, body, size, ret->text[lines++]) < 0)) {
        return -EIO;
    }
    for (size_t i = 0; i < lines; i++) {
        ret->lines[i] = ret->text[i];
    }
    ret->lines[lines] = NULL;
    return 0;
}
