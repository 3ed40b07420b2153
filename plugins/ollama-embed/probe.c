/*
 * probe.c - is the server there, and the model, and are its vectors ours?
 *
 * Happy path: /api/show knows the model and says how long its context is; then a short text is
 * embedded, which shows the rest: the API that is there, and the dimensions.
 *
 * Failure modes: each is a reason that says what to do. A server, or a proxy before it, that has no
 * /api/show is taken as it is: only the context is not known then.
 */
#include "plugins/ollama-embed/ollama.h"

#include "plugins/common/json_reader.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PARAMETERS_BYTES = 4096 };

static int write_question(struct ollama *ollama)
{
    struct json_writer *w = &ollama->writer;

    json_writer_reset(w);
    json_begin_object(w);
    json_write_key(w, "model");
    json_write_text(w, ollama->model);
    json_write_key(w, "name"); /* as servers of 2024 call it */
    json_write_text(w, ollama->model);
    json_end_object(w);
    return json_writer_status(w);
}

/* The number of the line "num_ctx N" in a model's parameters; 0: there is none. */
static uint64_t context_of_parameters(const char *text)
{
    for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, "num_ctx", 7) == 0 && isspace((unsigned char)line[7])) {
            return strtoull(line + 7, NULL, 10);
        }
    }
    return 0;
}

/* The member "ARCHITECTURE.context_length". */
static uint64_t context_of_info(struct json_reader *r)
{
    static const char suffix[] = ".context_length";
    double found = 0;
    struct json_key key;

    json_enter_object(r);
    while (json_next_key(r, &key)) {
        size_t tail = sizeof suffix - 1;
        if (key.size > tail && memcmp(key.data + key.size - tail, suffix, tail) == 0 &&
            json_peek(r) == JSON_KIND_NUMBER) {
            json_read_number(r, &found);
        } else {
            json_skip(r);
        }
    }
    return found >= 1 && found < 1e9 ? (uint64_t)found : 0;
}

/* The model's context in tokens as /api/show tells it; 0: it doesn't. */
static uint64_t read_context(const struct http_reply *http)
{
    uint64_t trained = 0, configured = 0;
    char parameters[PARAMETERS_BYTES];
    struct json_reader r;
    struct json_key key;

    json_reader_init(&r, http->body, http->body_size);
    json_enter_object(&r);
    while (json_next_key(&r, &key)) {
        if (json_key_is(&key, "model_info") && json_peek(&r) == JSON_KIND_OBJECT) {
            trained = context_of_info(&r);
        } else if (json_key_is(&key, "parameters") && json_peek(&r) == JSON_KIND_STRING) {
            json_read_string(&r, parameters, sizeof parameters);
            configured = context_of_parameters(parameters);
        } else {
            json_skip(&r);
        }
    }
    if (!json_reader_end(&r)) {
        return 0;
    }
    return configured != 0 && (trained == 0 || configured < trained) ? configured : trained;
}

/* Fills text_max, unless the option `context` has. */
static void learn_context(struct ollama *ollama, const struct http_reply *http)
{
    if (ollama->host->option_int(ollama->host, "context") == 0) {
        uint64_t tokens = read_context(http);
        ollama->text_max = ollama_context_bytes(tokens != 0 ? tokens : OLLAMA_CONTEXT_DEFAULT);
    }
}

static int ask_for_model(struct ollama *ollama, struct memferry_reason *why)
{
    struct http_reply reply = {0};
    struct memferry_outcome outcome;
    int r = write_question(ollama);

    r = r < 0 ? r : ollama_send(ollama, ollama->show_url, &reply);
    if (r < 0) {
        *why = (struct memferry_reason){.text = "out of memory"};
        return r;
    }
    switch (ollama_judge(ollama, &reply, 1, &outcome)) {
    case OLLAMA_GOOD:
        learn_context(ollama, &reply);
        break;
    case OLLAMA_NO_SUCH_API:
        break;
    default:
        r = probe_failure(ollama->host, &outcome, why);
        r = reply.failure == HTTP_CANCELLED ? -ECANCELED : r;
    }
    http_reply_deinit(&reply);
    return r;
}

static int embed_a_word(struct ollama *ollama, struct memferry_reason *why)
{
    struct memferry_text text = {.text = {"memory", strlen("memory")}};
    struct memferry_outcome outcome;
    float *vector = calloc(ollama->host->dims, sizeof *vector);

    if (vector == NULL) {
        *why = (struct memferry_reason){.text = "out of memory"};
        return -ENOMEM;
    }
    ollama->probing = true;
    ollama_embed(ollama, &text, 1, vector, &outcome);
    ollama->probing = false;
    free(vector);
    return outcome.verdict == MEMFERRY_DONE ? 0 : probe_failure(ollama->host, &outcome, why);
}

int ollama_probe(void *self, struct memferry_reason *why)
{
    struct ollama *ollama = self;
    int r = ask_for_model(ollama, why);

    ollama->old_api = false; /* it may be a newer server now */
    r = r < 0 ? r : embed_a_word(ollama, why);
    if (r == 0) {
        snprintf(why->text, sizeof why->text,
                 "%.100s at %.200s makes vectors of %u numbers, of texts of up to %zu bytes",
                 ollama->model, http_client_target(ollama->http), ollama->host->dims,
                 ollama->text_max);
    }
    return r;
}
