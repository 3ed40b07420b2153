/* What the plugin sends, and what it makes of replies, against a scripted server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "plugins/ollama-embed/ollama.h"
#include "tests/lib/canceller.h"
#include "tests/lib/fake_host.h"
#include "tests/lib/fault_server.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern const struct memferry_plugin memferry_plugin;

#define TOO_LONG "{\"error\":\"the input length exceeds the context length\"}"
#define MISSING  "{\"error\":\"model \\\"nomic-embed-text\\\" not found, try pulling it first\"}"
#define SHOWN    "{\"parameters\":\"num_ctx  64\",\"model_info\":{\"nomic-bert.context_length\":2048}}"
#define NO_PATH  "404 page not found"

enum { DIMS = 4, TEXTS = 16 };

struct fixture {
    struct fault_server *server;
    struct fake_host host;
    void *self;
    struct memferry_text texts[TEXTS];
    struct memferry_outcome outcomes[TEXTS];
    float vectors[TEXTS][DIMS];
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    f->server = fault_server_start();
    fake_host_init(&f->host, memferry_plugin.options);
    f->host.quiet = true;
    f->host.host.dims = DIMS;
    fake_host_set(&f->host, "url", fault_server_url(f->server));
    *state = f;
    return 0;
}

static void close_instance(struct fixture *f)
{
    if (f->self != NULL) {
        memferry_plugin.close(f->self);
    }
    f->self = NULL;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    close_instance(f);
    fault_server_stop(f->server);
    fake_host_deinit(&f->host);
    free(f);
    return 0;
}

static void push(struct fixture *f, int status, const char *body)
{
    fault_server_push(f->server, (struct fault_answer){.status = status, .body = body});
}

/* An answer with n vectors of `dims`: the i-th is 2, i, 0, 0 … */
static void push_vectors(struct fixture *f, size_t n, size_t dims)
{
    char body[4096];
    int size = snprintf(body, sizeof body, "{\"model\":\"m\",\"embeddings\":[");

    for (size_t i = 0; i < n; i++) {
        size += snprintf(body + size, sizeof body - (size_t)size, "%s[", i == 0 ? "" : ",");
        for (size_t k = 0; k < dims; k++) {
            size += snprintf(body + size, sizeof body - (size_t)size, "%s%zu", k == 0 ? "" : ",",
                             k == 0   ? 2
                             : k == 1 ? i
                                      : 0);
        }
        size += snprintf(body + size, sizeof body - (size_t)size, "]");
    }
    snprintf(body + size, sizeof body - (size_t)size, "],\"total_duration\":5338762}");
    push(f, 200, body);
}

static void open_instance(struct fixture *f)
{
    if (f->self == NULL) {
        assert_int_equal(memferry_plugin.open(&f->host.host, &f->self), 0);
    }
}

static void set_text(struct fixture *f, size_t i, const char *text)
{
    f->texts[i] = (struct memferry_text){.text = {text, strlen(text)}};
}

/* Embeds the first n texts; those that were not set are one word. Returns the first outcome. */
static struct memferry_outcome embed(struct fixture *f, size_t n)
{
    open_instance(f);
    for (size_t i = 0; i < n; i++) {
        if (f->texts[i].text.data == NULL) {
            set_text(f, i, "tea");
        }
    }
    memset(f->outcomes, 0xff, sizeof f->outcomes);
    memferry_plugin.embed(f->self, f->texts, n, f->vectors[0], f->outcomes);
    return f->outcomes[0];
}

static int probe(struct fixture *f, struct memferry_reason *why)
{
    open_instance(f);
    why->text[0] = '\0';
    return memferry_plugin.probe(f->self, why);
}

static void assert_outcome(struct memferry_outcome outcome, enum memferry_verdict verdict,
                           enum memferry_blame blame, const char *says)
{
    if (outcome.verdict != verdict || outcome.blame != blame ||
        strstr(outcome.reason.text, says) == NULL) {
        fail_msg("verdict %d, blame %d: %s", (int)outcome.verdict, (int)outcome.blame,
                 outcome.reason.text);
    }
    assert_null(strstr(outcome.reason.text, "S3CRET"));
}

static void assert_backend(struct memferry_outcome outcome, const char *says)
{
    assert_outcome(outcome, MEMFERRY_RETRY, MEMFERRY_BLAME_BACKEND, says);
}

static void assert_done(struct fixture *f, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        assert_outcome(f->outcomes[i], MEMFERRY_DONE, MEMFERRY_BLAME_RECORD, "");
    }
}

