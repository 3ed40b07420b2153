/* Alerts in the store: raised, updated, acked, listed, and read for a lane. */
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

static struct apply_result raise_as(struct fixture *f, const char *id, const char *rule,
                                    uint64_t count, bool adds)
{
    struct alert alert = {.id = fixture_text(id),
                          .rule = fixture_text(rule),
                          .severity = MEMFERRY_SEVERITY_WARNING,
                          .at_ms = (int64_t)(f->seq + 1) * 1000,
                          .session_id = fixture_text("s-1"),
                          .count = count,
                          .adds = adds,
                          .sample_ids = {fixture_text("m1"), fixture_text("m2")},
                          .sample_count = 2,
                          .summary = fixture_text("too many")};

    return fixture_raise(f, &alert);
}

static struct apply_result ack(struct fixture *f, const char *id)
{
    struct event event = {
        .op = EVENT_ALERT_ACK, .event_id = fixture_text(id), .session_id = fixture_text("human")};
    struct apply_result result;

    assert_int_equal(fixture_apply(f, &event, &result), 0);
    return result;
}

static const char *list(struct fixture *f, struct reader_alert_filter filter)
{
    struct error err = {0};

    filter.limit = filter.limit != 0 ? filter.limit : 100;
    msgpack_sbuffer_clear(&f->answer);
    assert_int_equal(reader_alert_list(fixture_reader(f), &filter, &f->answer, &err), 0);
    return fixture_json(f);
}

/* Ids in the order of the list, with what they counted. */
static const char *ids(struct fixture *f, struct reader_alert_filter filter)
{
    static char text[256];
    const char *at = list(f, filter), *id;

    text[0] = '\0';
    while ((id = strstr(at, "'id':'")) != NULL) {
        const char *count = strstr(id, "'count':");
        snprintf(text + strlen(text), sizeof text - strlen(text), "%.*s:%d ",
                 (int)strcspn(id + 6, "'"), id + 6, atoi(count + 8));
        at = count;
    }
    return text;
}

static const struct reader_alert_filter any = {.acked = READER_ACKED_ANY};
static const struct reader_alert_filter open_ones = {.acked = READER_ACKED_NO};

static void assert_result(struct apply_result found, enum apply_outcome outcome, uint64_t seq)
{
    assert_int_equal(found.outcome, outcome);
    assert_int_equal(found.seq, seq);
}

/* ---- raise ---- */

static void test_an_alert_is_listed_as_it_was_raised(void **state)
{
    struct fixture *f = *state;

    assert_result(raise_as(f, "x", "rapid-delete", 11, false), APPLY_CHANGED, 1);
    assert_string_equal(
        list(f, open_ones),
        "{'alerts':[{'id':'x','seq':1,'rule':'rapid-delete','severity':'warning',"
        "'first_ms':1000,'at_ms':1000,'session_id':'s-1','peer_pid':nil,'peer_command':nil,"
        "'count':11,'sample_ids':['m1','m2'],'statement':nil,'summary':'too many','undo':nil,"
        "'acked_ms':nil,'acked_by':nil}],'next':nil}");
}

static void test_the_same_id_counts_on_and_keeps_when_it_began(void **state)
{
    struct fixture *f = *state;

    raise_as(f, "x", "rapid-delete", 11, false);
    raise_as(f, "y", "rapid-delete", 11, false);
    assert_result(raise_as(f, "x", "rapid-delete", 40, false), APPLY_CHANGED, 3);
    assert_string_equal(ids(f, open_ones), "x:40 y:11 ");
    assert_non_null(strstr(f->text, "'seq':3,'rule':'rapid-delete','severity':'warning',"
                                    "'first_ms':1000,'at_ms':3000"));
}

static void test_an_alert_that_tells_nothing_new_changes_nothing(void **state)
{
    struct fixture *f = *state;

    raise_as(f, "x", "rapid-delete", 11, false);
    assert_result(raise_as(f, "x", "rapid-delete", 11, false), APPLY_DUPLICATE, 1);
    assert_result(raise_as(f, "x", "rapid-delete", 5, false), APPLY_DUPLICATE, 1);
    assert_string_equal(ids(f, open_ones), "x:11 ");
}

static void test_counts_that_add_are_added(void **state)
{
    struct fixture *f = *state;

    raise_as(f, "gone/flow", "backend-gone", 1, true);
    assert_result(raise_as(f, "gone/flow", "backend-gone", 2, true), APPLY_CHANGED, 2);
    assert_result(raise_as(f, "gone/flow", "backend-gone", INT64_MAX, true), APPLY_CHANGED, 3);
    assert_non_null(strstr(list(f, any), "'count':9223372036854775807"));
}

