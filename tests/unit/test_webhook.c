/* Signatures: against the published vector, against the openssl command, and against their faults.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "plugins/common/webhook.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The vector that the Standard Webhooks libraries publish in their tests. */
static const char published_secret[] = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
static const char published_id[] = "msg_p5jXN8AQM9LWM0D4loKWxJek";
static const char published_body[] = "{\"test\": 2432232314}";
static const char published_signature[] = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
enum { PUBLISHED_S = 1614265330 };

static struct webhook_signer *signer_of(const char *header, const char *first, const char *second)
{
    struct webhook_signer *signer;
    struct memferry_reason why;

    assert_int_equal(webhook_signer_new(&signer, header, &why), 0);
    assert_int_equal(webhook_signer_add(signer, first, strlen(first), &why), 0);
    if (second != NULL) {
        assert_int_equal(webhook_signer_add(signer, second, strlen(second), &why), 0);
    }
    return signer;
}

static const char *value_of(const struct webhook_headers *headers, const char *name)
{
    for (size_t i = 0; headers->lines[i] != NULL; i++) {
        size_t size = strlen(name);
        if (strncmp(headers->lines[i], name, size) == 0 && headers->lines[i][size] == ':') {
            return headers->lines[i] + size + 2;
        }
    }
    return NULL;
}

static struct webhook_received received_of(const struct webhook_headers *headers)
{
    return (struct webhook_received){.id = value_of(headers, "webhook-id"),
                                     .timestamp = value_of(headers, "webhook-timestamp"),
                                     .signature = value_of(headers, "webhook-signature"),
                                     .hash = value_of(headers, WEBHOOK_HASH_HEADER)};
}

static void test_the_published_vector_is_signed_as_published(void **state)
{
    struct webhook_signer *signer = signer_of(WEBHOOK_HASH_HEADER, published_secret, NULL);
    struct webhook_headers headers;

    (void)state;
    assert_int_equal(webhook_sign(signer, published_id, PUBLISHED_S, published_body,
                                  strlen(published_body), &headers),
                     0);
    assert_string_equal(value_of(&headers, "webhook-id"), published_id);
    assert_string_equal(value_of(&headers, "webhook-timestamp"), "1614265330");
    assert_string_equal(value_of(&headers, "webhook-signature"), published_signature);
    webhook_signer_free(signer);
}

/* What `openssl dgst` says of the file, in lower-case hex. The key is hex too. */
static void openssl_says(char hex[65], const char *path, const char *hex_key)
{
    char command[1024], line[256];

    snprintf(command, sizeof command,
             "openssl dgst -sha256 -mac HMAC -macopt hexkey:%s -r %s 2>/dev/null", hex_key, path);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    assert_non_null(fgets(line, sizeof line, pipe));
    assert_int_equal(pclose(pipe), 0);
    assert_int_equal(strspn(line, "0123456789abcdef"), 64);
    memcpy(hex, line, 64);
    hex[64] = '\0';
}

static void hex_of(char *hex, const char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        sprintf(hex + 2 * i, "%02x", (unsigned char)bytes[i]);
    }
}

