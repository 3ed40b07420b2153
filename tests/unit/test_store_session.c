/* Sessions in the store: begun, seen, ended, listed, and read for who watches them. */
#include "store_fixture.h"

#include "broker/session.h"
#include "broker/util/error.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BOOT "5c8c2f1e-0000-4000-8000-0123456789ab"

/* ---- events ---- */

static struct apply_result apply_at(struct fixture *f, const struct event *event, int64_t at_ms)
{
    struct journal_record record = fixture_record(++f->seq, event);
    struct apply_result result;
    struct error err = {0};

    record.at_ms = at_ms;
    assert_int_equal(store_begin(f->store, &err), 0);
    assert_int_equal(store_apply(f->store, &record, &result, &err), 0);
    assert_int_equal(store_commit(f->store, &err), 0);
    free((void *)(uintptr_t)record.payload);
    return result;
}

static struct session_owner owner_of(int64_t pid, uint64_t start)
{
    return (struct session_owner){.pid = pid, .start = start, .boot_id = fixture_text(BOOT)};
}

static struct apply_result begin_at(struct fixture *f, const char *id,
                                    const struct session_begin *begin, int64_t at_ms)
{
    static const struct session_begin nothing = {0};
    msgpack_sbuffer fields;
    struct event event;

    msgpack_sbuffer_init(&fields);
    assert_int_equal(
        session_begin_event(begin != NULL ? begin : &nothing, fixture_text(id), &fields, &event),
        0);
    struct apply_result result = apply_at(f, &event, at_ms);
    msgpack_sbuffer_destroy(&fields);
    return result;
}

static enum apply_outcome end_at(struct fixture *f, const char *id, struct session_end end,
                                 const char *note, int64_t at_ms)
{
    msgpack_sbuffer fields;
    struct event event;

    msgpack_sbuffer_init(&fields);
    assert_int_equal(session_end_event(&end, fixture_text(id), &fields, &event), 0);
    event.reason = fixture_text(note);
    struct apply_result result = apply_at(f, &event, at_ms);
    msgpack_sbuffer_destroy(&fields);
    return result.outcome;
}

static enum apply_outcome end_by_command(struct fixture *f, const char *id, int64_t at_ms)
{
    return end_at(f, id, (struct session_end){.reason = SESSION_ENDED_COMMAND}, NULL, at_ms);
}

static enum apply_outcome end_idle(struct fixture *f, const char *id, int64_t seen_ms,
                                   int64_t at_ms)
{
    return end_at(f, id, (struct session_end){.reason = SESSION_ENDED_IDLE, .seen_ms = seen_ms},
                  NULL, at_ms);
}

static enum apply_outcome end_of_owner(struct fixture *f, const char *id, int64_t pid,
                                       uint64_t start, int64_t at_ms)
{
    return end_at(
        f, id,
        (struct session_end){.reason = SESSION_ENDED_OWNER_EXIT, .owner = owner_of(pid, start)},
        NULL, at_ms);
}

static void put_at(struct fixture *f, const char *memory_id, const char *session_id, int64_t at_ms)
{
    struct fields fields;

    fields_init(&fields, "{'content':'x'}");
    struct event event = fixture_put(memory_id, &fields);
    event.session_id = fixture_text(session_id);
    apply_at(f, &event, at_ms);
    fields_deinit(&fields);
}

/* ---- answers ---- */

static const char *get(struct fixture *f, const char *id)
{
    struct error err = {0};

    msgpack_sbuffer_clear(&f->answer);
    int r = reader_session(fixture_reader(f), id, &f->answer, &err);
    if (r == READER_E_NOT_FOUND) {
        return NULL;
    }
    assert_int_equal(r, 0);
    return fixture_json(f);
}

