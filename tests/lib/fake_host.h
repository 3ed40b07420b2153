/*
 * fake_host.h - the least host that a plugin can be opened with: options out of a table, defaults
 * out of the plugin's, a cancellation to trigger, log lines to standard error.
 */
#ifndef MEMFERRY_TESTS_FAKE_HOST_H
#define MEMFERRY_TESTS_FAKE_HOST_H

#include <memferry/plugin.h>

#include <stdatomic.h>

struct fake_option {
    const char *name, *value;
};

struct fake_host {
    struct memferry_host host;
    const struct memferry_option *table; /* the plugin's, for defaults; may be NULL */
    struct fake_option options[16];      /* ends with a NULL name */
    atomic_bool cancelled;
    uint32_t asked_ms;    /* the longest that was handed to ask_again_after */
    atomic_uint warnings; /* lines of level warning or worse */
    bool quiet;
};

void fake_host_init(struct fake_host *fake, const struct memferry_option *table);
void fake_host_deinit(struct fake_host *fake);
/* Sets an option, or a secret's value under the secret's name. Borrowed. */
void fake_host_set(struct fake_host *fake, const char *name, const char *value);
void fake_host_cancel(struct fake_host *fake);   /* any thread */
void fake_host_uncancel(struct fake_host *fake); /* for a next call */

#endif
