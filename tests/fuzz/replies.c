/* replies.c - see replies.h. */
#include "tests/fuzz/replies.h"

#include <errno.h>
#include <string.h>

#define NOW_S 1700000000 /* of Retry-After: what is found comes again */

void __wrap_http_exchange(struct http_client *client, struct http_request *requests, size_t n);
int __real_http_client_new(struct http_client **ret, const struct http_settings *settings,
                           struct memferry_reason *why);
int __wrap_http_client_new(struct http_client **ret, const struct http_settings *settings,
                           struct memferry_reason *why);
struct http_client *__wrap_http_client_free(struct http_client *client);

static struct replies *current;

void replies_begin(struct replies *replies, const uint8_t *data, size_t size)
{
    replies->at = data;
    replies->end = data + size;
    replies->asked = replies->given_count = 0;
    current = replies;
}

void replies_end(void)
{
    current = NULL;
}

size_t replies_good(const struct replies *replies)
{
    size_t good = 0;

    for (size_t i = 0; i < replies->given_count; i++) {
        const struct given_reply *given = &replies->given[i];
        good += given->failure == HTTP_ANSWERED && given->status >= 200 && given->status < 300;
    }
    return good;
}

/* ---- one reply ---- */

static struct given_reply kind_of(uint8_t sign)
{
    static const struct {
        char sign;
        enum http_failure failure;
        long status;
    } kinds[] = {
        {'0', HTTP_ANSWERED, 200},
        {'1', HTTP_ANSWERED, 201},
        {'2', HTTP_ANSWERED, 202},
        {'3', HTTP_ANSWERED, 301},
        {'4', HTTP_ANSWERED, 400},
        {'5', HTTP_ANSWERED, 500},
        {'a', HTTP_ANSWERED, 401},
        {'b', HTTP_ANSWERED, 403},
        {'c', HTTP_ANSWERED, 404},
        {'d', HTTP_ANSWERED, 409},
        {'e', HTTP_ANSWERED, 410},
        {'f', HTTP_ANSWERED, 413},
        {'g', HTTP_ANSWERED, 422},
        {'h', HTTP_ANSWERED, 429},
        {'i', HTTP_ANSWERED, 503},
        {'j', HTTP_ANSWERED, 99},
        {'k', HTTP_ANSWERED, 999},
        {'l', HTTP_UNREACHABLE, 0},
        {'m', HTTP_TIMED_OUT, 0},
        {'n', HTTP_BROKEN, 0},
        {'o', HTTP_TLS, 0},
        {'p', HTTP_REQUEST_TOO_LARGE, 0},
        {'q', HTTP_REPLY_TOO_LARGE, 0},
        {'r', HTTP_CANCELLED, 0},
        {'s', HTTP_LOCAL, 0},
    };
    size_t count = sizeof kinds / sizeof kinds[0], i = 0;

    while (i < count && kinds[i].sign != (char)sign) {
        i++;
    }
    i = i < count ? i : sign % count;
    return (struct given_reply){.failure = kinds[i].failure, .status = kinds[i].status};
}

static int64_t read_retry_after(const uint8_t *text, size_t size)
{
    char line[64];

    size = size < sizeof line ? size : sizeof line - 1;
    memcpy(line, text, size);
    line[size] = '\0';
    int64_t ms = http_parse_retry_after(line, NOW_S);
    must(ms >= -1 && ms <= INT64_C(24) * 3600 * 1000, "a delay is at most a day");
    return ms;
}

static void fail(struct http_reply *reply, enum http_failure failure)
{
    reply->failure = failure;
    snprintf(reply->detail, sizeof reply->detail, "http://127.0.0.1:1 failed by %d", (int)failure);
}

static void next_reply(struct http_reply *reply)
{
    *reply = (struct http_reply){.retry_after_ms = -1};
    if (current->at == current->end) {
        fail(reply, HTTP_UNREACHABLE);
        return;
    }
    size_t left = (size_t)(current->end - current->at);
    const uint8_t *end = memchr(current->at, 0x1e, left);
    const uint8_t *stop = end == NULL ? current->end : end;
    struct given_reply given = kind_of(*current->at++);
    const uint8_t *text = current->at < stop ? current->at : stop;
    const uint8_t *line_end = memchr(text, '\n', (size_t)(stop - text));
    given.body = line_end == NULL ? stop : line_end + 1;
    given.body_size = (size_t)(stop - given.body);
    current->at = end == NULL ? current->end : end + 1;
    if (given.failure != HTTP_ANSWERED) {
        fail(reply, given.failure);
    } else {
        reply->status = given.status;
        reply->retry_after_ms =
            read_retry_after(text, (size_t)((line_end == NULL ? stop : line_end) - text));
    }
    if (given.failure == HTTP_ANSWERED && given.body_size > 0) {
        reply->body = malloc(given.body_size + 1); /* exact, for the sanitizer */
        must(reply->body != NULL, "memory");
        memcpy(reply->body, given.body, given.body_size);
        reply->body[given.body_size] = '\0';
        reply->body_size = given.body_size;
    }
    must(current->given_count < REPLIES_GIVEN_MAX, "the plugin stops asking");
    current->given[current->given_count++] = given;
}

/* ---- the exchange ---- */

static enum http_failure failure_of(int r)
{
    return r == -EMSGSIZE ? HTTP_REQUEST_TOO_LARGE : r == -ECANCELED ? HTTP_CANCELLED : HTTP_LOCAL;
}

void __wrap_http_exchange(struct http_client *client, struct http_request *requests, size_t n)
{
    (void)client;
    for (size_t i = 0; i < n; i++) {
        struct http_request *request = &requests[i];
        int r = request->prepare != NULL ? request->prepare(request) : 0;
        current->asked++;
        if (r < 0) {
            fail(&request->reply, failure_of(r));
            continue;
        }
        must(request->body == NULL || memchr(request->body, '\0', request->body_size) == NULL,
             "what is sent is text");
        next_reply(&request->reply);
        if (request->finished != NULL) {
            request->finished(request);
        }
    }
}

/* A client is the same each time, and takes longer to make than all else. */
int __wrap_http_client_new(struct http_client **ret, const struct http_settings *settings,
                           struct memferry_reason *why)
{
    static struct http_client *client;
    int r = client == NULL ? __real_http_client_new(&client, settings, why) : 0;

    *ret = client;
    return r;
}

struct http_client *__wrap_http_client_free(struct http_client *client)
{
    (void)client;
    return NULL;
}

/* ---- outcomes ---- */

void must_be_outcome(const struct memferry_outcome *outcome, size_t n)
{
    const char *reason = outcome->reason.text;

    must(outcome->verdict >= MEMFERRY_DONE && outcome->verdict <= MEMFERRY_REJECT,
         "each has a verdict");
    must(memchr(reason, '\0', sizeof outcome->reason.text) != NULL, "a reason ends");
    must(outcome->verdict == MEMFERRY_DONE || reason[0] != '\0', "what is not done has a reason");
    for (size_t i = 0; reason[i] != '\0'; i++) {
        must((unsigned char)reason[i] >= 0x20, "a reason is one line that may be shown");
    }
    must(outcome->blame < MEMFERRY_BLAME_BACKEND || outcome->verdict == MEMFERRY_RETRY,
         "the backend's trouble is a retry");
    must(outcome->blame != MEMFERRY_BLAME_BATCH || n > 1, "one alone is no batch");
    must(!outcome->superseded || outcome->verdict == MEMFERRY_DONE, "what lost is done");
}
