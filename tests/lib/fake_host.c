/* fake_host.c - see fake_host.h. Numbers are read with their units s, ms, K and M. */
#include "tests/lib/fake_host.h"

#include "broker/util/container.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

static struct fake_host *fake_of(const struct memferry_host *host)
{
    return container_of((struct memferry_host *)(uintptr_t)host, struct fake_host, host);
}

static const char *find(const struct memferry_host *host, const char *name)
{
    struct fake_host *fake = fake_of(host);

    for (size_t i = 0; fake->options[i].name != NULL; i++) {
        if (strcmp(fake->options[i].name, name) == 0) {
            return fake->options[i].value;
        }
    }
    for (size_t i = 0; fake->table != NULL && fake->table[i].name != NULL; i++) {
        if (strcmp(fake->table[i].name, name) == 0) {
            return fake->table[i].default_value;
        }
    }
    return NULL;
}

static int64_t option_int(const struct memferry_host *host, const char *name)
{
    const char *text = find(host, name);
    char *unit = NULL;

    if (text == NULL || strcmp(text, "false") == 0 || strcmp(text, "no") == 0) {
        return 0;
    }
    if (strcmp(text, "true") == 0 || strcmp(text, "yes") == 0) {
        return 1;
    }
    int64_t number = strtoll(text, &unit, 10);
    int64_t factor = strcmp(unit, "s") == 0   ? 1000
                     : strcmp(unit, "K") == 0 ? 1 << 10
                     : strcmp(unit, "M") == 0 ? 1 << 20
                                              : 1;
    return number * factor;
}

static const char *secret(const struct memferry_host *host, const char *name, size_t *ret_size,
                          struct memferry_reason *why)
{
    struct fake_host *fake = fake_of(host);

    for (size_t i = 0; fake->options[i].name != NULL; i++) {
        if (strcmp(fake->options[i].name, name) == 0) {
            *ret_size = strlen(fake->options[i].value);
            return fake->options[i].value;
        }
    }
    if (why != NULL) {
        snprintf(why->text, sizeof why->text, "%s: not configured", name);
    }
    return NULL;
}

static bool cancelled(const struct memferry_host *host)
{
    return atomic_load(&fake_of(host)->cancelled);
}

static void write_log(const struct memferry_host *host, enum memferry_log_level level,
                      const char *format, ...) __attribute__((format(printf, 3, 4)));

static void write_log(const struct memferry_host *host, enum memferry_log_level level,
                      const char *format, ...)
{
    struct fake_host *fake = fake_of(host);
    va_list args;

    if (level <= MEMFERRY_LOG_WARNING) {
        atomic_fetch_add(&fake->warnings, 1);
    }
    if (fake->quiet) {
        return;
    }
    va_start(args, format);
    fprintf(stderr, "log %d: ", (int)level);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
}

static void ask_again_after(const struct memferry_host *host, uint32_t delay_ms)
{
    struct fake_host *fake = fake_of(host);

    fake->asked_ms = delay_ms > fake->asked_ms ? delay_ms : fake->asked_ms;
}

void fake_host_init(struct fake_host *fake, const struct memferry_option *table)
{
    memset(fake, 0, sizeof *fake);
    fake->table = table;
    fake->host = (struct memferry_host){
        .abi = MEMFERRY_PLUGIN_ABI,
        .size = sizeof(struct memferry_host),
        .backend = "test",
        .origin = "00000000-0000-4000-8000-000000000001",
        .dims = 768,
        .wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
        .cancelled = cancelled,
        .option = find,
        .option_int = option_int,
        .secret = secret,
        .log = write_log,
        .state_dir = "/nonexistent",
        .ask_again_after = ask_again_after,
    };
}

void fake_host_deinit(struct fake_host *fake)
{
    close(fake->host.wake_fd);
}

void fake_host_set(struct fake_host *fake, const char *name, const char *value)
{
    size_t i = 0;
    size_t max = sizeof fake->options / sizeof fake->options[0];

    while (fake->options[i].name != NULL && strcmp(fake->options[i].name, name) != 0) {
        i++;
    }
    if (i + 1 >= max) {
        abort();
    }
    fake->options[i] = (struct fake_option){.name = name, .value = value};
}

void fake_host_cancel(struct fake_host *fake)
{
    uint64_t one = 1;

    atomic_store(&fake->cancelled, true);
    if (write(fake->host.wake_fd, &one, sizeof one) != sizeof one) {
        abort();
    }
}

void fake_host_uncancel(struct fake_host *fake)
{
    uint64_t count;

    atomic_store(&fake->cancelled, false);
    if (read(fake->host.wake_fd, &count, sizeof count) != sizeof count) {
        abort();
    }
}
