/* What history keeps: which versions may go by age and by count, what goes with them, and what a
 * purge leaves. */
#include "store_fixture.h"

#include "broker/event_prune.h"
#include "broker/reader_prune.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct apply_result apply(struct fixture *f, struct event event)
{
    struct apply_result result;

    assert_int_equal(fixture_apply(f, &event, &result), 0);
    return result;
}

static struct apply_result prune(struct fixture *f, const char *id, uint64_t through)
{
    msgpack_sbuffer fields;

    msgpack_sbuffer_init(&fields);
    assert_int_equal(event_prune_pack(through, &fields), 0);
    struct apply_result result = apply(f, (struct event){.op = EVENT_PRUNE,
                                                         .memory_id = fixture_text(id),
                                                         .fields = (const uint8_t *)fields.data,
                                                         .fields_size = fields.size});
    msgpack_sbuffer_destroy(&fields);
    return result;
}

static struct apply_result purge(struct fixture *f, const char *id)
{
    return apply(f, (struct event){.op = EVENT_PURGE, .memory_id = fixture_text(id)});
}

static void put_times(struct fixture *f, const char *id, int times)
{
    char json[64];

    for (int i = 0; i < times; i++) {
        snprintf(json, sizeof json, "{'content':'version %d'}", i);
        fixture_put_json(f, id, json);
    }
}

/* "ID>THROUGH …" of a whole pass, each page carried out before the next is read. */
static char *pass(struct fixture *f, struct prune_rule rule)
{
    struct prune_page *page = calloc(1, sizeof *page);
    struct error err = {0};
    char *text = NULL;
    size_t size;
    uint64_t after_seq = 0;

    FILE *out = open_memstream(&text, &size);
    do {
        if (reader_prune(fixture_reader(f), &rule, after_seq, page, &err) != 0) {
            fail_msg("reader_prune: %s", err.text);
        }
        for (size_t i = 0; i < page->count; i++) {
            const struct prune_item *item = &page->items[i];
            fprintf(out, "%s%s>%llu", ftell(out) > 0 ? " " : "", item->id.data,
                    (unsigned long long)item->through);
            assert_int_equal(prune(f, item->id.data, item->through).outcome, APPLY_CHANGED);
        }
        after_seq = page->next_seq;
        prune_page_deinit(page);
    } while (page->more);
    fclose(out);
    free(page);
    return text;
}

static void assert_pass(struct fixture *f, struct prune_rule rule, const char *expected)
{
    char *text = pass(f, rule);

    assert_string_equal(text, expected);
    free(text);
    text = pass(f, rule);
    assert_string_equal(text, ""); /* nothing is left to do */
    free(text);
}

static void assert_in_order(struct fixture *f, uint64_t expected_events)
{
    uint64_t memories, events, applied_seq;
    struct error err = {0};

    if (store_verify(f->path, &memories, &events, &applied_seq, &err) != 0) {
        fail_msg("store_verify: %s", err.text);
    }
    assert_int_equal(events, expected_events);
}

/* ---- by age: event n is at n × 1000 ms ---- */

static void test_what_was_current_at_the_cutoff_stays(void **state)
{
    struct fixture *f = *state;

    put_times(f, "m", 5);      /* 1 … 5 */
    put_times(f, "single", 1); /* 6 */
    put_times(f, "n", 2);      /* 7, 8 */
    assert_pass(f, (struct prune_rule){.before_ms = 3500}, "m>2");
    assert_null(fixture_get(f, "m", 2));
    assert_non_null(strstr(fixture_get(f, "m", 3), "'content':'version 2'"));
    assert_non_null(strstr(fixture_get(f, "m", 0), "'content':'version 4'"));
    assert_in_order(f, 6);
    assert_pass(f, (struct prune_rule){.before_ms = 1000000}, "m>4 n>7");
    assert_non_null(fixture_get(f, "single", 0)); /* the latest never goes */
    assert_in_order(f, 3);
}

