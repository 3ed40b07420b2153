/*
 * config_backend.c - [backend "name"]: the keys every backend has, and the options kept for its
 * plugin.
 *
 * Failure modes: a bad or repeated key; a secret in the file's text, which is refused without
 * repeating it.
 */
#include "broker/config_build.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define BATCH_MAX          10000
#define MAX_AGE_MAX_MS     (INT64_C(3650) * 24 * 3600 * 1000)
#define EMBEDDING_MAX_MS   (INT64_C(600) * 1000)
#define CONFIG_NAME_LENGTH 64

bool config_is_name(const char *text)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "._-";
    size_t size = strlen(text);

    return size >= 1 && size <= CONFIG_NAME_LENGTH && text[0] != '.' &&
           strspn(text, allowed) == size;
}

void config_backend_deinit(struct config_backend *backend)
{
    for (size_t i = 0; i < backend->option_count; i++) {
        free(backend->options[i].key);
        char *value = backend->options[i].value;
        if (value != NULL) {
            explicit_bzero(value, strlen(value)); /* maybe a secret that does not belong there */
        }
        free(value);
    }
    free(backend->options);
    free(backend->name);
    free(backend->plugin);
}

static bool ends_in_word(const char *key, const char *word)
{
    size_t key_size = strlen(key), word_size = strlen(word);

    return key_size >= word_size && strcasecmp(key + key_size - word_size, word) == 0 &&
           (key_size == word_size || key[key_size - word_size - 1] == '_');
}

static bool is_secret_key(const char *key)
{
    static const char *const words[] = {"password", "passwd",  "passphrase", "secret",
                                        "token",    "api_key", "apikey",     "private_key"};

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (ends_in_word(key, words[i])) {
            return true;
        }
    }
    return false;
}

/* scheme://user:password@host */
static bool has_password_in_url(const char *value)
{
    const char *authority = strstr(value, "://");

    if (authority == NULL) {
        return false;
    }
    authority += 3;
    size_t size = strcspn(authority, "/?#");
    const char *at = memrchr(authority, '@', size);
    return at != NULL && memchr(authority, ':', (size_t)(at - authority)) != NULL;
}

static int refuse_secret(const struct config_place *place, const char *key, const char *value,
                         struct error *err)
{
    if (is_secret_key(key)) {
        return config_error(err, place,
                            "a secret does not belong into this file; name an environment variable "
                            "by %s_env or a file by %s_file instead of %s",
                            key, key, key);
    }
    if (has_password_in_url(value)) {
        return config_error(err, place,
                            "the address in %s holds a password, which does not belong into this "
                            "file; use the plugin's options for user and password",
                            key);
    }
    return 0;
}

static int add_option(struct config_backend *backend, const struct config_place *place,
                      const char *key, const char *value, struct error *err)
{
    for (size_t i = 0; i < backend->option_count; i++) {
        if (strcmp(backend->options[i].key, key) == 0) {
            return config_error(err, place, "%s was given at line %u already; keep one of them",
                                key, backend->options[i].line);
        }
    }
    if (backend->option_count == CONFIG_OPTIONS_MAX) {
        return config_error(err, place, "too many options for one backend; at most %d fit",
                            CONFIG_OPTIONS_MAX);
    }
    struct config_option *options =
        reallocarray(backend->options, backend->option_count + 1, sizeof *options);
    if (options == NULL) {
        return error_set(err, -ENOMEM, "out of memory");
    }
    backend->options = options;
    struct config_option *option = &options[backend->option_count++];
    *option = (struct config_option){.line = place->line};
    int result = config_set_text(&option->key, key, err);
    return result != 0 ? result : config_set_text(&option->value, value, err);
}

static int set_plugin(struct config_backend *backend, const struct config_place *place,
                      const char *value, struct error *err)
{
    if (strchr(value, '/') != NULL) {
        return config_set_path(&backend->plugin, place, "plugin", value, err);
    }
    if (!config_is_name(value)) {
        return config_bad_value(err, place, "plugin", value,
                                "give a plugin's name, such as mirror-file, or a whole path");
    }
    return config_set_text(&backend->plugin, value, err);
}

/* Notes the line of a common key, which may be given once. */
static int once(unsigned *line, const struct config_place *place, const char *key,
                struct error *err)
{
    if (*line != 0) {
        return config_error(err, place, "%s was given at line %u already; keep one of them", key,
                            *line);
    }
    *line = place->line;
    return 0;
}

int config_backend_set(struct config_backend *backend, struct config_backend_lines *lines,
                       const struct config_place *place, const char *key, const char *value,
                       struct error *err)
{
    int result;

    if (strcmp(key, "plugin") == 0) {
        result = once(&lines->plugin, place, key, err);
        return result != 0 ? result : set_plugin(backend, place, value, err);
    }
    if (strcmp(key, "batch") == 0) {
        result = once(&lines->batch, place, key, err);
        backend->batch_line = place->line;
        return result != 0
                   ? result
                   : config_set_uint32(&backend->batch, place, key, value, 1, BATCH_MAX, err);
    }
    if (strcmp(key, "max_age") == 0) {
        result = once(&lines->max_age, place, key, err);
        return result != 0 ? result
                           : config_set_duration(&backend->max_age_ms, place, key, value,
                                                 MAX_AGE_MAX_MS, err);
    }
    if (strcmp(key, "wait_embedding") == 0) {
        result = once(&lines->wait_embedding, place, key, err);
        return result != 0 ? result
                           : config_set_duration(&backend->wait_embedding_ms, place, key, value,
                                                 EMBEDDING_MAX_MS, err);
    }
    result = refuse_secret(place, key, value, err);
    return result != 0 ? result : add_option(backend, place, key, value, err);
}