/* The i-th request's JSON; decref it. */
static json_t *sent(struct fixture *f, size_t i)
{
    const char *request = fault_server_request(f->server, i);

    assert_non_null(request);
    json_t *root = json_loads(strstr(request, "\r\n\r\n") + 4, 0, NULL);
    assert_non_null(root);
    return root;
}

/* The k-th text of the i-th request; free it. NULL: there is none. */
static char *sent_text(struct fixture *f, size_t i, size_t k)
{
    json_t *root = sent(f, i);
    const json_t *prompt = json_object_get(root, "prompt");
    const json_t *input = json_array_get(json_object_get(root, "input"), k);
    const char *text = json_string_value(prompt != NULL ? prompt : input);
    char *copy = text == NULL ? NULL : strdup(text);

    json_decref(root);
    return copy;
}

static void assert_sent(struct fixture *f, size_t i, size_t k, const char *expected)
{
    char *text = sent_text(f, i, k);

    assert_non_null(text);
    assert_string_equal(text, expected);
    free(text);
}

static bool was_to(struct fixture *f, size_t i, const char *path)
{
    const char *request = fault_server_request(f->server, i);

    assert_non_null(request);
    return strncmp(request, "POST ", 5) == 0 && strncmp(request + 5, path, strlen(path)) == 0 &&
           request[5 + strlen(path)] == ' ';
}

/* ---- the happy path ---- */

static void test_texts_go_together_and_their_vectors_come_normalised(void **state)
{
    struct fixture *f = *state;

    set_text(f, 0, "Tea at four");
    set_text(f, 1, "Caf\xc3\xa9 \"\\\n");
    push_vectors(f, 2, DIMS);
    embed(f, 2);
    assert_done(f, 2);
    assert_true(was_to(f, 0, "/api/embed"));
    assert_sent(f, 0, 0, "search_document: Tea at four");
    assert_sent(f, 0, 1, "search_document: Caf\xc3\xa9 \"\\");
    json_t *root = sent(f, 0);
    assert_string_equal(json_string_value(json_object_get(root, "model")), "nomic-embed-text");
    assert_true(json_is_false(json_object_get(root, "truncate")));
    assert_null(json_object_get(root, "keep_alive"));
    json_decref(root);
    assert_true(f->vectors[0][0] == 1.0F && f->vectors[0][1] == 0.0F);
    assert_true(f->vectors[1][0] == (float)(2 / sqrt(5)) &&
                f->vectors[1][1] == (float)(1 / sqrt(5)));
    assert_false(f->texts[0].truncated || f->texts[1].truncated);
}

static void test_a_query_gets_the_prefix_of_queries(void **state)
{
    struct fixture *f = *state;

    set_text(f, 0, "tea");
    f->texts[0].query = true;
    push_vectors(f, 1, DIMS);
    embed(f, 1);
    assert_sent(f, 0, 0, "search_query: tea");
}

struct prefix_case {
    const char *model, *configured, *expected;
};

static void test_prefixes_are_nomics_or_as_configured(void **state)
{
    static const struct prefix_case cases[] = {
        {"nomic-embed-text", NULL, "search_document: tea"},
        {"nomic-embed-text:v1.5", NULL, "search_document: tea"},
        {"hf.co/nomic-ai/Nomic-Embed-Text-v1.5-GGUF", NULL, "search_document: tea"},
        {"nomic-embed-text", "", "tea"},
        {"nomic-embed-text", "passage: ", "passage: tea"},
        {"all-minilm", NULL, "tea"},
        {"nomic-embed-text/other", NULL, "tea"},
        {"all-minilm", "passage: ", "passage: tea"},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        close_instance(f);
        fake_host_set(&f->host, "model", cases[i].model);
        fake_host_set(&f->host, "document_prefix", cases[i].configured);
        fault_server_clear(f->server);
        push_vectors(f, 1, DIMS);
        embed(f, 1);
        assert_sent(f, 0, 0, cases[i].expected);
    }
}

static void test_keep_alive_goes_along_as_it_was_meant(void **state)
{
    static const char *const good[][2] = {
        {"-1", "-1"}, {"300", "300"}, {"30m", "\"30m\""}, {"1h30m", "\"1h30m\""}, {"0", "0"}};
    static const char *const bad[] = {"soon", "5.5", "1h30", "m", "-", "1-2", "5 m"};
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        close_instance(f);
        fake_host_set(&f->host, "keep_alive", good[i][0]);
        fault_server_clear(f->server);
        push_vectors(f, 1, DIMS);
        embed(f, 1);
        json_t *root = sent(f, 0);
        char *value = json_dumps(json_object_get(root, "keep_alive"), JSON_ENCODE_ANY);
        assert_string_equal(value, good[i][1]);
        free(value);
        json_decref(root);
    }
    close_instance(f);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        fake_host_set(&f->host, "keep_alive", bad[i]);
        assert_true(memferry_plugin.open(&f->host.host, &f->self) < 0);
    }
}

