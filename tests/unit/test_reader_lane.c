/* What lanes write is what lanes read: cursors, deferred memories, dead letters, batches. */
#include "store_fixture.h"

#include "broker/util/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NO_BYTES_MAX ((size_t)64 << 20)

static int setup(void **state)
{
    struct fixture *fixture = malloc(sizeof *fixture);
    struct error err;

    fixture_init(fixture);
    *state = fixture;
    assert_int_equal(store_begin(fixture->store, &err), 0);
    assert_int_equal(store_lane_ensure(fixture->store, "graph", LANE_SINK, &err), 0);
    assert_int_equal(store_lane_ensure(fixture->store, "graph", LANE_SINK, &err), 0);
    assert_int_equal(store_lane_ensure(fixture->store, "flow", LANE_SINK, &err), 0);
    return store_commit(fixture->store, &err);
}

static void progress(struct fixture *f, uint64_t cursor, struct lane_row *rows, size_t count,
                     uint64_t delivered)
{
    struct error err;

    assert_int_equal(store_begin(f->store, &err), 0);
    assert_int_equal(store_lane_progress(f->store, "graph", cursor, rows, count, delivered, &err),
                     0);
    assert_int_equal(store_commit(f->store, &err), 0);
}

static void row(struct fixture *f, const char *id, enum lane_row_action action, int64_t due_ms,
                uint32_t attempts)
{
    char name[16], reason[] = "because";
    struct lane_row one = {.memory_id = name,
                           .action = action,
                           .due_ms = due_ms,
                           .attempts = attempts,
                           .version = 1,
                           .reason = action == LANE_ROW_CLEAR ? NULL : reason};

    snprintf(name, sizeof name, "%s", id);
    progress(f, 0, &one, 1, 0);
}

static struct reader_lane lane(struct fixture *f)
{
    struct reader_lane lane;
    struct error err;

    assert_int_equal(reader_lane(fixture_reader(f), "graph", &lane, &err), 0);
    return lane;
}

static struct reader_batch *batch_after(struct fixture *f, uint64_t cursor, size_t max,
                                        size_t max_bytes)
{
    struct reader_batch *batch;
    struct error err;

    assert_int_equal(
        reader_batch_after(fixture_reader(f), "graph", cursor, max, max_bytes, &batch, &err), 0);
    return batch;
}

/* Frees the batch. */
static void assert_batch(struct reader_batch *batch, const char *expected_ids, uint64_t cursor)
{
    char ids[1024] = "";

    for (size_t i = 0; i < reader_batch_count(batch); i++) {
        strcat(strcat(ids, reader_batch_memories(batch)[i].id.data), " ");
    }
    assert_string_equal(ids, expected_ids);
    assert_int_equal(reader_batch_cursor(batch), cursor);
    reader_batch_free(batch);
}

/* ---- batches ---- */

static void test_a_batch_holds_each_memory_once_as_it_is_now(void **state)
{
    struct fixture *f = *state;

    fixture_put_json(f, "z", "{'content':'old'}");
    fixture_put_json(f, "b", "{'content':'B'}");
    fixture_put_json(f, "a", "{'content':'A'}");
    fixture_put_json(f, "z", "{'content':'new'}");
    struct reader_batch *batch = batch_after(f, 0, 100, NO_BYTES_MAX);
    assert_int_equal(reader_batch_count(batch), 3);
    assert_string_equal(reader_batch_memories(batch)[2].content.data, "new");
    assert_int_equal(reader_batch_items(batch)[2].seq, 4);
    assert_int_equal(reader_batch_items(batch)[0].seq, 3);
    assert_batch(batch, "a b z ", 4);
}

