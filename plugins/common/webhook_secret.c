/*
 * webhook_secret.c - from a configured secret to a key, and base64 read strictly.
 *
 * Failure modes: an empty secret, base64 that is none, no memory. The texts say nothing of the
 * secret, not even where in it the flaw is.
 */
#include "plugins/common/webhook_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char secret_prefix[] = "whsec_";

/* 0 to 63; -1: not of the alphabet. Its time tells nothing worth knowing: it runs once, at open. */
static int sextet(char c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Up to three bytes from four characters, of which the last `pad` are padding; false: a character
 * is not of the alphabet, or bits are set that no byte is made of. */
static bool decode_group(unsigned char ret[3], const char *text, size_t pad)
{
    uint32_t bits = 0;

    for (size_t i = 0; i < 4 - pad; i++) {
        int six = sextet(text[i]);
        if (six < 0) {
            return false;
        }
        bits |= (uint32_t)six << (18 - 6 * i);
    }
    ret[0] = (unsigned char)(bits >> 16);
    ret[1] = (unsigned char)(bits >> 8);
    ret[2] = (unsigned char)bits;
    return pad == 0 || (pad == 1 ? ret[2] == 0 : ret[1] == 0 && ret[2] == 0);
}

ssize_t webhook_base64_decode(unsigned char *ret, size_t max, const char *text, size_t size)
{
    size_t done = 0;

    if (size % 4 != 0) {
        return -EINVAL;
    }
    for (size_t at = 0; at < size; at += 4) {
        unsigned char group[3];
        size_t pad = 0;
        if (at + 4 == size) {
            pad = text[at + 3] != '=' ? 0 : text[at + 2] != '=' ? 1 : 2;
        }
        if (!decode_group(group, text + at, pad) || 3 - pad > max - done) {
            return -EINVAL;
        }
        memcpy(ret + done, group, 3 - pad);
        done += 3 - pad;
    }
    return (ssize_t)done;
}

static int key_copy(struct webhook_key *key, const char *secret, size_t size)
{
    memcpy(key->bytes, secret, size);
    key->size = size;
    return 0;
}

static int key_decode(struct webhook_key *key, const char *text, size_t size)
{
    ssize_t decoded = webhook_base64_decode(key->bytes, size, text, size);

    if (decoded <= 0) {
        return -EINVAL;
    }
    key->size = (size_t)decoded;
    return 0;
}

int webhook_key_read(struct webhook_key *ret, const char *secret, size_t size,
                     struct memferry_reason *why)
{
    size_t prefix = strlen(secret_prefix);
    bool encoded = size >= prefix && memcmp(secret, secret_prefix, prefix) == 0;

    if (size == 0) {
        snprintf(why->text, sizeof why->text, "the secret is empty");
        return -EINVAL;
    }
    *ret = (struct webhook_key){.bytes = malloc(size), .size = size};
    if (ret->bytes == NULL) {
        snprintf(why->text, sizeof why->text, "out of memory");
        return -ENOMEM;
    }
    int r = encoded ? key_decode(ret, secret + prefix, size - prefix) : key_copy(ret, secret, size);
    if (r < 0) {
        snprintf(why->text, sizeof why->text,
                 "the secret begins with whsec_, but what follows is not base64 with its padding; "
                 "copy it anew from where it was made");
        ret->size = size;
        webhook_key_free(ret);
    }
    return r;
}

void webhook_key_free(struct webhook_key *key)
{
    if (key->bytes != NULL) {
        explicit_bzero(key->bytes, key->size);
    }
    free(key->bytes);
    *key = (struct webhook_key){.bytes = NULL};
}
