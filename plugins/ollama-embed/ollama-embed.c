/*
 * ollama-embed.c - the plugin's table: options, open, close.
 *
 * Happy path: open reads the options and makes the HTTP client, without reaching the server; probe
 * (probe.c) does that. embed.c makes vectors.
 *
 * Failure modes: open fails by its options only: a URL that is none, a keep_alive that is no time,
 * a token that can't be read. All else is told by outcomes (reply.c).
 */
#include "plugins/ollama-embed/ollama.h"

#include "plugins/common/http_settings.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    BATCH_MAX = 256,
    REPLY_BASE_BYTES = 1 << 20, /* what /api/show tells of a model */
    NUMBER_BYTES = 32,          /* of JSON, at most */
    DIMS_READ_MIN = 8192,       /* vectors up to this are read, to say how many they have */
};

static const struct memferry_option options[] = {
    {.name = "url",
     .type = MEMFERRY_OPTION_STRING,
     .default_value = "http://127.0.0.1:11434",
     .help = "Where Ollama is"},
    {.name = "model",
     .type = MEMFERRY_OPTION_STRING,
     .default_value = "nomic-embed-text",
     .help = "The model, as ollama list names it"},
    {.name = "document_prefix",
     .type = MEMFERRY_OPTION_STRING,
     .help = "What stands before a memory's text; by default what nomic-embed-text wants, and "
             "nothing for other models"},
    {.name = "query_prefix",
     .type = MEMFERRY_OPTION_STRING,
     .help = "What stands before the text of a search; by default as document_prefix"},
    {.name = "context",
     .type = MEMFERRY_OPTION_INT,
     .min = 16,
     .max = 1000000,
     .help = "Tokens that the model takes; longer texts are cut. By default as the server says"},
    {.name = "keep_alive",
     .type = MEMFERRY_OPTION_STRING,
     .help = "How long the server keeps the model loaded, such as 30m or -1; by default as the "
             "server is set up"},
    {.name = "batch",
     .type = MEMFERRY_OPTION_INT,
     .default_value = "16",
     .min = 1,
     .max = BATCH_MAX,
     .help = "Texts to a request, if they are short"},
    {.name = "token",
     .type = MEMFERRY_OPTION_SECRET,
     .help = "A bearer token, for an Ollama behind a proxy that wants one"},
#include "plugins/common/http_options.inc"
    {.name = NULL},
};

size_t ollama_context_bytes(uint64_t tokens)
{
    return (size_t)tokens * OLLAMA_TOKEN_BYTES;
}

/* Is it one of the models that are trained with "search_document: " and "search_query: "? It may
 * stand behind a registry's and a user's name. */
static bool is_nomic(const char *model)
{
    static const char nomic[] = "nomic-embed-text";
    const char *slash = strrchr(model, '/');

    return strncasecmp(slash == NULL ? model : slash + 1, nomic, sizeof nomic - 1) == 0;
}

/* What is configured, be it empty, else what the model wants. */
static const char *read_prefix(const struct ollama *ollama, const char *name, const char *of_nomic)
{
    const char *configured = ollama->host->option(ollama->host, name);

    return configured != NULL ? configured : is_nomic(ollama->model) ? of_nomic : "";
}

/* As Go writes times: numbers with units, such as 1h30m; negative: for ever. */
static bool is_go_time(const char *text)
{
    static const char *const units[] = {"ns", "us", "ms", "s", "m", "h"};

    text += *text == '-';
    do {
        size_t digits = strspn(text, "0123456789."), unit = 0;
        for (size_t i = 0; i < sizeof units / sizeof units[0] && unit == 0; i++) {
            size_t size = strlen(units[i]);
            unit = strncmp(text + digits, units[i], size) == 0 ? size : 0;
        }
        if (digits == 0 || unit == 0) {
            return false;
        }
        text += digits + unit;
    } while (*text != '\0');
    return true;
}

static int read_keep_alive(struct ollama *ollama, struct memferry_reason *why)
{
    const char *text = ollama->host->option(ollama->host, "keep_alive");
    char *end;

    if (text == NULL || text[0] == '\0') {
        return 0;
    }
    ollama->keep_alive_s = strtoll(text, &end, 10);
    ollama->keep_alive_is_number = *end == '\0';
    if (!ollama->keep_alive_is_number && !is_go_time(text)) {
        snprintf(why->text, sizeof why->text,
                 "keep_alive: \"%.40s\" is no time; give one such as 30m, seconds, or -1 for ever",
                 text);
        return -EINVAL;
    }
    ollama->keep_alive = text;
    return 0;
}

static int read_token(struct ollama *ollama, struct memferry_reason *why)
{
    const struct memferry_host *host = ollama->host;
    size_t size;

    if (host->option(host, "token") == NULL) {
        return 0;
    }
    const char *token = host->secret(host, "token", &size, why);
    if (token == NULL) {
        return -EACCES;
    }
    for (size_t i = 0; i < size; i++) {
        if (!isgraph((unsigned char)token[i])) {
            snprintf(why->text, sizeof why->text,
                     "token: a bearer token is letters, digits and signs only, without blanks");
            return -EINVAL;
        }
    }
    if (asprintf(&ollama->authorization, "Authorization: Bearer %s", token) < 0) {
        ollama->authorization = NULL;
        return -ENOMEM;
    }
    ollama->token = ollama->authorization + strlen("Authorization: Bearer ");
    return 0;
}