static void test_an_alert_is_no_memory_and_no_version(void **state)
{
    struct fixture *f = *state;
    struct reader_counts counts;
    struct error err;

    fixture_put_json(f, "m", "{'content':'c'}");
    raise_as(f, "m", "rapid-delete", 11, false);
    ack(f, "m");
    assert_int_equal(reader_counts(fixture_reader(f), &counts, &err), 0);
    assert_int_equal(counts.memories, 1);
    assert_int_equal(counts.events, 1);
    assert_int_equal(counts.applied_seq, 3);
    assert_non_null(strstr(fixture_get(f, "m", 0), "'version':1"));
}

static void test_fields_that_are_none_of_ours_are_not_applied(void **state)
{
    struct fixture *f = *state;
    struct fields fields;
    struct apply_result result;

    fields_init(&fields, "{'rule':'r','severity':9,'count':1}");
    struct event event = {.op = EVENT_ALERT,
                          .event_id = fixture_text("x"),
                          .fields = (const uint8_t *)fields.buffer.data,
                          .fields_size = fields.buffer.size};
    assert_int_equal(fixture_apply(f, &event, &result), STORE_E_EVENT);
    fields_deinit(&fields);
    assert_string_equal(ids(f, any), "");
}

/* ---- ack ---- */

static void test_an_ack_says_when_and_who(void **state)
{
    struct fixture *f = *state;

    raise_as(f, "x", "rapid-delete", 11, false);
    assert_result(ack(f, "x"), APPLY_CHANGED, 2);
    assert_string_equal(ids(f, open_ones), "");
    assert_non_null(strstr(list(f, (struct reader_alert_filter){.acked = READER_ACKED_ONLY}),
                           "'acked_ms':2000,'acked_by':'human'"));
}

static void test_a_second_ack_is_a_duplicate(void **state)
{
    struct fixture *f = *state;

    raise_as(f, "x", "rapid-delete", 11, false);
    ack(f, "x");
    assert_int_equal(ack(f, "x").outcome, APPLY_DUPLICATE);
    assert_non_null(strstr(list(f, any), "'acked_ms':2000"));
}

static void test_an_ack_of_what_is_not_there_is_refused(void **state)
{
    struct fixture *f = *state;

    raise_as(f, "x", "rapid-delete", 11, false);
    assert_int_equal(ack(f, "y").outcome, APPLY_NOT_FOUND);
    assert_string_equal(ids(f, open_ones), "x:11 ");
}

static void test_an_ack_of_all_counts_them(void **state)
{
    struct fixture *f = *state;

    raise_as(f, "x", "rapid-delete", 11, false);
    raise_as(f, "y", "rapid-delete", 11, false);
    ack(f, "y");
    raise_as(f, "z", "rapid-delete", 11, false);
    struct apply_result result = ack(f, NULL);
    assert_int_equal(result.outcome, APPLY_CHANGED);
    assert_int_equal(result.version, 2);
    assert_string_equal(ids(f, open_ones), "");
    assert_int_equal(ack(f, NULL).outcome, APPLY_DUPLICATE);
    assert_non_null(strstr(list(f, any), "'acked_ms':3000")); /* y's own stays */
    assert_string_equal(ids(f, any), "z:11 y:11 x:11 ");
}

static void test_an_acked_alert_that_goes_on_is_open_again(void **state)
{
    struct fixture *f = *state;

    raise_as(f, "x", "rapid-delete", 11, false);
    ack(f, "x");
    assert_int_equal(raise_as(f, "x", "rapid-delete", 11, false).outcome, APPLY_DUPLICATE);
    assert_string_equal(ids(f, open_ones), "");
    assert_int_equal(raise_as(f, "x", "rapid-delete", 12, false).outcome, APPLY_CHANGED);
    assert_string_equal(ids(f, open_ones), "x:12 ");
}

/* ---- list ---- */

