/* What a restore makes of a memory: its whole state as it was, under a new version. */
#include "store_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct apply_result restore(struct fixture *f, struct event event, uint64_t version)
{
    struct apply_result result;
    struct fields fields;
    char json[64];

    snprintf(json, sizeof json, "{'version':%llu}", (unsigned long long)version);
    fields_init(&fields, json);
    event.op = EVENT_RESTORE;
    event.fields = (const uint8_t *)fields.buffer.data;
    event.fields_size = fields.buffer.size;
    assert_int_equal(fixture_apply(f, &event, &result), 0);
    fields_deinit(&fields);
    return result;
}

static struct apply_result restore_m(struct fixture *f, uint64_t version)
{
    return restore(f, (struct event){.memory_id = fixture_text("m")}, version);
}

static void test_a_deleted_memory_comes_back_whole_with_its_vector(void **state)
{
    struct fixture *f = *state;

    uint64_t first = fixture_put_json(f, "m",
                                      "{'content':'tea','kind':'fact','tags':['a','b'],"
                                      "'props':{'x':1,'y':[1.5]},'embedding':[1,2]}");
    fixture_delete(f, "m");
    struct apply_result result = restore_m(f, first);
    assert_int_equal(result.outcome, APPLY_CHANGED);
    assert_int_equal(result.version, 3);
    assert_string_equal(fixture_get(f, "m", 0),
                        "{'id':'m','content':'tea','kind':'fact','tags':['a','b'],"
                        "'props':{'x':1,'y':[1.500000]},'created_ms':1000,'updated_ms':3000,"
                        "'version':3,'stamp':3000000,'origin':'" FIXTURE_ORIGIN "',"
                        "'embedding_state':'ready','embedding_model':'caller',"
                        "'embedding':[1,2]}");
}

static void test_a_restore_replaces_and_never_merges(void **state)
{
    struct fixture *f = *state;

    uint64_t first = fixture_put_json(f, "m", "{'content':'one','props':{'old':1}}");
    fixture_put_json(f, "m",
                     "{'content':'two','kind':'fact','tags':['t'],"
                     "'props':{'new':2},'embedding':[3,4]}");
    restore_m(f, first);
    assert_string_equal(fixture_get(f, "m", 0),
                        "{'id':'m','content':'one','kind':'note','tags':[],'props':{'old':1},"
                        "'created_ms':1000,'updated_ms':3000,'version':3,'stamp':3000000,"
                        "'origin':'" FIXTURE_ORIGIN "','embedding_state':'none'}");
}

static void test_restoring_a_tombstone_deletes_when_it_was_then(void **state)
{
    struct fixture *f = *state;

    fixture_put_json(f, "m", "{'content':'one'}");
    uint64_t deleted = fixture_delete(f, "m");
    fixture_put_json(f, "m", "{'content':'two'}");
    restore_m(f, deleted);
    assert_non_null(strstr(fixture_get(f, "m", 0), "'content':'one'"));
    assert_non_null(strstr(fixture_get(f, "m", 0), "'deleted_ms':2000,"));
}

static void test_what_stands_so_already_is_not_changed(void **state)
{
    struct fixture *f = *state;
    struct event event = {.memory_id = fixture_text("m"), .event_id = fixture_text("e")};

    uint64_t first = fixture_put_json(f, "m", "{'content':'one','embedding':[1,2]}");
    struct apply_result result = restore(f, event, first);
    assert_int_equal(result.outcome, APPLY_DUPLICATE);
    assert_int_equal(result.seq, first);
    fixture_put_json(f, "m", "{'content':'two'}");
    result = restore(f, event, first); /* sent again: it must not undo what came since */
    assert_int_equal(result.outcome, APPLY_DUPLICATE);
    assert_non_null(strstr(fixture_get(f, "m", 0), "'content':'two'"));
}