static int make_client(struct ollama *ollama, struct memferry_reason *why)
{
    struct http_settings settings = http_settings_read(ollama->host);
    size_t dims = ollama->host->dims > DIMS_READ_MIN ? ollama->host->dims : DIMS_READ_MIN;

    settings.logs_in = ollama->authorization != NULL;
    settings.reply_max = REPLY_BASE_BYTES + ollama->batch * dims * NUMBER_BYTES;
    return http_client_new(&ollama->http, &settings, why);
}

static int make_urls(struct ollama *ollama)
{
    const char *url = ollama->host->option(ollama->host, "url");
    int size = (int)strlen(url);

    while (size > 0 && url[size - 1] == '/') {
        size--;
    }
    if (asprintf(&ollama->embed_url, "%.*s/api/embed", size, url) < 0 ||
        asprintf(&ollama->embeddings_url, "%.*s/api/embeddings", size, url) < 0 ||
        asprintf(&ollama->show_url, "%.*s/api/show", size, url) < 0) {
        return -ENOMEM;
    }
    return 0;
}

static int read_model(struct ollama *ollama, struct memferry_reason *why)
{
    const struct memferry_host *host = ollama->host;
    uint64_t context = (uint64_t)host->option_int(host, "context");

    ollama->model = host->option(host, "model");
    if (ollama->model[0] == '\0') {
        snprintf(why->text, sizeof why->text, "model: it is empty; name one of ollama list");
        return -EINVAL;
    }
    if (ollama->model[strcspn(ollama->model, " \t")] != '\0') {
        snprintf(
            why->text, sizeof why->text,
            "model: \"%.100s\" has a blank in it, which no model's name has (a comment behind a "
            "value begins with ;)",
            ollama->model);
        return -EINVAL;
    }
    ollama->document_prefix = read_prefix(ollama, "document_prefix", "search_document: ");
    ollama->query_prefix = read_prefix(ollama, "query_prefix", "search_query: ");
    ollama->text_max = ollama_context_bytes(context != 0 ? context : OLLAMA_CONTEXT_DEFAULT);
    return read_keep_alive(ollama, why);
}

static int ollama_init(struct ollama *ollama, struct memferry_reason *why)
{
    int r = read_model(ollama, why);

    ollama->batch = (size_t)ollama->host->option_int(ollama->host, "batch");
    r = r < 0 ? r : read_token(ollama, why);
    r = r < 0 ? r : make_client(ollama, why);
    if (r < 0) {
        return r;
    }
    snprintf(why->text, sizeof why->text, "out of memory");
    ollama->vector = calloc(ollama->host->dims, sizeof *ollama->vector);
    ollama->headers[0] = "Content-Type: application/json";
    ollama->headers[1] = "Accept: application/json";
    ollama->headers[2] = ollama->authorization;
    r = ollama->vector == NULL ? -ENOMEM : make_urls(ollama);
    r = r < 0 ? r : ollama_suspect_init(&ollama->suspect, ollama->host);
    /* With a suspect about, one by one at first. */
    ollama->request_max = ollama->suspect.known ? 1 : ollama->batch;
    return r;
}

static void ollama_close(void *self)
{
    struct ollama *ollama = self;

    http_client_free(ollama->http);
    json_writer_deinit(&ollama->writer);
    ollama_text_deinit(&ollama->text);
    ollama_suspect_deinit(&ollama->suspect);
    if (ollama->authorization != NULL) {
        explicit_bzero(ollama->authorization, strlen(ollama->authorization));
    }
    free(ollama->authorization);
    free(ollama->embed_url);
    free(ollama->embeddings_url);
    free(ollama->show_url);
    free(ollama->vector);
    free(ollama);
}

static int ollama_open(const struct memferry_host *host, void **self)
{
    struct memferry_reason why = {.text = "out of memory"};
    struct ollama *ollama = calloc(1, sizeof *ollama);
    int r = -ENOMEM;

    if (ollama != NULL) {
        ollama->host = host;
        json_writer_init(&ollama->writer, HTTP_BODY_DEFAULT_MAX);
        r = ollama_init(ollama, &why);
    }
    if (r < 0) {
        host->log(host, MEMFERRY_LOG_ERROR, "%s", why.text);
        if (ollama != NULL) {
            ollama_close(ollama);
        }
        return r;
    }
    *self = ollama;
    return 0;
}

int ollama_send(struct ollama *ollama, const char *url, struct http_reply *ret)
{
    size_t size = 0;
    const char *body = json_writer_text(&ollama->writer, &size);

    if (body == NULL) {
        return -ENOMEM;
    }
    struct http_request request = {
        .method = "POST", .url = url, .headers = ollama->headers, .body = body, .body_size = size};
    http_exchange(ollama->http, &request, 1);
    *ret = request.reply;
    return 0;
}

__attribute__((visibility("default"))) extern const struct memferry_plugin memferry_plugin;

const struct memferry_plugin memferry_plugin = {
    .abi = MEMFERRY_PLUGIN_ABI,
    .size = sizeof(struct memferry_plugin),
    .name = "ollama-embed",
    .version = MEMFERRY_VERSION,
    .summary = "Embeddings of memories by a model that Ollama runs",
    .options = options,
    .open = ollama_open,
    .close = ollama_close,
    .probe = ollama_probe,
    .embed = ollama_embed,
};
