/* What a restore by an alert or a session would do: which events count, who has changed what since,
 * and where a page ends. */
#include "store_fixture.h"

#include "broker/alert.h"
#include "broker/reader_plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint64_t apply(struct fixture *f, struct event event)
{
    struct apply_result result;

    assert_int_equal(fixture_apply(f, &event, &result), 0);
    assert_int_equal(result.outcome, APPLY_CHANGED);
    return result.seq;
}

static uint64_t put(struct fixture *f, const char *id, const char *content, const char *session)
{
    struct fields fields;
    char json[64];

    snprintf(json, sizeof json, "{'content':'%s'}", content);
    fields_init(&fields, json);
    struct event event = fixture_put(id, &fields);
    event.session_id = fixture_text(session);
    uint64_t seq = apply(f, event);
    fields_deinit(&fields);
    return seq;
}

static uint64_t drop(struct fixture *f, const char *id, const char *session)
{
    return apply(f, (struct event){.op = EVENT_DELETE,
                                   .memory_id = fixture_text(id),
                                   .session_id = fixture_text(session)});
}

static void raise_alert(struct fixture *f, const char *rule, const char *session, uint64_t from_seq,
                        uint64_t to_seq)
{
    struct alert alert = {.id = fixture_text("a"),
                          .rule = fixture_text(rule),
                          .severity = MEMFERRY_SEVERITY_WARNING,
                          .session_id = fixture_text(session),
                          .count = to_seq,
                          .from_seq = from_seq,
                          .to_seq = to_seq};
    msgpack_sbuffer fields;
    struct event event;

    msgpack_sbuffer_init(&fields);
    assert_int_equal(alert_event(&alert, &fields, &event), 0);
    apply(f, event);
    msgpack_sbuffer_destroy(&fields);
}

/* A page as text: "ID FROM>TO" of what comes back, with what is left alone named. */
static char *plan_text(struct fixture *f, struct plan_request request, char next[PLAN_NEXT_MAX])
{
    static const char *const outcomes[] = {[PLAN_RESTORE] = "",
                                           [PLAN_SAME] = " same",
                                           [PLAN_CONFLICT] = " conflict",
                                           [PLAN_NO_MEMORY] = " no memory",
                                           [PLAN_NO_VERSION] = " no version"};
    struct error err = {0};
    struct plan plan;
    char *text = NULL;
    size_t size;

    request.limit = request.limit == 0 ? PLAN_ITEMS_MAX : request.limit;
    if (reader_plan(fixture_reader(f), &request, &plan, &err) != 0) {
        fail_msg("reader_plan: %s", err.text);
    }
    FILE *out = open_memstream(&text, &size);
    for (size_t i = 0; i < plan.count; i++) {
        const struct plan_item *item = &plan.items[i];
        fprintf(out, "%s%s %llu>%llu%s", i == 0 ? "" : ", ", item->id,
                (unsigned long long)item->from, (unsigned long long)item->to,
                outcomes[item->outcome]);
        if (item->outcome == PLAN_CONFLICT) {
            fprintf(out, " %llu", (unsigned long long)item->other_version);
        }
    }
    fclose(out);
    if (next != NULL) {
        memcpy(next, plan.next, PLAN_NEXT_MAX);
    }
    plan_deinit(&plan);
    return text;
}

static void assert_plan(struct fixture *f, struct plan_request request, const char *expected)
{
    char *text = plan_text(f, request, NULL);

    assert_string_equal(text, expected);
    free(text);
}

static struct plan_request by_alert(void)
{
    return (struct plan_request){.by = PLAN_BY_CHANGES, .alert_id = "a"};
}

static struct plan_request by_session(const char *session)
{
    return (struct plan_request){.by = PLAN_BY_CHANGES, .session_id = session};
}

/* ---- alerts ---- */

static void test_an_alert_of_deletes_brings_back_what_was_deleted_only(void **state)
{
    struct fixture *f = *state;

    put(f, "m", "one", NULL);            /* 1 */
    put(f, "n", "one", NULL);            /* 2 */
    put(f, "o", "one", NULL);            /* 3 */
    uint64_t from = drop(f, "m", "bad"); /* 4 */
    put(f, "n", "changed", "bad");       /* 5: no delete */
    drop(f, "o", "other");               /* 6: of another session */
    uint64_t to = drop(f, "n", "bad");   /* 7 */
    put(f, "p", "late", "bad");          /* 8 */
    drop(f, "p", "bad");                 /* 9: behind what the alert counted */
    raise_alert(f, "rapid-delete", "bad", from, to);
    assert_plan(f, by_alert(), "m 4>1, n 7>5");
}

static void test_an_alert_of_changes_brings_back_all_that_was_there(void **state)
{
    struct fixture *f = *state;

    put(f, "m", "one", NULL);                       /* 1 */
    put(f, "n", "one", NULL);                       /* 2 */
    uint64_t from = put(f, "m", "two", "bad");      /* 3 */
    put(f, "new", "its own", "bad");                /* 4 */
    uint64_t to = drop(f, "n", "bad");              /* 5 */
    raise_alert(f, "bulk-change", "bad", from, to); /* 6 */
    assert_plan(f, by_alert(), "m 3>1, n 5>2");
}

