/*
 * test_ollama_plugin.c - the plugin against a real Ollama at $OLLAMA_URL that has the model
 * nomic-embed-text, started by ollama.sh. With $OLLAMA_SCRIPT, the path of ollama.sh, the server is
 * also killed and started again. Exit 77 (skipped) without $OLLAMA_URL.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "plugins/ollama-embed/ollama.h"
#include "tests/lib/fake_host.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DIMS = 768, TEXTS = 16, SKIPPED = 77 };

extern const struct memferry_plugin memferry_plugin;

struct fixture {
    struct fake_host host;
    void *self;
    struct memferry_text texts[TEXTS];
    struct memferry_outcome outcomes[TEXTS];
    float vectors[TEXTS][DIMS];
};

/* ---- instances ---- */

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    fake_host_init(&f->host, memferry_plugin.options);
    f->host.host.dims = DIMS;
    fake_host_set(&f->host, "url", getenv("OLLAMA_URL"));
    fake_host_set(&f->host, "timeout", "300s"); /* a busy machine */
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
    fake_host_deinit(&f->host);
    free(f);
    return 0;
}

static int probe(struct fixture *f, struct memferry_reason *why)
{
    if (f->self == NULL) {
        assert_int_equal(memferry_plugin.open(&f->host.host, &f->self), 0);
    }
    why->text[0] = '\0';
    return memferry_plugin.probe(f->self, why);
}

static void probe_well(struct fixture *f)
{
    struct memferry_reason why;

    if (probe(f, &why) != 0) {
        fail_msg("probe: %s", why.text);
    }
}

/* ---- texts and vectors ---- */

static void set_text(struct fixture *f, size_t i, const char *text)
{
    f->texts[i] = (struct memferry_text){.text = {text, strlen(text)}};
}

static void embed(struct fixture *f, size_t n)
{
    memferry_plugin.embed(f->self, f->texts, n, f->vectors[0], f->outcomes);
}

static double dot(const float *a, const float *b)
{
    double sum = 0;

    for (size_t i = 0; i < DIMS; i++) {
        sum += (double)a[i] * (double)b[i];
    }
    return sum;
}

/* The first n texts have vectors of length 1. */
static void assert_embedded(struct fixture *f, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (f->outcomes[i].verdict != MEMFERRY_DONE) {
            fail_msg("text %zu: %s", i, f->outcomes[i].reason.text);
        }
        assert_true(fabs(dot(f->vectors[i], f->vectors[i]) - 1) < 1e-6);
    }
}

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

/* ---- tests ---- */

static void test_texts_that_share_words_lie_near_each_other(void **state)
{
    struct fixture *f = *state;

    probe_well(f);
    set_text(f, 0, "the build fails on the old compiler");
    set_text(f, 1, "the old compiler fails on this build");
    set_text(f, 2, "Zugverbindung Freitag 17:40, Gleis 9");
    embed(f, 3);
    assert_embedded(f, 3);
    double near = dot(f->vectors[0], f->vectors[1]);
    assert_true(near > dot(f->vectors[0], f->vectors[2]));
    assert_true(near < 0.9999);
}

static void test_a_text_has_the_same_vector_alone_and_by_either_api(void **state)
{
    struct fixture *f = *state;

    probe_well(f);
    struct ollama *ollama = f->self;
    for (size_t i = 0; i < 4; i++) {
        set_text(f, i, i == 0 ? "tea" : "the kettle is on the left of the stove");
    }
    embed(f, 4);
    assert_embedded(f, 4);
    f->texts[4] = f->texts[1];
    memferry_plugin.embed(f->self, &f->texts[4], 1, f->vectors[4], &f->outcomes[4]);
    ollama->old_api = true;
    f->texts[5] = f->texts[1];
    memferry_plugin.embed(f->self, &f->texts[5], 1, f->vectors[5], &f->outcomes[5]);
    assert_embedded(f, 6);
    for (size_t i = 2; i < 6; i++) {
        assert_true(dot(f->vectors[1], f->vectors[i]) > 0.99999);
    }
}

static void test_prefixes_reach_the_model(void **state)
{
    struct fixture *f = *state;

    probe_well(f);
    set_text(f, 0, "tea at four");
    set_text(f, 1, "tea at four");
    f->texts[1].query = true;
    set_text(f, 2, "");
    embed(f, 3);
    assert_embedded(f, 3);
    assert_true(dot(f->vectors[0], f->vectors[1]) < 0.9999);
    close_instance(f);
    fake_host_set(&f->host, "document_prefix", "search_query: ");
    probe_well(f);
    memferry_plugin.embed(f->self, f->texts, 1, f->vectors[3], f->outcomes);
    assert_true(dot(f->vectors[3], f->vectors[1]) > 0.99999);
}

static void test_any_text_is_taken(void **state)
{
    static const char *const texts[] = {"\x01\x02\x1f\x7f",
                                        "\"\\\n\r\t",
                                        "\xf0\x9f\x98\x80\xf0\x9f\x98\x80",
                                        "\xe8\x8c\xb6\xe3\x80\x82",
                                        "\xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d",
                                        "[PAD] [UNK] [CLS] <s> </s>",
                                        "{\"json\":[1,2]}",
                                        " ",
                                        "\xef\xbf\xbd\xc2\xad\xe2\x80\x8b",
                                        "null"};
    struct fixture *f = *state;
    size_t n = sizeof texts / sizeof texts[0];

    probe_well(f);
    for (size_t i = 0; i < n; i++) {
        set_text(f, i, texts[i]);
    }
    embed(f, n);
    assert_embedded(f, n);
}