static void test_a_batch_carries_every_field(void **state)
{
    struct fixture *f = *state;

    fixture_put_json(f, "m",
                     "{'content':'c','kind':'fact','tags':['x','y'],'embedding':[1,2.5],"
                     "'props':{'b':true,'f':1.5,'i':-7,'l':['p','q'],'e':[],'s':'t'}}");
    fixture_delete(f, "m");
    struct reader_batch *batch = batch_after(f, 0, 1, 1);
    const struct memferry_memory *m = reader_batch_memories(batch);
    assert_string_equal(m->content.data, "c");
    assert_string_equal(m->kind.data, "fact");
    assert_int_equal(m->tag_count, 2);
    assert_string_equal(m->tags[1].data, "y");
    assert_int_equal(m->dims, 2);
    assert_true(m->embedding[0] == 1.0f && m->embedding[1] == 2.5f);
    assert_string_equal(m->embedding_model.data, "caller");
    assert_int_equal(m->embedding_state, MEMFERRY_EMBEDDING_READY);
    assert_int_equal(m->created_ms, 1000);
    assert_int_equal(m->updated_ms, 2000);
    assert_int_equal(m->deleted_ms, 2000);
    assert_int_equal(m->version, 2);
    assert_int_equal(m->stamp, 2000000);
    assert_string_equal(m->origin.data, FIXTURE_ORIGIN);
    assert_string_equal(m->session_id.data, "");
    assert_int_equal(m->prop_count, 6);
    assert_string_equal(m->props[0].name.data, "b");
    assert_true(m->props[0].value.as.boolean);
    assert_int_equal(m->props[1].value.as.list.count, 0);
    assert_true(m->props[2].value.as.floating == 1.5);
    assert_int_equal(m->props[3].value.as.integer, -7);
    assert_int_equal(m->props[4].value.type, MEMFERRY_VALUE_LIST);
    assert_string_equal(m->props[4].value.as.list.items[1].as.string.data, "q");
    assert_string_equal(m->props[5].value.as.string.data, "t");
    reader_batch_free(batch);
}

static void test_a_batch_ends_at_its_bounds_and_the_next_goes_on(void **state)
{
    struct fixture *f = *state;
    uint64_t cursor = 0;

    for (int i = 0; i < 5; i++) {
        char id[16];
        snprintf(id, sizeof id, "m%d", i);
        fixture_put_json(f, id, "{'content':'0123456789'}");
    }
    assert_batch(batch_after(f, 0, 2, NO_BYTES_MAX), "m0 m1 ", 2);
    assert_batch(batch_after(f, 2, 10, NO_BYTES_MAX), "m2 m3 m4 ", 5);
    assert_batch(batch_after(f, 5, 10, NO_BYTES_MAX), "", 5);
    for (int i = 0; i < 5; i++) { /* one at least, however small the bound */
        char expected[16];
        snprintf(expected, sizeof expected, "m%d ", i);
        assert_batch(batch_after(f, cursor, 10, 1), expected, cursor + 1);
        cursor++;
    }
}

static void test_a_batch_knows_what_was_deferred_or_dead(void **state)
{
    struct fixture *f = *state;

    fixture_put_json(f, "a", "{'content':'A'}");
    fixture_put_json(f, "b", "{'content':'B'}");
    row(f, "a", LANE_ROW_DEFER, 5000, 3);
    row(f, "b", LANE_ROW_DEAD, 0, 7);
    struct reader_batch *batch = batch_after(f, 0, 10, NO_BYTES_MAX);
    assert_int_equal(reader_batch_items(batch)[0].attempts, 3);
    assert_false(reader_batch_items(batch)[0].dead);
    assert_int_equal(reader_batch_items(batch)[1].attempts, 7);
    assert_true(reader_batch_items(batch)[1].dead);
    reader_batch_free(batch);
}

