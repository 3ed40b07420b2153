/* What an import makes of a store: whole states in the order of their stamps, whoever comes first.
 */
#include "store_fixture.h"

#include "broker/event_import.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ORIGIN_A "aaaaaaaa-0000-4000-8000-000000000000"
#define ORIGIN_B "bbbbbbbb-0000-4000-8000-000000000000"

struct memory {
    const char *id, *body, *origin, *session, *model;
    int64_t stamp_us, deleted_ms;
};

static int try_import(struct fixture *f, struct memory memory, struct apply_result *ret)
{
    struct event event = {.op = EVENT_IMPORT, .memory_id = fixture_text(memory.id)};
    struct fields body;
    msgpack_sbuffer fields;

    fields_init(&body, memory.body);
    struct event_import import = {
        .body = {(const uint8_t *)body.buffer.data, body.buffer.size},
        .created_ms = 7,
        .updated_ms = memory.stamp_us / 1000,
        .deleted_ms = memory.deleted_ms,
        .stamp_us = memory.stamp_us,
        .origin = fixture_text(memory.origin != NULL ? memory.origin : ORIGIN_A),
        .session_id = fixture_text(memory.session),
        .embedding_model = fixture_text(memory.model)};
    msgpack_sbuffer_init(&fields);
    assert_int_equal(event_import_pack(&import, &fields), 0);
    event.fields = (const uint8_t *)fields.data;
    event.fields_size = fields.size;
    int r = fixture_apply(f, &event, ret);
    msgpack_sbuffer_destroy(&fields);
    fields_deinit(&body);
    return r;
}

static struct apply_result import_memory(struct fixture *f, struct memory memory)
{
    struct apply_result result;

    assert_int_equal(try_import(f, memory, &result), 0);
    return result;
}

static void test_a_state_comes_with_its_order_and_a_new_version(void **state)
{
    struct fixture *f = *state;

    fixture_put_json(f, "other", "{'content':'x'}");
    struct apply_result result =
        import_memory(f, (struct memory){.id = "m",
                                         .body = "{'content':'tea','kind':'fact','tags':['b','a'],"
                                                 "'props':{'z':1,'a':2.5},'embedding':[1,2]}",
                                         .stamp_us = 5000000,
                                         .session = "s-9"});
    assert_int_equal(result.outcome, APPLY_CHANGED);
    assert_string_equal(fixture_get(f, "m", 0),
                        "{'id':'m','content':'tea','kind':'fact','tags':['b','a'],"
                        "'props':{'a':2.500000,'z':1},'created_ms':7,'updated_ms':5000,"
                        "'version':2,'stamp':5000000,'origin':'" ORIGIN_A "','session_id':'s-9',"
                        "'embedding_state':'ready','embedding_model':'caller',"
                        "'embedding':[1,2]}");
}

static void test_no_embedder_is_named_as_a_callers_vector_is(void **state)
{
    struct fixture *f = *state;
    struct apply_result result;
    struct memory memory = {.id = "m",
                            .body = "{'content':'tea','embedding':[1,2]}",
                            .stamp_us = 5000000,
                            .model = "caller"};

    assert_int_equal(try_import(f, memory, &result), STORE_E_EVENT);
    memory.model = "";
    assert_int_equal(try_import(f, memory, &result), STORE_E_EVENT);
    assert_null(fixture_get(f, "m", 0));
}

static void test_the_newest_stamp_wins_in_every_order(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(
        import_memory(f, (struct memory){"m", "{'content':'2'}", .stamp_us = 2000}).outcome,
        APPLY_CHANGED);
    struct apply_result older =
        import_memory(f, (struct memory){"m", "{'content':'1'}", .stamp_us = 1000});
    assert_int_equal(older.outcome, APPLY_OLDER);
    assert_int_equal(older.version, 1);
    assert_int_equal(
        import_memory(f, (struct memory){"m", "{'content':'2'}", .stamp_us = 2000}).outcome,
        APPLY_DUPLICATE);
    assert_int_equal(
        import_memory(f, (struct memory){"m", "{'content':'3'}", .stamp_us = 3000}).outcome,
        APPLY_CHANGED);
    assert_non_null(strstr(fixture_get(f, "m", 0), "'content':'3'"));
    assert_non_null(strstr(fixture_get(f, "m", 1), "'content':'2'")); /* it is in the history */
}