static void test_a_tombstones_last_content_stays_for_its_time(void **state)
{
    struct fixture *f = *state;

    put_times(f, "m", 2);   /* 1, 2 */
    fixture_delete(f, "m"); /* 3 */
    assert_pass(f, (struct prune_rule){.before_ms = 2500}, "m>1");
    assert_non_null(fixture_get(f, "m", 2));
    assert_pass(f, (struct prune_rule){.before_ms = 10000}, "m>2");
    assert_null(fixture_get(f, "m", 2));
    assert_non_null(strstr(fixture_get(f, "m", 0), "'deleted_ms':3000"));
}

/* ---- by count ---- */

static void test_the_newest_versions_stay(void **state)
{
    struct fixture *f = *state;

    put_times(f, "m", 6); /* 1 … 6 */
    put_times(f, "n", 2); /* 7, 8 */
    assert_pass(f, (struct prune_rule){.keep_count = 2}, "m>4");
    assert_null(fixture_get(f, "m", 4));
    assert_non_null(fixture_get(f, "m", 5));
    assert_pass(f, (struct prune_rule){.keep_count = 1}, "m>5 n>7");
    assert_in_order(f, 2);
}

static void test_a_deleted_memory_can_always_come_back_by_count(void **state)
{
    struct fixture *f = *state;

    put_times(f, "m", 3);   /* 1 … 3 */
    fixture_delete(f, "m"); /* 4 */
    assert_pass(f, (struct prune_rule){.keep_count = 1}, "m>2");
    assert_non_null(strstr(fixture_get(f, "m", 3), "'content':'version 2'"));
}

static void test_a_long_history_goes_piece_by_piece(void **state)
{
    struct fixture *f = *state;

    put_times(f, "m", 2500);
    assert_pass(f, (struct prune_rule){.keep_count = 3}, "m>1000 m>2000 m>2497");
    assert_in_order(f, 3);
}

/* ---- vectors ---- */

static uint64_t count_vectors(struct fixture *f)
{
    struct reader_counts counts;
    struct error err;

    assert_int_equal(reader_counts(fixture_reader(f), &counts, &err), 0);
    return counts.embeddings;
}

static void test_vectors_go_with_the_last_version_that_needs_them(void **state)
{
    struct fixture *f = *state;

    fixture_put_json(f, "m", "{'content':'one','embedding':[1,0]}"); /* 1 */
    fixture_put_json(f, "m", "{'kind':'fact'}");                     /* 2: the same vector */
    fixture_put_json(f, "m", "{'content':'two','embedding':[2,0]}"); /* 3 */
    fixture_put_json(f, "m", "{'content':'three'}");                 /* 4 */
    fixture_embed(f, "m", "three", "nomic", 3, 0);                   /* 5 */
    fixture_put_json(f, "m", "{'content':'four'}");                  /* 6 */
    assert_int_equal(count_vectors(f), 3);
    prune(f, "m", 1);
    assert_int_equal(count_vectors(f), 3);
    assert_non_null(strstr(fixture_get(f, "m", 2), "'embedding':[1,0]"));
    prune(f, "m", 2);
    assert_int_equal(count_vectors(f), 2);
    assert_non_null(strstr(fixture_get(f, "m", 4), "'embedding':[3,0]"));
    prune(f, "m", 5);
    assert_int_equal(count_vectors(f), 0);
    assert_in_order(f, 1);
}

static void test_a_vector_that_came_back_stays(void **state)
{
    struct fixture *f = *state;
    struct fields fields;

    fixture_put_json(f, "m", "{'content':'one','embedding':[1,0]}"); /* 1 */
    fixture_put_json(f, "m", "{'content':'two'}");                   /* 2 */
    fields_init(&fields, "{'version':1}");
    apply(f, (struct event){.op = EVENT_RESTORE,
                            .memory_id = fixture_text("m"),
                            .fields = (const uint8_t *)fields.buffer.data,
                            .fields_size = fields.buffer.size}); /* 3 */
    fields_deinit(&fields);
    prune(f, "m", 2);
    assert_non_null(strstr(fixture_get(f, "m", 0), "'embedding':[1,0]"));
    assert_in_order(f, 1);
}