static void test_a_token_goes_along_and_is_never_told(void **state)
{
    struct fixture *f = *state;

    push_vectors(f, 1, DIMS);
    embed(f, 1);
    assert_null(strstr(fault_server_request(f->server, 0), "Authorization"));
    close_instance(f);
    fake_host_set(&f->host, "token", "S3CRET-token");
    push(f, 401, "{\"error\":\"the token S3CRET-token is bad\"}");
    assert_backend(embed(f, 1), "set token_env or token_file");
    assert_non_null(
        strstr(fault_server_request(f->server, 1), "\r\nAuthorization: Bearer S3CRET-token\r\n"));
    push(f, 400, "{\"error\":\"bad header Bearer S3CRET-token\"}");
    assert_outcome(embed(f, 1), MEMFERRY_RETRY, MEMFERRY_BLAME_RECORD, "repeats the token");
    push(f, 422, "<p>S3CRET-token</p>");
    assert_outcome(embed(f, 1), MEMFERRY_REJECT, MEMFERRY_BLAME_RECORD, "repeats the token");
    close_instance(f);
    fake_host_set(&f->host, "token", "S3CRET\r\nX-Other: 1");
    assert_true(memferry_plugin.open(&f->host.host, &f->self) < 0);
}

static void test_an_url_with_a_path_keeps_it(void **state)
{
    struct fixture *f = *state;
    char url[128];

    snprintf(url, sizeof url, "%s/ollama//", fault_server_url(f->server));
    fake_host_set(&f->host, "url", url);
    push_vectors(f, 1, DIMS);
    embed(f, 1);
    assert_true(was_to(f, 0, "/ollama/api/embed"));
}

/* ---- texts ---- */

static char *repeat(const char *what, size_t times)
{
    size_t size = strlen(what);
    char *text = malloc(size * times + 1);

    for (size_t i = 0; i < times; i++) {
        memcpy(text + i * size, what, size);
    }
    text[size * times] = '\0';
    return text;
}

/* Whether it ends with a whole `unit`, of which it is made. */
static void assert_cut(char *text, const char *unit, size_t most)
{
    size_t size = strlen(text), of_unit = strlen(unit);

    if (size > most || size + 3 * of_unit < most || size < of_unit ||
        strcmp(text + size - of_unit, unit) != 0) {
        fail_msg("%zu bytes of %zu: …%s", size, most, size > 40 ? text + size - 40 : text);
    }
    free(text);
}

static void test_a_text_over_the_context_is_cut_between_words_and_marked(void **state)
{
    struct fixture *f = *state;
    char *words = repeat("apple ", 5000), *signs = repeat("\xe8\x8c\xb6", 5000);

    fake_host_set(&f->host, "context", "100"); /* 400 bytes */
    fake_host_set(&f->host, "document_prefix", "");
    set_text(f, 0, words);
    set_text(f, 1, signs); /* three bytes each, no blanks */
    push_vectors(f, 3, DIMS);
    embed(f, 3);
    assert_done(f, 3);
    assert_true(f->texts[0].truncated && f->texts[1].truncated && !f->texts[2].truncated);
    assert_cut(sent_text(f, 0, 0), "apple", 400);
    char *text = sent_text(f, 0, 1);
    assert_true(strlen(text) > 200 && strlen(text) % 3 == 0);
    free(text);
    free(words);
    free(signs);
}

static void test_a_text_that_fits_but_for_blanks_is_not_marked(void **state)
{
    struct fixture *f = *state;
    char *blanks = repeat(" \n", 5000);

    memcpy(blanks, "tea", 3);
    fake_host_set(&f->host, "context", "16");
    set_text(f, 0, blanks);
    push_vectors(f, 1, DIMS);
    embed(f, 1);
    assert_sent(f, 0, 0, "search_document: tea");
    assert_false(f->texts[0].truncated);
    free(blanks);
}