/* started, seen, ended and why. */
static void assert_stands(struct fixture *f, const char *id, const char *wanted)
{
    const char *times = strstr(get(f, id), "'started_ms'");
    char found[200];

    snprintf(found, sizeof found, "%.*s", (int)(strstr(times, ",'end_note'") - times), times);
    assert_string_equal(found, wanted);
}

/* Ids in the order of the list, then the place of the next page. */
static const char *ids(struct fixture *f, struct reader_session_filter filter)
{
    static char text[512];
    struct error err = {0};
    const char *at;

    filter.limit = filter.limit != 0 ? filter.limit : 100;
    msgpack_sbuffer_clear(&f->answer);
    assert_int_equal(reader_session_list(fixture_reader(f), &filter, &f->answer, &err), 0);
    at = fixture_json(f);
    text[0] = '\0';
    while ((at = strstr(at, "'id':'")) != NULL) {
        at += 6;
        snprintf(text + strlen(text), sizeof text - strlen(text), "%.*s ", (int)strcspn(at, "'"),
                 at);
    }
    at = strstr(f->text, "'next':'");
    if (at != NULL) {
        snprintf(text + strlen(text), sizeof text - strlen(text), "%.*s", (int)strcspn(at + 8, "'"),
                 at + 8);
    }
    return text;
}

/* ---- begin and seen ---- */

static void test_a_session_is_as_it_was_begun(void **state)
{
    struct fixture *f = *state;
    const struct session_begin begin = {
        .agent = fixture_text("claude"), .cwd = fixture_text("/home/x"), .owner = owner_of(77, 5)};

    assert_int_equal(begin_at(f, "a", &begin, 1000).outcome, APPLY_CHANGED);
    assert_string_equal(get(f, "a"),
                        "{'id':'a','agent':'claude','cwd':'/home/x','pid':77,'started_ms':1000,"
                        "'seen_ms':1000,'ended_ms':nil,'end_reason':nil,'end_note':nil}");
    assert_null(get(f, "b"));
}

static void test_a_session_is_known_from_its_first_event(void **state)
{
    struct fixture *f = *state;

    put_at(f, "m", "offline", 5000);
    assert_stands(f, "offline", "'started_ms':5000,'seen_ms':5000,'ended_ms':nil,'end_reason':nil");
    put_at(f, "m", NULL, 9000);
    assert_string_equal(ids(f, (struct reader_session_filter){0}), "offline ");
}

static void test_events_move_when_it_was_seen_a_second_at_a_time_either_way(void **state)
{
    static const struct {
        int64_t at_ms, seen_ms;
    } steps[] = {{10000, 10000}, {10999, 10000}, {11000, 11000}, {11500, 11000},
                 {90000, 90000}, {89001, 90000}, {89000, 89000}, {1000, 1000}};
    struct fixture *f = *state;
    char wanted[120];

    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        put_at(f, "m", "s", steps[i].at_ms);
        snprintf(wanted, sizeof wanted,
                 "'started_ms':10000,'seen_ms':%lld,'ended_ms':nil,'end_reason':nil",
                 (long long)steps[i].seen_ms);
        assert_stands(f, "s", wanted);
    }
}

static void test_what_changes_nothing_is_seen_all_the_same(void **state)
{
    struct fixture *f = *state;
    struct event event = {
        .op = EVENT_DELETE, .memory_id = fixture_text("never"), .session_id = fixture_text("s")};

    assert_int_equal(apply_at(f, &event, 3000).outcome, APPLY_NOT_FOUND);
    assert_stands(f, "s", "'started_ms':3000,'seen_ms':3000,'ended_ms':nil,'end_reason':nil");
}

static void test_a_touch_only_moves_when_it_was_seen(void **state)
{
    const struct session_begin touch = {.touches = true};
    struct fixture *f = *state;

    begin_at(f, "s", &(struct session_begin){.agent = fixture_text("claude")}, 1000);
    begin_at(f, "s", &touch, 4000);
    assert_non_null(strstr(get(f, "s"), "'agent':'claude'"));
    assert_stands(f, "s", "'started_ms':1000,'seen_ms':4000,'ended_ms':nil,'end_reason':nil");
    end_by_command(f, "s", 5000);
    begin_at(f, "s", &touch, 9000);
    assert_stands(f, "s",
                  "'started_ms':1000,'seen_ms':9000,'ended_ms':5000,'end_reason':'command'");
}