static void test_a_late_prune_never_takes_the_latest(void **state)
{
    struct fixture *f = *state;

    put_times(f, "m", 2);
    assert_int_equal(prune(f, "m", 2).outcome, APPLY_DUPLICATE);
    assert_int_equal(prune(f, "m", 77).outcome, APPLY_DUPLICATE);
    assert_int_equal(prune(f, "none", 1).outcome, APPLY_DUPLICATE);
    assert_non_null(fixture_get(f, "m", 1));
}

/* ---- purge ---- */

static void test_a_purge_leaves_a_tombstone_that_sinks_get(void **state)
{
    struct fixture *f = *state;
    struct reader_batch *batch;
    struct error err;

    fixture_put_json(f, "m",
                     "{'content':'secret','tags':['t'],'props':{'a':1},"
                     "'embedding':[1,2]}");
    fixture_put_json(f, "m", "{'content':'secret too'}");
    struct apply_result result = purge(f, "m");
    assert_int_equal(result.outcome, APPLY_CHANGED);
    assert_string_equal(fixture_get(f, "m", 0),
                        "{'id':'m','content':'','kind':'note','tags':[],'props':{},"
                        "'created_ms':1000,'updated_ms':3000,'deleted_ms':3000,'version':3,"
                        "'stamp':3000000,'origin':'" FIXTURE_ORIGIN "','embedding_state':'none'}");
    assert_null(fixture_get(f, "m", 1));
    assert_int_equal(count_vectors(f), 0);
    assert_int_equal(reader_batch_after(fixture_reader(f), "lane", 0, 10, 1 << 20, &batch, &err),
                     0);
    assert_int_equal(reader_batch_count(batch), 1);
    assert_int_equal(reader_batch_memories(batch)[0].content.size, 0);
    assert_true(reader_batch_memories(batch)[0].deleted_ms != 0);
    reader_batch_free(batch);
    assert_in_order(f, 1);
}

static void test_nothing_of_what_was_purged_is_left_in_the_file(void **state)
{
    struct fixture *f = *state;
    char needle[] = "needle-in-the-file";
    char json[256];
    size_t used = 0;
    bool found = false;
    uint64_t safe_seq;
    struct error err;
    int byte;

    snprintf(json, sizeof json, "{'content':'%s','tags':['%s-tag'],'props':{'p':'%s-prop'}}",
             needle, needle, needle);
    fixture_put_json(f, "m", json);
    assert_int_equal(store_checkpoint(f->store, &safe_seq, &err), 0);
    purge(f, "m");
    assert_int_equal(store_checkpoint(f->store, &safe_seq, &err), 0);
    FILE *file = fopen(f->path, "r");
    assert_non_null(file);
    while ((byte = getc(file)) != EOF) {
        used = (char)byte == needle[used] ? used + 1 : (char)byte == needle[0] ? 1 : 0;
        found = found || used == strlen(needle);
        used = used == strlen(needle) ? 0 : used;
    }
    fclose(file);
    assert_false(found);
}

static void test_a_purge_that_is_repeated_changes_nothing(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(purge(f, "m").outcome, APPLY_NOT_FOUND);
    put_times(f, "m", 1);
    fixture_delete(f, "m");
    assert_int_equal(purge(f, "m").outcome, APPLY_CHANGED);
    assert_int_equal(purge(f, "m").outcome, APPLY_DUPLICATE);
    put_times(f, "m", 1); /* and a put makes it anew */
    assert_non_null(strstr(fixture_get(f, "m", 0), "'content':'version 0'"));
    assert_int_equal(purge(f, "m").outcome, APPLY_CHANGED);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_what_was_current_at_the_cutoff_stays),
        TEST(test_a_tombstones_last_content_stays_for_its_time),
        TEST(test_the_newest_versions_stay),
        TEST(test_a_deleted_memory_can_always_come_back_by_count),
        TEST(test_a_long_history_goes_piece_by_piece),
        TEST(test_vectors_go_with_the_last_version_that_needs_them),
        TEST(test_a_vector_that_came_back_stays),
        TEST(test_a_late_prune_never_takes_the_latest),
        TEST(test_a_purge_leaves_a_tombstone_that_sinks_get),
        TEST(test_nothing_of_what_was_purged_is_left_in_the_file),
        TEST(test_a_purge_that_is_repeated_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
