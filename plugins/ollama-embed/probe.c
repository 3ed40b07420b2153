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

#include <errno.h>
#include <stdlib.h>
#include <string.h>

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

/* Fills text_max, unless the option `context` has. */
static void learn_context(struct ollama *ollama, const struct http_reply *http)
{
    if (ollama->host->option_int(ollama->host, "context") == 0) {
        uint64_t tokens = ollama_read_context(http);
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
        *why = outcome.reason;
        r = reply.failure == HTTP_CANCELLED ? -ECANCELED : -EIO;
    }
    http_reply_deinit(&reply);
    return r;
}

static int embed_a_word(struct ollama *ollama, struct memferry_reason *why)
{
    struct memferry_text text = {.text = {"memory", strlen("memory")}};
    struct memferry_outcome outcome;
    float *vector = calloc(ollama->host->dims, sizeof *vector);
    /* A text that is under suspicion stays so. */
    struct ollama_suspect suspect = ollama->suspect;

    if (vector == NULL) {
        *why = (struct memferry_reason){.text = "out of memory"};
        return -ENOMEM;
    }
    ollama_embed(ollama, &text, 1, vector, &outcome);
    ollama->suspect = suspect;
    free(vector);
    if (outcome.verdict != MEMFERRY_DONE) {
        *why = outcome.reason;
        return -EIO;
    }
    ollama->suspect.well_since = true;
    return 0;
}

int ollama_probe(void *self, struct memferry_reason *why)
{
    struct ollama *ollama = self;
    int r = ask_for_model(ollama, why);

    ollama->old_api = false; /* it may be a newer server now */
    return r < 0 ? r : embed_a_word(ollama, why);
}