static void test_a_word_without_end_is_broken(void **state)
{
    struct fixture *f = *state;
    char *word = repeat("x", 100000);

    set_text(f, 0, word);
    push_vectors(f, 1, DIMS);
    embed(f, 1);
    char *text = sent_text(f, 0, 0);
    size_t longest = 0;
    for (char *part = strtok(text, " "); part != NULL; part = strtok(NULL, " ")) {
        longest = strlen(part) > longest ? strlen(part) : longest;
    }
    assert_int_equal(longest, 256);
    assert_true(f->texts[0].truncated);
    free(text);
    free(word);
}

static void test_the_context_is_as_the_server_says(void **state)
{
    struct fixture *f = *state;
    struct memferry_reason why;
    char *words = repeat("apple ", 5000);

    push(f, 200, SHOWN);
    push_vectors(f, 1, DIMS);
    assert_int_equal(probe(f, &why), 0);
    assert_true(was_to(f, 0, "/api/show"));
    set_text(f, 0, words);
    push_vectors(f, 1, DIMS);
    embed(f, 1);
    assert_cut(sent_text(f, 2, 0), "apple", strlen("search_document: ") + 256);
    free(words);
}

static void test_an_empty_text_is_its_prefix_or_is_rejected_unsent(void **state)
{
    struct fixture *f = *state;

    set_text(f, 0, "");
    push_vectors(f, 1, DIMS);
    embed(f, 1);
    assert_done(f, 1);
    assert_sent(f, 0, 0, "search_document: ");
    close_instance(f);
    fake_host_set(&f->host, "document_prefix", "");
    fault_server_clear(f->server);
    push_vectors(f, 1, DIMS);
    set_text(f, 0, " \n");
    assert_outcome(embed(f, 3), MEMFERRY_REJECT, MEMFERRY_BLAME_RECORD, "empty");
    assert_backend(f->outcomes[1], "not with 2 vectors"); /* only these two were sent */
    assert_sent(f, 0, 0, "tea");
}

static void test_long_texts_go_in_several_requests(void **state)
{
    struct fixture *f = *state;
    char *words = repeat("apple ", 1200); /* 7,200 bytes: two to a request */

    for (size_t i = 0; i < 5; i++) {
        set_text(f, i, words);
    }
    push_vectors(f, 2, DIMS);
    push_vectors(f, 2, DIMS);
    push_vectors(f, 1, DIMS);
    embed(f, 5);
    assert_done(f, 5);
    assert_int_equal(fault_server_request_count(f->server), 3);
    assert_int_equal(fault_server_connection_count(f->server), 1);
    free(words);
}

/* ---- a text that is too long for the model ---- */

static void test_a_batch_with_a_long_text_goes_one_by_one_and_that_text_is_cut_further(void **state)
{
    struct fixture *f = *state;
    char *words = repeat("apple ", 1000);

    set_text(f, 1, words);
    push(f, 400, TOO_LONG);
    push_vectors(f, 1, DIMS); /* the first, alone */
    push(f, 400, TOO_LONG);   /* the second, alone */
    push(f, 500, TOO_LONG);   /* three quarters of it */
    push_vectors(f, 1, DIMS);
    push_vectors(f, 1, DIMS); /* the third */
    embed(f, 3);
    assert_done(f, 3);
    assert_int_equal(fault_server_request_count(f->server), 6);
    assert_cut(sent_text(f, 2, 0), "apple", 17 + 6000);
    assert_cut(sent_text(f, 3, 0), "apple", 17 + 4500);
    assert_cut(sent_text(f, 4, 0), "apple", 17 + 3375);
    assert_true(f->texts[1].truncated && !f->texts[2].truncated);
    free(words);
}

static void test_a_text_that_never_fits_is_rejected_alone(void **state)
{
    struct fixture *f = *state;
    char *words = repeat("apple ", 10000);

    set_text(f, 0, words);
    push(f, 400, TOO_LONG);
    assert_outcome(embed(f, 1), MEMFERRY_REJECT, MEMFERRY_BLAME_RECORD, "context length");
    assert_true(fault_server_request_count(f->server) < 30);
    free(words);
}

/* ---- what the server says ---- */

static void test_vectors_of_another_size_name_both_and_what_to_do(void **state)
{
    struct fixture *f = *state;
    struct memferry_reason why;

    push_vectors(f, 2, 3);
    assert_backend(embed(f, 2), "have 3 dimensions, the broker's have 4; set another model, or "
                                "dims = 3 in [broker]");
    push(f, 200, SHOWN);
    push_vectors(f, 1, 1000);
    assert_true(probe(f, &why) < 0);
    assert_non_null(strstr(why.text, "1000 dimensions"));
}

