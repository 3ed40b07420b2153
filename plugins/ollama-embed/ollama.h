/*
 * ollama.h - what the files of this plugin share: the instance, texts as they are sent, replies.
 *
 *   ollama-embed.c   options, open, close, the exported table
 *   probe.c          is the server there, and the model, and are its vectors ours?
 *   embed.c          texts to vectors
 *   text.c           a text as it is sent: prefix, over-long words broken, cut to the context
 *   reply.c          the server's JSON, and what its errors mean
 *   suspect.c        a text that may be why there is no answer
 */
#ifndef MEMFERRY_PLUGINS_OLLAMA_H
#define MEMFERRY_PLUGINS_OLLAMA_H

#include "plugins/common/http.h"
#include "plugins/common/json_writer.h"
#include "plugins/common/verdict.h"

/* English has four or five bytes to a token. Where it is fewer the server says so, and the text is
 * cut further. */
#define OLLAMA_TOKEN_BYTES     4u
#define OLLAMA_CONTEXT_DEFAULT 2048u /* tokens, where neither option nor server says it */

struct ollama_text {
    char *data; /* not NUL-terminated */
    size_t size, capacity;
    size_t prefix_size; /* of `size` */
    bool cut;           /* something of the text is left out */
};

/* The last text that got no answer alone. */
struct ollama_suspect {
    uint64_t hash;
    bool known;
    bool well_since; /* the server has answered since, to a probe or with vectors */
    char *path;      /* of the file that keeps the hash */
};

struct ollama {
    const struct memferry_host *host;
    struct http_client *http;
    const char *model;
    const char *keep_alive; /* NULL: the server's default */
    int64_t keep_alive_s;   /* in place of it, when it is a plain number */
    bool keep_alive_is_number;
    const char *document_prefix, *query_prefix;
    char *embed_url, *embeddings_url, *show_url;
    char *authorization;    /* a header's line; NULL: none */
    const char *token;      /* in it */
    const char *headers[4]; /* of every request */
    size_t batch;

    /* What probing and use have taught. */
    bool old_api;       /* there is no /api/embed, only /api/embeddings */
    size_t text_max;    /* bytes of a text, without its prefix */
    size_t request_max; /* texts to a request: fewer after it took too long */
    bool probing;       /* what is embedded now is nobody's text */
    struct ollama_suspect suspect;

    struct json_writer writer; /* the request's body, kept */
    struct ollama_text text;   /* the text being written, kept */
    double *vector;            /* host->dims, of one reply */
};

/* ---- ollama-embed.c ---- */

/* Sends the writer's text. The reply is the caller's. -ENOMEM. */
int ollama_send(struct ollama *ollama, const char *url, struct http_reply *ret);
size_t ollama_context_bytes(uint64_t tokens);

/* ---- text.c ---- */

/* Is there nothing in it that a vector could be made of? */
bool ollama_text_is_empty(const char *prefix, struct memferry_string text);
/* Fills it from prefix and text, of which at most max bytes are taken, broken words included. When
 * that cuts, it is between two words. -ENOMEM. */
int ollama_text_make(struct ollama_text *ret, const char *prefix, struct memferry_string text,
                     size_t max);
void ollama_text_deinit(struct ollama_text *text);

/* ---- reply.c ---- */

enum ollama_answer {
    OLLAMA_GOOD = 1,
    OLLAMA_TOO_LONG,    /* a text is longer than the model's context */
    OLLAMA_NO_SUCH_API, /* the server knows no such path */
    OLLAMA_FAILED
};

/* What a reply to a request with n texts says. *ret is the outcome of each unless it is GOOD. */
enum ollama_answer ollama_judge(const struct ollama *ollama, const struct http_reply *http,
                                size_t n, struct memferry_outcome *ret);
/* The vectors of a GOOD reply: fills vectors and outcomes of the texts which[0 … n). */
void ollama_read_vectors(struct ollama *ollama, const struct http_reply *http, const size_t *which,
                         size_t n, float *vectors, struct memferry_outcome *outcomes);

/* ---- suspect.c ---- */

/* -ENOMEM. */
int ollama_suspect_init(struct ollama_suspect *suspect, const struct memferry_host *host);
void ollama_suspect_deinit(struct ollama_suspect *suspect);
/* A text got no answer alone. True: again, with the server well in between. */
bool ollama_suspect_text(struct ollama_suspect *suspect, struct memferry_string text);
/* A text got its vector. */
void ollama_suspect_answered(struct ollama_suspect *suspect, struct memferry_string text);

/* ---- the calls of the table ---- */

int ollama_probe(void *self, struct memferry_reason *why);
void ollama_embed(void *self, struct memferry_text *texts, size_t n, float *vectors,
                  struct memferry_outcome *outcomes);

#endif