static void test_a_begin_of_what_goes_on_adds_what_it_tells(void **state)
{
    struct fixture *f = *state;

    begin_at(f, "s",
             &(struct session_begin){.agent = fixture_text("claude"), .owner = owner_of(1, 2)},
             1000);
    begin_at(f, "s", &(struct session_begin){.cwd = fixture_text("/x")}, 2000);
    assert_string_equal(get(f, "s"),
                        "{'id':'s','agent':'claude','cwd':'/x','pid':1,'started_ms':1000,"
                        "'seen_ms':2000,'ended_ms':nil,'end_reason':nil,'end_note':nil}");
    begin_at(f, "s", &(struct session_begin){.owner = owner_of(7, 8)}, 2000);
    assert_int_equal(end_of_owner(f, "s", 1, 2, 3000), APPLY_DUPLICATE);
    assert_int_equal(end_of_owner(f, "s", 7, 8, 3000), APPLY_CHANGED);
}

/* ---- end ---- */

static void test_an_end_by_command_is_for_good_until_it_is_begun_again(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(end_by_command(f, "s", 1), APPLY_NOT_FOUND);
    begin_at(f, "s", &(struct session_begin){.owner = owner_of(1, 2)}, 1000);
    assert_int_equal(
        end_at(f, "s", (struct session_end){.reason = SESSION_ENDED_COMMAND}, "done", 2000),
        APPLY_CHANGED);
    assert_non_null(strstr(get(f, "s"), "'end_note':'done'"));
    assert_int_equal(end_by_command(f, "s", 2500), APPLY_DUPLICATE);
    put_at(f, "m", "s", 9000);
    assert_stands(f, "s",
                  "'started_ms':1000,'seen_ms':9000,'ended_ms':2000,'end_reason':'command'");
    begin_at(f, "s", NULL, 20000);
    assert_stands(f, "s", "'started_ms':1000,'seen_ms':20000,'ended_ms':nil,'end_reason':nil");
    assert_non_null(strstr(get(f, "s"), "'pid':nil"));
    assert_int_equal(end_of_owner(f, "s", 1, 2, 30000), APPLY_DUPLICATE);
}

static void test_idleness_ends_only_what_was_not_seen_since(void **state)
{
    struct fixture *f = *state;

    put_at(f, "m", "s", 1000);
    put_at(f, "m", "s", 5000);
    assert_int_equal(end_idle(f, "s", 1000, 60000), APPLY_DUPLICATE);
    assert_stands(f, "s", "'started_ms':1000,'seen_ms':5000,'ended_ms':nil,'end_reason':nil");
    assert_int_equal(end_idle(f, "s", 5000, 60000), APPLY_CHANGED);
    assert_stands(f, "s", "'started_ms':1000,'seen_ms':5000,'ended_ms':60000,'end_reason':'idle'");
}

static void test_what_was_idle_and_is_seen_goes_on(void **state)
{
    struct fixture *f = *state;

    put_at(f, "m", "s", 1000);
    end_idle(f, "s", 1000, 1100);
    put_at(f, "m", "s", 1200); /* within the second that is not written */
    assert_stands(f, "s", "'started_ms':1000,'seen_ms':1200,'ended_ms':nil,'end_reason':nil");
    end_idle(f, "s", 1200, 60000);
    assert_int_equal(end_by_command(f, "s", 61000), APPLY_CHANGED);
    put_at(f, "m", "s", 62000);
    assert_stands(f, "s",
                  "'started_ms':1000,'seen_ms':62000,'ended_ms':61000,'end_reason':'command'");
}

