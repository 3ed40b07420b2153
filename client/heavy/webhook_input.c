/*
 * webhook_input.c - files, secrets and headers of `memferry webhook`.
 *
 * Failure modes: a file that can't be read or is too large, a secret that is none, a header that
 * has no name. No text holds a byte of a secret.
 */
#include "client/heavy/webhook_input.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define SECRET_ENV "MEMORY_WEBHOOK_TOKEN"

enum { TIME_MAX_S_DIGITS = 12 };

void input_free(struct input *input)
{
    if (input->bytes != NULL) {
        explicit_bzero(input->bytes, input->size);
    }
    free(input->bytes);
    *input = (struct input){.bytes = NULL};
}

static int read_stream(struct cli *cli, FILE *stream, const char *path, const char *what,
                       size_t max, struct input *ret)
{
    size_t capacity = 4096, got;
    char *bytes = malloc(capacity);

    ret->size = 0;
    while (bytes != NULL &&
           (got = fread(bytes + ret->size, 1, capacity - ret->size - 1, stream)) > 0) {
        ret->size += got;
        if (ret->size > max) {
            break;
        }
        if (ret->size + 1 == capacity) {
            char *larger = realloc(bytes, capacity *= 2);
            if (larger == NULL) {
                free(bytes);
            }
            bytes = larger;
        }
    }
    ret->bytes = bytes;
    if (bytes == NULL) {
        return cli_fail(cli, EXIT_INTERNAL, "out of memory");
    }
    bytes[ret->size] = '\0';
    if (ferror(stream)) {
        return cli_fail(cli, EXIT_IO, "cannot read %s %s: %s", what, path, strerror(errno));
    }
    if (ret->size > max) {
        return cli_fail(cli, EXIT_DATA, "%s %s has more than %zu bytes, which is the most", what,
                        path, max);
    }
    return EXIT_OK;
}

int input_read(struct cli *cli, const char *path, const char *what, size_t max, struct input *ret)
{
    bool is_stdin = strcmp(path, "-") == 0;
    FILE *stream = is_stdin ? cli->in : fopen(path, "re");

    *ret = (struct input){.bytes = NULL};
    if (stream == NULL) {
        return cli_fail(cli, EXIT_DATA, "cannot open %s %s: %s", what, path, strerror(errno));
    }
    int exit_code = read_stream(cli, stream, path, what, max, ret);
    if (!is_stdin) {
        fclose(stream);
    }
    return exit_code;
}

/* ---- secrets ---- */

static int add_secret(struct cli *cli, struct webhook_signer *signer, const char *from,
                      const char *secret, size_t size)
{
    struct memferry_reason why;

    return webhook_signer_add(signer, secret, size, &why) == 0
               ? EXIT_OK
               : cli_fail(cli, EXIT_DATA, "%s: %s", from, why.text);
}

static int add_from_env(struct cli *cli, struct webhook_signer *signer, const char *name)
{
    const char *secret = getenv(name);

    if (secret == NULL || secret[0] == '\0') {
        return cli_fail(cli, EXIT_DATA,
                        "the environment variable %.60s is not set; put the secret there, or name "
                        "another by --secret-env or a file by --secret-file",
                        name);
    }
    return add_secret(cli, signer, name, secret, strlen(secret));
}

/* As the broker reads it: without one final newline. */
static int add_from_file(struct cli *cli, struct webhook_signer *signer, const char *path)
{
    struct input secret;
    int exit_code = input_read(cli, path, "the secret's file", WEBHOOK_SMALL_MAX, &secret);

    if (exit_code == EXIT_OK) {
        size_t size = secret.size;
        size -= size > 0 && secret.bytes[size - 1] == '\n' ? 1 : 0;
        exit_code = add_secret(cli, signer, path, secret.bytes, size);
    }
    input_free(&secret);
    return exit_code;
}

static int add_secrets(struct cli *cli, const struct args *args, struct webhook_signer *signer)
{
    int exit_code = EXIT_OK;
    size_t count = 0;

    for (size_t i = 0; i < args->given_count && exit_code == EXIT_OK; i++) {
        const struct given *given = &args->given[i];
        bool env = strcmp(given->option->name, "secret-env") == 0;
        if (!env && strcmp(given->option->name, "secret-file") != 0) {
            continue;
        }
        if (count++ == WEBHOOK_SECRETS_MAX) {
            return cli_usage(cli, "%d secrets are the most", WEBHOOK_SECRETS_MAX);
        }
        exit_code = env ? add_from_env(cli, signer, given->value)
                        : add_from_file(cli, signer, given->value);
    }
    return count == 0 ? add_from_env(cli, signer, SECRET_ENV) : exit_code;
}