static void test_the_filters_hold(void **state)
{
    struct fixture *f = *state;

    raise_as(f, "a", "rapid-delete", 1, false);
    raise_as(f, "b", "bulk-change", 1, false);
    raise_as(f, "c", "rapid-delete", 1, false);
    assert_string_equal(ids(f, (struct reader_alert_filter){.rule = "rapid-delete"}), "c:1 a:1 ");
    assert_string_equal(ids(f, (struct reader_alert_filter){.session_id = "s-2"}), "");
    assert_string_equal(ids(f, (struct reader_alert_filter){.since_ms = 2000}), "c:1 b:1 ");
    assert_string_equal(ids(f, (struct reader_alert_filter){.until_ms = 2000}), "a:1 ");
}

static void test_pages_hold_each_alert_once(void **state)
{
    struct fixture *f = *state;
    char after[32] = "", id[8];
    int seen = 0;

    for (int i = 0; i < 25; i++) {
        snprintf(id, sizeof id, "a%d", i);
        raise_as(f, id, "rapid-delete", 1, false);
    }
    for (int pages = 0; pages < 4; pages++) {
        const char *text = list(
            f, (struct reader_alert_filter){.limit = 10, .after = after[0] == '\0' ? NULL : after});
        for (const char *at = text; (at = strstr(at, "{'id'")) != NULL; at++) {
            seen++;
        }
        const char *next = strstr(text, "'next':'");
        if (next == NULL) {
            break;
        }
        snprintf(after, sizeof after, "%.*s", (int)strcspn(next + 8, "'"), next + 8);
    }
    assert_int_equal(seen, 25);
}

static void test_a_place_that_no_list_gave_out_is_refused(void **state)
{
    struct fixture *f = *state;
    struct reader_alert_filter filter = {.limit = 1, .after = "v1"};
    struct error err;

    assert_int_equal(reader_alert_list(fixture_reader(f), &filter, &f->answer, &err),
                     READER_E_CURSOR);
}

/* ---- for a lane ---- */

static struct reader_alerts *batch_after(struct fixture *f, uint64_t cursor, size_t max)
{
    struct reader_alerts *batch;
    struct error err = {0};

    assert_int_equal(
        reader_alerts_after(fixture_reader(f), "bell", cursor, max, 1 << 20, &batch, &err), 0);
    return batch;
}

static void test_a_lane_reads_alerts_whole_and_in_order(void **state)
{
    struct fixture *f = *state;

    raise_as(f, "x", "rapid-delete", 11, false);
    fixture_put_json(f, "m", "{'content':'c'}");
    raise_as(f, "y", "backend-gone", 1, true);
    raise_as(f, "x", "rapid-delete", 40, false);
    struct reader_alerts *batch = batch_after(f, 0, 10);
    assert_int_equal(reader_alerts_count(batch), 2);
    assert_int_equal(reader_alerts_cursor(batch), 4);
    const struct memferry_alert *alert = &reader_alerts_get(batch)[1];
    assert_string_equal(alert->id.data, "x");
    assert_string_equal(alert->rule.data, "rapid-delete");
    assert_int_equal(alert->severity, MEMFERRY_SEVERITY_WARNING);
    assert_int_equal(alert->at_ms, 4000);
    assert_string_equal(alert->session_id.data, "s-1");
    assert_int_equal(alert->count, 40);
    assert_int_equal(alert->sample_count, 2);
    assert_string_equal(alert->sample_ids[1].data, "m2");
    assert_string_equal(alert->summary.data, "too many");
    assert_string_equal(alert->statement.data, "");
    assert_int_equal(reader_alerts_items(batch)[0].seq, 3);
    reader_alerts_free(batch);
    batch = batch_after(f, 4, 10);
    assert_int_equal(reader_alerts_count(batch), 0);
    assert_int_equal(reader_alerts_cursor(batch), 4);
    reader_alerts_free(batch);
}

static void test_a_batch_is_no_larger_than_asked(void **state)
{
    struct fixture *f = *state;

    raise_as(f, "x", "rapid-delete", 11, false);
    raise_as(f, "y", "rapid-delete", 11, false);
    struct reader_alerts *batch = batch_after(f, 0, 1);
    assert_int_equal(reader_alerts_count(batch), 1);
    assert_int_equal(reader_alerts_cursor(batch), 1);
    reader_alerts_free(batch);
}

static void defer(struct fixture *f, char *id, int64_t due_ms)
{
    struct lane_row row = {
        .memory_id = id, .action = LANE_ROW_DEFER, .due_ms = due_ms, .attempts = 3, .version = 1};
    struct error err;

    assert_int_equal(store_begin(f->store, &err), 0);
    assert_int_equal(store_lane_ensure(f->store, "bell", LANE_ALERTS, &err), 0);
    assert_int_equal(store_lane_progress(f->store, "bell", f->seq, &row, 1, 0, &err), 0);
    assert_int_equal(store_commit(f->store, &err), 0);
}