static void write_file(const char *path, const char *head, const char *body, size_t size)
{
    FILE *file = fopen(path, "we");

    assert_non_null(file);
    fputs(head, file);
    assert_int_equal(fwrite(body, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

/* base64 of the bytes that hex tells, by the openssl command. */
static void base64_says(char base64[64], const char *hex)
{
    char command[256];

    snprintf(command, sizeof command,
             "printf '%%s' %s | tr a-f A-F | basenc --base16 -d | openssl base64 -A", hex);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    assert_non_null(fgets(base64, 64, pipe));
    assert_int_equal(pclose(pipe), 0);
}

static void test_hash_and_signature_are_those_of_openssl(void **state)
{
    static const struct {
        const char *secret;
        size_t body_size;
    } cases[] = {{"a", 0},
                 {"swordfish", 1},
                 {"a secret that is rather longer than the block of "
                  "SHA-256, which is sixty-four bytes",
                  100000}};
    char path[] = "/tmp/test_webhook.XXXXXX", key[512], hex[65], base64[64], head[64];
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    close(fd);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct webhook_signer *signer = signer_of(WEBHOOK_HASH_HEADER, cases[i].secret, NULL);
        size_t size = cases[i].body_size;
        struct webhook_headers headers;
        char *body = malloc(size + 1);

        for (size_t at = 0; at < size; at++) {
            body[at] = (char)(at * 7);
        }
        assert_int_equal(webhook_sign(signer, "msg_1", 1700000000, body, size, &headers), 0);
        hex_of(key, cases[i].secret, strlen(cases[i].secret));
        write_file(path, "", body, size);
        openssl_says(hex, path, key);
        assert_memory_equal(value_of(&headers, WEBHOOK_HASH_HEADER), "sha256=", 7);
        assert_string_equal(value_of(&headers, WEBHOOK_HASH_HEADER) + 7, hex);
        snprintf(head, sizeof head, "msg_1.1700000000.");
        write_file(path, head, body, size);
        openssl_says(hex, path, key);
        base64_says(base64, hex);
        assert_string_equal(value_of(&headers, "webhook-signature") + 3, base64);
        free(body);
        webhook_signer_free(signer);
    }
    unlink(path);
}

static void test_two_secrets_make_two_signatures_and_one_hash(void **state)
{
    struct webhook_signer *both = signer_of(WEBHOOK_HASH_HEADER, "old", published_secret);
    struct webhook_signer *old = signer_of(WEBHOOK_HASH_HEADER, "old", NULL);
    struct webhook_headers of_both, of_old;
    char expected[128];

    (void)state;
    assert_int_equal(webhook_sign(both, published_id, PUBLISHED_S, published_body,
                                  strlen(published_body), &of_both),
                     0);
    assert_int_equal(webhook_sign(old, published_id, PUBLISHED_S, published_body,
                                  strlen(published_body), &of_old),
                     0);
    snprintf(expected, sizeof expected, "%s %s", value_of(&of_old, "webhook-signature"),
             published_signature);
    assert_string_equal(value_of(&of_both, "webhook-signature"), expected);
    assert_string_equal(value_of(&of_both, WEBHOOK_HASH_HEADER),
                        value_of(&of_old, WEBHOOK_HASH_HEADER));
    webhook_signer_free(both);
    webhook_signer_free(old);
}

static void test_the_hash_header_has_the_name_it_is_given_or_is_not_there(void **state)
{
    struct webhook_signer *named = signer_of("X-Hub-Signature-256", "s", NULL);
    struct webhook_signer *without = signer_of("", "s", NULL);
    struct webhook_headers headers;

    (void)state;
    assert_int_equal(webhook_sign(named, "a", 1, "", 0, &headers), 0);
    assert_non_null(value_of(&headers, "X-Hub-Signature-256"));
    assert_null(value_of(&headers, WEBHOOK_HASH_HEADER));
    assert_int_equal(webhook_sign(without, "a", 1, "", 0, &headers), 0);
    assert_non_null(headers.lines[2]);
    assert_null(headers.lines[3]);
    webhook_signer_free(named);
    webhook_signer_free(without);
}

static void test_a_header_name_that_would_break_a_request_is_refused(void **state)
{
    static const char *const names[] = {
        "X Y",        "X:Y", "X\r\nHost: a",     "Content-Length", "host",
        "Webhook-Id", "Ü",   "Transfer-Encoding"};
    struct webhook_signer *signer;
    struct memferry_reason why;
    char long_name[WEBHOOK_HEADER_NAME_MAX + 2];

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        assert_int_equal(webhook_signer_new(&signer, names[i], &why), -EINVAL);
        assert_null(signer);
    }
    memset(long_name, 'a', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    assert_int_equal(webhook_signer_new(&signer, long_name, &why), -EINVAL);
    long_name[sizeof long_name - 2] = '\0';
    assert_int_equal(webhook_signer_new(&signer, long_name, &why), 0);
    webhook_signer_free(signer);
}

static void test_an_id_that_would_break_a_header_is_not_signed(void **state)
{
    struct webhook_signer *signer = signer_of(NULL, "s", NULL);
    struct webhook_headers headers;
    char longest[WEBHOOK_ID_MAX + 2];

    (void)state;
    assert_int_equal(webhook_sign(signer, "", 1, "", 0, &headers), -EINVAL);
    assert_int_equal(webhook_sign(signer, "a b", 1, "", 0, &headers), -EINVAL);
    assert_int_equal(webhook_sign(signer, "a.1", 1, "", 0, &headers), -EINVAL);
    assert_int_equal(webhook_sign(signer, "a\r\nb", 1, "", 0, &headers), -EINVAL);
    assert_int_equal(webhook_sign(signer, "\xc3\xa4", 1, "", 0, &headers), -EINVAL);
    memset(longest, 'a', sizeof longest - 1);
    longest[WEBHOOK_ID_MAX + 1] = '\0';
    assert_int_equal(webhook_sign(signer, longest, 1, "", 0, &headers), -EINVAL);
    longest[WEBHOOK_ID_MAX] = '\0';
    assert_int_equal(webhook_sign(signer, longest, 1, "", 0, &headers), 0);
    webhook_signer_free(signer);
}

static void test_a_bad_secret_is_refused_without_being_shown(void **state)
{
    static const char *const bad[] = {"whsec_",          "whsec_hunter2",
                                      "whsec_hunter2!",  "whsec_hunter==",
                                      "whsec_hun=er2=",  "whsec_=unter2=",
                                      "whsec_hunter2=x", "whsec_hunt-er_",
                                      "whsec_hunter1=" /* bits beyond the last byte */};
    struct webhook_signer *signer;
    struct memferry_reason why;

    (void)state;
    assert_int_equal(webhook_signer_new(&signer, NULL, &why), 0);
    assert_int_equal(webhook_signer_add(signer, "", 0, &why), -EINVAL);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        memset(&why, 0, sizeof why);
        if (webhook_signer_add(signer, bad[i], strlen(bad[i]), &why) != -EINVAL) {
            fail_msg("taken: %s", bad[i]);
        }
        assert_non_null(strstr(why.text, "base64"));
        assert_null(strstr(why.text, "hunt"));
    }
    webhook_signer_free(signer);
}

static void test_a_secret_in_base64_is_the_bytes_it_stands_for(void **state)
{
    static const char *const pairs[][2] = {{"whsec_YQ==", "a"},
                                           {"whsec_YWI=", "ab"},
                                           {"whsec_YWJj", "abc"},
                                           {"whsec_fn5+fz8/", "~~~\x7f??"}};

    (void)state;
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        struct webhook_signer *encoded = signer_of(NULL, pairs[i][0], NULL);
        struct webhook_signer *plain = signer_of(NULL, pairs[i][1], NULL);
        struct webhook_headers a, b;
        assert_int_equal(webhook_sign(encoded, "x", 1, "body", 4, &a), 0);
        assert_int_equal(webhook_sign(plain, "x", 1, "body", 4, &b), 0);
        assert_string_equal(value_of(&a, "webhook-signature"), value_of(&b, "webhook-signature"));
        webhook_signer_free(encoded);
        webhook_signer_free(plain);
    }
}

