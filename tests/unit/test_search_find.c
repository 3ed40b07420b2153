/* Finding by words: ranked as FTS5 ranks, whatever is let go and filtered; and where the words
 * stand. */
#include "broker/search_index.h"
#include "broker/search_marker.h"
#include "broker/search_schema.h"
#include "broker/search_tally.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct rig {
    char dir[32], path[64];
    struct search_index *index;
    struct search_finder *finder;
    struct error err;
    struct search_found found[SEARCH_LIST_MAX];
    size_t count;
    bool late;
};

static int setup(void **state)
{
    struct rig *rig = calloc(1, sizeof *rig);
    bool fresh;

    snprintf(rig->dir, sizeof rig->dir, "/tmp/mf-find-XXXXXX");
    assert_non_null(mkdtemp(rig->dir));
    snprintf(rig->path, sizeof rig->path, "%s/search.db", rig->dir);
    assert_int_equal(search_index_open(&rig->index, rig->path, "o", &fresh, &rig->err), 0);
    assert_int_equal(search_finder_open(&rig->finder, rig->path, &rig->err), 0);
    *state = rig;
    return 0;
}

static void forget(struct rig *rig)
{
    for (size_t i = 0; i < rig->count; i++) {
        free(rig->found[i].id);
    }
    rig->count = 0;
}

static int teardown(void **state)
{
    struct rig *rig = *state;

    forget(rig);
    search_finder_close(rig->finder);
    search_index_close(rig->index);
    search_index_remove_files(rig->path);
    rmdir(rig->dir);
    free(rig);
    return 0;
}

static struct memferry_string text_of(const char *text)
{
    return (struct memferry_string){.data = text, .size = strlen(text)};
}

static void put(struct rig *rig, unsigned number, const char *content, const char *kind,
                const char *tag)
{
    struct memferry_string tags[] = {text_of(tag)};
    struct memferry_memory memory = {.content = text_of(content),
                                     .kind = text_of(kind),
                                     .tags = tags,
                                     .tag_count = tag[0] != '\0',
                                     .session_id = text_of(""),
                                     .updated_ms = 1 + number};
    struct search_doc doc;
    char id[16];

    snprintf(id, sizeof id, "m%u", number);
    memory.id = text_of(id);
    assert_int_equal(search_index_put(rig->index, &memory, &doc, &rig->err), 0);
}

static void find(struct rig *rig, const char *query, enum search_reading reading, const char *kind,
                 size_t max)
{
    const struct reader_filter filter = {.limit = 10, .kind = kind};
    struct search_finding finding = {
        .loose = reading != SEARCH_ALL, .filter = &filter, .deadline_ms = INT64_MAX};
    struct search_words words;
    msgpack_sbuffer expression;
    bool failed;

    forget(rig);
    msgpack_sbuffer_init(&expression);
    search_words_parse(query, strlen(query), &words);
    assert_true(search_words_express(&words, reading, &expression, &failed));
    finding.expression = expression.data;
    assert_int_equal(search_finder_begin(rig->finder, &rig->err), 0);
    int r = search_finder_find(rig->finder, &finding, max, rig->found, &rig->count, &rig->late,
                               &rig->err);
    search_finder_end(rig->finder);
    msgpack_sbuffer_destroy(&expression);
    if (r != 0) {
        fail_msg("%s", rig->err.text);
    }
}

static unsigned chance(unsigned below)
{
    static uint32_t seed = 12345;

    seed = seed * 1664525 + 1013904223;
    return (seed >> 8) % below;
}

/* Words are wNUMBER, the low ones the more frequent. */
static void put_some(struct rig *rig, unsigned count)
{
    assert_int_equal(search_index_begin(rig->index, &rig->err), 0);
    for (unsigned n = 0; n < count; n++) {
        char content[512] = "";
        size_t size = 0;
        for (unsigned i = 2 + chance(30); i > 0; i--) {
            size += (size_t)snprintf(content + size, sizeof content - size, "w%u ",
                                     chance(1 + chance(40)));
        }
        put(rig, n, content, chance(9) == 0 ? "rare" : "note", chance(5) == 0 ? "w3" : "");
    }
    assert_int_equal(search_index_commit(rig->index, 1, &rig->err), 0);
}

/* What FTS5 itself says, in its order: the places of what was found must rise. */
static void assert_ranked_as_by_fts5(struct rig *rig, const char *expression)
{
    static const char *const text = "SELECT d.memory_id, f.rank FROM memory_fts f JOIN doc d ON "
                                    "d.doc=f.rowid WHERE memory_fts MATCH ?1 ORDER BY f.rank, "
                                    "f.rowid DESC";
    sqlite3_stmt *rows;
    struct sql sql;
    bool row;

    assert_int_equal(search_schema_open_reader(&sql, rig->path, &rig->err), 0);
    assert_int_equal(sql_prepare(&sql, &text, 1, &rows, &rig->err), 0);
    sql_bind_text(rows, 1, expression, strlen(expression));
    for (size_t i = 0; i < rig->count; i++) {
        assert_int_equal(sql_step(&sql, rows, &row, &rig->err), 0);
        assert_true(row);
        assert_string_equal(rig->found[i].id, sqlite3_column_text(rows, 0));
    }
    sql_reset(rows);
    sql_finalize(&rows, 1);
    sql_close(&sql);
}