static void test_a_deferred_alert_comes_when_it_is_due(void **state)
{
    struct fixture *f = *state;
    struct reader_alerts *batch;
    int64_t next_due_ms;
    struct error err;

    raise_as(f, "x", "rapid-delete", 11, false);
    ack(f, "x"); /* it was raised all the same */
    defer(f, (char[]){"x"}, 500);
    assert_int_equal(
        reader_alerts_due(fixture_reader(f), "bell", 499, 10, 1 << 20, &batch, &next_due_ms, &err),
        0);
    assert_int_equal(reader_alerts_count(batch), 0);
    assert_int_equal(next_due_ms, 500);
    reader_alerts_free(batch);
    assert_int_equal(
        reader_alerts_due(fixture_reader(f), "bell", 500, 10, 1 << 20, &batch, &next_due_ms, &err),
        0);
    assert_int_equal(reader_alerts_count(batch), 1);
    assert_int_equal(reader_alerts_items(batch)[0].attempts, 3);
    reader_alerts_free(batch);
}

static struct reader_lane standing(struct fixture *f)
{
    struct reader_lane lane;
    struct error err;

    assert_int_equal(reader_lane(fixture_reader(f), "bell", &lane, &err), 0);
    return lane;
}

static void begin_lane(struct fixture *f)
{
    struct error err;

    assert_int_equal(store_begin(f->store, &err), 0);
    assert_int_equal(store_lane_ensure(f->store, "bell", LANE_ALERTS, &err), 0);
    assert_int_equal(store_commit(f->store, &err), 0);
}

static void test_a_lane_that_carried_memories_before_leaves_none_of_them_behind(void **state)
{
    struct fixture *f = *state;
    struct lane_row row = {
        .memory_id = (char[]){"m"}, .action = LANE_ROW_DEFER, .due_ms = 1, .attempts = 3};
    struct error err;

    fixture_put_json(f, "m", "{'content':'c'}");
    assert_int_equal(store_begin(f->store, &err), 0);
    assert_int_equal(store_lane_ensure(f->store, "bell", LANE_SINK, &err), 0);
    assert_int_equal(store_lane_progress(f->store, "bell", f->seq, &row, 1, 0, &err), 0);
    assert_int_equal(store_commit(f->store, &err), 0);
    assert_int_equal(standing(f).deferred, 1);
    begin_lane(f);
    assert_int_equal(standing(f).kind, LANE_ALERTS);
    assert_int_equal(standing(f).deferred, 0); /* nobody would ever clear it */
    assert_int_equal(standing(f).pending, 0);
}

static void test_a_new_lane_begins_with_what_is_open(void **state)
{
    struct fixture *f = *state;

    raise_as(f, "old", "rapid-delete", 11, false);
    ack(f, "old");
    raise_as(f, "open", "rapid-delete", 11, false);
    fixture_put_json(f, "m", "{'content':'c'}");
    begin_lane(f);
    struct reader_lane lane = standing(f);
    assert_int_equal(lane.cursor, 2);
    assert_int_equal(lane.pending, 1);
    assert_int_equal(lane.oldest_pending_ms, 3000);
}

static void test_a_new_lane_without_open_alerts_waits_for_the_next(void **state)
{
    struct fixture *f = *state;

    raise_as(f, "old", "rapid-delete", 11, false);
    ack(f, "old");
    begin_lane(f);
    assert_int_equal(standing(f).cursor, 2);
    assert_int_equal(standing(f).pending, 0);
    raise_as(f, "new", "rapid-delete", 11, false);
    assert_int_equal(standing(f).pending, 1);
}

static void test_what_is_deferred_is_pending_once(void **state)
{
    struct fixture *f = *state;

    raise_as(f, "x", "rapid-delete", 11, false);
    raise_as(f, "y", "rapid-delete", 11, false);
    defer(f, (char[]){"x"}, 500);
    defer(f, (char[]){"y"}, 500);
    assert_int_equal(standing(f).pending, 2);
    raise_as(f, "x", "rapid-delete", 12, false); /* above the cursor, and deferred */
    assert_int_equal(standing(f).pending, 2);
    assert_int_equal(standing(f).deferred, 2);
}

/* ---- against a model, and against itself ---- */

#define MODEL_IDS 5