static void test_a_vector_without_direction_is_its_texts_trouble(void **state)
{
    static const char *const vectors[] = {"[0,0,0,0]", "[1,2,1e999,0]", "[1e200,0,0,0]",
                                          "[1e-320,0,0,0]"};
    struct fixture *f = *state;
    char body[128];

    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        snprintf(body, sizeof body, "{\"embeddings\":[%s,[1,1,1,1]]}", vectors[i]);
        push(f, 200, body);
        assert_outcome(embed(f, 2), MEMFERRY_RETRY, MEMFERRY_BLAME_RECORD, "no direction");
        assert_outcome(f->outcomes[1], MEMFERRY_DONE, MEMFERRY_BLAME_RECORD, "");
        assert_true(f->vectors[1][0] == 0.5F);
    }
}

static void test_an_answer_that_is_not_ollamas_gives_no_vector(void **state)
{
    static const char *const bodies[] = {
        "",
        "<html>welcome</html>",
        "{}",
        "[]",
        "null",
        "{\"embeddings\":[]}",
        "{\"embeddings\":[[1,2,3,4]]}",
        "{\"embeddings\":[[1,2,3,4],[1,2,3,4],[1,2,3,4]]}",
        "{\"embeddings\":[[1,2,3,4],[1,2,3,\"4\"]]}",
        "{\"embeddings\":[[1,2,3,4],[1,2,3,NaN]]}",
        "{\"embeddings\":[[1,2,3,4],[1,2,3,null]]}",
        "{\"embeddings\":[[1,2,3,4],{\"a\":1}]}",
        "{\"embeddings\":[[1,2,3,4],[1,2,3,4]]",
        "{\"embeddings\":[[1,2,3,4],[1,2,3,4]]}}",
        "{\"embedding\":[1,2,3,4]}",
        "{\"embeddings\":[[1,2,3,4]],\"embeddings\":[[1,2,3,4],[1,2,3,4]]}",
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        push(f, 200, bodies[i]);
        assert_backend(embed(f, 2), "check url");
        assert_backend(f->outcomes[1], "check url");
    }
}

static void test_a_missing_model_is_the_backends_trouble_and_says_how_to_get_it(void **state)
{
    struct fixture *f = *state;
    struct memferry_reason why;

    push(f, 404, MISSING);
    assert_backend(embed(f, 2), "ollama pull nomic-embed-text");
    assert_int_equal(fault_server_request_count(f->server), 1);
    push(f, 404, "{\"error\":\"model 'nomic-embed-text' not found\"}");
    assert_true(probe(f, &why) < 0);
    assert_non_null(strstr(why.text, "ollama pull nomic-embed-text"));
}

struct error_case {
    int status;
    const char *body;
    enum memferry_verdict verdict;
    enum memferry_blame blame; /* with one text; with several RECORD is BATCH */
    const char *says;
};

static void test_errors_blame_who_is_to_blame(void **state)
{
    static const struct error_case cases[] = {
        {400, "{\"error\":\"do embedding request: Post \\\"http://127.0.0.1:1/\\\": EOF\"}",
         MEMFERRY_RETRY, MEMFERRY_BLAME_RECORD, "EOF"},
        {400, "{\"error\":\"embedding contains NaN or Inf values\"}", MEMFERRY_RETRY,
         MEMFERRY_BLAME_RECORD, "NaN"},
        {500, "{\"error\":\"llama runner process has terminated\"}", MEMFERRY_RETRY,
         MEMFERRY_BLAME_RECORD, "terminated"},
        {500, "{\"error\":{\"message\":\"odd\",\"code\":500}}", MEMFERRY_RETRY,
         MEMFERRY_BLAME_RECORD, "odd"},
        {500, "{\"error\":\"model requires more system memory (9 GiB) than is available\"}",
         MEMFERRY_RETRY, MEMFERRY_BLAME_BACKEND, "requires more"},
        {500, "{\"error\":\"unable to load model: /x\"}", MEMFERRY_RETRY, MEMFERRY_BLAME_BACKEND,
         "load"},
        {501, "{\"error\":\"this model does not support embeddings\"}", MEMFERRY_RETRY,
         MEMFERRY_BLAME_BACKEND, "does not support"},
        {503, "{\"error\":\"server busy, please try again.\"}", MEMFERRY_RETRY,
         MEMFERRY_BLAME_BACKEND, "busy"},
        {400, "<html>bad request</html>", MEMFERRY_REJECT, MEMFERRY_BLAME_RECORD, "400"},
        {413, "", MEMFERRY_REJECT, MEMFERRY_BLAME_RECORD, "413"},
        {500, "", MEMFERRY_RETRY, MEMFERRY_BLAME_RECORD, "500"},
        {403, "{\"error\":\"no\"}", MEMFERRY_RETRY, MEMFERRY_BLAME_BACKEND, "403"},
        {429, "", MEMFERRY_RETRY, MEMFERRY_BLAME_BACKEND, "429"},
        {307, "", MEMFERRY_RETRY, MEMFERRY_BLAME_BACKEND, "set url"},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct error_case *c = &cases[i];
        bool record = c->blame == MEMFERRY_BLAME_RECORD;
        push(f, c->status, c->body);
        assert_outcome(embed(f, 1), c->verdict, c->blame, c->says);
        embed(f, 2);
        assert_outcome(f->outcomes[1], c->verdict, record ? MEMFERRY_BLAME_BATCH : c->blame,
                       c->says);
    }
}

