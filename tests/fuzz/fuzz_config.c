/*
 * fuzz_config.c - a config file, on bytes that may be anything.
 *
 * It is read twice, and must be taken or refused the same way. What is refused says where; what is
 * taken is within its bounds, and written down again it reads as the same.
 */
#include "broker/config.h"
#include "broker/config_build.h"
#include "tests/fuzz/must.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define DAY_MS (INT64_C(24) * 3600 * 1000)

static int load(struct config **ret, const void *bytes, size_t size, char file[32],
                struct error *err)
{
    int fd = memfd_create("config", MFD_CLOEXEC);

    must(fd >= 0 && write(fd, bytes, size) == (ssize_t)size, "a file");
    snprintf(file, 32, "/proc/self/fd/%d", fd);
    int r = config_load(ret, file, err);
    close(fd);
    return r;
}

/* ---- refused ---- */

static void must_say_where(const struct error *err, const char *file)
{
    size_t size = strlen(file);
    char *end;

    must(strncmp(err->text, file, size) == 0 && err->text[size] == ':', "the file is told");
    must(strtoul(err->text + size + 1, &end, 10) > 0 && strncmp(end, ": ", 2) == 0 &&
             end[2] != '\0',
         "the line is told, and what is wrong");
    must(strchr(err->text, '\n') == NULL, "in one line");
}

/* ---- taken ---- */

static void check_option(const struct config_backend *backend, size_t i)
{
    const char *key = backend->options[i].key;

    must(key[0] != '\0' && backend->options[i].value != NULL, "an option has name and value");
    must(strcmp(key, "password") != 0 && strcmp(key, "token") != 0, "no secret in the file");
    must(backend->options[i].line > 0, "and a line");
    for (size_t k = 0; k < i; k++) {
        must(strcmp(backend->options[k].key, key) != 0, "no option is there twice");
    }
}

static void check_backend(const struct config *config, size_t i)
{
    const struct config_backend *backend = &config->backends[i];

    must(config_is_name(backend->name), "a backend has a name");
    must(backend->plugin != NULL && backend->plugin[0] != '\0', "and a plugin");
    must(backend->batch <= 10000, "and a bounded batch");
    must(backend->max_age_ms >= 0 && backend->max_age_ms <= 3650 * DAY_MS, "a bounded age");
    must(backend->wait_embedding_ms >= 0 && backend->wait_embedding_ms <= 600000, "and wait");
    must(backend->option_count <= CONFIG_OPTIONS_MAX, "not too many options");
    for (size_t k = 0; k < i; k++) {
        must(strcmp(config->backends[k].name, backend->name) != 0, "names differ");
    }
    for (size_t k = 0; k < backend->option_count; k++) {
        check_option(backend, k);
    }
}

static void check_config(const struct config *config)
{
    const struct config_guard *guard = &config->guard;

    must(config->dims > 0 && config->max_peers > 0 && config->max_peers <= 1024, "[broker]");
    must(config->user_count <= CONFIG_USERS_MAX, "not too many users");
    must(config->segment_bytes >= 1 << 20 && config->segment_bytes <= 1 << 30 &&
             config->segment_bytes % 4096 == 0 && config->gather_us <= 10000,
         "[journal]");
    must(config->session_idle_ms >= 1000 && config->session_idle_ms <= 365 * DAY_MS, "[session]");
    must(config->history_keep_ms >= 0 &&
             (config->history_keep_ms == 0 || config->history_keep_count == 0),
         "[history]");
    must(guard->bulk_change_percent <= 100 && guard->bulk_change_window_ms > 0 &&
             guard->rapid_delete_window_ms > 0,
         "[guard]");
    must(config->backend_count <= CONFIG_BACKENDS_MAX, "not too many backends");
    for (size_t i = 0; i < config->backend_count; i++) {
        check_backend(config, i);
    }
}

/* ---- written down again ---- */

/* Quotes keep what would not stand alone; with a quote inside a value can only stand alone. */
static void write_entry(FILE *out, const char *key, const char *value)
{
    bool bare = strchr(value, '"') != NULL || (value[0] != '\0' && strpbrk(value, " \t;#") == NULL);

    fprintf(out, bare ? "%s=%s\n" : "%s=\"%s\"\n", key, value);
}

