/* A memory that grows: told when it is large, found again, and refused what is over its limit. */
#include "store_fixture.h"

#include "broker/memory_state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MIB ((size_t)1 << 20)

/* A put of one prop of so many bytes. */
static struct apply_result put_prop(struct fixture *f, const char *id, char name, size_t size)
{
    char *json = malloc(size + 64);
    struct apply_result result;
    struct fields fields;

    assert_non_null(json);
    int head = sprintf(json, "{'content':'%c','props':{'%c':'", name, name);
    memset(json + head, 'x', size);
    strcpy(json + head + size, "'}}");
    fields_init(&fields, json);
    struct event event = fixture_put(id, &fields);
    event.event_id = fixture_text(id);
    assert_int_equal(fixture_apply(f, &event, &result), 0);
    fields_deinit(&fields);
    free(json);
    return result;
}

static void note(void *arg, const struct event_text *id)
{
    char *room = arg;

    strncat(room, id->data, id->size);
    strcat(room, " ");
}

/* The ids of all that are large, each with a space behind it. */
static const char *large(struct fixture *f)
{
    static char room[256];
    struct error err;

    room[0] = '\0';
    assert_int_equal(store_large_memories(f->store, note, room, &err), 0);
    return room;
}

static void test_one_that_is_large_is_told_and_found(void **state)
{
    struct fixture *f = *state;

    assert_false(put_prop(f, "small", 'a', 100).is_large);
    assert_false(put_prop(f, "big", 'a', 3 * MIB).is_large);
    assert_string_equal(large(f), "");
    assert_true(put_prop(f, "big", 'b', 2 * MIB).is_large);
    assert_string_equal(large(f), "big ");
    fixture_reopen(f);
    assert_string_equal(large(f), "big ");
}

static void test_one_that_was_made_smaller_is_found_no_more(void **state)
{
    struct fixture *f = *state;

    assert_true(put_prop(f, "big", 'a', 33 * MIB).is_large);
    assert_false(put_prop(f, "big", 'a', 1).is_large);
    assert_string_equal(large(f), "");
}

static void test_what_would_be_over_the_limit_is_refused_and_changes_nothing(void **state)
{
    struct fixture *f = *state;
    struct apply_result first = put_prop(f, "big", 'a', 40 * MIB);
    struct apply_result refused = put_prop(f, "big", 'b', 25 * MIB);

    assert_int_equal(refused.outcome, APPLY_TOO_LARGE);
    assert_int_equal(refused.version, first.version);
    assert_string_equal(large(f), "big ");
    assert_null(fixture_get(f, "big", refused.seq));
    /* It left no key: the same again is looked at again. */
    assert_int_equal(put_prop(f, "big", 'b', 25 * MIB).outcome, APPLY_TOO_LARGE);
    assert_false(put_prop(f, "big", 'a', 1).is_large);
    assert_int_equal(put_prop(f, "big", 'b', 25 * MIB).outcome, APPLY_CHANGED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_one_that_is_large_is_told_and_found, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_one_that_was_made_smaller_is_found_no_more,
                                        fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(
            test_what_would_be_over_the_limit_is_refused_and_changes_nothing, fixture_setup,
            fixture_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