static void test_of_equal_stamps_the_higher_origin_wins(void **state)
{
    struct fixture *f = *state;
    struct memory a = {"m", "{'content':'a'}", ORIGIN_A, .stamp_us = 2000};
    struct memory b = {"m", "{'content':'b'}", ORIGIN_B, .stamp_us = 2000};

    import_memory(f, b);
    assert_int_equal(import_memory(f, a).outcome, APPLY_OLDER);
    a.id = b.id = "n";
    import_memory(f, a);
    assert_int_equal(import_memory(f, b).outcome, APPLY_CHANGED);
    assert_non_null(strstr(fixture_get(f, "n", 0), "'content':'b'"));
}

static void test_what_was_put_here_later_stays(void **state)
{
    struct fixture *f = *state;

    fixture_put_json(f, "m", "{'content':'mine'}"); /* its stamp: 1000000 */
    assert_int_equal(
        import_memory(f, (struct memory){"m", "{'content':'theirs'}", .stamp_us = 999999}).outcome,
        APPLY_OLDER);
    assert_non_null(strstr(fixture_get(f, "m", 0), "'content':'mine'"));
}

static void test_an_imported_tombstone_deletes(void **state)
{
    struct fixture *f = *state;
    struct reader_counts counts;
    struct error err;

    fixture_put_json(f, "m", "{'content':'mine','tags':['t']}");
    import_memory(
        f, (struct memory){"m", "{'content':'mine'}", .stamp_us = 9000000, .deleted_ms = 8888});
    assert_non_null(strstr(fixture_get(f, "m", 0), "'deleted_ms':8888,"));
    assert_int_equal(reader_counts(fixture_reader(f), &counts, &err), 0);
    assert_int_equal(counts.memories, 0);
    assert_int_equal(counts.deleted, 1);
}

static void test_an_embedders_vector_comes_as_such(void **state)
{
    struct fixture *f = *state;
    struct memory memory = {.id = "m",
                            .body = "{'content':'tea','embedding':[1,2]}",
                            .model = "nomic",
                            .stamp_us = 2000};

    import_memory(f, memory);
    assert_non_null(strstr(fixture_get(f, "m", 0), "'embedding_model':'nomic','embedding':[1,2]"));
    fixture_put_json(f, "m", "{'content':'coffee'}");
    assert_non_null(strstr(fixture_get(f, "m", 0), "'embedding_state':'none'"));
    fixture_put_json(f, "m", "{'content':'tea'}"); /* not embedded twice */
    assert_non_null(strstr(fixture_get(f, "m", 0), "'embedding':[1,2]"));
}

static void test_a_vector_that_was_missing_is_taken_from_the_same_state(void **state)
{
    struct fixture *f = *state;
    struct memory memory = {.id = "m", .body = "{'content':'tea'}", .stamp_us = 2000};

    import_memory(f, memory);
    memory.body = "{'content':'tea','embedding':[1,2]}";
    memory.model = "nomic";
    struct apply_result result = import_memory(f, memory);
    assert_int_equal(result.outcome, APPLY_CHANGED);
    assert_int_equal(result.version, 1); /* the memory is the same */
    assert_non_null(strstr(fixture_get(f, "m", 0), "'embedding':[1,2]"));
    assert_int_equal(import_memory(f, memory).outcome, APPLY_DUPLICATE);
}

static void test_the_store_is_in_order_afterwards(void **state)
{
    struct fixture *f = *state;
    uint64_t memories, events, applied_seq;
    struct error err = {0};

    import_memory(f, (struct memory){"m", "{'content':'1','embedding':[1,2]}", .stamp_us = 1000});
    import_memory(f, (struct memory){"m", "{'content':'2','tags':['a']}", .stamp_us = 2000});
    import_memory(f, (struct memory){"n", "{'content':'3'}", .stamp_us = 3000, .deleted_ms = 1});
    fixture_reopen(f);
    if (store_verify(f->path, &memories, &events, &applied_seq, &err) != 0) {
        fail_msg("store_verify: %s", err.text);
    }
    assert_int_equal(memories, 2);
    assert_int_equal(events, 3);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_a_state_comes_with_its_order_and_a_new_version),
        TEST(test_no_embedder_is_named_as_a_callers_vector_is),
        TEST(test_the_newest_stamp_wins_in_every_order),
        TEST(test_of_equal_stamps_the_higher_origin_wins),
        TEST(test_what_was_put_here_later_stays),
        TEST(test_an_imported_tombstone_deletes),
        TEST(test_an_embedders_vector_comes_as_such),
        TEST(test_a_vector_that_was_missing_is_taken_from_the_same_state),
        TEST(test_the_store_is_in_order_afterwards),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