/* ---- how it is written ---- */

/* The same events, with all that is kept beside the database lost between them. */
static void test_what_is_kept_in_memory_changes_nothing(void **state)
{
    struct fixture *f = *state, other;
    char id[16];

    fixture_init(&other);
    for (int i = 0; i < 400; i++) {
        snprintf(id, sizeof id, "s%d", i * i % 97);
        int64_t at_ms = 1000 + i * 370 - i % 7 * 900;
        put_at(f, "m", id, at_ms);
        put_at(&other, "m", id, at_ms);
        if (i % 50 == 49) {
            end_by_command(f, id, at_ms);
            end_by_command(&other, id, at_ms);
        }
        if (i % 11 == 0) {
            fixture_reopen(&other);
        }
    }
    char *one = fixture_dump(f->path), *two = fixture_dump(other.path);
    assert_string_equal(one, two);
    free(one);
    free(two);
    fixture_deinit(&other);
}

static void test_what_was_rolled_back_was_not_seen(void **state)
{
    struct fixture *f = *state;
    struct apply_result result;
    struct error err = {0};
    struct fields fields;

    fields_init(&fields, "{'content':'x'}");
    struct event event = fixture_put("m", &fields);
    event.session_id = fixture_text("s");
    struct journal_record record = fixture_record(1, &event);
    assert_int_equal(store_begin(f->store, &err), 0);
    assert_int_equal(store_apply(f->store, &record, &result, &err), 0);
    store_rollback(f->store);
    assert_int_equal(store_begin(f->store, &err), 0);
    assert_int_equal(store_savepoint(f->store, &err), 0);
    assert_int_equal(store_apply(f->store, &record, &result, &err), 0);
    assert_int_equal(store_savepoint_undo(f->store, &err), 0);
    assert_int_equal(store_apply(f->store, &record, &result, &err), 0);
    assert_int_equal(store_commit(f->store, &err), 0);
    assert_stands(f, "s", "'started_ms':1000,'seen_ms':1000,'ended_ms':nil,'end_reason':nil");
    free((void *)(uintptr_t)record.payload);
    fields_deinit(&fields);
}

static void test_a_store_with_sessions_is_whole(void **state)
{
    struct fixture *f = *state;
    uint64_t memories, events, applied_seq;
    struct error err = {0};

    begin_at(f, "s", NULL, 1000);
    put_at(f, "m", "s", 2000);
    end_by_command(f, "s", 3000);
    fixture_reopen(f);
    if (store_verify(f->path, &memories, &events, &applied_seq, &err) != 0) {
        fail_msg("%s", err.text);
    }
    assert_int_equal(applied_seq, 3);
}

static void test_fields_that_are_none_of_ours_are_refused(void **state)
{
    static const char *const begins[] = {"{'agent':''}",
                                         "{'pid':1}",
                                         "{'pid':-1,'pid_start':2,'boot_id':'x'}",
                                         "{'boot_id':'x'}",
                                         "{'agent':1}",
                                         "{'what':'x'}",
                                         "[]"};
    static const char *const ends[] = {
        "{}", "{'end_reason':'bored'}", "{'end_reason':'owner_exit'}",
        "{'end_reason':'command','pid':1,'pid_start':2,'boot_id':'x'}", "{'seen_ms':1}"};
    struct session_begin begin;
    struct session_end end;
    struct fields fields;

    (void)state;
    for (size_t i = 0; i < sizeof begins / sizeof begins[0]; i++) {
        fields_init(&fields, begins[i]);
        struct event event = {.fields = (const uint8_t *)fields.buffer.data,
                              .fields_size = fields.buffer.size};
        assert_int_equal(session_begin_decode(&event, &begin), -EBADMSG);
        fields_deinit(&fields);
    }
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        fields_init(&fields, ends[i]);
        struct event event = {.fields = (const uint8_t *)fields.buffer.data,
                              .fields_size = fields.buffer.size};
        assert_int_equal(session_end_decode(&event, &end), -EBADMSG);
        fields_deinit(&fields);
    }
}

