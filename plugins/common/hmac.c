/* hmac.c - see hmac.h. The algorithm is looked up once; each message begins with its key. */
#include "plugins/common/hmac.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <errno.h>
#include <stdlib.h>

struct hmac {
    EVP_MAC *mac;
    EVP_MAC_CTX *context;
    bool failed;
};

int hmac_new(struct hmac **ret)
{
    struct hmac *hmac = calloc(1, sizeof *hmac);

    *ret = NULL;
    if (hmac == NULL) {
        return -ENOMEM;
    }
    hmac->mac = EVP_MAC_fetch(NULL, OSSL_MAC_NAME_HMAC, NULL);
    hmac->context = hmac->mac == NULL ? NULL : EVP_MAC_CTX_new(hmac->mac);
    if (hmac->context == NULL) {
        hmac_free(hmac);
        return -ENOTSUP;
    }
    *ret = hmac;
    return 0;
}

struct hmac *hmac_free(struct hmac *hmac)
{
    if (hmac != NULL) {
        EVP_MAC_CTX_free(hmac->context);
        EVP_MAC_free(hmac->mac);
        free(hmac);
    }
    return NULL;
}

void hmac_begin(struct hmac *hmac, const void *key, size_t size)
{
    static char digest[] = "SHA256";
    OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                           OSSL_PARAM_construct_end()};

    hmac->failed = EVP_MAC_init(hmac->context, key, size, params) != 1;
}

void hmac_add(struct hmac *hmac, const void *bytes, size_t size)
{
    hmac->failed = hmac->failed || EVP_MAC_update(hmac->context, bytes, size) != 1;
}

int hmac_end(struct hmac *hmac, unsigned char ret[HMAC_SIZE])
{
    size_t size = 0;

    hmac->failed = hmac->failed || EVP_MAC_final(hmac->context, ret, &size, HMAC_SIZE) != 1;
    return hmac->failed || size != HMAC_SIZE ? -EIO : 0;
}

bool hmac_equal(const unsigned char a[HMAC_SIZE], const unsigned char b[HMAC_SIZE])
{
    return CRYPTO_memcmp(a, b, HMAC_SIZE) == 0;
}
