/* A state comes back as it was written; merging keeps its promises whatever order fields come in;
 * and neither reads past bytes that are cut or changed. */
#include "store_fixture.h"

#include "broker/memory_state.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void merge_json(struct memory_state *state, const char *json, struct fields *fields,
                       struct memory_scratch *scratch)
{
    struct memory_change change;

    fields_init(fields, json);
    assert_int_equal(
        memory_change_decode((const uint8_t *)fields->buffer.data, fields->buffer.size, &change),
        0);
    assert_int_equal(memory_state_merge(state, &change, scratch), 0);
}

static void full_state(struct memory_state *state, struct fields *fields,
                       struct memory_scratch *scratch)
{
    memory_state_init(state);
    merge_json(state,
               "{'content':'tea','kind':'fact','tags':['a','b'],'props':{'n':[1,-2,2.5],'s':'t'}}",
               fields, scratch);
    state->created_ms = 1;
    state->updated_ms = -2;
    state->deleted_ms = INT64_MAX;
    state->version = INT64_MAX;
    state->stamp_us = 4;
    state->origin = fixture_text(FIXTURE_ORIGIN);
    state->session_id = fixture_text("s");
    state->embedding_state = MEMFERRY_EMBEDDING_READY;
    state->vector_seq = 9;
    state->embedding_model = fixture_text("caller");
}

static void assert_slice(struct unpack_slice found, struct unpack_slice expected)
{
    assert_int_equal(found.size, expected.size);
    assert_memory_equal(found.data, expected.data, expected.size);
}

static void assert_text(struct event_text found, const char *expected)
{
    assert_int_equal(found.size, strlen(expected));
    assert_memory_equal(found.data, expected, found.size);
}

static void test_a_state_comes_back_as_it_was(void **unused)
{
    struct memory_scratch scratch;
    struct memory_state state, found;
    struct fields fields;
    msgpack_sbuffer bytes;

    (void)unused;
    memory_scratch_init(&scratch);
    msgpack_sbuffer_init(&bytes);
    full_state(&state, &fields, &scratch);
    assert_int_equal(memory_state_encode(&state, &bytes), 0);
    assert_int_equal(memory_state_decode((const uint8_t *)bytes.data, bytes.size, &found), 0);
    assert_text(found.content, "tea");
    assert_text(found.kind, "fact");
    assert_slice(found.tags, state.tags);
    assert_slice(found.props, state.props);
    assert_int_equal(found.created_ms, 1);
    assert_true(found.updated_ms == -2);
    assert_true(found.deleted_ms == INT64_MAX);
    assert_true(found.version == INT64_MAX);
    assert_int_equal(found.stamp_us, 4);
    assert_text(found.origin, FIXTURE_ORIGIN);
    assert_text(found.session_id, "s");
    assert_int_equal(found.embedding_state, MEMFERRY_EMBEDDING_READY);
    assert_int_equal(found.vector_seq, 9);
    assert_text(found.embedding_model, "caller");
    msgpack_sbuffer_destroy(&bytes);
    fields_deinit(&fields);
    memory_scratch_deinit(&scratch);
}

/* A copy of exactly its size, so that a sanitizer sees a read past the end. */
static int decode_exact(const char *bytes, size_t size)
{
    struct memory_state state;
    uint8_t *exact = malloc(size == 0 ? 1 : size);

    memcpy(exact, bytes, size);
    int r = memory_state_decode(exact, size, &state);
    free(exact);
    return r;
}

static void test_damage_is_told_and_never_read_past(void **unused)
{
    struct memory_scratch scratch;
    struct memory_state state;
    struct fields fields;
    msgpack_sbuffer bytes;

    (void)unused;
    memory_scratch_init(&scratch);
    msgpack_sbuffer_init(&bytes);
    full_state(&state, &fields, &scratch);
    assert_int_equal(memory_state_encode(&state, &bytes), 0);
    for (size_t cut = 0; cut < bytes.size; cut++) {
        assert_int_equal(decode_exact(bytes.data, cut), -EBADMSG);
    }
    for (size_t at = 0; at < bytes.size; at++) {
        char kept = bytes.data[at];
        for (int value = 0; value < 256; value++) {
            bytes.data[at] = (char)value;
            int r = decode_exact(bytes.data, bytes.size);
            assert_true(r == 0 || r == -EBADMSG);
        }
        bytes.data[at] = kept;
    }
    msgpack_sbuffer_destroy(&bytes);
    fields_deinit(&fields);
    memory_scratch_deinit(&scratch);
}