static void test_what_is_found_is_ranked_as_fts5_ranks_it(void **state)
{
    static const struct {
        const char *query, *expression;
        enum search_reading reading;
    } rows[] = {
        {"w1 w4", "\"w1\" \"w4\"", SEARCH_ALL}, {"w2 w3 w7", "\"w2\" \"w3\" \"w7\"", SEARCH_ALL},
        {"w3", "\"w3\"", SEARCH_ALL},           {"w1*", "\"w1\" *", SEARCH_ALL},
        {"\"w1 w2\"", "\"w1 w2\"", SEARCH_ALL},
    };
    struct rig *rig = *state;

    put_some(rig, 220);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        find(rig, rows[i].query, rows[i].reading, NULL, SEARCH_LIST_MAX);
        assert_true(rig->count > 1);
        assert_ranked_as_by_fts5(rig, rows[i].expression);
    }
}

static void test_what_has_a_form_of_each_word_stands_before_what_has_some(void **state)
{
    struct rig *rig = *state;
    size_t i = 0;

    put_some(rig, 220);
    find(rig, "w9 w12 w31", SEARCH_ANY_BEGINNING, NULL, SEARCH_LIST_MAX);
    assert_true(rig->count > 10);
    while (i < rig->count && rig->found[i].reading == SEARCH_ALL_BEGINNINGS) {
        assert_true(rig->found[i++].score > 1);
    }
    assert_true(i > 0);
    for (; i < rig->count; i++) {
        assert_int_equal(rig->found[i].reading, SEARCH_ANY_BEGINNING);
        assert_true(rig->found[i].score < 1);
    }
}

static void test_a_filter_is_kept_however_little_it_lets_through(void **state)
{
    struct rig *rig = *state;

    put_some(rig, 2000);
    assert_int_equal(search_index_begin(rig->index, &rig->err), 0);
    put(rig, 5000, "w0 among many that have nothing to do with it", "single", "");
    for (unsigned n = 5001; n < 5200; n++) {
        put(rig, n, "w0", "note", "");
    }
    assert_int_equal(search_index_commit(rig->index, 2, &rig->err), 0);
    find(rig, "w0", SEARCH_ALL, "single", 20);
    assert_int_equal(rig->count, 1);
    assert_string_equal(rig->found[0].id, "m5000");
    find(rig, "w0", SEARCH_ALL, "rare", 20);
    assert_int_equal(rig->count, 20);
}

/* 256 strings make a row of the tally so long that it is full with 64,000 of them. */
static void test_a_tally_that_is_full_keeps_the_best(void **state)
{
    struct rig *rig = *state;
    char query[SEARCH_QUERY_MAX + 1] = "w0";
    size_t size = 2;

    while (size + 4 <= SEARCH_QUERY_MAX) { /* pairs, of which each is a string */
        size += (size_t)snprintf(query + size, sizeof query - size, "%s", size == 2 ? " 漢" : "漢");
    }
    assert_int_equal(search_index_begin(rig->index, &rig->err), 0);
    put(rig, 0, "w0 漢漢漢 w0", "note", "");
    put(rig, 1, "w0", "single", "");
    for (unsigned n = 2; n < 70000; n++) {
        put(rig, n, "w0", "note", "");
    }
    assert_int_equal(search_index_commit(rig->index, 1, &rig->err), 0);
    find(rig, query, SEARCH_ANY_BEGINNING, NULL, 20);
    assert_int_equal(rig->count, 20);
    assert_string_equal(rig->found[0].id, "m0");
    assert_string_equal(rig->found[1].id, "m69999");
    find(rig, query, SEARCH_ANY_BEGINNING, "single", 20);
    assert_int_equal(rig->count, 1);
}

/* ---- marks ---- */

#define UUID "550e8400-e29b-41d4-a716-446655440000"

static void assert_marked(struct rig *rig, const char *query, enum search_reading reading,
                          const char *content, const char *wanted)
{
    struct search_marker *marker = search_finder_marker(rig->finder);
    struct search_strings strings;
    struct search_words words;
    msgpack_sbuffer marked;

    msgpack_sbuffer_init(&marked);
    search_words_parse(query, strlen(query), &words);
    search_words_strings(&words, reading, &strings);
    assert_int_equal(search_marker_ask(marker, &strings), 0);
    assert_int_equal(search_marker_mark(marker, content, strlen(content), &marked), 0);
    for (size_t i = 0; i < marked.size; i++) {
        char *at = &marked.data[i];
        if (*at == SEARCH_MARK_OPEN || *at == SEARCH_MARK_CLOSE) {
            *at = *at == SEARCH_MARK_OPEN ? '[' : ']';
        }
    }
    assert_int_equal(msgpack_sbuffer_write(&marked, "", 1), 0);
    assert_string_equal(marked.data, wanted);
    msgpack_sbuffer_destroy(&marked);
}