static void test_an_alert_of_all_sessions_leaves_what_came_behind_it(void **state)
{
    struct fixture *f = *state;
    struct plan_request forced = by_alert();

    put(f, "m", "one", NULL);          /* 1 */
    put(f, "n", "one", NULL);          /* 2 */
    uint64_t from = drop(f, "m", "a"); /* 3 */
    uint64_t to = drop(f, "n", "b");   /* 4 */
    raise_alert(f, "rapid-delete", NULL, from, to);
    put(f, "m", "since", "a"); /* 6 */
    assert_plan(f, by_alert(), "m 6>1 conflict 6, n 4>2");
    forced.force = true;
    assert_plan(f, forced, "m 6>1, n 4>2");
}

static void test_an_alert_grows_with_its_span(void **state)
{
    struct fixture *f = *state;

    put(f, "m", "one", NULL); /* 1 */
    put(f, "n", "one", NULL); /* 2 */
    drop(f, "m", "a");        /* 3 */
    raise_alert(f, "rapid-delete", "a", 3, 3);
    drop(f, "n", "a"); /* 5 */
    raise_alert(f, "rapid-delete", "a", 5, 5);
    assert_plan(f, by_alert(), "m 3>1, n 5>2");
}

static void test_an_alert_without_changes_has_nothing_to_bring_back(void **state)
{
    struct fixture *f = *state;
    struct plan_request request = by_alert();
    struct error err = {0};
    struct plan plan;

    request.limit = 1;
    assert_int_equal(reader_plan(fixture_reader(f), &request, &plan, &err), READER_E_NOT_FOUND);
    assert_string_equal(err.text, "there is no alert a");
    plan_deinit(&plan);
    raise_alert(f, "mass-statement", "a", 0, 0);
    assert_int_equal(reader_plan(fixture_reader(f), &request, &plan, &err), READER_E_NOT_FOUND);
    assert_non_null(strstr(err.text, "nothing to bring back"));
    plan_deinit(&plan);
}

/* ---- sessions ---- */

static void test_a_memory_is_planned_once_at_its_first_change(void **state)
{
    struct fixture *f = *state;

    put(f, "m", "one", NULL);   /* 1 */
    put(f, "m", "two", "bad");  /* 2 */
    drop(f, "m", "bad");        /* 3 */
    put(f, "m", "four", "bad"); /* 4 */
    assert_plan(f, by_session("bad"), "m 4>1");
    assert_plan(f, by_session("nobody"), "");
}

static void test_what_is_back_already_is_no_item(void **state)
{
    struct fixture *f = *state;

    put(f, "m", "one", NULL);  /* 1 */
    put(f, "m", "two", "bad"); /* 2 */
    put(f, "m", "one", "me");  /* 3 */
    assert_plan(f, by_session("bad"), "");
}

static void test_pages_join_to_the_whole_and_stay_in_place(void **state)
{
    struct fixture *f = *state;
    struct plan_request request = by_session("bad");
    char next[PLAN_NEXT_MAX], after[PLAN_NEXT_MAX];
    char id[8];

    for (int i = 0; i < 5; i++) {
        snprintf(id, sizeof id, "m%d", i);
        put(f, id, "one", NULL);
        put(f, id, "two", "bad");
    }
    request.limit = 2;
    char *text = plan_text(f, request, next);
    assert_string_equal(text, "m0 2>1, m1 4>3");
    free(text);
    put(f, "late", "one", NULL);
    put(f, "late", "two", "bad"); /* behind the first page's view */
    request.after = memcpy(after, next, sizeof after);
    text = plan_text(f, request, next);
    assert_string_equal(text, "m2 6>5, m3 8>7");
    free(text);
    memcpy(after, next, sizeof after);
    text = plan_text(f, request, next);
    assert_string_equal(text, "m4 10>9");
    free(text);
    assert_string_equal(next, "");
}

/* ---- times ---- */

static void test_a_time_is_the_end_of_its_millisecond(void **state)
{
    struct fixture *f = *state;
    struct plan_request request = {.by = PLAN_BY_TIME, .filter = {.deleted = READER_DELETED_ANY}};

    put(f, "m", "one", NULL); /* at 1000 */
    put(f, "m", "two", NULL); /* at 2000 */
    drop(f, "m", NULL);       /* at 3000 */
    request.before_ms = 2000;
    assert_plan(f, request, "m 3>2");
    request.before_ms = 1999;
    assert_plan(f, request, "m 3>1");
    request.before_ms = 3000;
    assert_plan(f, request, "");
    request.before_ms = 999; /* it was made since: it stays */
    assert_plan(f, request, "");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_an_alert_of_deletes_brings_back_what_was_deleted_only),
        TEST(test_an_alert_of_changes_brings_back_all_that_was_there),
        TEST(test_an_alert_of_all_sessions_leaves_what_came_behind_it),
        TEST(test_an_alert_grows_with_its_span),
        TEST(test_an_alert_without_changes_has_nothing_to_bring_back),
        TEST(test_a_memory_is_planned_once_at_its_first_change),
        TEST(test_what_is_back_already_is_no_item),
        TEST(test_pages_join_to_the_whole_and_stay_in_place),
        TEST(test_a_time_is_the_end_of_its_millisecond),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