/* ---- verifying ---- */

struct request {
    struct webhook_signer *signer;
    struct webhook_headers headers;
    struct webhook_received received;
};

static int request_setup(void **state)
{
    struct request *r = calloc(1, sizeof *r);

    r->signer = signer_of(WEBHOOK_HASH_HEADER, published_secret, NULL);
    assert_int_equal(webhook_sign(r->signer, published_id, PUBLISHED_S, published_body,
                                  strlen(published_body), &r->headers),
                     0);
    r->received = received_of(&r->headers);
    *state = r;
    return 0;
}

static int request_teardown(void **state)
{
    struct request *r = *state;

    webhook_signer_free(r->signer);
    free(r);
    return 0;
}

static enum webhook_fault verify(const struct request *r, int64_t now_s)
{
    return webhook_verify(r->signer, &r->received, published_body, strlen(published_body), now_s);
}

static void test_what_was_signed_is_valid_for_five_minutes(void **state)
{
    struct request *r = *state;

    assert_int_equal(verify(r, PUBLISHED_S), WEBHOOK_VALID);
    assert_int_equal(verify(r, PUBLISHED_S + 300), WEBHOOK_VALID);
    assert_int_equal(verify(r, PUBLISHED_S - 300), WEBHOOK_VALID);
    assert_int_equal(verify(r, PUBLISHED_S + 301), WEBHOOK_TOO_OLD);
    assert_int_equal(verify(r, PUBLISHED_S - 301), WEBHOOK_TOO_NEW);
}

