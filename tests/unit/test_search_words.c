/* A query in FTS5's language: what is typed is text there, whatever it is, and bounded. */
#include "broker/search_text.h"
#include "broker/search_words.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The expression; NULL: this reading asks for nothing new. Freed by the caller. */
static char *express(const char *query, enum search_reading reading)
{
    struct search_words words;
    msgpack_sbuffer out;
    bool failed;

    msgpack_sbuffer_init(&out);
    search_words_parse(query, strlen(query), &words);
    bool any = search_words_express(&words, reading, &out, &failed);
    assert_false(failed);
    char *text = any ? strdup(out.data) : NULL;
    msgpack_sbuffer_destroy(&out);
    return text;
}

static void assert_expressed(const char *query, enum search_reading reading, const char *wanted)
{
    char *text = express(query, reading);

    if (wanted == NULL) {
        assert_null(text);
    } else {
        assert_non_null(text);
        assert_string_equal(text, wanted);
    }
    free(text);
}

static void test_a_query_is_words_phrases_and_beginnings(void **state)
{
    static const struct {
        const char *query, *wanted;
    } rows[] = {
        {"tea at four", "\"tea\" \"at\" \"four\""},
        {"  tea\t\n four\u3000now ", "\"tea\" \"four\" \"now\""},
        {"\"at four\" tea", "\"at four\" \"tea\""},
        {"tea\"at four\"now", "\"tea\" \"at four\" \"now\""},
        {"tea tea \"tea\" tea* tea \"tea\"", "\"tea\" \"tea\" \"tea\" *"}, /* each once */
        {"dead*", "\"dead\" *"},
        {"dead***", "\"dead\" *"},
        {"\"at fo\"*", "\"at fo\" *"},
        {"a*b", "\"a*b\""},
        {"\"not closed", "\"not closed\""},
        {"NEAR(a, b) OR ^c:d - NOT", "\"NEAR(a,\" \"b)\" \"OR\" \"^c:d\" \"-\" \"NOT\""},
        {"\"\" * ** \"", NULL},
        {"", NULL},
        {" \u3000\u200b ", NULL},
        {"茶", "\"茶\" *"},
        {"お茶", "\"お茶\""},
        {"tea茶", "\"tea茶\" *"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_expressed(rows[i].query, SEARCH_ALL, rows[i].wanted);
    }
}

static void test_looser_readings_take_beginnings_and_pairs_but_keep_phrases(void **state)
{
    (void)state;
    assert_expressed("deadlines of tea", SEARCH_ANY_BEGINNING,
                     "\"deadlin\" * OR \"of\" OR \"tea\" *");
    assert_expressed("deadlines tea", SEARCH_ANY_BEGINNING, "\"deadlin\" * OR \"tea\" *");
    assert_expressed("数据库", SEARCH_ANY_BEGINNING, "\"数据\" OR \"据库\"");
    assert_expressed("GPU内存不", SEARCH_ANY_BEGINNING, "\"GPU\" * OR \"内存\" OR \"存不\"");
    assert_expressed("\"at four\" tea", SEARCH_ANY_BEGINNING,
                     "(\"at four\") AND (\"at four\" OR \"tea\" *)");
    assert_expressed("\"at four\"", SEARCH_ANY_BEGINNING, NULL);
    assert_expressed("550e8400-e29b-41d4-a716-446655440000 tea", SEARCH_ANY_BEGINNING,
                     "\"550e8400-e29b-41d4-a716-446655440000\" OR \"tea\" *");
    assert_expressed("Überweisung", SEARCH_ANY_BEGINNING, "\"Überweis\" *");
}

static void test_words_beyond_the_bounds_do_not_count(void **state)
{
    char query[SEARCH_QUERY_MAX + 1];
    struct search_words words;

    (void)state;
    for (size_t i = 0; i < SEARCH_QUERY_MAX; i++) {
        static const char letters[] = "abcdefghijklmnopqrstuvwxyz012345";
        query[i] = i % 3 == 2 ? ' ' : letters[i % 3 == 0 ? i / 3 % 32 : i / 96 % 32];
    }
    query[SEARCH_QUERY_MAX] = '\0';
    search_words_parse(query, SEARCH_QUERY_MAX, &words);
    assert_int_equal(words.count, SEARCH_WORDS_MAX);
    size_t at = 0;
    while (at + 3 <= SEARCH_QUERY_MAX) {
        memcpy(query + at, "漢", 3);
        at += 3;
    }
    query[at] = '\0';
    char *text = express(query, SEARCH_ANY_BEGINNING);
    size_t strings = 1;
    for (const char * or = strstr(text, " OR "); or != NULL; or = strstr(or +1, " OR ")) {
        strings++;
    }
    assert_int_equal(strings, SEARCH_STRINGS_MAX);
    free(text);
}

/* Outside of strings nothing but our own language may stand. */
static void assert_closed(const char *query, const char *expression)
{
    bool inside = false;
    int depth = 0;

    for (const char *at = expression; *at != '\0'; at++) {
        if (*at == '"') {
            inside = !inside;
        } else if (!inside) {
            assert_non_null(strchr(" *()ORAND", *at));
            depth += (*at == '(') - (*at == ')');
        }
    }
    if (inside || depth != 0) {
        fail_msg("%s became %s", query, expression);
    }
}

static void test_no_query_gets_out_of_its_strings(void **state)
{
    static const char *const pieces[] = {"\"", "*", "-", "^", ":",  "(",  ")", "{",    "}",  "+",
                                         " ",  "a", "N", "E", "\\", "漢", "é", "NEAR", "OR", "'"};
    uint32_t chance = 12345;

    (void)state;
    for (int turn = 0; turn < 20000; turn++) {
        char query[128] = "";
        size_t size = 0;
        for (unsigned n = 0; n < 1 + chance % 17; n++) {
            chance = chance * 1664525 + 1013904223;
            const char *piece = pieces[(chance >> 8) % (sizeof pieces / sizeof pieces[0])];
            size += (size_t)snprintf(query + size, sizeof query - size, "%s", piece);
        }
        for (int reading = 0; reading < SEARCH_READINGS; reading++) {
            char *text = express(query, (enum search_reading)reading);
            if (text != NULL) {
                assert_closed(query, text);
            }
            free(text);
        }
    }
}

static void test_characters_are_walked_over_whatever_the_bytes_are(void **state)
{
    static const struct {
        const char *text;
        size_t size, bytes;
        uint32_t c;
    } rows[] = {{"a", 1, 1, 'a'},      {"é", 2, 2, 0xe9},
                {"漢", 3, 3, 0x6f22},  {"\xf0\x9f\x98\x80", 4, 4, 0x1f600},
                {"\xc3", 1, 1, 0xc3},  {"\xe6\xbc", 2, 1, 0xe6},
                {"\xc3(", 2, 1, 0xc3}, {"\x80", 1, 1, 0x80},
                {"\xff", 1, 1, 0xff}};
    size_t bytes;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(search_char(rows[i].text, rows[i].size, &bytes), rows[i].c);
        assert_int_equal(bytes, rows[i].bytes);
    }
    assert_int_equal(search_char_count("aé漢", 6), 3);
    assert_int_equal(search_char_prefix("aé漢", 6, 2), 3);
    assert_int_equal(search_char_prefix("aé漢", 6, 9), 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_query_is_words_phrases_and_beginnings),
        cmocka_unit_test(test_looser_readings_take_beginnings_and_pairs_but_keep_phrases),
        cmocka_unit_test(test_words_beyond_the_bounds_do_not_count),
        cmocka_unit_test(test_no_query_gets_out_of_its_strings),
        cmocka_unit_test(test_characters_are_walked_over_whatever_the_bytes_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
