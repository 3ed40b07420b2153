/* verdict.c - the table of verdict.h. Pure: no I/O, cannot fail. */
#include "plugins/common/verdict.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum { SHOWN_BODY_BYTES = 200 };

enum memferry_blame blame_for(size_t n)
{
    return n > 1 ? MEMFERRY_BLAME_BATCH : MEMFERRY_BLAME_RECORD;
}

struct memferry_outcome outcome_done(void)
{
    return (struct memferry_outcome){.verdict = MEMFERRY_DONE};
}

struct memferry_outcome outcome_retry(enum memferry_blame blame, int64_t retry_after_ms,
                                      const char *format, ...)
{
    struct memferry_outcome outcome = {.verdict = MEMFERRY_RETRY, .blame = blame};
    va_list args;

    if (retry_after_ms > 0) {
        outcome.retry_after_ms =
            retry_after_ms < UINT32_MAX ? (uint32_t)retry_after_ms : UINT32_MAX;
    }
    va_start(args, format);
    vsnprintf(outcome.reason.text, sizeof outcome.reason.text, format, args);
    va_end(args);
    return outcome;
}

struct memferry_outcome outcome_reject(enum memferry_blame blame, const char *format, ...)
{
    struct memferry_outcome outcome = {.verdict = MEMFERRY_REJECT, .blame = blame};
    va_list args;

    va_start(args, format);
    vsnprintf(outcome.reason.text, sizeof outcome.reason.text, format, args);
    va_end(args);
    return outcome;
}

int probe_failure(const struct memferry_host *host, const struct memferry_outcome *outcome,
                  struct memferry_reason *why)
{
    bool knows = host->size >=
                 offsetof(struct memferry_host, ask_again_after) + sizeof host->ask_again_after;

    *why = outcome->reason;
    if (knows && outcome->retry_after_ms > 0) {
        host->ask_again_after(host, outcome->retry_after_ms);
    }
    return outcome->blame == MEMFERRY_BLAME_GONE ? -ENOLINK : -EIO;
}

char *show_text(char *buffer, size_t buffer_size, const char *text, size_t size)
{
    assert(buffer_size > 0);
    size_t shown = size < buffer_size ? size : buffer_size - 1;

    if (shown < size) {
        while (shown > 0 && ((unsigned char)text[shown] & 0xc0) == 0x80) {
            shown--;
        }
    }
    for (size_t i = 0; i < shown; i++) {
        unsigned char byte = (unsigned char)text[i];
        if (byte < 0x20 || byte == 0x7f) {
            buffer[i] = ' ';
        } else {
            buffer[i] = text[i];
        }
    }
    buffer[shown] = '\0';
    return buffer;
}

/* Transport failures say nothing about a memory, except that the request was too large. */
static struct memferry_outcome failure_verdict(const struct http_reply *reply, size_t n)
{
    if (reply->failure != HTTP_REQUEST_TOO_LARGE) {
        return outcome_retry(MEMFERRY_BLAME_BACKEND, -1, "%s", reply->detail);
    }
    return outcome_reject(blame_for(n), "%s", reply->detail);
}

static bool is_redirect(long status)
{
    return status < 200 || (status >= 300 && status < 400);
}

static struct memferry_outcome redirect_verdict(const struct http_reply *reply, const char *target)
{
    bool known = reply->redirect[0] != '\0';

    return outcome_retry(MEMFERRY_BLAME_BACKEND, reply->retry_after_ms,
                         "%s answered %ld%s%s: redirects are not followed; set url to where the "
                         "service is",
                         target, reply->status, known ? ", which leads to " : "", reply->redirect);
}

/* What to do, for the statuses that every request to this backend would get. NULL: not one. */
static const char *backend_trouble(long status)
{
    switch (status) {
    case 401:
        return "check user and password";
    case 403:
        return "the credentials are good but not allowed to do this";
    case 404:
    case 410:
        return "nothing is at that address; check url and what is set up there";
    case 405:
        return "this address does not take such requests; check url";
    case 402:
    case 406:
    case 411:
    case 415:
    case 421:
    case 426:
    case 511:
        return "the server, or a proxy before it, does not take our requests; check url";
    case 407:
        return "the proxy wants credentials; set them in the proxy's environment variable";
    case 408:
    case 425:
        return "the server did not take the request in time";
    case 429:
        return "it asks us to slow down";
    default:
        return NULL;
    }
}

struct memferry_outcome http_verdict(const struct http_reply *reply, size_t n, const char *target)
{
    char body[SHOWN_BODY_BYTES];
    long status = reply->status;

    if (reply->failure != HTTP_ANSWERED) {
        return failure_verdict(reply, n);
    }
    if (status >= 200 && status < 300) {
        return outcome_done();
    }
    if (is_redirect(status)) {
        return redirect_verdict(reply, target);
    }
    const char *trouble = backend_trouble(status);
    if (trouble != NULL) {
        return outcome_retry(MEMFERRY_BLAME_BACKEND, reply->retry_after_ms, "%s answered %ld: %s",
                             target, status, trouble);
    }
    show_text(body, sizeof body, reply->body == NULL ? "" : reply->body, reply->body_size);
    const char *colon = body[0] != '\0' ? ": " : "";
    if (status < 500) {
        return outcome_reject(blame_for(n), "%s answered %ld%s%s", target, status, colon, body);
    }
    bool whole = status == 503 && reply->retry_after_ms >= 0;
    return outcome_retry(whole ? MEMFERRY_BLAME_BACKEND : blame_for(n), reply->retry_after_ms,
                         "%s answered %ld%s%s", target, status, colon, body);
}
