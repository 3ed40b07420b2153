/*
 * webhook.h - signs a webhook's request, and verifies one.
 *
 * Two signatures, of the same secret:
 *
 *   X-Signature-256: sha256=<hex>          HMAC-SHA256 of the body; the name is configurable
 *   webhook-id, webhook-timestamp,         Standard Webhooks: HMAC-SHA256 of "id.timestamp.body",
 * so webhook-signature: v1,<base64>         that a request caught on its way can't be sent again
 * later
 *
 * While a secret is being changed there are two: webhook-signature then holds a signature of each,
 * with a space between; X-Signature-256 has room for one, the first secret's.
 *
 * A secret is its bytes as they are, or base64 of them behind `whsec_`. No text made here holds a
 * byte of one, and the copies are wiped when they are freed.
 */
#ifndef MEMFERRY_PLUGINS_WEBHOOK_H
#define MEMFERRY_PLUGINS_WEBHOOK_H

#include <memferry/plugin.h>

#define WEBHOOK_HASH_HEADER "X-Signature-256"

enum {
    WEBHOOK_SECRETS_MAX = 2,
    WEBHOOK_ID_MAX = 128,         /* bytes */
    WEBHOOK_HEADER_NAME_MAX = 64, /* bytes */
    WEBHOOK_TOLERANCE_S = 5 * 60, /* between a request's timestamp and the clock, either way */
    WEBHOOK_LINE_MAX = 256,       /* bytes of a header line, with a NUL */
    WEBHOOK_LINES = 4
};

struct webhook_signer;

/* `hash_header` is the name of the header for the hash of the body; NULL or "": there is none. The
 * first secret is added next. Returns 0, or a negative errno with why filled. */
int webhook_signer_new(struct webhook_signer **ret, const char *hash_header,
                       struct memferry_reason *why);
struct webhook_signer *webhook_signer_free(struct webhook_signer *signer); /* NULL is fine */

/* -EINVAL with why filled: it is empty, or what follows `whsec_` is not base64. At most
 * WEBHOOK_SECRETS_MAX are added. */
int webhook_signer_add(struct webhook_signer *signer, const char *secret, size_t size,
                       struct memferry_reason *why);

/* Header lines, "Name: value". `lines` points into the struct and ends with NULL, as http.h and
 * curl want it: do not move it. */
struct webhook_headers {
    char text[WEBHOOK_LINES][WEBHOOK_LINE_MAX];
    const char *lines[WEBHOOK_LINES + 1];
};

/* The id has 1 to WEBHOOK_ID_MAX printable ASCII characters, without spaces and dots; a timestamp
 * is Unix seconds. Returns 0, -EINVAL for an id that is none, or -EIO when OpenSSL fails. */
int webhook_sign(struct webhook_signer *signer, const char *id, int64_t timestamp_s,
                 const void *body, size_t size, struct webhook_headers *ret);

/* Values of a request's headers; NULL: it has no such header. Borrowed. */
struct webhook_received {
    const char *id, *timestamp, *signature;
    const char *hash; /* of X-Signature-256, or what it is called */
};

enum webhook_fault {
    WEBHOOK_VALID = 0,
    WEBHOOK_UNSIGNED,        /* neither webhook-signature nor the hash is there */
    WEBHOOK_NO_ID,           /* webhook-signature without webhook-id */
    WEBHOOK_NO_TIMESTAMP,    /* … without webhook-timestamp */
    WEBHOOK_BAD_ID,          /* longer than any id, or with bytes that no id has */
    WEBHOOK_BAD_TIMESTAMP,   /* no number */
    WEBHOOK_TOO_OLD,         /* by more than WEBHOOK_TOLERANCE_S: it may have been caught */
    WEBHOOK_TOO_NEW,         /* by as much: a clock is wrong */
    WEBHOOK_NO_V1,           /* webhook-signature holds no v1, signature that can be read */
    WEBHOOK_BAD_HASH,        /* the hash header is not sha256= and 64 hex digits */
    WEBHOOK_WRONG_SIGNATURE, /* by another secret, or of another id, time or body */
    WEBHOOK_WRONG_HASH,      /* by another secret, or of another body */
    WEBHOOK_FAILED           /* OpenSSL failed: nothing is known */
};

/*
 * Whether a request is by a holder of one of the secrets, and of now. What is there must be right:
 * of webhook-signature one signature by one secret, of the hash one by one secret. A hash alone is
 * valid, but says nothing of when.
 */
enum webhook_fault webhook_verify(struct webhook_signer *signer,
                                  const struct webhook_received *received, const void *body,
                                  size_t size, int64_t now_s);
/* A sentence: what is wrong, and what it may come from. */
const char *webhook_fault_text(enum webhook_fault fault);

#endif