static void test_marks_stand_around_what_was_asked_for(void **state)
{
    static const struct {
        const char *query, *content, *wanted;
        enum search_reading reading;
    } rows[] = {
        {"tea", "Green tea, black tea.", "Green [tea], black [tea].", SEARCH_ALL},
        {"tea", "no such thing", "", SEARCH_ALL},
        {"tea", "teas", "", SEARCH_ALL},
        {"te*", "teas", "[teas]", SEARCH_ALL},
        {"TEA", "Té a tea", "Té a [tea]", SEARCH_ALL},
        {"te", "Té a tea", "[Té] a tea", SEARCH_ALL},
        {"\"at four\"", "four at four at five", "four [at four] at five", SEARCH_ALL},
        {"\"a b a b c\"", "a b a b a b c", "a b [a b a b c]", SEARCH_ALL},
        {"\"a b\" b", "a b", "[a b]", SEARCH_ALL},
        {"\"at fo\"*", "at four", "[at four]", SEARCH_ALL},
        {"\"at fo\"*", "atx four", "", SEARCH_ALL},
        {"deadlines", "Deadline and deadlines", "[Deadline] and [deadlines]", SEARCH_ANY_BEGINNING},
        {"会議室", "明日の会議室です", "明日の[会議室]です", SEARCH_ALL},
        {"議室会", "会議室", "会[議室]", SEARCH_ANY_BEGINNING},
        {"室", "会議室", "会議[室]", SEARCH_ALL},
        {"tea", "\x02tea\x03 \x02", "[tea] ", SEARCH_ALL},
        {"- tea", "tea", "[tea]", SEARCH_ALL},
        {UUID, "is " UUID ", so", "is [" UUID "], so", SEARCH_ALL},
        {"550E8400*", UUID, "[" UUID "]", SEARCH_ALL},
        {"550e8400", "by the first of " UUID, "by the first of [" UUID "]", SEARCH_ANY_BEGINNING},
        {"e29b", UUID, "", SEARCH_ALL},
        {"e29b", UUID "0", "550e8400-[e29b]-41d4-a716-4466554400000", SEARCH_ALL},
        {UUID " y", "x-" UUID "-y " UUID, "x-[" UUID "]-[y] [" UUID "]", SEARCH_ALL},
        {"tea", "", "", SEARCH_ALL},
    };
    struct rig *rig = *state;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_marked(rig, rows[i].query, rows[i].reading, rows[i].content, rows[i].wanted);
    }
}

static void append_words(char *content, char letter, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t size = strlen(content);
        content[size] = letter;
        content[size + 1] = ' ';
        content[size + 2] = '\0';
    }
}

static void test_the_part_that_is_shown_has_most_of_the_words(void **state)
{
    struct rig *rig = *state;
    char content[4096] = "tea tea tea ";

    append_words(content, 'x', 100);
    strcat(content, "green tea ");
    append_words(content, 'y', 100);
    assert_marked(rig, "green tea", SEARCH_ALL, content,
                  "…x x x x x x x x x x x [green] [tea] y y y y y y y y y y y…");
    assert_marked(rig, "tea", SEARCH_ALL, content,
                  "[tea] [tea] [tea] x x x x x x x x x x x x x x x x x x x x x…");
    strcpy(content, "");
    append_words(content, 'x', 100);
    strcat(content, "tea.");
    assert_marked(rig, "tea", SEARCH_ALL, content,
                  "…x x x x x x x x x x x x x x x x x x x x x x x [tea].");
}

/* More words, more strings and more matches than there is room for. */
static void test_marks_are_bounded(void **state)
{
    struct rig *rig = *state;
    struct search_marker *marker = search_finder_marker(rig->finder);
    char query[SEARCH_QUERY_MAX + 1] = "", *content = calloc(1, 400000);
    struct search_strings strings;
    struct search_words words;
    msgpack_sbuffer marked;

    append_words(query, 'a', SEARCH_QUERY_MAX / 2 - 1);
    query[0] = '"';
    msgpack_sbuffer_init(&marked);
    search_words_parse(query, strlen(query), &words);
    search_words_strings(&words, SEARCH_ALL, &strings);
    assert_int_equal(search_marker_ask(marker, &strings), 0);
    memset(content, 'a', 399998);
    for (size_t i = 1; i < 399998; i += 2) {
        content[i] = ' ';
    }
    assert_int_equal(search_marker_mark(marker, content, strlen(content), &marked), 0);
    assert_true(marked.size > 0 && marked.size < 400);
    msgpack_sbuffer_destroy(&marked);
    free(content);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_is_found_is_ranked_as_fts5_ranks_it, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            test_what_has_a_form_of_each_word_stands_before_what_has_some, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_filter_is_kept_however_little_it_lets_through, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_tally_that_is_full_keeps_the_best, setup, teardown),
        cmocka_unit_test_setup_teardown(test_marks_stand_around_what_was_asked_for, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_the_part_that_is_shown_has_most_of_the_words, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_marks_are_bounded, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
