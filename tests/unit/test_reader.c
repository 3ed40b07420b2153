/* Lists page without a gap or a repeat, filters hold, history tells every version. */
#include "store_fixture.h"

#include "broker/util/error.h"

#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *list(struct fixture *f, struct reader_filter filter)
{
    struct error err = {0};

    filter.limit = filter.limit == 0 ? 100 : filter.limit;
    msgpack_sbuffer_clear(&f->answer);
    if (reader_list(fixture_reader(f), &filter, &f->answer, &err) != 0) {
        fail_msg("reader_list: %s", err.text);
    }
    return fixture_json(f);
}

/* The ids of a list's answer, in order, each with a space behind it, and the cursor if there is
 * one. */
static void ids_of(const char *answer, char *ret_ids, char *ret_next)
{
    ret_ids[0] = '\0';
    for (const char *at = answer; (at = strstr(at, "{'id':'")) != NULL;) {
        at += strlen("{'id':'");
        size_t used = strlen(ret_ids), size = strcspn(at, "'");
        memcpy(ret_ids + used, at, size);
        strcpy(ret_ids + used + size, " ");
    }
    const char *next = strstr(answer, "'next':'");
    ret_next[0] = '\0';
    if (next != NULL) {
        next += strlen("'next':'");
        snprintf(ret_next, 64, "%.*s", (int)strcspn(next, "'"), next);
    }
}

static void assert_ids(struct fixture *f, struct reader_filter filter, const char *expected)
{
    char ids[4096], next[64];

    ids_of(list(f, filter), ids, next);
    assert_string_equal(ids, expected);
}

/* a: fact, t1, session; b: note, t1 t2; c: fact, deleted; d: note, session, t2 */
static void put_four(struct fixture *f)
{
    struct apply_result result;
    struct fields fields;

    fields_init(&fields, "{'content':'A','kind':'fact','tags':['t1']}");
    struct event a = fixture_put("a", &fields);
    a.session_id = fixture_text("s");
    assert_int_equal(fixture_apply(f, &a, &result), 0);
    fields_deinit(&fields);
    fixture_put_json(f, "b", "{'content':'B','tags':['t1','t2']}");
    fixture_put_json(f, "c", "{'content':'C','kind':'fact'}");
    fields_init(&fields, "{'content':'D','tags':['t2'],'embedding':[1,2]}");
    struct event d = fixture_put("d", &fields);
    d.session_id = fixture_text("s");
    assert_int_equal(fixture_apply(f, &d, &result), 0);
    fields_deinit(&fields);
    fixture_delete(f, "c");
}

static void test_filters_hold_alone_and_together(void **state)
{
    struct fixture *f = *state;

    put_four(f);
    assert_ids(f, (struct reader_filter){0}, "d b a ");
    assert_ids(f, (struct reader_filter){.deleted = READER_DELETED_ONLY}, "c ");
    assert_ids(f, (struct reader_filter){.deleted = READER_DELETED_ANY}, "c d b a ");
    assert_ids(f, (struct reader_filter){.kind = "fact"}, "a ");
    assert_ids(f, (struct reader_filter){.kind = "fact", .deleted = READER_DELETED_ANY}, "c a ");
    assert_ids(f, (struct reader_filter){.session_id = "s"}, "d a ");
    assert_ids(f, (struct reader_filter){.tag = "t1"}, "b a ");
    assert_ids(f, (struct reader_filter){.tag = "t2", .session_id = "s"}, "d ");
    assert_ids(f, (struct reader_filter){.tag = "t1", .kind = "fact", .session_id = "s"}, "a ");
    assert_ids(f, (struct reader_filter){.session_id = "s", .kind = "note"}, "d ");
    assert_ids(f, (struct reader_filter){.kind = "none"}, "");
    assert_ids(f, (struct reader_filter){.since_ms = 2000}, "d b ");
    assert_ids(f, (struct reader_filter){.until_ms = 4000}, "b a ");
    assert_ids(f, (struct reader_filter){.since_ms = 2000, .until_ms = 4000}, "b ");
}

