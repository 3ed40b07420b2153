/* test_store_effect.c - what an event does to the life of its memory, told and kept. */
#include "broker/event_statement.h"
#include "broker/store_recent.h"
#include "tests/unit/store_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SECOND 1000

static struct apply_effect put(struct fixture *fixture, const char *id, const char *json)
{
    struct apply_result result;
    struct fields fields;

    fields_init(&fields, json);
    struct event event = fixture_put(id, &fields);
    assert_int_equal(fixture_apply(fixture, &event, &result), 0);
    fields_deinit(&fields);
    return result.effect;
}

static struct apply_effect delete (struct fixture *fixture, const char *id)
{
    const struct event event = {.op = EVENT_DELETE, .memory_id = fixture_text(id)};
    struct apply_result result;

    assert_int_equal(fixture_apply(fixture, &event, &result), 0);
    return result.effect;
}

static void assert_effect(struct apply_effect effect, bool was_live, bool is_live, bool changed)
{
    assert_int_equal(effect.was_live, was_live);
    assert_int_equal(effect.is_live, is_live);
    assert_int_equal(effect.changed, changed);
}

static void test_life_of_a_memory_is_told(void **state)
{
    struct fixture *fixture = *state;

    assert_effect(put(fixture, "m", "{'content': 'a'}"), false, true, true);
    assert_effect(put(fixture, "m", "{'content': 'b'}"), true, true, true);
    assert_effect(put(fixture, "m", "{'tags': ['t']}"), true, true, true);
    assert_effect(delete (fixture, "m"), true, false, true);
    assert_effect(delete (fixture, "m"), false, false, false);
    assert_effect(put(fixture, "m", "{'content': 'b'}"), false, true, true);
}

static void test_put_of_what_is_there_changes_nothing(void **state)
{
    struct fixture *fixture = *state;

    put(fixture, "m", "{'content': 'a', 'tags': ['t'], 'props': {'x': 1}}");
    assert_effect(put(fixture, "m", "{'content': 'a'}"), true, true, false);
    assert_effect(put(fixture, "m", "{'props': {'x': 1}}"), true, true, false);
    assert_effect(put(fixture, "m", "{'props': {'x': 2}}"), true, true, true);
}

static void test_change_before_is_the_last_that_changed_anything(void **state)
{
    struct fixture *fixture = *state;

    put(fixture, "m", "{'content': 'a'}"); /* event n is at n seconds */
    put(fixture, "other", "{'content': 'a'}");
    assert_int_equal(put(fixture, "m", "{'content': 'b'}").before_ms, 1 * SECOND);
    put(fixture, "m", "{'content': 'b'}");
    put(fixture, "m", "{'content': 'b'}");
    assert_int_equal(put(fixture, "m", "{'content': 'c'}").before_ms, 3 * SECOND);
    assert_int_equal(delete (fixture, "m").before_ms, 6 * SECOND);
}

static void test_vector_of_an_embedder_is_no_change(void **state)
{
    struct fixture *fixture = *state;

    put(fixture, "m", "{'content': 'a'}");
    assert_effect(fixture_embed(fixture, "m", "a", "model", 1, 2).effect, false, false, false);
    assert_int_equal(put(fixture, "m", "{'content': 'b'}").before_ms, 1 * SECOND);
}

/* ---- read back ---- */

struct seen {
    struct store_recent_event events[16];
    size_t count;
};

static void see(void *arg, const struct store_recent_event *event)
{
    struct seen *seen = arg;

    assert_true(seen->count < 16);
    seen->events[seen->count] = *event;
    if (event->op == EVENT_STATEMENT) {
        struct event_statement statement;
        assert_int_equal(event_statement_read(event->fields, event->fields_size, &statement), 0);
        assert_memory_equal(statement.statement.data, "rm x", 4);
    }
    seen->count++;
}

static void assert_same(struct apply_effect a, struct apply_effect b)
{
    assert_effect(a, b.was_live, b.is_live, b.changed);
    assert_int_equal(a.before_ms, b.before_ms);
}

static void observe(struct fixture *fixture, const char *text)
{
    const struct event_statement statement = {fixture_text(text), fixture_text("shell"),
                                              fixture_text(NULL)};
    struct apply_result result;
    msgpack_sbuffer fields;

    msgpack_sbuffer_init(&fields);
    assert_int_equal(event_statement_pack(&statement, &fields), 0);
    const struct event event = {
        .op = EVENT_STATEMENT, .fields = (const uint8_t *)fields.data, .fields_size = fields.size};
    assert_int_equal(fixture_apply(fixture, &event, &result), 0);
    msgpack_sbuffer_destroy(&fields);
}

static void test_recent_events_are_read_back_as_they_were_told(void **state)
{
    struct fixture *fixture = *state;
    struct seen seen = {0};
    struct error err;
    uint64_t behind;
    int64_t born;

    put(fixture, "m", "{'content': 'a'}");
    put(fixture, "old", "{'content': 'a'}");
    struct apply_effect changed = put(fixture, "m", "{'content': 'b'}");
    struct apply_effect same = put(fixture, "m", "{'content': 'b'}");
    observe(fixture, "rm x");
    struct apply_effect deleted = delete (fixture, "m");
    assert_int_equal(store_recent_begin(fixture->store, 4 * SECOND, &behind, &born, &err), 0);
    assert_int_equal(behind, 2);
    assert_int_equal(born, -1);
    assert_int_equal(store_recent_events(fixture->store, behind, see, &seen, &err), 0);
    assert_int_equal(seen.count, 4);
    assert_same(seen.events[0].effect, changed);
    assert_effect(seen.events[1].effect, same.was_live, same.is_live, same.changed);
    assert_int_equal(seen.events[2].op, EVENT_STATEMENT);
    assert_same(seen.events[3].effect, deleted);
    assert_int_equal(seen.events[3].seq, 6);
}

static void test_nothing_is_recent_in_an_empty_store(void **state)
{
    struct fixture *fixture = *state;
    struct seen seen = {0};
    struct error err;
    uint64_t behind = 7;
    int64_t born = 7;
    char id[257];

    assert_int_equal(store_recent_begin(fixture->store, SECOND, &behind, &born, &err), 0);
    assert_int_equal(behind, 0);
    assert_int_equal(born, 0);
    assert_int_equal(store_recent_events(fixture->store, 0, see, &seen, &err), 0);
    assert_int_equal(seen.count, 0);
    assert_int_equal(store_event_memory(fixture->store, 3, id, &err), 0);
    assert_string_equal(id, "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_life_of_a_memory_is_told),
        TEST(test_put_of_what_is_there_changes_nothing),
        TEST(test_change_before_is_the_last_that_changed_anything),
        TEST(test_vector_of_an_embedder_is_no_change),
        TEST(test_recent_events_are_read_back_as_they_were_told),
        TEST(test_nothing_is_recent_in_an_empty_store),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