static void write_backend(FILE *out, const struct config_backend *backend)
{
    fprintf(out, "[backend \"%s\"]\n", backend->name);
    write_entry(out, "plugin", backend->plugin);
    if (backend->batch_line != 0) {
        fprintf(out, "batch=%u\n", backend->batch);
    }
    fprintf(out, "max_age=%lldms\n", (long long)backend->max_age_ms);
    fprintf(out, "wait_embedding=%lldms\n", (long long)backend->wait_embedding_ms);
    for (size_t i = 0; i < backend->option_count; i++) {
        write_entry(out, backend->options[i].key, backend->options[i].value);
    }
}

static void write_broker(FILE *out, const struct config *config)
{
    fprintf(out, "[broker]\ndims=%u\nallow_purge=%s\nmax_peers=%u\n", config->dims,
            config->allow_purge ? "yes" : "no", config->max_peers);
    if (config->socket != NULL) {
        write_entry(out, "socket", config->socket);
    }
    if (config->state_dir != NULL) {
        write_entry(out, "state_dir", config->state_dir);
    }
    fprintf(out, "[journal]\nsegment_size=%llu\ngather_us=%u\nkeep_segments=%s\n",
            (unsigned long long)config->segment_bytes, config->gather_us,
            config->keep_segments ? "yes" : "no");
    fprintf(out, "[session]\nidle=%lldms\n", (long long)config->session_idle_ms);
}

static bool fits_a_line(const char *path)
{
    return path == NULL || (strlen(path) < 150 && strchr(path, '"') == NULL);
}

static bool options_fit(const struct config_backend *backend)
{
    for (size_t i = 0; i < backend->option_count; i++) {
        const struct config_option *option = &backend->options[i];
        if (strlen(option->key) + strlen(option->value) > 190) { /* with "=" and quotes */
            return false;
        }
    }
    return true;
}

/* With quotes, or as expanded paths, some are longer than a line may be. */
static bool can_be_written(const struct config *config)
{
    bool can = fits_a_line(config->socket) && fits_a_line(config->state_dir);

    for (size_t i = 0; i < config->backend_count; i++) {
        can = can && fits_a_line(config->backends[i].plugin) && options_fit(&config->backends[i]);
    }
    return can;
}

static void read_again(const struct config *config)
{
    struct config *again = NULL;
    struct error err = {0};
    char *text = NULL, file[32];
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    must(out != NULL, "memory");
    write_broker(out, config);
    for (size_t i = 0; i < config->backend_count; i++) {
        write_backend(out, &config->backends[i]);
    }
    fclose(out);
    int r = load(&again, text, size, file, &err);
    if (r != 0) {
        fprintf(stderr, "%s\n%s\n", err.text, text);
    }
    must(r == 0, "what was taken is taken again");
    must(again->backend_count == config->backend_count, "with its backends");
    for (size_t i = 0; i < config->backend_count; i++) {
        must(config_same_backend(&config->backends[i], &again->backends[i]), "as they were");
    }
    must(again->dims == config->dims && again->max_peers == config->max_peers &&
             again->segment_bytes == config->segment_bytes &&
             again->gather_us == config->gather_us &&
             again->session_idle_ms == config->session_idle_ms,
         "and its numbers");
    config_free(again);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config *first = NULL, *second = NULL;
    struct error first_err = {0}, second_err = {0};
    char file[32];

    setenv("HOME", "/home/ada", 1);
    int r = load(&first, data, size, file, &first_err);
    must(load(&second, data, size, file, &second_err) == r, "read again it is as it was");
    must(strcmp(first_err.text, second_err.text) == 0, "and told the same way");
    must((r == 0) == (first != NULL), "whole, or not there");
    if (r == 0) {
        check_config(first);
        if (can_be_written(first)) {
            read_again(first);
        }
    } else {
        must(r == -EINVAL, "only what stands there can be wrong");
        must_say_where(&first_err, file);
    }
    config_free(first);
    config_free(second);
    return 0;
}