static void test_a_list_is_newest_first_by_its_last_change(void **state)
{
    struct fixture *f = *state;

    put_four(f);
    fixture_put_json(f, "a", "{'tags':['t3']}");
    assert_ids(f, (struct reader_filter){0}, "a d b ");
    assert_ids(f, (struct reader_filter){.tag = "t1"}, "b ");
    assert_ids(f, (struct reader_filter){.tag = "t3"}, "a ");
    /* The put had no session, so it is no longer of that session. */
    assert_ids(f, (struct reader_filter){.session_id = "s"}, "d ");
}

static void test_embeddings_come_on_request(void **state)
{
    struct fixture *f = *state;

    put_four(f);
    assert_null(strstr(list(f, (struct reader_filter){0}), "'embedding':"));
    assert_non_null(strstr(list(f, (struct reader_filter){.embedding = true}),
                           "'embedding_model':'caller','embedding':[1,2]"));
}

static void test_pages_have_no_gap_and_no_repeat(void **state)
{
    struct fixture *f = *state;
    char all[4096] = "", expected[4096] = "", ids[4096], next[64] = "";

    for (int i = 0; i < 25; i++) {
        char id[16];
        snprintf(id, sizeof id, "m%d", i);
        fixture_put_json(f, id, i % 2 == 0 ? "{'content':'x','kind':'even'}" : "{'content':'x'}");
    }
    for (int i = 24; i >= 0; i -= 2) {
        snprintf(expected + strlen(expected), 8, "m%d ", i);
    }
    int pages = 0;
    do {
        char after[64];
        strcpy(after, next);
        struct reader_filter filter = {
            .limit = 4, .kind = "even", .after = after[0] != '\0' ? after : NULL};
        ids_of(list(f, filter), ids, next);
        strcat(all, ids);
        pages++;
    } while (next[0] != '\0');
    assert_string_equal(all, expected);
    assert_int_equal(pages, 4);
}

static void test_a_page_ends_at_a_mebibyte(void **state)
{
    struct fixture *f = *state;
    char ids[4096], next[64];
    size_t size = 400 << 10;

    char *json = malloc(size + 64);
    memset(json, 'x', size);
    memcpy(json, "{'content':'", 12);
    strcpy(json + size, "'}");
    for (int i = 0; i < 4; i++) {
        char id[16];
        snprintf(id, sizeof id, "m%d", i);
        fixture_put_json(f, id, json);
    }
    ids_of(list(f, (struct reader_filter){0}), ids, next);
    assert_string_equal(ids, "m3 m2 ");
    assert_true(f->answer.size <= (1u << 20) + 64);
    ids_of(list(f, (struct reader_filter){.after = next}), ids, next);
    assert_string_equal(ids, "m1 m0 ");
    free(json);
}

static void test_a_memory_of_over_a_mebibyte_is_a_page(void **state)
{
    struct fixture *f = *state;
    char ids[4096], next[64];
    size_t size = (1u << 20) + 4096;

    char *json = malloc(size + 64);
    memset(json, 'x', size);
    memcpy(json, "{'content':'", 12);
    strcpy(json + size, "'}");
    fixture_put_json(f, "m0", "{'content':'x'}");
    fixture_put_json(f, "m1", json);
    ids_of(list(f, (struct reader_filter){0}), ids, next);
    assert_string_equal(ids, "m1 ");
    ids_of(list(f, (struct reader_filter){.after = next}), ids, next);
    assert_string_equal(ids, "m0 ");
    free(json);
}

/* Rows that do not pass are looked at within a bound: the page is short, and the next goes on. */
static void test_a_rare_match_is_found_page_by_page(void **state)
{
    struct fixture *f = *state;
    char ids[4096], next[64] = "";
    sqlite3 *db;
    int pages = 0;

    fixture_put_json(f, "rare", "{'content':'x'}");
    fixture_delete(f, "rare");
    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(db,
                     "WITH RECURSIVE n(i) AS (SELECT 3 UNION ALL SELECT i+1 FROM n WHERE i<150000) "
                     "INSERT INTO memory SELECT i, 'm'||i, i, i, 1, 1, NULL, 'note', NULL, x'00', "
                     "0, NULL FROM n",
                     NULL, NULL, NULL),
        SQLITE_OK);
    sqlite3_close(db);
    do {
        char after[64];
        strcpy(after, next);
        ids_of(list(f, (struct reader_filter){.deleted = READER_DELETED_ONLY,
                                              .after = after[0] != '\0' ? after : NULL}),
               ids, next);
        pages++;
    } while (ids[0] == '\0' && next[0] != '\0');
    assert_string_equal(ids, "rare ");
    assert_int_equal(pages, 2);
}