static void test_a_wait_that_is_asked_for_is_kept(void **state)
{
    struct fixture *f = *state;

    fault_server_push(f->server, (struct fault_answer){.status = 503,
                                                       .headers = "Retry-After: 7\r\n",
                                                       .body = "{\"error\":\"server busy\"}"});
    assert_backend(embed(f, 1), "busy");
    assert_int_equal(f->outcomes[0].retry_after_ms, 7000);
}

/* ---- a server without /api/embed ---- */

static void test_an_old_server_is_asked_text_by_text_in_its_own_way(void **state)
{
    struct fixture *f = *state;
    struct memferry_reason why;

    set_text(f, 1, "cake");
    push(f, 404, NO_PATH);
    push(f, 200, "{\"embedding\":[3,4,0,0]}");
    embed(f, 2);
    assert_done(f, 2);
    assert_true(was_to(f, 0, "/api/embed") && was_to(f, 1, "/api/embeddings"));
    assert_sent(f, 2, 0, "search_document: cake");
    assert_true(f->vectors[1][0] == 0.6F && f->vectors[1][1] == 0.8F);
    embed(f, 1); /* it is remembered */
    assert_done(f, 1);
    assert_int_equal(fault_server_request_count(f->server), 4);
    push(f, 500, TOO_LONG);
    assert_outcome(embed(f, 1), MEMFERRY_REJECT, MEMFERRY_BLAME_RECORD, "context length");
    fault_server_clear(f->server); /* it is newer now: the next probe finds that */
    push(f, 200, SHOWN);
    push_vectors(f, 1, DIMS);
    assert_int_equal(probe(f, &why), 0);
    assert_true(was_to(f, 1, "/api/embed"));
}

static void test_a_server_with_neither_api_is_no_ollama(void **state)
{
    struct fixture *f = *state;
    struct memferry_reason why;

    push(f, 404, NO_PATH);
    assert_backend(embed(f, 2), "check url");
    assert_backend(f->outcomes[1], "check url");
    assert_int_equal(fault_server_request_count(f->server), 2);
    assert_true(probe(f, &why) < 0);
    assert_non_null(strstr(why.text, "check url"));
}

/* ---- no answer ---- */

static void test_a_broken_connection_gives_no_vector(void **state)
{
    static const enum fault_kind kinds[] = {FAULT_RESET, FAULT_RESET_MID_BODY, FAULT_TRUNCATED,
                                            FAULT_GARBAGE, FAULT_HUGE};
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        fault_server_clear(f->server);
        fault_server_push(f->server,
                          (struct fault_answer){.kind = kinds[i],
                                                .body = "{\"embeddings\":[[1,2,3,4],[1,2,3,4]]}"});
        assert_backend(embed(f, 2), "127.0.0.1");
        assert_backend(f->outcomes[1], "127.0.0.1");
    }
}

static void test_what_is_left_when_the_backend_fails_is_not_sent(void **state)
{
    struct fixture *f = *state;
    char *words = repeat("apple ", 1200);

    for (size_t i = 0; i < 4; i++) {
        set_text(f, i, words);
    }
    push_vectors(f, 2, DIMS);
    push(f, 503, "{\"error\":\"server busy\"}");
    embed(f, 4);
    assert_done(f, 2);
    assert_backend(f->outcomes[2], "busy");
    assert_backend(f->outcomes[3], "busy");
    assert_int_equal(fault_server_request_count(f->server), 2);
    free(words);
}

static size_t texts_of(struct fixture *f, size_t i)
{
    json_t *root = sent(f, i);
    size_t count = json_array_size(json_object_get(root, "input"));

    json_decref(root);
    return count;
}