static void test_a_text_over_the_context_costs_its_neighbours_nothing(void **state)
{
    struct fixture *f = *state;
    char *words = repeat("a ", 20000), *signs = repeat("\xe8\x8c\xb6", 3000);

    probe_well(f);
    set_text(f, 0, "the first");
    set_text(f, 1, words); /* a token to two bytes: the server refuses what we first take */
    set_text(f, 2, signs);
    set_text(f, 3, "the last");
    embed(f, 4);
    assert_embedded(f, 4);
    assert_true(f->texts[1].truncated && f->texts[2].truncated);
    assert_false(f->texts[0].truncated || f->texts[3].truncated);
    free(words);
    free(signs);
}

static void test_a_word_of_a_hundred_thousand_letters_is_no_work(void **state)
{
    struct fixture *f = *state;
    char *word = repeat("x", 100000);

    fake_host_set(&f->host, "timeout", "60s"); /* as it is, it takes the server minutes */
    probe_well(f);
    set_text(f, 0, word);
    embed(f, 1);
    assert_embedded(f, 1);
    assert_true(f->texts[0].truncated);
    free(word);
}

static void test_the_context_is_the_models(void **state)
{
    struct fixture *f = *state;

    probe_well(f);
    const struct ollama *ollama = f->self;
    assert_int_equal(ollama->text_max, 2048 * 4);
    assert_false(ollama->old_api);
}

static void test_keep_alive_is_understood(void **state)
{
    static const char *const values[] = {"-1", "3600", "90m", "1h30m", "-1s"};
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        close_instance(f);
        fake_host_set(&f->host, "keep_alive", values[i]);
        probe_well(f);
    }
}

static void test_a_missing_model_is_told(void **state)
{
    struct fixture *f = *state;
    struct memferry_reason why;

    fake_host_set(&f->host, "model", "no-such-model");
    assert_true(probe(f, &why) < 0);
    assert_non_null(strstr(why.text, "ollama pull no-such-model"));
    set_text(f, 0, "tea");
    embed(f, 1);
    assert_int_equal(f->outcomes[0].verdict, MEMFERRY_RETRY);
    assert_int_equal(f->outcomes[0].blame, MEMFERRY_BLAME_BACKEND);
    assert_non_null(strstr(f->outcomes[0].reason.text, "ollama pull no-such-model"));
}

static void test_other_dimensions_are_told(void **state)
{
    struct fixture *f = *state;
    struct memferry_reason why;

    f->host.host.dims = 384;
    assert_true(probe(f, &why) < 0);
    assert_non_null(strstr(why.text, "have 768 dimensions, the broker's have 384"));
}

static void run_script(const char *verb)
{
    char command[4096];

    snprintf(command, sizeof command, "'%s' %s >&2 </dev/null", getenv("OLLAMA_SCRIPT"), verb);
    assert_int_equal(system(command), 0);
}

static void test_a_killed_server_is_the_backends_trouble_until_it_is_back(void **state)
{
    struct fixture *f = *state;
    struct memferry_reason why;

    if (getenv("OLLAMA_SCRIPT") == NULL) {
        skip();
    }
    probe_well(f);
    run_script("kill9");
    set_text(f, 0, "tea");
    set_text(f, 1, "cake");
    embed(f, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(f->outcomes[i].verdict, MEMFERRY_RETRY);
        assert_int_equal(f->outcomes[i].blame, MEMFERRY_BLAME_BACKEND);
    }
    assert_true(probe(f, &why) < 0);
    run_script("start");
    probe_well(f);
    embed(f, 2);
    assert_embedded(f, 2);
}

static void *cancel(void *arg)
{
    fake_host_cancel(arg);
    return NULL;
}

static void test_cancelling_ends_a_long_call(void **state)
{
    struct fixture *f = *state;
    char *words = repeat("apple ", 800);
    pthread_t thread;

    probe_well(f);
    for (size_t i = 0; i < TEXTS; i++) {
        set_text(f, i, words);
    }
    assert_int_equal(pthread_create(&thread, NULL, cancel, &f->host), 0);
    embed(f, TEXTS); /* minutes, when it isn't cancelled */
    pthread_join(thread, NULL);
    assert_int_equal(f->outcomes[TEXTS - 1].verdict, MEMFERRY_RETRY);
    assert_int_equal(f->outcomes[TEXTS - 1].blame, MEMFERRY_BLAME_BACKEND);
    fake_host_uncancel(&f->host);
    set_text(f, 0, "tea");
    embed(f, 1);
    assert_embedded(f, 1);
    free(words);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_texts_that_share_words_lie_near_each_other),
        TEST(test_a_text_has_the_same_vector_alone_and_by_either_api),
        TEST(test_prefixes_reach_the_model),
        TEST(test_any_text_is_taken),
        TEST(test_a_text_over_the_context_costs_its_neighbours_nothing),
        TEST(test_a_word_of_a_hundred_thousand_letters_is_no_work),
        TEST(test_the_context_is_the_models),
        TEST(test_keep_alive_is_understood),
        TEST(test_a_missing_model_is_told),
        TEST(test_other_dimensions_are_told),
        TEST(test_a_killed_server_is_the_backends_trouble_until_it_is_back),
        TEST(test_cancelling_ends_a_long_call),
    };

    if (getenv("OLLAMA_URL") == NULL) {
        fprintf(stderr, "no $OLLAMA_URL: skipped\n");
        return SKIPPED;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