static void test_deferred_memories_come_when_they_are_due(void **state)
{
    struct fixture *f = *state;
    struct reader_batch *batch;
    struct error err;
    int64_t next_due_ms;

    fixture_put_json(f, "a", "{'content':'A'}");
    fixture_put_json(f, "b", "{'content':'B'}");
    fixture_put_json(f, "c", "{'content':'C'}");
    progress(f, 3, NULL, 0, 3);
    row(f, "a", LANE_ROW_DEFER, 300, 1);
    row(f, "b", LANE_ROW_DEFER, 100, 2);
    row(f, "c", LANE_ROW_DEAD, 50, 9);
    assert_int_equal(reader_batch_due(fixture_reader(f), "graph", 99, 10, NO_BYTES_MAX, &batch,
                                      &next_due_ms, &err),
                     0);
    assert_int_equal(next_due_ms, 100);
    assert_batch(batch, "", 0);
    assert_int_equal(
        reader_batch_due(f->reader, "graph", 100, 10, NO_BYTES_MAX, &batch, &next_due_ms, &err), 0);
    assert_int_equal(next_due_ms, 300);
    assert_int_equal(reader_batch_items(batch)[0].seq, 0);
    assert_int_equal(reader_batch_items(batch)[0].attempts, 2);
    assert_batch(batch, "b ", 0);
    assert_int_equal(
        reader_batch_due(f->reader, "graph", 300, 1, NO_BYTES_MAX, &batch, &next_due_ms, &err), 0);
    assert_int_equal(next_due_ms, 0);
    assert_batch(batch, "b ", 0); /* the oldest due first */
    row(f, "b", LANE_ROW_CLEAR, 0, 0);
    assert_int_equal(
        reader_batch_due(f->reader, "graph", 300, 9, NO_BYTES_MAX, &batch, &next_due_ms, &err), 0);
    assert_batch(batch, "a ", 0);
}

/* ---- the lane itself ---- */

static void test_a_cursor_never_goes_back(void **state)
{
    struct fixture *f = *state;

    assert_true(lane(f).exists);
    fixture_put_json(f, "a", "{'content':'A'}");
    fixture_put_json(f, "b", "{'content':'B'}");
    progress(f, 2, NULL, 0, 2);
    progress(f, 1, NULL, 0, 1);
    fixture_reopen(f);
    assert_int_equal(lane(f).cursor, 2);
    assert_int_equal(lane(f).delivered, 3);
}

static void test_pending_counts_each_memory_once(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(lane(f).oldest_pending_ms, 0);
    fixture_put_json(f, "a", "{'content':'A'}");
    fixture_put_json(f, "b", "{'content':'B'}");
    fixture_put_json(f, "b", "{'content':'B2'}");
    assert_int_equal(lane(f).pending, 2);
    assert_int_equal(lane(f).oldest_pending_ms, 1000);
    progress(f, 3, NULL, 0, 2);
    assert_int_equal(lane(f).pending, 0);
    assert_int_equal(lane(f).oldest_pending_ms, 0);
    row(f, "a", LANE_ROW_DEFER, 100, 1);
    row(f, "b", LANE_ROW_DEFER, 100, 1);
    fixture_put_json(f, "b", "{'content':'B3'}"); /* deferred, and above the cursor again */
    struct reader_lane found = lane(f);
    assert_int_equal(found.deferred, 2);
    assert_int_equal(found.pending, 2);
    assert_int_equal(found.dead, 0);
    row(f, "a", LANE_ROW_DEAD, 0, 2);
    found = lane(f);
    assert_int_equal(found.deferred, 1);
    assert_int_equal(found.dead, 1);
    assert_int_equal(found.pending, 1);
}

static void test_a_lane_that_is_not_there_is_told(void **state)
{
    struct fixture *f = *state;
    struct reader_lane found;
    struct error err;

    assert_int_equal(reader_lane(fixture_reader(f), "none", &found, &err), 0);
    assert_false(found.exists);
}

static void test_a_pause_stays(void **state)
{
    struct fixture *f = *state;
    struct error err;

    for (int paused = 1; paused >= 0; paused--) {
        assert_int_equal(store_begin(f->store, &err), 0);
        assert_int_equal(store_lane_set_paused(f->store, "graph", paused, &err), 0);
        assert_int_equal(store_commit(f->store, &err), 0);
        fixture_reopen(f);
        assert_int_equal(lane(f).paused, paused);
    }
}

