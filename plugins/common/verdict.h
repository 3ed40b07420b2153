/*
 * verdict.h - what the end of an HTTP request means for the memories that were in it.
 *
 *   no route, refused, time-outs, broken connections, TLS     BACKEND's trouble: RETRY
 *   401 403 404 405 and other answers to every request alike  BACKEND's trouble: RETRY
 *   429, and 503 with Retry-After                             BACKEND's: RETRY, with its delay
 *   other 5xx                                                 the record's RETRY
 *   400 413 422 and their like                                the record's REJECT
 *   2xx                                                       DONE
 *
 * What is the record's is the BATCH's when several memories were in the request.
 */
#ifndef MEMFERRY_PLUGINS_VERDICT_H
#define MEMFERRY_PLUGINS_VERDICT_H

#include "plugins/common/http.h"

/* The outcome of each of the `n` memories (n ≥ 1) that went in one request. `target` is
 * http_client_target's. The reason has the status and, if it is text, the start of the body. */
struct memferry_outcome http_verdict(const struct http_reply *reply, size_t n, const char *target);

/* An outcome in one step. A retry_after_ms below 0 means none. */
struct memferry_outcome outcome_done(void);
struct memferry_outcome outcome_retry(enum memferry_blame blame, int64_t retry_after_ms,
                                      const char *format, ...)
    __attribute__((format(printf, 3, 4)));
struct memferry_outcome outcome_reject(enum memferry_blame blame, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A probe that fails by this outcome: takes its reason, tells the broker of the delay that the
 * backend asked for, and returns what probe returns: -ENOLINK when it is gone for good, or -EIO. */
int probe_failure(const struct memferry_host *host, const struct memferry_outcome *outcome,
                  struct memferry_reason *why);

/* RECORD when one memory was in the request, BATCH otherwise. */
enum memferry_blame blame_for(size_t n);

/* The start of text from a server as one line that may be shown: control characters become spaces,
 * and it is cut at a whole character. Returns buffer. */
char *show_text(char *buffer, size_t buffer_size, const char *text, size_t size);

#endif