static void test_a_place_that_is_none_is_refused(void **state)
{
    static const char *const bad[] = {"", "v", "5", "v5x", "v-1", "v9999999999999999999", "x5"};
    struct fixture *f = *state;
    struct error err;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct reader_filter filter = {.limit = 1, .after = bad[i]};
        assert_int_equal(reader_list(fixture_reader(f), &filter, &f->answer, &err),
                         READER_E_CURSOR);
        assert_int_equal(reader_dead_list(f->reader, NULL, 1, bad[i], &f->answer, &err),
                         READER_E_CURSOR);
    }
}

static void test_history_tells_every_version_newest_first(void **state)
{
    struct fixture *f = *state;
    struct apply_result result;
    struct error err;

    fixture_put_json(f, "m", "{'content':'one'}");
    fixture_put_json(f, "other", "{'content':'x'}");
    struct event event = {.op = EVENT_DELETE,
                          .memory_id = fixture_text("m"),
                          .session_id = fixture_text("s"),
                          .reason = fixture_text("wrong")};
    assert_int_equal(fixture_apply(f, &event, &result), 0);
    assert_int_equal(fixture_apply(f, &event, &result), 0); /* a repeat is no version */
    fixture_put_json(f, "m", "{'content':'two'}");
    msgpack_sbuffer_clear(&f->answer);
    assert_int_equal(reader_history(fixture_reader(f), "m", 10, &f->answer, &err), 0);
    assert_string_equal(
        fixture_json(f),
        "{'versions':[{'version':5,'op':'put','at_ms':5000},"
        "{'version':3,'op':'delete','at_ms':3000,'session_id':'s','reason':'wrong'},"
        "{'version':1,'op':'put','at_ms':1000}]}");
    msgpack_sbuffer_clear(&f->answer);
    assert_int_equal(reader_history(f->reader, "m", 1, &f->answer, &err), 0);
    assert_string_equal(fixture_json(f), "{'versions':[{'version':5,'op':'put','at_ms':5000}]}");
    assert_int_equal(reader_history(f->reader, "none", 10, &f->answer, &err), READER_E_NOT_FOUND);
}

static void test_counts_follow_every_change(void **state)
{
    struct fixture *f = *state;
    struct reader_counts counts;
    struct error err;

    put_four(f);
    fixture_delete(f, "d");
    fixture_put_json(f, "c", "{'kind':'note'}");
    assert_int_equal(reader_counts(fixture_reader(f), &counts, &err), 0);
    assert_int_equal(counts.memories, 3);
    assert_int_equal(counts.deleted, 1);
    assert_int_equal(counts.events, 7);
    assert_int_equal(counts.embeddings, 1);
    assert_int_equal(counts.applied_seq, 7);
}

static void test_a_reader_sees_each_commit(void **state)
{
    struct fixture *f = *state;

    assert_null(fixture_get(f, "m", 0));
    fixture_put_json(f, "m", "{'content':'one'}");
    assert_non_null(fixture_get(f, "m", 0));
}

static void test_a_store_that_is_not_there_is_told(void **state)
{
    struct reader *reader;
    struct error err;

    (void)state;
    assert_true(reader_open(&reader, "/nonexistent/memferry.db", &err) < 0);
    assert_non_null(strstr(err.text, "/nonexistent/memferry.db"));
    assert_null(reader);
}

#define READER_TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        READER_TEST(test_filters_hold_alone_and_together),
        READER_TEST(test_a_list_is_newest_first_by_its_last_change),
        READER_TEST(test_embeddings_come_on_request),
        READER_TEST(test_pages_have_no_gap_and_no_repeat),
        READER_TEST(test_a_page_ends_at_a_mebibyte),
        READER_TEST(test_a_memory_of_over_a_mebibyte_is_a_page),
        READER_TEST(test_a_rare_match_is_found_page_by_page),
        READER_TEST(test_a_place_that_is_none_is_refused),
        READER_TEST(test_history_tells_every_version_newest_first),
        READER_TEST(test_counts_follow_every_change),
        READER_TEST(test_a_reader_sees_each_commit),
        cmocka_unit_test(test_a_store_that_is_not_there_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