static void test_a_forgotten_lane_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    char **names;
    size_t count;
    bool found;
    struct error err;

    fixture_put_json(f, "a", "{'content':'A'}");
    row(f, "a", LANE_ROW_DEAD, 0, 1);
    assert_int_equal(store_begin(f->store, &err), 0);
    assert_int_equal(store_lane_forget(f->store, "graph", &found, &err), 0);
    assert_true(found);
    assert_int_equal(store_lane_forget(f->store, "graph", &found, &err), 0);
    assert_false(found);
    assert_int_equal(store_commit(f->store, &err), 0);
    assert_int_equal(reader_lane_names(fixture_reader(f), &names, &count, &err), 0);
    assert_int_equal(count, 1);
    assert_string_equal(names[0], "flow");
    free(names[0]);
    free(names);
    assert_int_equal(lane(f).dead, 0);
}

/* ---- deliveries ---- */

static enum reader_delivery delivery(struct fixture *f, const char *id, uint64_t seq)
{
    enum reader_delivery found;
    struct error err;

    assert_int_equal(reader_delivery(fixture_reader(f), "graph", id, seq, &found, &err), 0);
    return found;
}

static void test_what_comes_late_of_a_forgotten_lane_is_not_written(void **state)
{
    struct fixture *f = *state;
    struct error err;
    bool found;

    fixture_put_json(f, "a", "{'content':'A'}");
    assert_int_equal(store_begin(f->store, &err), 0);
    assert_int_equal(store_lane_forget(f->store, "graph", &found, &err), 0);
    assert_int_equal(store_commit(f->store, &err), 0);
    row(f, "a", LANE_ROW_DEAD, 0, 7);
    progress(f, 1, NULL, 0, 1);
    assert_false(lane(f).exists);
    assert_int_equal(lane(f).dead, 0);
}

static void test_a_delivery_is_done_behind_the_cursor(void **state)
{
    struct fixture *f = *state;

    fixture_put_json(f, "a", "{'content':'A'}");
    fixture_put_json(f, "b", "{'content':'B'}");
    assert_int_equal(delivery(f, "a", 1), READER_DELIVERY_PENDING);
    progress(f, 1, NULL, 0, 1);
    assert_int_equal(delivery(f, "a", 1), READER_DELIVERY_DONE);
    assert_int_equal(delivery(f, "b", 2), READER_DELIVERY_PENDING);
    row(f, "a", LANE_ROW_DEFER, 100, 1);
    assert_int_equal(delivery(f, "a", 1), READER_DELIVERY_PENDING);
    row(f, "a", LANE_ROW_DEAD, 0, 2);
    assert_int_equal(delivery(f, "a", 1), READER_DELIVERY_DEAD);
    fixture_put_json(f, "a", "{'content':'A2'}"); /* on its way again */
    assert_int_equal(delivery(f, "a", 3), READER_DELIVERY_PENDING);
    assert_int_equal(delivery(f, "none", 1), READER_DELIVERY_PENDING);
}

/* ---- dead letters ---- */

static uint64_t retry(struct fixture *f, const char *id, int64_t due_ms)
{
    uint64_t count;
    struct error err;

    assert_int_equal(store_begin(f->store, &err), 0);
    assert_int_equal(store_dead_retry(f->store, "graph", id, due_ms, &count, &err), 0);
    assert_int_equal(store_commit(f->store, &err), 0);
    return count;
}

static uint64_t drop(struct fixture *f, const char *id)
{
    uint64_t count;
    struct error err;

    assert_int_equal(store_begin(f->store, &err), 0);
    assert_int_equal(store_dead_drop(f->store, "graph", id, &count, &err), 0);
    assert_int_equal(store_commit(f->store, &err), 0);
    return count;
}