static void test_a_repeat_is_found_by_its_event_id(void **state)
{
    struct fixture *f = *state;
    struct event event = {.memory_id = fixture_text("m"), .event_id = fixture_text("e")};

    uint64_t first = fixture_put_json(f, "m", "{'content':'one'}");
    uint64_t second = fixture_put_json(f, "m", "{'content':'two'}");
    assert_int_equal(restore(f, event, first).outcome, APPLY_CHANGED);
    fixture_put_json(f, "m", "{'content':'three'}");
    struct apply_result again = restore(f, event, first);
    assert_int_equal(again.outcome, APPLY_DUPLICATE);
    assert_int_equal(again.seq, 3);
    assert_int_equal(restore(f, event, second).outcome, APPLY_CHANGED); /* another request */
}

static void test_a_version_that_is_not_there_is_refused(void **state)
{
    struct fixture *f = *state;

    uint64_t other = fixture_put_json(f, "other", "{'content':'one'}");
    assert_int_equal(restore_m(f, other).outcome, APPLY_NOT_FOUND);
    fixture_put_json(f, "m", "{'content':'mine'}");
    struct apply_result result = restore_m(f, other); /* another memory's */
    assert_int_equal(result.outcome, APPLY_NOT_FOUND);
    assert_int_equal(result.version, 3);
    assert_int_equal(restore_m(f, 77).outcome, APPLY_NOT_FOUND);
    assert_non_null(strstr(fixture_get(f, "m", 0), "'version':3,"));
}

static void test_a_race_is_a_conflict_and_no_loss(void **state)
{
    struct fixture *f = *state;
    struct event event = {.memory_id = fixture_text("m"), .has_expected_version = true};

    uint64_t first = fixture_put_json(f, "m", "{'content':'one'}");
    event.expected_version = fixture_put_json(f, "m", "{'content':'two'}");
    fixture_put_json(f, "m", "{'content':'three'}");
    struct apply_result result = restore(f, event, first);
    assert_int_equal(result.outcome, APPLY_CONFLICT);
    assert_int_equal(result.version, 3);
    assert_non_null(strstr(fixture_get(f, "m", 0), "'content':'three'"));
}

static void test_tags_are_found_as_they_came_back(void **state)
{
    struct fixture *f = *state;
    struct reader_filter filter = {.tag = "old", .limit = 10};
    struct error err;

    uint64_t first = fixture_put_json(f, "m", "{'content':'one','tags':['old']}");
    fixture_put_json(f, "m", "{'tags':['new']}");
    restore_m(f, first);
    msgpack_sbuffer_clear(&f->answer);
    assert_int_equal(reader_list(fixture_reader(f), &filter, &f->answer, &err), 0);
    assert_non_null(strstr(fixture_json(f), "'id':'m'"));
    filter.tag = "new";
    msgpack_sbuffer_clear(&f->answer);
    assert_int_equal(reader_list(fixture_reader(f), &filter, &f->answer, &err), 0);
    assert_string_equal(fixture_json(f), "{'memories':[],'next':nil}");
}

static void test_a_restore_survives_a_restart_and_the_check(void **state)
{
    struct fixture *f = *state;
    uint64_t memories, events, applied_seq;
    struct error err;

    uint64_t first = fixture_put_json(f, "m", "{'content':'one','embedding':[1,2]}");
    fixture_put_json(f, "m", "{'content':'two'}");
    restore_m(f, first);
    fixture_reopen(f);
    assert_non_null(strstr(fixture_get(f, "m", 0), "'embedding':[1,2]"));
    assert_int_equal(store_verify(f->path, &memories, &events, &applied_seq, &err), 0);
    assert_int_equal(events, 3);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_a_deleted_memory_comes_back_whole_with_its_vector),
        TEST(test_a_restore_replaces_and_never_merges),
        TEST(test_restoring_a_tombstone_deletes_when_it_was_then),
        TEST(test_what_stands_so_already_is_not_changed),
        TEST(test_a_repeat_is_found_by_its_event_id),
        TEST(test_a_version_that_is_not_there_is_refused),
        TEST(test_a_race_is_a_conflict_and_no_loss),
        TEST(test_tags_are_found_as_they_came_back),
        TEST(test_a_restore_survives_a_restart_and_the_check),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
