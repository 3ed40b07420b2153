/*
 * reply.c - the server's JSON, and what its errors mean for texts.
 *
 * Statuses alone say little: a missing model and a missing path are both 404, a text that is too
 * long is 400 or 500, and a crash of the process that runs the model is 400 too. So the error's
 * text is read, and what is not known never costs a memory its vector for good:
 *
 *  - a missing or wrong model, no memory for it, a full queue: the BACKEND's trouble;
 *  - a text longer than the context: that text's, who cuts it further (embed.c);
 *  - any other error of Ollama's with 400 or 5xx: the record's RETRY, or the batch's;
 *  - all else is as verdict.h says.
 *
 * A vector is taken when it has the broker's dimensions, and is written normalised to 1, whichever
 * of the two APIs made it.
 */
#include "plugins/ollama-embed/ollama.h"

#include "plugins/common/json_reader.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { ERROR_BYTES = 240 };

/* ---- errors ---- */

enum meaning { MEANING_UNKNOWN = 0, MEANING_MISSING, MEANING_TOO_LONG, MEANING_BACKEND };

struct phrase {
    long status; /* 0: any */
    const char *text;
    enum meaning meaning;
};

/* The first that stands in the error, in whatever case, counts. */
static const struct phrase phrases[] = {
    {404, "model", MEANING_MISSING},
    {0, "context length", MEANING_TOO_LONG},
    {0, "input is too large", MEANING_TOO_LONG},
    {0, "does not support", MEANING_BACKEND},
    {0, "invalid model name", MEANING_BACKEND},
    {0, "requires more", MEANING_BACKEND},
    {0, "load model", MEANING_BACKEND},
    {0, "loading model", MEANING_BACKEND},
    {0, "server busy", MEANING_BACKEND},
};

/* The text of {"error": "…"}, or of {"error": {"message": "…"}} as some proxies have it; empty:
 * there is none. */
static void read_error(const struct http_reply *http, char text[ERROR_BYTES])
{
    struct json_reader r;
    struct json_key key;

    text[0] = '\0';
    json_reader_init(&r, http->body, http->body_size);
    json_enter_object(&r);
    while (json_next_key(&r, &key)) {
        bool named = json_key_is(&key, "error") || json_key_is(&key, "message");
        if (named && json_peek(&r) == JSON_KIND_STRING) {
            json_read_string(&r, text, ERROR_BYTES);
            break;
        }
        if (named && json_peek(&r) == JSON_KIND_OBJECT) {
            json_enter_object(&r);
        } else {
            json_skip(&r);
        }
    }
    show_text(text, ERROR_BYTES, text, strlen(text));
}

static enum meaning meaning_of(long status, const char *error)
{
    for (size_t i = 0; i < sizeof phrases / sizeof phrases[0]; i++) {
        const struct phrase *p = &phrases[i];
        if ((p->status == 0 || p->status == status) && strcasestr(error, p->text) != NULL) {
            return p->meaning;
        }
    }
    return MEANING_UNKNOWN;
}

/* An error that is not about a path, a model or a length. */
static struct memferry_outcome judge_other(const struct ollama *ollama,
                                           const struct http_reply *http, size_t n,
                                           const char *error)
{
    const char *target = http_client_target(ollama->http);
    bool temporary = http->status == 400 || (http->status >= 500 && http->status != 503);

    if (http->status == 401) {
        return outcome_retry(MEMFERRY_BLAME_BACKEND, http->retry_after_ms,
                             "%s answered 401: it wants a token, or another; set token_env or "
                             "token_file",
                             target);
    }
    if (error[0] == '\0' || !temporary) {
        return http_verdict(http, n, target);
    }
    return outcome_retry(blame_for(n), http->retry_after_ms, "%s answered %ld: %s", target,
                         http->status, error);
}

static enum ollama_answer judge_error(const struct ollama *ollama, const struct http_reply *http,
                                      size_t n, struct memferry_outcome *ret)
{
    const char *target = http_client_target(ollama->http);
    char error[ERROR_BYTES];

    read_error(http, error);
    switch (meaning_of(http->status, error)) {
    case MEANING_MISSING:
        *ret = outcome_retry(MEMFERRY_BLAME_BACKEND, http->retry_after_ms,
                             "%s has no model %s; get it by: ollama pull %s", target, ollama->model,
                             ollama->model);
        return OLLAMA_FAILED;
    case MEANING_TOO_LONG:
        *ret = outcome_reject(blame_for(n), "%s answered %ld: %s", target, http->status, error);
        return OLLAMA_TOO_LONG;
    case MEANING_BACKEND:
        *ret = outcome_retry(MEMFERRY_BLAME_BACKEND, http->retry_after_ms,
                             "%s can't embed with the model %s: %s", target, ollama->model, error);
        return OLLAMA_FAILED;
    case MEANING_UNKNOWN:
        break;
    }
    *ret = judge_other(ollama, http, n, error);
    return http->status == 404 ? OLLAMA_NO_SUCH_API : OLLAMA_FAILED;
}