static void put_dead(struct fixture *f, int count)
{
    for (int i = 0; i < count; i++) {
        char id[16];
        snprintf(id, sizeof id, "m%d", i);
        fixture_put_json(f, id, "{'content':'x'}");
        row(f, id, LANE_ROW_DEAD, 0, 2);
    }
    progress(f, (uint64_t)count, NULL, 0, 0);
}

static void test_dead_letters_are_retried_and_dropped_alone_or_all(void **state)
{
    struct fixture *f = *state;

    put_dead(f, 5);
    assert_int_equal(retry(f, "m1", 100), 1);
    assert_int_equal(retry(f, "m1", 100), 0); /* it is no longer dead */
    assert_int_equal(retry(f, "none", 100), 0);
    assert_int_equal(lane(f).deferred, 1);
    assert_int_equal(drop(f, "m1"), 0);
    assert_int_equal(drop(f, "m2"), 1);
    assert_int_equal(lane(f).dead, 3);
    assert_int_equal(retry(f, NULL, 100), 3);
    assert_int_equal(lane(f).dead, 0);
    row(f, "m0", LANE_ROW_DEAD, 0, 2);
    assert_int_equal(drop(f, NULL), 1);
    assert_non_null(fixture_get(f, "m0", 0)); /* the memory stays */
}

static void test_dead_letters_page(void **state)
{
    struct fixture *f = *state;
    char seen[64] = "", after[512] = "";
    struct error err;
    int pages = 0;

    put_dead(f, 5);
    do {
        msgpack_sbuffer_clear(&f->answer);
        assert_int_equal(reader_dead_list(fixture_reader(f), pages % 2 == 0 ? "graph" : NULL, 2,
                                          after[0] == '\0' ? NULL : after, &f->answer, &err),
                         0);
        const char *text = fixture_json(f);
        for (const char *at = text; (at = strstr(at, "'id':'m")) != NULL; at += 7) {
            assert_null(strchr(seen, at[7]));
            strncat(seen, at + 7, 1);
        }
        assert_non_null(strstr(text, "'backend':'graph'"));
        assert_non_null(strstr(text, "'version':1,'attempts':2,'reason':'because','at_ms':"));
        const char *next = strstr(text, "'next':'");
        after[0] = '\0';
        if (next != NULL) {
            snprintf(after, sizeof after, "%.*s", (int)strcspn(next + 8, "'"), next + 8);
        }
        pages++;
    } while (after[0] != '\0');
    assert_int_equal(pages, 3);
    assert_int_equal(strlen(seen), 5);
    msgpack_sbuffer_clear(&f->answer);
    assert_int_equal(reader_dead_list(f->reader, "flow", 2, NULL, &f->answer, &err), 0);
    assert_string_equal(fixture_json(f), "{'dead':[],'next':nil}");
}

#define LANE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LANE_TEST(test_a_batch_holds_each_memory_once_as_it_is_now),
        LANE_TEST(test_a_batch_carries_every_field),
        LANE_TEST(test_a_batch_ends_at_its_bounds_and_the_next_goes_on),
        LANE_TEST(test_a_batch_knows_what_was_deferred_or_dead),
        LANE_TEST(test_deferred_memories_come_when_they_are_due),
        LANE_TEST(test_a_cursor_never_goes_back),
        LANE_TEST(test_pending_counts_each_memory_once),
        LANE_TEST(test_a_lane_that_is_not_there_is_told),
        LANE_TEST(test_a_pause_stays),
        LANE_TEST(test_a_forgotten_lane_leaves_nothing),
        LANE_TEST(test_what_comes_late_of_a_forgotten_lane_is_not_written),
        LANE_TEST(test_a_delivery_is_done_behind_the_cursor),
        LANE_TEST(test_dead_letters_are_retried_and_dropped_alone_or_all),
        LANE_TEST(test_dead_letters_page),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
