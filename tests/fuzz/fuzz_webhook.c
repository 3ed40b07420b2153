/*
 * fuzz_webhook.c - the headers of a webhook that came, checked as `memferry webhook verify` does.
 *
 * The bytes are lines: secret, id, timestamp, signature, hash, and behind them the body. What is
 * valid is only what the secret's holder signs: our own signature of the same bytes must be there.
 * And what we sign is valid, unless a byte of it is changed.
 */
#include "plugins/common/webhook.h"
#include "tests/fuzz/must.h"

#include <string.h>

#define NOW_S INT64_C(1700000000)

enum { FIELDS = 5 };

struct fields {
    char *text[FIELDS]; /* secret, id, timestamp, signature, hash; NULL: not there */
    const uint8_t *body;
    size_t body_size;
};

static void split(struct fields *fields, const uint8_t *data, size_t size)
{
    const uint8_t *end = data + size;

    *fields = (struct fields){.body = data, .body_size = size};
    for (size_t i = 0; i < FIELDS; i++) {
        const uint8_t *newline = memchr(data, '\n', (size_t)(end - data));
        const uint8_t *stop = newline == NULL ? end : newline;
        if (stop > data) {
            fields->text[i] = strndup((const char *)data, (size_t)(stop - data));
            must(fields->text[i] != NULL, "memory");
        }
        data = newline == NULL ? end : newline + 1;
    }
    fields->body = data;
    fields->body_size = (size_t)(end - data);
}

/* The value of a header line; NULL: there is no such line. */
static const char *value_of(const struct webhook_headers *headers, const char *name)
{
    size_t size = strlen(name);

    for (size_t i = 0; headers->lines[i] != NULL; i++) {
        if (strncmp(headers->lines[i], name, size) == 0 && headers->lines[i][size] == ':') {
            return headers->lines[i] + size + 2;
        }
    }
    return NULL;
}

/* What came is valid: then it is what we would have signed. */
static void must_be_ours(struct webhook_signer *signer, const struct fields *fields)
{
    const char *signature = fields->text[3], *hash = fields->text[4];
    struct webhook_headers own;
    int64_t at_s = NOW_S;

    must(signature != NULL || hash != NULL, "nothing is valid unsigned");
    if (signature != NULL) {
        at_s = strtoll(fields->text[2], NULL, 10);
        must(at_s >= NOW_S - WEBHOOK_TOLERANCE_S && at_s <= NOW_S + WEBHOOK_TOLERANCE_S, "now");
    }
    must(webhook_sign(signer, signature != NULL ? fields->text[1] : "msg_1", at_s, fields->body,
                      fields->body_size, &own) == 0,
         "it can be signed");
    must(signature == NULL || fields->text[2][0] == '0' ||
             strstr(signature, value_of(&own, "webhook-signature")) != NULL,
         "the signature is ours");
    must(hash == NULL || strcasecmp(hash, value_of(&own, WEBHOOK_HASH_HEADER)) == 0,
         "the hash is ours");
}

static void sign_and_verify(struct webhook_signer *signer, const struct fields *fields)
{
    struct webhook_headers own;

    int r = webhook_sign(signer, fields->text[1], NOW_S, fields->body, fields->body_size, &own);
    if (r < 0) {
        return;
    }
    struct webhook_received received = {.id = fields->text[1],
                                        .timestamp = value_of(&own, "webhook-timestamp"),
                                        .signature = value_of(&own, "webhook-signature"),
                                        .hash = value_of(&own, WEBHOOK_HASH_HEADER)};
    must(webhook_verify(signer, &received, fields->body, fields->body_size, NOW_S + 1) ==
             WEBHOOK_VALID,
         "what we sign is valid");
    must(webhook_verify(signer, &received, "other", strlen("other"), NOW_S) != WEBHOOK_VALID ||
             (fields->body_size == 5 && memcmp(fields->body, "other", 5) == 0),
         "of another body it is not");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct memferry_reason why = {.text = ""};
    struct webhook_signer *signer = NULL;
    struct fields fields;

    split(&fields, data, size);
    must(webhook_signer_new(&signer, WEBHOOK_HASH_HEADER, &why) == 0, "memory");
    const char *secret = fields.text[0] == NULL ? "" : fields.text[0];
    if (webhook_signer_add(signer, secret, strlen(secret), &why) == 0) {
        struct webhook_received received = {.id = fields.text[1],
                                            .timestamp = fields.text[2],
                                            .signature = fields.text[3],
                                            .hash = fields.text[4]};
        enum webhook_fault fault =
            webhook_verify(signer, &received, fields.body, fields.body_size, NOW_S);
        must(webhook_fault_text(fault) != NULL, "a fault has a text");
        if (fault == WEBHOOK_VALID) {
            must_be_ours(signer, &fields);
        }
        if (fields.text[1] != NULL) {
            sign_and_verify(signer, &fields);
        }
    } else {
        must(why.text[0] != '\0', "a secret that is none is told");
    }
    webhook_signer_free(signer);
    for (size_t i = 0; i < FIELDS; i++) {
        free(fields.text[i]);
    }
    return 0;
}
