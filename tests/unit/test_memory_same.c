/* Two states of a memory: which is newer, and what differs. */
#include "broker/memory_same.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define TEXT(s)                                                                                    \
    {                                                                                              \
        .data = (s), .size = sizeof(s) - 1                                                         \
    }

static const struct memferry_string tags[] = {TEXT("a"), TEXT("b")};
static const float vector[] = {1.0f, 0.0f};

static struct memferry_memory memory(void)
{
    return (struct memferry_memory){.id = TEXT("id"),
                                    .content = TEXT("content"),
                                    .kind = TEXT("note"),
                                    .tags = tags,
                                    .tag_count = 2,
                                    .embedding = vector,
                                    .dims = 2,
                                    .embedding_model = TEXT("caller"),
                                    .created_ms = 1,
                                    .updated_ms = 2,
                                    .version = 3,
                                    .stamp = 4,
                                    .origin = TEXT("0a"),
                                    .session_id = TEXT("s")};
}

static void test_the_same_state_differs_in_nothing_and_its_version_does_not_count(void **state)
{
    struct memferry_memory a = memory(), b = memory();

    (void)state;
    b.version = 99;
    b.embedding_state = MEMFERRY_EMBEDDING_READY;
    assert_null(memory_difference(&a, &b));
    assert_int_equal(memory_order(&a, &b), 0);
}

static void test_the_newer_stamp_wins_then_the_larger_origin(void **state)
{
    struct memferry_memory a = memory(), b = memory();

    (void)state;
    b.stamp = 5;
    assert_true(memory_order(&a, &b) < 0 && memory_order(&b, &a) > 0);
    b.stamp = a.stamp;
    b.origin = (struct memferry_string)TEXT("0b");
    assert_true(memory_order(&a, &b) < 0);
    assert_string_equal(memory_difference(&a, &b), "stamp");
}

static void assert_differs(const struct memferry_memory *b, const char *what)
{
    struct memferry_memory a = memory();

    assert_string_equal(memory_difference(&a, b), what);
    assert_string_equal(memory_difference(b, &a), what);
}

static void test_each_field_that_differs_is_named(void **state)
{
    static const float other[] = {1.0f, 0.5f};
    struct memferry_memory b;

    (void)state;
#define DIFFERS(field, value, name)                                                                \
    b = memory();                                                                                  \
    b.field = value;                                                                               \
    assert_differs(&b, name)
    DIFFERS(content, (struct memferry_string)TEXT("Content"), "content");
    DIFFERS(kind, (struct memferry_string)TEXT("fact"), "kind");
    DIFFERS(tag_count, 1, "tags");
    DIFFERS(tags, tags + 1, "tags");
    DIFFERS(created_ms, 0, "created_ms");
    DIFFERS(updated_ms, 0, "updated_ms");
    DIFFERS(deleted_ms, 7, "deleted_ms");
    DIFFERS(session_id, (struct memferry_string)TEXT("t"), "session_id");
    DIFFERS(embedding, NULL, "embedding");
    DIFFERS(embedding, other, "embedding");
    DIFFERS(embedding_model, (struct memferry_string)TEXT("m"), "embedding");
#undef DIFFERS
}

static void set_prop(struct memferry_memory *memory, struct memferry_prop *prop)
{
    memory->props = prop;
    memory->prop_count = 1;
}

static void test_props_are_compared_with_their_types(void **state)
{
    struct memferry_value one = {.type = MEMFERRY_VALUE_INT, .as.integer = 1};
    struct memferry_prop a = {.name = TEXT("n"), .value = one}, b = a;
    struct memferry_memory x = memory(), y = memory();

    (void)state;
    set_prop(&x, &a);
    set_prop(&y, &b);
    assert_null(memory_difference(&x, &y));
    b.value = (struct memferry_value){.type = MEMFERRY_VALUE_FLOAT, .as.floating = 1.0};
    assert_string_equal(memory_difference(&x, &y), "props");
    b.value = (struct memferry_value){.type = MEMFERRY_VALUE_LIST, .as.list = {&one, 1}};
    assert_string_equal(memory_difference(&x, &y), "props");
    a.value = b.value;
    assert_null(memory_difference(&x, &y));
    b.name = (struct memferry_string)TEXT("m");
    assert_string_equal(memory_difference(&x, &y), "props");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_same_state_differs_in_nothing_and_its_version_does_not_count),
        cmocka_unit_test(test_the_newer_stamp_wins_then_the_larger_origin),
        cmocka_unit_test(test_each_field_that_differs_is_named),
        cmocka_unit_test(test_props_are_compared_with_their_types),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
