/*
 * embed.c - texts to vectors.
 *
 * Happy path: the texts go in requests of at most REQUEST_TEXT_BYTES, one after the other, and each
 * reply gives its texts their vectors.
 *
 * Failure modes:
 *  - the server refuses a request because a text is longer than the context. It doesn't say which,
 *    so these texts go one by one, and the one that is refused alone is cut by a quarter, until it
 *    fits or TEXT_BYTES_MIN is reached;
 *  - it takes too long, or the connection breaks. One text may be what keeps it busy, so these
 *    texts go one by one too, and later requests have half as many. No answer to a text alone is
 *    the backend's trouble; but when it happens to that text again, with the server well in
 *    between, it is the text's own, for else no other would ever get its turn;
 *  - it has no /api/embed: the older /api/embeddings is taken, a text at a time, until the next
 *    probe;
 *  - whatever else is the backend's trouble ends the call: what is left shares the outcome.
 */
#include "plugins/ollama-embed/ollama.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    REQUEST_TEXT_BYTES = 16 * 1024, /* a slow server has a time-out to keep with them */
    TEXT_BYTES_MIN = 32,            /* no context is smaller: what is cut to this ends its tries */
};

struct call {
    struct ollama *ollama;
    struct memferry_text *texts;
    float *vectors;
    struct memferry_outcome *outcomes;
    size_t n;
    size_t *limits;   /* bytes that each may have */
    size_t alone_end; /* the texts before it go one by one */
};

/* The texts of one request: a stretch of the call's, without those that are settled unsent. */
struct request {
    size_t first, end;
    size_t *which, count;
    size_t bytes; /* of the last one, without prefix */
};

static const char *prefix_of(const struct call *c, size_t i)
{
    return c->texts[i].query ? c->ollama->query_prefix : c->ollama->document_prefix;
}

/* ---- what is sent ---- */

static size_t texts_max(const struct call *c, size_t first)
{
    return c->ollama->old_api || first < c->alone_end ? 1 : c->ollama->request_max;
}

/* Makes the text and writes it as a string. False: it does not fit beside what is there. */
static bool write_text(struct call *c, struct request *request, size_t i, size_t *bytes)
{
    struct ollama_text *text = &c->ollama->text;

    if (ollama_text_make(text, prefix_of(c, i), c->texts[i].text, c->limits[i]) < 0) {
        c->ollama->writer.status = -ENOMEM;
        return false;
    }
    if (request->count > 0 && *bytes + text->size > REQUEST_TEXT_BYTES) {
        return false;
    }
    c->texts[i].truncated = text->cut;
    json_write_string(&c->ollama->writer, text->data, text->size);
    *bytes += text->size;
    request->bytes = text->size - text->prefix_size;
    request->which[request->count++] = i;
    return true;
}

/* Writes texts from the first on, as many as one request may have. The first is open. */
static void write_texts(struct call *c, struct request *request)
{
    size_t most = texts_max(c, request->first), bytes = 0;

    request->count = 0;
    for (request->end = request->first; request->end < c->n; request->end++) {
        bool open = c->outcomes[request->end].verdict == 0;
        if (open && (request->count == most || !write_text(c, request, request->end, &bytes))) {
            return;
        }
    }
}

static void write_keep_alive(const struct ollama *ollama, struct json_writer *w)
{
    if (ollama->keep_alive == NULL) {
        return;
    }
    json_write_key(w, "keep_alive");
    if (ollama->keep_alive_is_number) {
        json_write_int(w, ollama->keep_alive_s);
    } else {
        json_write_text(w, ollama->keep_alive);
    }
}

static void write_body(struct call *c, struct request *request)
{
    struct ollama *ollama = c->ollama;
    struct json_writer *w = &ollama->writer;

    json_writer_reset(w);
    json_begin_object(w);
    json_write_key(w, "model");
    json_write_text(w, ollama->model);
    write_keep_alive(ollama, w);
    if (ollama->old_api) {
        json_write_key(w, "prompt");
        write_texts(c, request);
    } else {
        json_write_key(w, "truncate");
        json_write_bool(w, false);
        json_write_key(w, "input");
        json_begin_array(w);
        write_texts(c, request);
        json_end_array(w);
    }
    json_end_object(w);
}

/* ---- what comes of it ---- */

static void settle(struct call *c, const struct request *request, struct memferry_outcome outcome)
{
    for (size_t i = 0; i < request->count; i++) {
        c->outcomes[request->which[i]] = outcome;
    }
}

/* A text that got no answer alone, though the server was reached. */
static void judge_silence(struct call *c, const struct request *request,
                          struct memferry_outcome outcome)
{
    if (ollama_suspect_text(&c->ollama->suspect, c->texts[request->which[0]].text)) {
        outcome = outcome_retry(MEMFERRY_BLAME_RECORD, -1,
                                "this text got no answer again, with the server well in between; "
                                "if it is only slow, raise timeout (%.200s)",
                                outcome.reason.text);
    }
    settle(c, request, outcome);
}