static void test_after_a_timeout_texts_go_alone_and_requests_are_smaller_for_a_while(void **state)
{
    static const size_t expected[] = {8, 1, 1, 1, 1, 1, 1, 1, 1, 4, 5, 6};
    struct fixture *f = *state;

    /* What is answered must not be late: so much is waited once. */
    fake_host_set(&f->host, "timeout", "2s");
    fault_server_push(f->server, (struct fault_answer){.kind = FAULT_DRIP, .body = "{\"emb\":1}"});
    for (size_t i = 0; i < 8; i++) {
        push_vectors(f, 1, DIMS);
    }
    for (size_t n = 4; n <= 6; n++) {
        push_vectors(f, n, DIMS);
    }
    embed(f, 8);
    assert_done(f, 8);
    embed(f, 15);
    assert_done(f, 15);
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        assert_int_equal(texts_of(f, i), expected[i]);
    }
}

static void test_a_server_that_hangs_is_tried_with_one_text_more_and_then_left_alone(void **state)
{
    struct fixture *f = *state;

    fake_host_set(&f->host, "timeout", "200ms");
    fault_server_push(f->server, (struct fault_answer){.kind = FAULT_HANG});
    assert_backend(embed(f, 8), "127.0.0.1");
    assert_backend(f->outcomes[7], "127.0.0.1");
    fault_server_wait_requests(f->server, 2); /* it may read them late */
    assert_int_equal(fault_server_request_count(f->server), 2);
}

static void fail_silently(struct fixture *f)
{
    fault_server_clear(f->server);
    fault_server_push(f->server, (struct fault_answer){.kind = FAULT_RESET});
    embed(f, 1);
}

static void probe_well(struct fixture *f)
{
    struct memferry_reason why;

    fault_server_clear(f->server);
    push(f, 200, SHOWN);
    push_vectors(f, 1, DIMS);
    assert_int_equal(probe(f, &why), 0);
}

static void test_a_text_that_silences_a_well_server_again_is_to_blame_itself(void **state)
{
    struct fixture *f = *state;

    fail_silently(f);
    assert_backend(f->outcomes[0], "");
    fail_silently(f); /* not well in between: that is no proof */
    assert_backend(f->outcomes[0], "");
    probe_well(f);
    set_text(f, 0, "another");
    fail_silently(f); /* another text: no proof either */
    assert_backend(f->outcomes[0], "");
    probe_well(f);
    fail_silently(f);
    assert_outcome(f->outcomes[0], MEMFERRY_RETRY, MEMFERRY_BLAME_RECORD, "no answer again");
    fail_silently(f);
    assert_backend(f->outcomes[0], "");
    fault_server_clear(f->server); /* other texts have vectors meanwhile */
    set_text(f, 0, "tea");
    push_vectors(f, 1, DIMS);
    embed(f, 1);
    set_text(f, 0, "another");
    fail_silently(f);
    assert_outcome(f->outcomes[0], MEMFERRY_RETRY, MEMFERRY_BLAME_RECORD, "no answer again");
}

static void test_a_suspect_is_known_to_the_next_instance_until_it_has_its_vector(void **state)
{
    struct fixture *f = *state;
    char dir[] = "/tmp/mf-ollama-XXXXXX", file[64];

    f->host.host.state_dir = mkdtemp(dir);
    assert_non_null(f->host.host.state_dir);
    snprintf(file, sizeof file, "%s/suspect", dir);
    fail_silently(f);
    close_instance(f);
    probe_well(f);
    fail_silently(f);
    assert_outcome(f->outcomes[0], MEMFERRY_RETRY, MEMFERRY_BLAME_RECORD, "no answer again");
    close_instance(f);
    fault_server_clear(f->server);
    for (size_t n = 1; n <= 3; n++) { /* carefully at first */
        push_vectors(f, n, DIMS);
    }
    assert_int_equal(access(file, F_OK), 0);
    embed(f, 6);
    assert_done(f, 6);
    assert_int_equal(access(file, F_OK), -1);
    assert_int_equal(rmdir(dir), 0);
}

static void test_cancelling_ends_a_call_that_hangs(void **state)
{
    struct fixture *f = *state;
    struct canceller canceller = {.server = f->server, .host = &f->host, .requests = 1};

    fault_server_push(f->server, (struct fault_answer){.kind = FAULT_HANG});
    open_instance(f);
    canceller_start(&canceller);
    assert_backend(embed(f, 2), "ending");
    assert_backend(f->outcomes[1], "ending");
    canceller_join(&canceller);
}

/* ---- probe ---- */

