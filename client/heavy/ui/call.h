/*
 * call.h - what the page may ask the broker: what reads, and the two calls its buttons make.
 */
#ifndef MEMFERRY_UI_CALL_H
#define MEMFERRY_UI_CALL_H

#include "memferry/client.h"

#include <stdbool.h>

#define CALL_PARAMS_MAX (64 * 1024)

/* An answer of the broker or about it: the HTTP status, and JSON that the caller frees. */
struct call_answer {
    unsigned status;
    char *json; /* NULL: out of memory */
};

bool call_is_allowed(const char *method);
/* Asks, and waits for the answer. */
struct call_answer call_broker(struct memferry *m, const char *method, const char *params);

#endif
