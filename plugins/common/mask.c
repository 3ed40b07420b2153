/* mask.c - see mask.h. Fails by memory only. */
#include "plugins/common/mask.h"

#include <assert.h>
#include <errno.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LOOKED_FOR_MIN = 4 };

static void wipe(char *bytes, size_t size)
{
    if (bytes != NULL) {
        explicit_bzero(bytes, size);
    }
    free(bytes);
}

static bool is_there(const struct mask *mask, const char *secret, size_t size)
{
    for (size_t i = 0; i < mask->count; i++) {
        if (mask->secrets[i].size == size && memcmp(mask->secrets[i].bytes, secret, size) == 0) {
            return true;
        }
    }
    return false;
}

int mask_add(struct mask *mask, const char *secret, size_t size)
{
    if (size < LOOKED_FOR_MIN || is_there(mask, secret, size)) {
        return 0;
    }
    assert(mask->count < MASK_SECRETS_MAX);
    char *copy = malloc(size);
    if (copy == NULL) {
        return -ENOMEM;
    }
    memcpy(copy, secret, size);
    mask->secrets[mask->count++] = (struct mask_secret){copy, size};
    return 0;
}

int mask_add_login(struct mask *mask, const char *user, const char *password)
{
    size_t size = strlen(user) + 1 + strlen(password);
    size_t encoded_size = (size + 2) / 3 * 4;
    char *plain = malloc(size + 1), *encoded = malloc(encoded_size + 1);
    int r = -ENOMEM;

    if (plain != NULL && encoded != NULL) {
        snprintf(plain, size + 1, "%s:%s", user, password);
        EVP_EncodeBlock((unsigned char *)encoded, (unsigned char *)plain, (int)size);
        r = mask_add(mask, encoded, encoded_size);
    }
    wipe(plain, size);
    wipe(encoded, encoded_size);
    return r;
}

void mask_deinit(struct mask *mask)
{
    for (size_t i = 0; i < mask->count; i++) {
        wipe(mask->secrets[i].bytes, mask->secrets[i].size);
    }
    mask->count = 0;
}

void mask_text(const struct mask *mask, char *text, size_t size)
{
    for (size_t i = 0; i < mask->count; i++) {
        const struct mask_secret *secret = &mask->secrets[i];
        char *at = memmem(text, size, secret->bytes, secret->size);
        while (at != NULL) {
            memset(at, '*', secret->size);
            at += secret->size;
            at = memmem(at, size - (size_t)(at - text), secret->bytes, secret->size);
        }
    }
}