static void test_every_change_of_what_was_signed_is_found(void **state)
{
    struct request *r = *state;
    char body[sizeof published_body];

    for (size_t i = 0; i + 1 < sizeof body; i++) {
        memcpy(body, published_body, sizeof body);
        body[i] ^= 1;
        assert_int_equal(
            webhook_verify(r->signer, &r->received, body, strlen(published_body), PUBLISHED_S),
            WEBHOOK_WRONG_SIGNATURE);
    }
    assert_int_equal(webhook_verify(r->signer, &r->received, published_body,
                                    strlen(published_body) - 1, PUBLISHED_S),
                     WEBHOOK_WRONG_SIGNATURE);
    r->received.timestamp = "1614265331";
    assert_int_equal(verify(r, PUBLISHED_S), WEBHOOK_WRONG_SIGNATURE);
    r->received.timestamp = "1614265330";
    r->received.id = "msg_other";
    assert_int_equal(verify(r, PUBLISHED_S), WEBHOOK_WRONG_SIGNATURE);
}

static void test_one_good_signature_among_others_is_enough(void **state)
{
    struct request *r = *state;
    char list[512];

    r->received.signature = list;
    snprintf(list, sizeof list, "v1a,abc  v1,AAAA %s v1,%044d", published_signature, 0);
    assert_int_equal(verify(r, PUBLISHED_S), WEBHOOK_VALID);
    snprintf(list, sizeof list, "v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    assert_int_equal(verify(r, PUBLISHED_S), WEBHOOK_WRONG_SIGNATURE);
    snprintf(list, sizeof list, "v2,%s", published_signature + 3);
    assert_int_equal(verify(r, PUBLISHED_S), WEBHOOK_NO_V1);
    list[0] = '\0';
    assert_int_equal(verify(r, PUBLISHED_S), WEBHOOK_NO_V1);
}

static void test_either_secret_verifies_while_one_is_being_changed(void **state)
{
    struct request *r = *state;
    struct webhook_signer *both = signer_of(WEBHOOK_HASH_HEADER, "next", published_secret);
    struct webhook_signer *next = signer_of(WEBHOOK_HASH_HEADER, "next", NULL);
    struct webhook_headers headers;

    assert_int_equal(
        webhook_verify(both, &r->received, published_body, strlen(published_body), PUBLISHED_S),
        WEBHOOK_VALID);
    assert_int_equal(
        webhook_verify(next, &r->received, published_body, strlen(published_body), PUBLISHED_S),
        WEBHOOK_WRONG_SIGNATURE);
    assert_int_equal(webhook_sign(both, published_id, PUBLISHED_S, published_body,
                                  strlen(published_body), &headers),
                     0);
    r->received = received_of(&headers);
    assert_int_equal(
        webhook_verify(next, &r->received, published_body, strlen(published_body), PUBLISHED_S),
        WEBHOOK_VALID);
    webhook_signer_free(both);
    webhook_signer_free(next);
}

static void test_what_is_missing_or_misshapen_is_named(void **state)
{
    struct request *r = *state;
    struct webhook_received whole = r->received;
    char long_id[300];

    r->received.id = NULL;
    assert_int_equal(verify(r, PUBLISHED_S), WEBHOOK_NO_ID);
    memset(long_id, 'a', sizeof long_id - 1);
    long_id[sizeof long_id - 1] = '\0';
    r->received.id = long_id;
    assert_int_equal(verify(r, PUBLISHED_S), WEBHOOK_BAD_ID);
    r->received = whole;
    r->received.timestamp = NULL;
    assert_int_equal(verify(r, PUBLISHED_S), WEBHOOK_NO_TIMESTAMP);
    static const char *const times[] = {"", "soon", "1614265330 ", "-1", "99999999999999999999"};
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        r->received.timestamp = times[i];
        assert_int_equal(verify(r, PUBLISHED_S), WEBHOOK_BAD_TIMESTAMP);
    }
    r->received = (struct webhook_received){.id = whole.id, .timestamp = whole.timestamp};
    assert_int_equal(verify(r, PUBLISHED_S), WEBHOOK_UNSIGNED);
}

