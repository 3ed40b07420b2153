/*
 * webhook.c - memferry webhook sign and verify: for people who write receivers.
 *
 * Happy path: sign prints the header lines of a body, for `curl -H @-`; verify says that a request
 * is by one who has the secret, and of now.
 *
 * Failure modes: what was given can't be read (webhook_input.c). A request that is not valid is
 * told with what is wrong with it, and the exit code says that the input is bad.
 */
#include "client/cli/json.h"
#include "client/heavy/heavy.h"
#include "client/heavy/webhook_input.h"

#include <inttypes.h>
#include <string.h>
#include <sys/random.h>

enum { ID_BYTES = 16 };

/* An id like no other, as the plugin makes one for a ping. */
static bool new_id(char ret[4 + 2 * ID_BYTES + 1])
{
    unsigned char bytes[ID_BYTES];

    if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes) {
        return false;
    }
    char *at = ret + sprintf(ret, "msg_");
    for (size_t i = 0; i < sizeof bytes; i++) {
        at += sprintf(at, "%02x", bytes[i]);
    }
    return true;
}

static int print_headers(struct cli *cli, const struct webhook_headers *headers)
{
    struct json json;

    if (!cli->json) {
        fprintf(cli->out, "Content-Type: application/json\n");
        for (size_t i = 0; headers->lines[i] != NULL; i++) {
            fprintf(cli->out, "%s\n", headers->lines[i]);
        }
        return EXIT_OK;
    }
    json_open(&json);
    for (size_t i = 0; headers->lines[i] != NULL; i++) {
        char name[WEBHOOK_HEADER_NAME_MAX + 1];
        size_t size = strcspn(headers->lines[i], ":");
        snprintf(name, sizeof name, "%.*s", (int)size, headers->lines[i]);
        json_field_text(&json, name, headers->lines[i] + size + 2);
    }
    return cli_print_object(cli, &json);
}

static int sign_body(struct cli *cli, const struct args *args, struct webhook_signer *signer,
                     const struct input *body)
{
    char fresh[4 + 2 * ID_BYTES + 1];
    const char *id = args_value(args, "id");
    struct webhook_headers headers;
    int64_t at_s;
    int exit_code = input_time(cli, args, "timestamp", &at_s);

    if (exit_code != EXIT_OK) {
        return exit_code;
    }
    if (id == NULL && !new_id(fresh)) {
        return cli_fail(cli, EXIT_INTERNAL, "the system has no random bytes");
    }
    int r = webhook_sign(signer, id == NULL ? fresh : id, at_s, body->bytes, body->size, &headers);
    if (r == 0) {
        return print_headers(cli, &headers);
    }
    return id == NULL ? cli_fail(cli, EXIT_INTERNAL, "OpenSSL failed")
                      : cli_usage(cli,
                                  "--id takes 1 to %d printable characters without spaces and "
                                  "dots",
                                  WEBHOOK_ID_MAX);
}

/* ---- verify ---- */

static const char *const newline_hint = "; without the newline at its end the body would be the "
                                        "one that was signed";

static bool is_about_body(enum webhook_fault fault)
{
    return fault == WEBHOOK_WRONG_SIGNATURE || fault == WEBHOOK_WRONG_HASH;
}

/* An editor or echo that has added a line end is what goes wrong most. */
static const char *hint(struct webhook_signer *signer, const struct webhook_received *received,
                        const struct input *body, int64_t now_s, enum webhook_fault fault)
{
    bool newline = body->size > 0 && body->bytes[body->size - 1] == '\n';

    return is_about_body(fault) && newline &&
                   !is_about_body(
                       webhook_verify(signer, received, body->bytes, body->size - 1, now_s))
               ? newline_hint
               : "";
}

static int tell(struct cli *cli, const struct webhook_received *received, enum webhook_fault fault,
                const char *more)
{
    if (fault != WEBHOOK_VALID) {
        return cli_fail(cli, EXIT_DATA, "not valid: %s%s", webhook_fault_text(fault), more);
    }
    if (cli->json) {
        fprintf(cli->out, "{\"valid\":true,\"timestamp\":%s}\n",
                received->signature == NULL ? "null" : received->timestamp);
    } else if (!cli->quiet) {
        fprintf(cli->out, "valid%s\n",
                received->signature == NULL
                    ? ", by its hash alone, which does not say when it was sent"
                    : "");
    }
    return EXIT_OK;
}

static int verify_body(struct cli *cli, const struct args *args, struct webhook_signer *signer,
                       const struct input *body)
{
    struct webhook_received received;
    struct input text = {.bytes = NULL};
    int64_t now_s;
    int exit_code = input_time(cli, args, "now", &now_s);

    if (exit_code == EXIT_OK) {
        exit_code = input_headers(cli, args, &received, &text);
    }
    if (exit_code == EXIT_OK) {
        enum webhook_fault fault =
            webhook_verify(signer, &received, body->bytes, body->size, now_s);
        exit_code = tell(cli, &received, fault, hint(signer, &received, body, now_s, fault));
    }
    input_free(&text);
    return exit_code;
}

/* ---- both ---- */

static int with_body(struct cli *cli, const struct args *args,
                     int (*run)(struct cli *, const struct args *, struct webhook_signer *,
                                const struct input *))
{
    struct webhook_signer *signer = NULL;
    struct input body;
    int exit_code = input_signer(cli, args, &signer);

    if (exit_code == EXIT_OK) {
        exit_code = input_read(cli, args_word(args, 1), "the body", WEBHOOK_BODY_MAX, &body);
        if (exit_code == EXIT_OK) {
            exit_code = run(cli, args, signer, &body);
        }
        input_free(&body);
    }
    webhook_signer_free(signer);
    return exit_code;
}

/* The first of these that was given; NULL: none. */
static const char *given_of(const struct args *args, const char *const *names)
{
    while (*names != NULL && !args_has(args, *names)) {
        names++;
    }
    return *names;
}

static int run(struct cli *cli, const struct args *args)
{
    static const char *const of_sign[] = {"id", "timestamp", NULL};
    static const char *const of_verify[] = {"header", "headers", "now", NULL};
    const char *verb = args_word(args, 0), *other;
    bool sign = verb != NULL && strcmp(verb, "sign") == 0;

    if (!sign && (verb == NULL || strcmp(verb, "verify") != 0)) {
        return cli_usage(cli, "webhook can sign and verify");
    }
    if (args->word_count != 2) {
        return cli_usage(cli, "webhook %s takes one file, the body; - is stdin", verb);
    }
    other = given_of(args, sign ? of_verify : of_sign);
    if (other != NULL) {
        return cli_usage(cli, "--%s does not go with %s", other, verb);
    }
    return with_body(cli, args, sign ? sign_body : verify_body);
}

int main(int argc, char **argv)
{
    return heavy_main(argc, argv, "webhook", run);
}