/* A server may repeat what it was sent. */
static void hide_token(const struct ollama *ollama, struct memferry_reason *reason)
{
    if (ollama->token != NULL && strstr(reason->text, ollama->token) != NULL) {
        snprintf(reason->text, sizeof reason->text,
                 "%s did not do it, and its answer is not told: it repeats the token",
                 http_client_target(ollama->http));
    }
}

enum ollama_answer ollama_judge(const struct ollama *ollama, const struct http_reply *http,
                                size_t n, struct memferry_outcome *ret)
{
    enum ollama_answer answer = OLLAMA_FAILED;

    *ret = http_verdict(http, n, http_client_target(ollama->http));
    if (ret->verdict == MEMFERRY_DONE) {
        return OLLAMA_GOOD;
    }
    if (http->failure == HTTP_ANSWERED) {
        answer = judge_error(ollama, http, n, ret);
    }
    hide_token(ollama, &ret->reason);
    return answer;
}

/* ---- vectors ---- */

/* One array of numbers; those that fit go to ollama->vector. Returns how many there were. */
static size_t read_numbers(struct ollama *ollama, struct json_reader *r)
{
    size_t count = 0;
    double number = 0;

    json_enter_array(r);
    while (json_next_item(r) && json_read_number(r, &number)) {
        if (count < ollama->host->dims) {
            ollama->vector[count] = number;
        }
        count++;
    }
    return count;
}

static struct memferry_outcome normalise(const struct ollama *ollama, float *vector)
{
    double sum = 0;

    for (size_t i = 0; i < ollama->host->dims; i++) {
        sum += ollama->vector[i] * ollama->vector[i];
    }
    double norm = sqrt(sum);
    if (!isnormal(norm)) {
        return outcome_retry(MEMFERRY_BLAME_RECORD, -1,
                             "the vector that %s made of this text has no direction (it is zero, "
                             "or not finite)",
                             ollama->model);
    }
    for (size_t i = 0; i < ollama->host->dims; i++) {
        vector[i] = (float)(ollama->vector[i] / norm);
    }
    return outcome_done();
}

static struct memferry_outcome read_vector(struct ollama *ollama, struct json_reader *r,
                                           float *vector)
{
    uint32_t dims = ollama->host->dims;
    size_t count = read_numbers(ollama, r);

    if (count != dims && !r->failed) {
        return outcome_retry(MEMFERRY_BLAME_BACKEND, -1,
                             "the vectors of %s have %zu dimensions, the broker's have %" PRIu32
                             "; set another model, or dims = %zu in [broker]",
                             ollama->model, count, dims, count);
    }
    return normalise(ollama, vector);
}

struct reading {
    struct ollama *ollama;
    const size_t *which;
    size_t n, count; /* texts that were sent, vectors that came */
    float *vectors;
    struct memferry_outcome *outcomes;
};

static void read_next(struct reading *reading, struct json_reader *r)
{
    if (reading->count >= reading->n) {
        json_skip(r);
    } else {
        size_t i = reading->which[reading->count];
        reading->outcomes[i] = read_vector(
            reading->ollama, r, reading->vectors + i * (size_t)reading->ollama->host->dims);
    }
    reading->count++;
}

/* {"embeddings": [[…], …]}, or {"embedding": […]} of the old API. */
static void read_reply(struct reading *reading, struct json_reader *r)
{
    const char *name = reading->ollama->old_api ? "embedding" : "embeddings";
    struct json_key key;

    json_enter_object(r);
    while (json_next_key(r, &key)) {
        if (!json_key_is(&key, name)) {
            json_skip(r);
        } else if (reading->ollama->old_api) {
            read_next(reading, r);
        } else {
            json_enter_array(r);
            while (json_next_item(r)) {
                read_next(reading, r);
            }
        }
    }
}

void ollama_read_vectors(struct ollama *ollama, const struct http_reply *http, const size_t *which,
                         size_t n, float *vectors, struct memferry_outcome *outcomes)
{
    struct reading reading = {
        .ollama = ollama, .which = which, .n = n, .vectors = vectors, .outcomes = outcomes};
    struct json_reader r;

    json_reader_init(&r, http->body, http->body_size);
    read_reply(&reading, &r);
    if (json_reader_end(&r) && reading.count == n) {
        return;
    }
    struct memferry_outcome outcome =
        outcome_retry(MEMFERRY_BLAME_BACKEND, -1,
                      "%s answered %ld, but not with %zu vector%s as "
                      "Ollama does; check url",
                      http_client_target(ollama->http), http->status, n, n == 1 ? "" : "s");
    for (size_t i = 0; i < n; i++) {
        outcomes[which[i]] = outcome;
    }
}
