/*
 * webhook_verify.c - is a request by one who has the secret, and of now?
 *
 * Happy path: the timestamp is near the clock, one of the signatures is by one of the secrets, and
 * so is the hash if there is one.
 *
 * Failure modes: each fault of webhook.h, the first that is found. Comparing takes the same time
 * whether the first byte differs or the last.
 */
#include "plugins/common/webhook_internal.h"

#include <string.h>

/* Unix seconds, digits only; -1: it is none. */
static int64_t read_timestamp(const char *text)
{
    int64_t value = 0;
    size_t size = strlen(text);

    if (size == 0 || size >= WEBHOOK_TIMESTAMP_DIGITS) {
        return -1;
    }
    for (size_t i = 0; i < size; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return -1;
        }
        value = value * 10 + (text[i] - '0');
    }
    return value;
}

/* Is there one signature by one of the secrets? *ret_read: how many were v1 and could be read. */
static bool any_matches(const char *list, const unsigned char macs[][HMAC_SIZE], size_t mac_count,
                        size_t *ret_read)
{
    unsigned char signature[HMAC_SIZE];
    bool match = false;

    *ret_read = 0;
    while (*list != '\0') {
        size_t size = strcspn(list, " ");
        if (size == 3 + WEBHOOK_BASE64_SIZE && memcmp(list, "v1,", 3) == 0 &&
            webhook_base64_decode(signature, sizeof signature, list + 3, WEBHOOK_BASE64_SIZE) ==
                HMAC_SIZE) {
            ++*ret_read;
            for (size_t i = 0; i < mac_count; i++) {
                match |= hmac_equal(signature, macs[i]);
            }
        }
        list += size;
        list += strspn(list, " ");
    }
    return match;
}

static enum webhook_fault verify_time(int64_t at_s, int64_t now_s)
{
    return at_s < now_s - WEBHOOK_TOLERANCE_S   ? WEBHOOK_TOO_OLD
           : at_s > now_s + WEBHOOK_TOLERANCE_S ? WEBHOOK_TOO_NEW
                                                : WEBHOOK_VALID;
}

static enum webhook_fault verify_signature(struct webhook_signer *signer,
                                           const struct webhook_received *received,
                                           const void *body, size_t size)
{
    unsigned char macs[WEBHOOK_SECRETS_MAX][HMAC_SIZE];
    size_t read = 0;

    for (size_t i = 0; i < signer->key_count; i++) {
        if (webhook_mac(signer, i, received->id, received->timestamp, body, size, macs[i]) < 0) {
            return WEBHOOK_FAILED;
        }
    }
    if (any_matches(received->signature, macs, signer->key_count, &read)) {
        return WEBHOOK_VALID;
    }
    return read == 0 ? WEBHOOK_NO_V1 : WEBHOOK_WRONG_SIGNATURE;
}

static enum webhook_fault verify_standard(struct webhook_signer *signer,
                                          const struct webhook_received *received, const void *body,
                                          size_t size, int64_t now_s)
{
    if (received->id == NULL) {
        return WEBHOOK_NO_ID;
    }
    if (received->timestamp == NULL) {
        return WEBHOOK_NO_TIMESTAMP;
    }
    if (!webhook_is_id(received->id)) {
        return WEBHOOK_BAD_ID;
    }
    int64_t at_s = read_timestamp(received->timestamp);
    if (at_s < 0) {
        return WEBHOOK_BAD_TIMESTAMP;
    }
    /* The signature before the time: what somebody else signed is wrong, not old. */
    enum webhook_fault fault = verify_signature(signer, received, body, size);
    return fault != WEBHOOK_VALID ? fault : verify_time(at_s, now_s);
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static bool read_hash(unsigned char ret[HMAC_SIZE], const char *text)
{
    static const char prefix[] = "sha256=";

    if (strncmp(text, prefix, strlen(prefix)) != 0 ||
        strlen(text) != strlen(prefix) + 2 * HMAC_SIZE) {
        return false;
    }
    text += strlen(prefix);
    for (size_t i = 0; i < HMAC_SIZE; i++) {
        int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        ret[i] = (unsigned char)(high << 4 | low);
    }
    return true;
}

static enum webhook_fault verify_hash(struct webhook_signer *signer, const char *text,
                                      const void *body, size_t size)
{
    unsigned char received[HMAC_SIZE], own[HMAC_SIZE];
    bool match = false;

    if (!read_hash(received, text)) {
        return WEBHOOK_BAD_HASH;
    }
    for (size_t i = 0; i < signer->key_count; i++) {
        if (webhook_hash(signer, i, body, size, own) < 0) {
            return WEBHOOK_FAILED;
        }
        match |= hmac_equal(received, own);
    }
    return match ? WEBHOOK_VALID : WEBHOOK_WRONG_HASH;
}

enum webhook_fault webhook_verify(struct webhook_signer *signer,
                                  const struct webhook_received *received, const void *body,
                                  size_t size, int64_t now_s)
{
    enum webhook_fault fault = WEBHOOK_UNSIGNED;

    if (received->signature != NULL) {
        fault = verify_standard(signer, received, body, size, now_s);
    }
    if (received->hash != NULL && (fault == WEBHOOK_VALID || received->signature == NULL)) {
        fault = verify_hash(signer, received->hash, body, size);
    }
    return fault;
}

const char *webhook_fault_text(enum webhook_fault fault)
{
    static const char *const texts[] = {
        [WEBHOOK_VALID] = "valid",
        [WEBHOOK_UNSIGNED] = "it is not signed: it has no webhook-signature and no hash header",
        [WEBHOOK_NO_ID] = "it has a webhook-signature, but no webhook-id",
        [WEBHOOK_NO_TIMESTAMP] = "it has a webhook-signature, but no webhook-timestamp",
        [WEBHOOK_BAD_ID] =
            "its webhook-id is none: 1 to 128 printable characters without spaces and dots",
        [WEBHOOK_BAD_TIMESTAMP] = "its webhook-timestamp is no number of seconds since 1970",
        [WEBHOOK_TOO_OLD] = "its signature is good, but older than five minutes: it was sent again "
                            "by somebody, or a clock is wrong",
        [WEBHOOK_TOO_NEW] = "its signature is good, but from more than five minutes ahead: a clock "
                            "is wrong",
        [WEBHOOK_NO_V1] = "its webhook-signature holds no \"v1,\" with the base64 of 32 bytes",
        [WEBHOOK_BAD_HASH] = "its hash is not \"sha256=\" with 64 hex digits",
        [WEBHOOK_WRONG_SIGNATURE] =
            "its webhook-signature is wrong: another secret, or id, "
            "timestamp or body are not those that were signed, byte by byte",
        [WEBHOOK_WRONG_HASH] = "its hash is wrong: another secret, or the body is not the one that "
                               "was signed, byte by byte",
        [WEBHOOK_FAILED] = "OpenSSL failed: nothing is known of it",
    };

    return texts[fault];
}