struct model_alert {
    uint64_t seq, count;
    bool exists, acked;
};

static enum apply_outcome model_raise(struct model_alert *alert, uint64_t count, bool adds,
                                      uint64_t seq)
{
    if (alert->exists && !adds && count <= alert->count) {
        return APPLY_DUPLICATE;
    }
    *alert = (struct model_alert){
        .exists = true, .seq = seq, .count = adds ? alert->count + count : count};
    return APPLY_CHANGED;
}

static enum apply_outcome model_ack(struct model_alert *alert)
{
    if (!alert->exists || alert->acked) {
        return alert->exists ? APPLY_DUPLICATE : APPLY_NOT_FOUND;
    }
    alert->acked = true;
    return APPLY_CHANGED;
}

static void compare(struct fixture *f, const struct model_alert *model, bool acked_too)
{
    char expected[256] = "";

    for (uint64_t seq = f->seq; seq > 0; seq--) {
        for (int i = 0; i < MODEL_IDS; i++) {
            if (model[i].exists && model[i].seq == seq && (acked_too || !model[i].acked)) {
                snprintf(expected + strlen(expected), sizeof expected - strlen(expected), "x%d:%d ",
                         i, (int)model[i].count);
            }
        }
    }
    assert_string_equal(ids(f, acked_too ? any : open_ones), expected);
}

static void run_model(struct fixture *f, unsigned seed)
{
    struct model_alert model[MODEL_IDS] = {0};
    char id[8];

    for (int i = 0; i < 500; i++) {
        struct model_alert *alert = &model[rand_r(&seed) % MODEL_IDS];
        uint64_t count = 1 + (uint64_t)(rand_r(&seed) % 30);
        bool adds = rand_r(&seed) % 3 == 0;
        snprintf(id, sizeof id, "x%d", (int)(alert - model));
        if (rand_r(&seed) % 3 == 0) {
            assert_int_equal(ack(f, id).outcome, model_ack(alert));
        } else {
            enum apply_outcome expected = model_raise(alert, count, adds, f->seq + 1);
            assert_int_equal(raise_as(f, id, "rapid-delete", count, adds).outcome, expected);
        }
        if (i % 50 == 0) {
            compare(f, model, true);
            compare(f, model, false);
        }
    }
}

static void test_random_runs_agree_with_the_model_and_with_each_other(void **state)
{
    struct fixture other, *fixtures[2] = {*state, &other};
    uint64_t memories, events, applied_seq;
    char *dumps[2];
    struct error err = {0};

    fixture_init(&other);
    for (size_t i = 0; i < 2; i++) {
        run_model(fixtures[i], 5);
        dumps[i] = fixture_dump(fixtures[i]->path);
        if (store_verify(fixtures[i]->path, &memories, &events, &applied_seq, &err) != 0) {
            fail_msg("store_verify: %s", err.text);
        }
    }
    assert_string_equal(dumps[0], dumps[1]);
    free(dumps[0]);
    free(dumps[1]);
    fixture_deinit(&other);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_an_alert_is_listed_as_it_was_raised),
        TEST(test_the_same_id_counts_on_and_keeps_when_it_began),
        TEST(test_an_alert_that_tells_nothing_new_changes_nothing),
        TEST(test_counts_that_add_are_added),
        TEST(test_an_alert_is_no_memory_and_no_version),
        TEST(test_fields_that_are_none_of_ours_are_not_applied),
        TEST(test_an_ack_says_when_and_who),
        TEST(test_a_second_ack_is_a_duplicate),
        TEST(test_an_ack_of_what_is_not_there_is_refused),
        TEST(test_an_ack_of_all_counts_them),
        TEST(test_an_acked_alert_that_goes_on_is_open_again),
        TEST(test_the_filters_hold),
        TEST(test_pages_hold_each_alert_once),
        TEST(test_a_place_that_no_list_gave_out_is_refused),
        TEST(test_a_lane_reads_alerts_whole_and_in_order),
        TEST(test_a_batch_is_no_larger_than_asked),
        TEST(test_a_deferred_alert_comes_when_it_is_due),
        TEST(test_a_lane_that_carried_memories_before_leaves_none_of_them_behind),
        TEST(test_a_new_lane_begins_with_what_is_open),
        TEST(test_a_new_lane_without_open_alerts_waits_for_the_next),
        TEST(test_what_is_deferred_is_pending_once),
        TEST(test_random_runs_agree_with_the_model_and_with_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