static void test_probe_embeds_a_word_and_is_content(void **state)
{
    struct fixture *f = *state;

    probe_well(f);
    assert_true(was_to(f, 0, "/api/show") && was_to(f, 1, "/api/embed"));
    assert_int_equal(atomic_load(&f->host.warnings), 0);
}

static void test_probe_does_without_a_path_that_a_proxy_hides(void **state)
{
    struct fixture *f = *state;
    struct memferry_reason why;

    push(f, 404, "<html>not found</html>");
    push_vectors(f, 1, DIMS);
    assert_int_equal(probe(f, &why), 0);
}

static void test_probe_says_why_not(void **state)
{
    struct fixture *f = *state;
    struct memferry_reason why;

    push(f, 401, "");
    assert_true(probe(f, &why) < 0);
    assert_non_null(strstr(why.text, "token"));
    push(f, 200, SHOWN);
    push(f, 501, "{\"error\":\"this model does not support embeddings\"}");
    assert_true(probe(f, &why) < 0);
    assert_non_null(strstr(why.text, "does not support embeddings"));
    push(f, 200, SHOWN);
    push(f, 200, "<html>a web site</html>");
    assert_true(probe(f, &why) < 0);
    assert_non_null(strstr(why.text, "check url"));
    close_instance(f);
    fake_host_set(&f->host, "url", "http://127.0.0.1:1");
    assert_true(probe(f, &why) < 0);
    assert_non_null(strstr(why.text, "http://127.0.0.1:1"));
}

static void test_bad_options_are_refused_at_open(void **state)
{
    static const char *const options[][2] = {{"url", "127.0.0.1:11434"},
                                             {"url", "http://u:S3CRET@127.0.0.1"},
                                             {"model", ""},
                                             {"model", "nomic-embed-text   # ollama pull"}};

    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        struct fixture *f = *state;
        const char *url = fault_server_url(f->server);
        fake_host_set(&f->host, "url", url);
        fake_host_set(&f->host, options[i][0], options[i][1]);
        assert_true(memferry_plugin.open(&f->host.host, &f->self) < 0);
        assert_int_equal(atomic_load(&f->host.warnings), i + 1);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_texts_go_together_and_their_vectors_come_normalised),
        TEST(test_a_query_gets_the_prefix_of_queries),
        TEST(test_prefixes_are_nomics_or_as_configured),
        TEST(test_keep_alive_goes_along_as_it_was_meant),
        TEST(test_a_token_goes_along_and_is_never_told),
        TEST(test_an_url_with_a_path_keeps_it),
        TEST(test_a_text_over_the_context_is_cut_between_words_and_marked),
        TEST(test_a_text_that_fits_but_for_blanks_is_not_marked),
        TEST(test_a_word_without_end_is_broken),
        TEST(test_the_context_is_as_the_server_says),
        TEST(test_an_empty_text_is_its_prefix_or_is_rejected_unsent),
        TEST(test_long_texts_go_in_several_requests),
        TEST(test_a_batch_with_a_long_text_goes_one_by_one_and_that_text_is_cut_further),
        TEST(test_a_text_that_never_fits_is_rejected_alone),
        TEST(test_vectors_of_another_size_name_both_and_what_to_do),
        TEST(test_a_vector_without_direction_is_its_texts_trouble),
        TEST(test_an_answer_that_is_not_ollamas_gives_no_vector),
        TEST(test_a_missing_model_is_the_backends_trouble_and_says_how_to_get_it),
        TEST(test_errors_blame_who_is_to_blame),
        TEST(test_a_wait_that_is_asked_for_is_kept),
        TEST(test_an_old_server_is_asked_text_by_text_in_its_own_way),
        TEST(test_a_server_with_neither_api_is_no_ollama),
        TEST(test_a_broken_connection_gives_no_vector),
        TEST(test_what_is_left_when_the_backend_fails_is_not_sent),
        TEST(test_after_a_timeout_texts_go_alone_and_requests_are_smaller_for_a_while),
        TEST(test_a_server_that_hangs_is_tried_with_one_text_more_and_then_left_alone),
        TEST(test_a_text_that_silences_a_well_server_again_is_to_blame_itself),
        TEST(test_a_suspect_is_known_to_the_next_instance_until_it_has_its_vector),
        TEST(test_cancelling_ends_a_call_that_hangs),
        TEST(test_probe_embeds_a_word_and_is_content),
        TEST(test_probe_does_without_a_path_that_a_proxy_hides),
        TEST(test_probe_says_why_not),
        TEST(test_bad_options_are_refused_at_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