/* ---- lists ---- */

static void test_a_list_goes_from_the_newest_by_pages_and_filters(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < 5; i++) {
        char id[2] = {(char)('a' + i), '\0'};
        begin_at(f, id,
                 i % 2 == 0 ? &(struct session_begin){.agent = fixture_text("claude")} : NULL,
                 1000 * i);
    }
    assert_string_equal(ids(f, (struct reader_session_filter){0}), "e d c b a ");
    assert_string_equal(ids(f, (struct reader_session_filter){.agent = "claude"}), "e c a ");
    assert_string_equal(ids(f, (struct reader_session_filter){.limit = 2}), "e d s4");
    assert_string_equal(ids(f, (struct reader_session_filter){.limit = 2, .after = "s4"}),
                        "c b s2");
    end_by_command(f, "d", 9000);
    assert_string_equal(ids(f, (struct reader_session_filter){.active = true}), "e c b a ");

    struct reader_session_filter wrong = {.limit = 1, .after = "v4"};
    struct error err = {0};
    assert_int_equal(reader_session_list(fixture_reader(f), &wrong, &f->answer, &err),
                     READER_E_CURSOR);
}

static void test_who_watches_finds_owners_and_the_idle(void **state)
{
    struct reader_open_session found[8];
    struct fixture *f = *state;
    struct error err = {0};
    size_t count;

    begin_at(f, "owned", &(struct session_begin){.owner = owner_of(7, 8)}, 5000);
    begin_at(f, "idle", NULL, 1000);
    begin_at(f, "future", NULL, 900000);
    begin_at(f, "ended", &(struct session_begin){.owner = owner_of(9, 9)}, 1000);
    end_by_command(f, "ended", 1000);
    struct reader *reader = fixture_reader(f);
    assert_int_equal(reader_sessions_owned(reader, INT64_MAX, 8, found, &count, &err), 0);
    assert_int_equal(count, 1);
    assert_string_equal(found[0].id, "owned");
    assert_string_equal(found[0].boot_id, BOOT);
    assert_int_equal(found[0].pid, 7);
    assert_int_equal(found[0].pid_start, 8);
    assert_int_equal(reader_sessions_idle(reader, INT64_MAX, 4000, 6000, 8, found, &count, &err),
                     0);
    assert_int_equal(count, 2);
    assert_string_equal(found[0].id, "future");
    assert_string_equal(found[1].id, "idle");
    assert_int_equal(found[1].seen_ms, 1000);
    assert_int_equal(reader_sessions_idle(reader, found[0].seq, 4000, 6000, 8, found, &count, &err),
                     0);
    assert_int_equal(count, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_a_session_is_as_it_was_begun),
        TEST(test_a_session_is_known_from_its_first_event),
        TEST(test_events_move_when_it_was_seen_a_second_at_a_time_either_way),
        TEST(test_what_changes_nothing_is_seen_all_the_same),
        TEST(test_a_touch_only_moves_when_it_was_seen),
        TEST(test_a_begin_of_what_goes_on_adds_what_it_tells),
        TEST(test_an_end_by_command_is_for_good_until_it_is_begun_again),
        TEST(test_idleness_ends_only_what_was_not_seen_since),
        TEST(test_what_was_idle_and_is_seen_goes_on),
        TEST(test_what_is_kept_in_memory_changes_nothing),
        TEST(test_what_was_rolled_back_was_not_seen),
        TEST(test_a_store_with_sessions_is_whole),
        TEST(test_fields_that_are_none_of_ours_are_refused),
        TEST(test_a_list_goes_from_the_newest_by_pages_and_filters),
        TEST(test_who_watches_finds_owners_and_the_idle),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