static const char *hash_header(const struct args *args)
{
    const char *name = args_value(args, "signature-header");

    return name == NULL ? WEBHOOK_HASH_HEADER : name;
}

int input_signer(struct cli *cli, const struct args *args, struct webhook_signer **ret)
{
    struct memferry_reason why;

    if (webhook_signer_new(ret, hash_header(args), &why) < 0) {
        return cli_usage(cli, "--signature-header: %s", why.text);
    }
    int exit_code = add_secrets(cli, args, *ret);
    if (exit_code != EXIT_OK) {
        *ret = webhook_signer_free(*ret);
    }
    return exit_code;
}

/* ---- headers ---- */

/* Ends the value of a line, and returns it if the line has this name. */
static char *value_of(char *line, const char *name)
{
    size_t size = strlen(name);

    if (size == 0 || strncasecmp(line, name, size) != 0 || line[size] != ':') {
        return NULL;
    }
    char *value = line + size + 1;
    value += strspn(value, " \t");
    size = strcspn(value, "\r\n");
    while (size > 0 && (value[size - 1] == ' ' || value[size - 1] == '\t')) {
        size--;
    }
    value[size] = '\0';
    return value;
}

static void take_line(char *line, const char *hash_name, struct webhook_received *received)
{
    const struct {
        const char *name, **value;
    } wanted[] = {{"webhook-id", &received->id},
                  {"webhook-timestamp", &received->timestamp},
                  {"webhook-signature", &received->signature},
                  {hash_name, &received->hash}};

    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        const char *value = value_of(line, wanted[i].name);
        if (value != NULL) {
            *wanted[i].value = value;
            return;
        }
    }
}

/* Every --header, a line each. */
static int join_options(struct cli *cli, const struct args *args, FILE *stream)
{
    const char *header;

    for (size_t i = 0; (header = args_nth(args, "header", i)) != NULL; i++) {
        if (strchr(header, ':') == NULL) {
            return cli_usage(cli, "--header %.40s has no name; say --header \"NAME: VALUE\"",
                             header);
        }
        fprintf(stream, "%s\n", header);
    }
    return EXIT_OK;
}

static int join_file(struct cli *cli, const char *path, FILE *stream)
{
    struct input file;
    int exit_code = input_read(cli, path, "the file of headers", WEBHOOK_SMALL_MAX, &file);

    if (exit_code == EXIT_OK) {
        fwrite(file.bytes, 1, file.size, stream);
        fputc('\n', stream);
    }
    input_free(&file);
    return exit_code;
}

/* All header lines as one text. */
static int join_headers(struct cli *cli, const struct args *args, struct input *ret)
{
    const char *path = args_value(args, "headers");
    FILE *stream = open_memstream(&ret->bytes, &ret->size);

    if (stream == NULL) {
        return cli_fail(cli, EXIT_INTERNAL, "out of memory");
    }
    int exit_code = path == NULL ? EXIT_OK : join_file(cli, path, stream);
    if (exit_code == EXIT_OK) {
        exit_code = join_options(cli, args, stream);
    }
    if (fclose(stream) != 0 && exit_code == EXIT_OK) {
        exit_code = cli_fail(cli, EXIT_INTERNAL, "out of memory");
    }
    return exit_code;
}

int input_headers(struct cli *cli, const struct args *args, struct webhook_received *ret,
                  struct input *text)
{
    *ret = (struct webhook_received){.id = NULL};
    *text = (struct input){.bytes = NULL};
    if (args_value(args, "headers") == NULL && args_value(args, "header") == NULL) {
        return cli_usage(cli,
                         "which headers came? Give each by --header, or all by --headers FILE");
    }
    int exit_code = join_headers(cli, args, text);
    if (exit_code != EXIT_OK) {
        return exit_code;
    }
    for (char *line = text->bytes, *next; line != NULL; line = next) {
        next = strchr(line, '\n');
        next = next == NULL ? NULL : next + 1;
        take_line(line, hash_header(args), ret);
    }
    return EXIT_OK;
}

int input_time(struct cli *cli, const struct args *args, const char *option, int64_t *ret_s)
{
    const char *text = args_value(args, option);

    *ret_s = (int64_t)time(NULL);
    if (text == NULL) {
        return EXIT_OK;
    }
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > TIME_MAX_S_DIGITS || text[digits] != '\0') {
        return cli_usage(cli, "--%s %.40s is no number of seconds since 1970", option, text);
    }
    *ret_s = strtoll(text, NULL, 10);
    return EXIT_OK;
}