static void test_the_same_puts_give_the_same_bytes(void **unused)
{
    static const char *const orders[] = {"{'content':'c','props':{'b':1,'a':2,'ab':3,'':4}}",
                                         "{'props':{'':4,'ab':3,'a':2,'b':1},'content':'c'}"};
    struct memory_scratch scratches[2];
    struct memory_state states[2];
    struct fields fields[2];

    (void)unused;
    for (size_t i = 0; i < 2; i++) {
        memory_scratch_init(&scratches[i]);
        memory_state_init(&states[i]);
        merge_json(&states[i], orders[i], &fields[i], &scratches[i]);
    }
    assert_slice(states[0].props, states[1].props);
    for (size_t i = 0; i < 2; i++) {
        fields_deinit(&fields[i]);
        memory_scratch_deinit(&scratches[i]);
    }
}

static void test_many_tags_and_props_are_sorted_out(void **unused)
{
    struct memory_scratch scratch;
    struct memory_state state;
    struct memory_change change = {0};
    msgpack_sbuffer tags;
    msgpack_packer out;
    uint32_t count;

    (void)unused;
    memory_scratch_init(&scratch);
    memory_state_init(&state);
    msgpack_sbuffer_init(&tags);
    msgpack_packer_init(&out, &tags, msgpack_sbuffer_write);
    msgpack_pack_array(&out, 100000);
    for (int i = 0; i < 100000; i++) { /* 1,000 different ones, in their order, 100 times */
        char tag[8];
        snprintf(tag, sizeof tag, "%03d", (i * 7) % 1000);
        msgpack_pack_str_with_body(&out, tag, 3);
    }
    change.tags = (struct unpack_slice){.data = (const uint8_t *)tags.data, .size = tags.size};
    assert_int_equal(memory_state_merge(&state, &change, &scratch), 0);
    struct unpack in = unpack_over(state.tags.data, state.tags.size);
    assert_true(unpack_array(&in, &count));
    assert_int_equal(count, 1000);
    for (int i = 0; i < 1000; i++) {
        char expected[8];
        const char *tag;
        size_t size;
        snprintf(expected, sizeof expected, "%03d", (i * 7) % 1000);
        assert_true(unpack_text(&in, &tag, &size));
        assert_memory_equal(tag, expected, 3);
    }
    msgpack_sbuffer_destroy(&tags);
    memory_scratch_deinit(&scratch);
}

static void test_a_name_given_twice_has_its_last_value(void **unused)
{
    /* {"props": {"a": 1, "a": 2, "b": nil, "b": 3}} by hand: JSON has no such thing */
    static const uint8_t fields[] = "\x81\xa5props\x84\xa1"
                                    "a\x01\xa1"
                                    "a\x02\xa1"
                                    "b\xc0\xa1"
                                    "b\x03";
    static const uint8_t expected[] = "\x82\xa1"
                                      "a\x02\xa1"
                                      "b\x03";
    struct memory_scratch scratch;
    struct memory_change change;
    struct memory_state state;

    (void)unused;
    memory_scratch_init(&scratch);
    memory_state_init(&state);
    assert_int_equal(memory_change_decode(fields, sizeof fields - 1, &change), 0);
    assert_int_equal(memory_state_merge(&state, &change, &scratch), 0);
    assert_slice(state.props, (struct unpack_slice){.data = expected, .size = sizeof expected - 1});
    memory_scratch_deinit(&scratch);
}

static void test_a_state_has_a_bound(void **unused)
{
    struct memory_state state;
    msgpack_sbuffer bytes;

    (void)unused;
    msgpack_sbuffer_init(&bytes);
    memory_state_init(&state);
    state.content = (struct event_text){.data = "", .size = (size_t)MEMORY_STATE_MAX + 1};
    assert_int_equal(memory_state_encode(&state, &bytes), -E2BIG);
    msgpack_sbuffer_destroy(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_state_comes_back_as_it_was),
        cmocka_unit_test(test_damage_is_told_and_never_read_past),
        cmocka_unit_test(test_the_same_puts_give_the_same_bytes),
        cmocka_unit_test(test_many_tags_and_props_are_sorted_out),
        cmocka_unit_test(test_a_name_given_twice_has_its_last_value),
        cmocka_unit_test(test_a_state_has_a_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