static void test_a_hash_is_verified_alone_and_beside_a_signature(void **state)
{
    struct request *r = *state;
    char hash[128];

    snprintf(hash, sizeof hash, "%s", r->received.hash);
    r->received.hash = hash;
    hash[70] = hash[70] == '0' ? '1' : '0';
    assert_int_equal(verify(r, PUBLISHED_S), WEBHOOK_WRONG_HASH);
    r->received.signature = NULL;
    assert_int_equal(verify(r, PUBLISHED_S), WEBHOOK_WRONG_HASH);
    r->received.hash = value_of(&r->headers, WEBHOOK_HASH_HEADER);
    assert_int_equal(verify(r, PUBLISHED_S + 100000), WEBHOOK_VALID); /* it has no time */
    static const char *const bad[] = {"", "sha256=", "sha1=abc", "SHA256=00"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        r->received.hash = bad[i];
        assert_int_equal(verify(r, PUBLISHED_S), WEBHOOK_BAD_HASH);
    }
}

static void test_every_fault_has_its_sentence(void **state)
{
    (void)state;
    for (int a = WEBHOOK_VALID; a <= WEBHOOK_FAILED; a++) {
        assert_true(strlen(webhook_fault_text((enum webhook_fault)a)) > 4);
        for (int b = WEBHOOK_VALID; b < a; b++) {
            assert_string_not_equal(webhook_fault_text((enum webhook_fault)a),
                                    webhook_fault_text((enum webhook_fault)b));
        }
    }
}

int main(void)
{
#define VERIFY(name) cmocka_unit_test_setup_teardown(name, request_setup, request_teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_published_vector_is_signed_as_published),
        cmocka_unit_test(test_hash_and_signature_are_those_of_openssl),
        cmocka_unit_test(test_two_secrets_make_two_signatures_and_one_hash),
        cmocka_unit_test(test_the_hash_header_has_the_name_it_is_given_or_is_not_there),
        cmocka_unit_test(test_a_header_name_that_would_break_a_request_is_refused),
        cmocka_unit_test(test_an_id_that_would_break_a_header_is_not_signed),
        cmocka_unit_test(test_a_bad_secret_is_refused_without_being_shown),
        cmocka_unit_test(test_a_secret_in_base64_is_the_bytes_it_stands_for),
        VERIFY(test_what_was_signed_is_valid_for_five_minutes),
        VERIFY(test_every_change_of_what_was_signed_is_found),
        VERIFY(test_one_good_signature_among_others_is_enough),
        VERIFY(test_either_secret_verifies_while_one_is_being_changed),
        VERIFY(test_what_is_missing_or_misshapen_is_named),
        VERIFY(test_a_hash_is_verified_alone_and_beside_a_signature),
        VERIFY(test_every_fault_has_its_sentence),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