static void judge_failure(struct call *c, const struct request *request, enum http_failure failure,
                          struct memferry_outcome outcome)
{
    if ((failure != HTTP_TIMED_OUT && failure != HTTP_BROKEN) || c->ollama->probing) {
        settle(c, request, outcome);
    } else if (request->count > 1) {
        c->alone_end = request->end;
        c->ollama->request_max = request->count / 2;
    } else {
        judge_silence(c, request, outcome);
    }
}

/* The text that the request had alone is longer than the context. */
static void shorten(struct call *c, const struct request *request, struct memferry_outcome outcome)
{
    size_t i = request->which[0];

    if (request->bytes <= TEXT_BYTES_MIN) {
        c->outcomes[i] = outcome;
        return;
    }
    c->limits[i] = request->bytes - request->bytes / 4;
}

static void take_vectors(struct call *c, const struct request *request,
                         const struct http_reply *http)
{
    struct ollama *ollama = c->ollama;

    ollama_read_vectors(ollama, http, request->which, request->count, c->vectors, c->outcomes);
    for (size_t i = 0; i < request->count; i++) {
        ollama_suspect_answered(&ollama->suspect, c->texts[request->which[i]].text);
    }
    if (request->count == ollama->request_max && ollama->request_max < ollama->batch) {
        ollama->request_max++;
    }
}

/* Settles the request's texts, or changes how they will be sent. */
static void judge(struct call *c, const struct request *request, const struct http_reply *http)
{
    struct memferry_outcome outcome;

    switch (ollama_judge(c->ollama, http, request->count, &outcome)) {
    case OLLAMA_GOOD:
        take_vectors(c, request, http);
        return;
    case OLLAMA_TOO_LONG:
        if (request->count > 1) {
            c->alone_end = request->end;
        } else {
            shorten(c, request, outcome);
        }
        return;
    case OLLAMA_NO_SUCH_API:
        if (c->ollama->old_api) {
            settle(c, request, outcome);
        }
        c->ollama->old_api = true;
        return;
    case OLLAMA_FAILED:
        judge_failure(c, request, http->failure, outcome);
    }
}

/* Sends the open texts from `first` on that fit into one request. */
static void send_request(struct call *c, size_t first, size_t *which)
{
    struct ollama *ollama = c->ollama;
    struct request request = {.first = first, .which = which};
    struct http_reply reply = {0};

    write_body(c, &request);
    if (ollama_send(ollama, ollama->old_api ? ollama->embeddings_url : ollama->embed_url, &reply) <
        0) {
        request.which[0] = first;
        request.count = 1;
        settle(c, &request, outcome_retry(MEMFERRY_BLAME_BACKEND, -1, "out of memory"));
        return;
    }
    judge(c, &request, &reply);
    http_reply_deinit(&reply);
}

/* What needs no server: empty texts. The others are open, and have the whole context. */
static void prepare(struct call *c)
{
    for (size_t i = 0; i < c->n; i++) {
        c->outcomes[i] = (struct memferry_outcome){0};
        c->texts[i].truncated = false;
        c->limits[i] = c->ollama->text_max;
        if (ollama_text_is_empty(prefix_of(c, i), c->texts[i].text)) {
            c->outcomes[i] = outcome_reject(MEMFERRY_BLAME_RECORD,
                                            "the text is empty: there is nothing to embed");
        }
    }
}

static void embed_all(struct call *c, size_t *which)
{
    const struct memferry_outcome *end = NULL;

    prepare(c);
    for (size_t i = 0; i < c->n;) {
        struct memferry_outcome *outcome = &c->outcomes[i];
        if (outcome->verdict == 0 && end != NULL) {
            *outcome = *end;
        } else if (outcome->verdict == 0) {
            send_request(c, i, which); /* settles it, or makes it smaller */
        } else {
            bool backend =
                outcome->verdict == MEMFERRY_RETRY && outcome->blame == MEMFERRY_BLAME_BACKEND;
            end = end == NULL && backend ? outcome : end;
            i++;
        }
    }
}

void ollama_embed(void *self, struct memferry_text *texts, size_t n, float *vectors,
                  struct memferry_outcome *outcomes)
{
    struct call c = {
        .ollama = self, .texts = texts, .vectors = vectors, .outcomes = outcomes, .n = n};
    size_t *room = calloc(n, 2 * sizeof *room);

    if (room == NULL) {
        for (size_t i = 0; i < n; i++) {
            outcomes[i] = outcome_retry(MEMFERRY_BLAME_BACKEND, -1, "out of memory");
        }
        return;
    }
    c.limits = room;
    embed_all(&c, room + n);
    free(room);
}
