/* What events make of a store: versions, merges, tombstones, conditions, repeats; and what a store
 * refuses to open. */
#include "store_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static void assert_contains(const char *text, const char *part)
{
    if (text == NULL || strstr(text, part) == NULL) {
        fail_msg("%s is not in %s", part, text == NULL ? "nothing" : text);
    }
}

static void assert_lacks(const char *text, const char *part)
{
    assert_non_null(text);
    if (strstr(text, part) != NULL) {
        fail_msg("%s is in %s", part, text);
    }
}

static struct apply_result apply(struct fixture *fixture, struct event event)
{
    struct apply_result result;

    assert_int_equal(fixture_apply(fixture, &event, &result), 0);
    return result;
}

static struct apply_result apply_json(struct fixture *fixture, struct event event, const char *json)
{
    struct fields fields;

    fields_init(&fields, json);
    event.op = EVENT_PUT;
    event.fields = (const uint8_t *)fields.buffer.data;
    event.fields_size = fields.buffer.size;
    struct apply_result result = apply(fixture, event);
    fields_deinit(&fields);
    return result;
}

/* ---- puts ---- */

static void test_a_put_is_read_back_whole(void **state)
{
    struct fixture *f = *state;

    struct apply_result result =
        apply_json(f,
                   (struct event){.memory_id = fixture_text("m"),
                                  .session_id = fixture_text("s-1"),
                                  .event_id = fixture_text("e")},
                   "{'content':'tea at four','kind':'fact','tags':['b','a','b'],"
                   "'props':{'z':1,'a':[true,false],'m':null},'embedding':[1,2.5]}");
    assert_int_equal(result.outcome, APPLY_CHANGED);
    assert_int_equal(result.seq, 1);
    assert_int_equal(result.version, 1);
    assert_string_equal(
        fixture_get(f, "m", 0),
        "{'id':'m','content':'tea at four','kind':'fact','tags':['b','a'],"
        "'props':{'a':[true,false],'z':1},'created_ms':1000,'updated_ms':1000,'version':1,"
        "'stamp':1000000,'origin':'" FIXTURE_ORIGIN "','session_id':'s-1',"
        "'embedding_state':'ready','embedding_model':'caller','embedding':[1,2.5]}");
}

static void test_a_small_put_has_its_defaults(void **state)
{
    struct fixture *f = *state;

    fixture_put_json(f, "m", "{'content':''}");
    assert_string_equal(fixture_get(f, "m", 0),
                        "{'id':'m','content':'','kind':'note','tags':[],'props':{},"
                        "'created_ms':1000,'updated_ms':1000,'version':1,'stamp':1000000,"
                        "'origin':'" FIXTURE_ORIGIN "','embedding_state':'none'}");
}

static void test_a_put_merges(void **state)
{
    struct fixture *f = *state;

    fixture_put_json(f, "m", "{'content':'one','kind':'fact','tags':['t'],'props':{'a':1,'b':2}}");
    fixture_put_json(f, "m", "{'props':{'b':null,'c':3,'gone':null}}");
    const char *text = fixture_get(f, "m", 0);
    assert_contains(text, "'content':'one','kind':'fact','tags':['t'],'props':{'a':1,'c':3}");
    assert_contains(text, "'created_ms':1000,'updated_ms':2000,'version':2");
    fixture_put_json(f, "m", "{'content':'two','tags':[]}");
    assert_contains(fixture_get(f, "m", 0),
                    "'content':'two','kind':'fact','tags':[],'props':{'a':1,'c':3}");
}

static void test_every_version_can_be_read(void **state)
{
    struct fixture *f = *state;

    fixture_put_json(f, "m", "{'content':'one'}");
    fixture_put_json(f, "other", "{'content':'x'}");
    fixture_put_json(f, "m", "{'content':'two'}");
    fixture_delete(f, "m");
    assert_contains(fixture_get(f, "m", 1), "'content':'one'");
    assert_contains(fixture_get(f, "m", 3), "'content':'two'");
    assert_contains(fixture_get(f, "m", 4), "'deleted_ms':4000");
    assert_null(fixture_get(f, "m", 2)); /* a version of another memory */
    assert_null(fixture_get(f, "m", 5));
}

static void test_a_put_that_changes_nothing_is_a_version(void **state)
{
    struct fixture *f = *state;

    fixture_put_json(f, "m", "{'content':'one'}");
    assert_int_equal(fixture_put_json(f, "m", "{'content':'one'}"), 2);
    assert_contains(fixture_get(f, "m", 0), "'version':2");
}

static void test_a_put_without_content_needs_a_memory(void **state)
{
    struct fixture *f = *state;

    struct apply_result result =
        apply_json(f, (struct event){.memory_id = fixture_text("m")}, "{'kind':'fact'}");
    assert_int_equal(result.outcome, APPLY_NOT_FOUND);
    assert_int_equal(result.version, 0);
    assert_null(fixture_get(f, "m", 0));
    assert_int_equal(store_applied_seq(f->store), 1);
}

/* ---- embeddings ---- */

static void test_a_vector_goes_with_its_content(void **state)
{
    struct fixture *f = *state;

    fixture_put_json(f, "m", "{'content':'one','embedding':[1,2]}");
    fixture_put_json(f, "m", "{'content':'one','kind':'fact'}");
    assert_contains(fixture_get(f, "m", 0), "'embedding':[1,2]");
    fixture_put_json(f, "m", "{'content':'two'}");
    assert_contains(fixture_get(f, "m", 0), "'embedding_state':'none'}");
    fixture_put_json(f, "m", "{'content':'three','embedding':[3,4]}");
    assert_contains(fixture_get(f, "m", 0), "'embedding':[3,4]");
    fixture_put_json(f, "m", "{'embedding':null}");
    assert_contains(fixture_get(f, "m", 0), "'embedding_state':'none'}");
}

static void test_versions_of_one_content_keep_their_own_vectors(void **state)
{
    struct fixture *f = *state;

    fixture_put_json(f, "m", "{'content':'one','embedding':[1,2]}");
    fixture_put_json(f, "m", "{'embedding':[3,4]}");
    fixture_put_json(f, "m", "{'content':'one','embedding':[3,4]}");
    fixture_delete(f, "m");
    assert_contains(fixture_get(f, "m", 1), "'embedding':[1,2]");
    assert_contains(fixture_get(f, "m", 2), "'embedding':[3,4]");
    assert_contains(fixture_get(f, "m", 3), "'embedding':[3,4]");
    assert_contains(fixture_get(f, "m", 4), "'embedding':[3,4]");
    struct reader_counts counts;
    struct error err;
    assert_int_equal(reader_counts(f->reader, &counts, &err), 0);
    assert_int_equal(counts.embeddings, 2); /* the same vector is not kept twice */
}

/* ---- deletes ---- */

static void test_a_delete_leaves_a_tombstone(void **state)
{
    struct fixture *f = *state;

    fixture_put_json(f, "m", "{'content':'one','tags':['t']}");
    struct apply_result result = apply(f, (struct event){.op = EVENT_DELETE,
                                                         .memory_id = fixture_text("m"),
                                                         .session_id = fixture_text("s"),
                                                         .reason = fixture_text("why")});
    assert_int_equal(result.outcome, APPLY_CHANGED);
    const char *text = fixture_get(f, "m", 0);
    assert_contains(text, "'content':'one'");
    assert_contains(text, "'created_ms':1000,'updated_ms':2000,'deleted_ms':2000,'version':2");
}

static void test_deleting_what_is_deleted_answers_the_first_receipt(void **state)
{
    struct fixture *f = *state;

    fixture_put_json(f, "m", "{'content':'one'}");
    fixture_delete(f, "m");
    struct apply_result result =
        apply(f, (struct event){.op = EVENT_DELETE, .memory_id = fixture_text("m")});
    assert_int_equal(result.outcome, APPLY_DUPLICATE);
    assert_int_equal(result.seq, 2);
    assert_int_equal(result.version, 2);
    assert_int_equal(store_applied_seq(f->store), 3);
}

static void test_deleting_what_never_was_is_not_found(void **state)
{
    struct fixture *f = *state;
    struct event event = {
        .op = EVENT_DELETE, .memory_id = fixture_text("m"), .event_id = fixture_text("e")};

    assert_int_equal(apply(f, event).outcome, APPLY_NOT_FOUND);
    /* A refused event leaves no key: now it deletes. */
    fixture_put_json(f, "m", "{'content':'one'}");
    assert_int_equal(apply(f, event).outcome, APPLY_CHANGED);
}

static void test_a_put_brings_a_deleted_memory_back(void **state)
{
    struct fixture *f = *state;

    fixture_put_json(f, "m", "{'content':'one','props':{'a':1},'embedding':[1,2]}");
    fixture_delete(f, "m");
    fixture_put_json(f, "m", "{'kind':'fact'}");
    const char *text = fixture_get(f, "m", 0);
    assert_lacks(text, "deleted_ms");
    assert_contains(text, "'content':'one','kind':'fact','tags':[],'props':{'a':1},"
                          "'created_ms':1000,'updated_ms':3000,'version':3");
    assert_contains(text, "'embedding':[1,2]");
}

static void test_a_repeated_delete_stays_one_when_the_memory_came_back(void **state)
{
    struct fixture *f = *state;
    struct event event = {
        .op = EVENT_DELETE, .memory_id = fixture_text("m"), .event_id = fixture_text("late")};

    fixture_put_json(f, "m", "{'content':'one'}");
    fixture_delete(f, "m");
    assert_int_equal(apply(f, event).seq, 2);
    fixture_put_json(f, "m", "{'content':'again'}");
    struct apply_result result = apply(f, event);
    assert_int_equal(result.outcome, APPLY_DUPLICATE);
    assert_int_equal(result.seq, 2);
    assert_int_equal(result.version, 4);
    assert_lacks(fixture_get(f, "m", 0), "deleted_ms");
}

/* ---- conditions ---- */

static struct event expecting(const char *memory_id, uint64_t version)
{
    return (struct event){.memory_id = fixture_text(memory_id),
                          .has_expected_version = true,
                          .expected_version = version};
}

static void test_a_condition_is_decided_by_the_version(void **state)
{
    struct fixture *f = *state;

    struct apply_result result = apply_json(f, expecting("m", 7), "{'content':'x'}");
    assert_int_equal(result.outcome, APPLY_CONFLICT);
    assert_int_equal(result.version, 0);
    assert_int_equal(apply_json(f, expecting("m", 0), "{'content':'one'}").outcome, APPLY_CHANGED);
    result = apply_json(f, expecting("m", 0), "{'content':'two'}");
    assert_int_equal(result.outcome, APPLY_CONFLICT);
    assert_int_equal(result.version, 2);
    assert_int_equal(apply_json(f, expecting("m", 2), "{'content':'two'}").outcome, APPLY_CHANGED);
    assert_contains(fixture_get(f, "m", 0), "'content':'two'");
}

static void test_a_tombstone_exists_for_a_condition(void **state)
{
    struct fixture *f = *state;

    fixture_put_json(f, "m", "{'content':'one'}");
    fixture_delete(f, "m");
    struct apply_result result = apply_json(f, expecting("m", 0), "{'content':'two'}");
    assert_int_equal(result.outcome, APPLY_CONFLICT);
    assert_int_equal(result.version, 2);
    assert_int_equal(apply_json(f, expecting("m", 2), "{'content':'two'}").outcome, APPLY_CHANGED);
}

/* ---- repeats ---- */

static struct event named(const char *memory_id, const char *event_id)
{
    return (struct event){.memory_id = fixture_text(memory_id), .event_id = fixture_text(event_id)};
}

static void test_a_repeat_changes_nothing_however_late(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(apply_json(f, named("m", "e"), "{'content':'one'}").seq, 1);
    fixture_put_json(f, "m", "{'content':'two'}");
    fixture_reopen(f);
    struct event again = named("m", "e");
    again.retry = true;
    again.peer_pid = 77;
    again.session_id = fixture_text("another");
    struct apply_result result = apply_json(f, again, "{'content':'one'}");
    assert_int_equal(result.outcome, APPLY_DUPLICATE);
    assert_int_equal(result.seq, 1);
    assert_int_equal(result.version, 2);
    assert_contains(fixture_get(f, "m", 0), "'content':'two'");
}

static void test_another_body_or_memory_is_no_repeat(void **state)
{
    struct fixture *f = *state;

    apply_json(f, named("m", "e"), "{'content':'one'}");
    assert_int_equal(apply_json(f, named("m", "e"), "{'content':'two'}").outcome, APPLY_CHANGED);
    assert_int_equal(apply_json(f, named("n", "e"), "{'content':'one'}").outcome, APPLY_CHANGED);
    struct event conditional = named("m", "e");
    conditional.has_expected_version = true;
    conditional.expected_version = 2;
    assert_int_equal(apply_json(f, conditional, "{'content':'one'}").outcome, APPLY_CHANGED);
}

static void test_a_repeat_is_found_before_its_condition(void **state)
{
    struct fixture *f = *state;
    struct event event = named("m", "e");

    event.has_expected_version = true;
    assert_int_equal(apply_json(f, event, "{'content':'one'}").outcome, APPLY_CHANGED);
    assert_int_equal(apply_json(f, event, "{'content':'one'}").outcome, APPLY_DUPLICATE);
}

static void test_a_refused_event_leaves_no_key(void **state)
{
    struct fixture *f = *state;
    struct event event = named("m", "e");

    event.has_expected_version = true;
    event.expected_version = 2;
    assert_int_equal(apply_json(f, event, "{'content':'one'}").outcome, APPLY_CONFLICT);
    fixture_put_json(f, "m", "{'content':'x'}");
    assert_int_equal(apply_json(f, event, "{'content':'one'}").outcome, APPLY_CHANGED);
}

/* ---- transactions, bad events ---- */

static void test_an_event_that_is_none_of_ours_is_refused(void **state)
{
    static const char *const bad[] = {"{'content':1}",
                                      "{'content':'x','tags':'t'}",
                                      "{'content':'x','tags':[1]}",
                                      "{'content':'x','unknown':1}",
                                      "{'content':'x','props':[]}",
                                      "{'content':'x','props':{'a':{'b':1}}}",
                                      "{'content':'x','props':{'a':[null]}}",
                                      "{'content':'x','embedding':[1]}",
                                      "{'content':'x','embedding':[1,1e39]}"}; /* infinity */
    struct fixture *f = *state;
    struct apply_result result;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct fields fields;
        fields_init(&fields, bad[i]);
        struct event event = fixture_put("m", &fields);
        assert_int_equal(fixture_apply(f, &event, &result), STORE_E_EVENT);
        fields_deinit(&fields);
    }
    assert_null(fixture_get(f, "m", 0));
    assert_int_equal(store_applied_seq(f->store), 0);
}

static void test_a_rollback_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    struct apply_result result;
    struct fields fields;
    struct error err;

    fixture_put_json(f, "m", "{'content':'one','tags':['t']}");
    char *before = fixture_dump(f->path);
    fields_init(&fields, "{'content':'two','tags':['u'],'embedding':[1,2]}");
    struct event event = fixture_put("m", &fields);
    struct journal_record record = fixture_record(2, &event);
    assert_int_equal(store_begin(f->store, &err), 0);
    assert_int_equal(store_apply(f->store, &record, &result, &err), 0);
    store_rollback(f->store);
    assert_int_equal(store_applied_seq(f->store), 1);
    char *after = fixture_dump(f->path);
    assert_string_equal(before, after);
    free(before);
    free(after);
    free((void *)(uintptr_t)record.payload);
    fields_deinit(&fields);
}

static void test_a_savepoint_undoes_its_part_alone(void **state)
{
    struct fixture *f = *state;
    struct apply_result result;
    struct fields fields;
    struct error err;

    fields_init(&fields, "{'content':'x'}");
    struct event kept = fixture_put("kept", &fields), undone = fixture_put("undone", &fields);
    struct journal_record first = fixture_record(1, &kept), second = fixture_record(2, &undone);
    assert_int_equal(store_begin(f->store, &err), 0);
    assert_int_equal(store_apply(f->store, &first, &result, &err), 0);
    assert_int_equal(store_savepoint(f->store, &err), 0);
    assert_int_equal(store_apply(f->store, &second, &result, &err), 0);
    assert_int_equal(store_savepoint_undo(f->store, &err), 0);
    store_skip(f->store, 2);
    assert_int_equal(store_commit(f->store, &err), 0);
    assert_int_equal(store_applied_seq(f->store), 2);
    assert_non_null(fixture_get(f, "kept", 0));
    assert_null(fixture_get(f, "undone", 0));
    free((void *)(uintptr_t)first.payload);
    free((void *)(uintptr_t)second.payload);
    fields_deinit(&fields);
}

static void test_a_checkpoint_tells_what_is_safe(void **state)
{
    struct fixture *f = *state;
    uint64_t safe_seq = 0;
    struct error err;

    fixture_put_json(f, "m", "{'content':'one'}");
    assert_true(store_wal_bytes(f->store) > 0);
    assert_int_equal(store_checkpoint(f->store, &safe_seq, &err), 0);
    assert_int_equal(safe_seq, 1);
    assert_int_equal(store_wal_bytes(f->store), 0);
}

static void test_a_reader_in_the_way_delays_the_checkpoint(void **state)
{
    struct fixture *f = *state;
    uint64_t safe_seq = 0;
    struct error err;
    sqlite3 *db;

    fixture_put_json(f, "m", "{'content':'one'}");
    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "BEGIN; SELECT count(*) FROM event", NULL, NULL, NULL),
                     SQLITE_OK);
    fixture_put_json(f, "m", "{'content':'two'}");
    assert_int_equal(store_checkpoint(f->store, &safe_seq, &err), 0);
    assert_int_equal(safe_seq, 0);
    assert_int_equal(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(store_checkpoint(f->store, &safe_seq, &err), 0);
    assert_int_equal(safe_seq, 2);
    sqlite3_close(db);
}

/* ---- opening ---- */

static int open_with(struct fixture *f, const char *origin, uint32_t dims, struct error *err)
{
    struct store_options options = {.path = f->path, .origin = origin, .dims = dims};

    f->store = store_close(f->store);
    return store_open(&f->store, &options, err);
}

static void test_a_store_is_private_and_comes_back(void **state)
{
    struct fixture *f = *state;
    struct stat status;

    assert_true(store_is_new(f->store));
    assert_int_equal(stat(f->path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    fixture_put_json(f, "m", "{'content':'one'}");
    char wal[128];
    snprintf(wal, sizeof wal, "%s-wal", f->path);
    assert_int_equal(stat(wal, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    fixture_reopen(f);
    assert_false(store_is_new(f->store));
    assert_int_equal(store_applied_seq(f->store), 1);
    assert_contains(fixture_get(f, "m", 0), "'content':'one'");
}

static void test_another_journal_is_refused(void **state)
{
    struct fixture *f = *state;
    struct error err;

    assert_int_equal(open_with(f, "99999999-2222-4333-8444-555555555555", FIXTURE_DIMS, &err),
                     STORE_E_ORIGIN);
    assert_contains(err.text, "memferry recover");
    assert_contains(err.text, f->path);
    assert_null(f->store);
}

static void test_another_size_of_embedding_is_refused(void **state)
{
    struct fixture *f = *state;
    struct error err;

    assert_int_equal(open_with(f, FIXTURE_ORIGIN, 768, &err), STORE_E_DIMS);
    assert_contains(err.text, "dims = 2");
}

static void run_sql(const char *path, const char *text)
{
    sqlite3 *db;

    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void test_a_newer_store_is_refused(void **state)
{
    struct fixture *f = *state;
    struct error err;

    f->store = store_close(f->store);
    run_sql(f->path, "PRAGMA user_version=1000");
    assert_int_equal(open_with(f, FIXTURE_ORIGIN, FIXTURE_DIMS, &err), STORE_E_NEWER);
    assert_contains(err.text, "newer memferry");
}

static void test_a_database_of_another_program_is_refused(void **state)
{
    struct fixture *f = *state;
    struct error err;

    f->store = store_close(f->store);
    unlink(f->path);
    run_sql(f->path, "CREATE TABLE theirs(a)");
    assert_int_equal(open_with(f, FIXTURE_ORIGIN, FIXTURE_DIMS, &err), -EINVAL);
    assert_contains(err.text, "another program");
}

static void test_a_file_that_is_no_database_is_refused(void **state)
{
    struct fixture *f = *state;
    struct error err;

    f->store = store_close(f->store);
    FILE *file = fopen(f->path, "w");
    for (int i = 0; i < 1000; i++) {
        fputs("this is no database\n", file);
    }
    fclose(file);
    assert_int_equal(open_with(f, FIXTURE_ORIGIN, FIXTURE_DIMS, &err), -EIO);
    assert_contains(err.text, "is damaged");
    assert_contains(err.text, "memferry recover");
}

static void test_an_empty_file_becomes_a_store(void **state)
{
    struct fixture *f = *state;
    struct error err;

    f->store = store_close(f->store);
    assert_int_equal(truncate(f->path, 0), 0);
    assert_int_equal(open_with(f, FIXTURE_ORIGIN, FIXTURE_DIMS, &err), 0);
    assert_true(store_is_new(f->store));
}

static void test_a_wal_without_its_database_is_kept(void **state)
{
    struct fixture *f = *state;
    char wal[256];
    struct error err;
    struct stat status;

    f->store = store_close(f->store);
    snprintf(wal, sizeof wal, "%s-wal", f->path);
    for (int empty = 0; empty < 2; empty++) {
        FILE *file = fopen(wal, "we");
        fputs("changes", file);
        fclose(file);
        assert_int_equal(empty ? truncate(f->path, 0) : unlink(f->path), 0);
        assert_int_equal(open_with(f, FIXTURE_ORIGIN, FIXTURE_DIMS, &err), STORE_E_LONE_WAL);
        assert_contains(err.text, wal);
        assert_int_equal(stat(wal, &status), 0);
        assert_int_equal(status.st_size, 7);
        assert_int_equal(close(open(f->path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600)), 0);
    }
    assert_int_equal(unlink(wal), 0);
}

static void test_a_discarded_store_leaves_no_file(void **state)
{
    struct fixture *f = *state;

    store_discard(f->store);
    f->store = store_close(f->store);
    assert_int_equal(access(f->path, F_OK), -1);
}

/* ---- the same events give the same store ---- */

static void test_the_same_journal_gives_the_same_store(void **state)
{
    static const char *const bodies[] = {
        "{'content':'a','tags':['x','y'],'props':{'p':1,'q':[1,2]}}", "{'content':'b'}",
        "{'props':{'q':null,'r':2.5}}", "{'content':'a','embedding':[1,2]}", "{'embedding':null}"};
    struct fixture other, *fixtures[2] = {*state, &other};
    char *dumps[2];

    fixture_init(&other);
    for (size_t which = 0; which < 2; which++) {
        srand(7);
        for (int i = 0; i < 400; i++) {
            char id[16], event_id[16];
            snprintf(id, sizeof id, "m%d", rand() % 20);
            snprintf(event_id, sizeof event_id, "e%d", rand() % 300);
            struct event event = named(id, event_id);
            event.has_expected_version = rand() % 4 == 0;
            event.expected_version = (uint64_t)(rand() % 50);
            if (rand() % 5 == 0) {
                event.op = EVENT_DELETE;
                apply(fixtures[which], event);
            } else if (rand() % 4 == 0) {
                fixture_embed(fixtures[which], id, rand() % 2 == 0 ? "a" : "b",
                              rand() % 2 == 0 ? "nomic" : "minilm", 1, (float)(rand() % 2));
            } else {
                apply_json(fixtures[which], event, bodies[rand() % 5]);
            }
        }
        dumps[which] = fixture_dump(fixtures[which]->path);
    }
    assert_string_equal(dumps[0], dumps[1]);
    free(dumps[0]);
    free(dumps[1]);
    fixture_deinit(&other);
}

#define STORE_TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_a_put_is_read_back_whole),
        STORE_TEST(test_a_small_put_has_its_defaults),
        STORE_TEST(test_a_put_merges),
        STORE_TEST(test_every_version_can_be_read),
        STORE_TEST(test_a_put_that_changes_nothing_is_a_version),
        STORE_TEST(test_a_put_without_content_needs_a_memory),
        STORE_TEST(test_a_vector_goes_with_its_content),
        STORE_TEST(test_versions_of_one_content_keep_their_own_vectors),
        STORE_TEST(test_a_delete_leaves_a_tombstone),
        STORE_TEST(test_deleting_what_is_deleted_answers_the_first_receipt),
        STORE_TEST(test_deleting_what_never_was_is_not_found),
        STORE_TEST(test_a_put_brings_a_deleted_memory_back),
        STORE_TEST(test_a_repeated_delete_stays_one_when_the_memory_came_back),
        STORE_TEST(test_a_condition_is_decided_by_the_version),
        STORE_TEST(test_a_tombstone_exists_for_a_condition),
        STORE_TEST(test_a_repeat_changes_nothing_however_late),
        STORE_TEST(test_another_body_or_memory_is_no_repeat),
        STORE_TEST(test_a_repeat_is_found_before_its_condition),
        STORE_TEST(test_a_refused_event_leaves_no_key),
        STORE_TEST(test_an_event_that_is_none_of_ours_is_refused),
        STORE_TEST(test_a_rollback_leaves_nothing),
        STORE_TEST(test_a_savepoint_undoes_its_part_alone),
        STORE_TEST(test_a_checkpoint_tells_what_is_safe),
        STORE_TEST(test_a_reader_in_the_way_delays_the_checkpoint),
        STORE_TEST(test_a_store_is_private_and_comes_back),
        STORE_TEST(test_another_journal_is_refused),
        STORE_TEST(test_another_size_of_embedding_is_refused),
        STORE_TEST(test_a_newer_store_is_refused),
        STORE_TEST(test_a_database_of_another_program_is_refused),
        STORE_TEST(test_a_file_that_is_no_database_is_refused),
        STORE_TEST(test_an_empty_file_becomes_a_store),
        STORE_TEST(test_a_wal_without_its_database_is_kept),
        STORE_TEST(test_a_discarded_store_leaves_no_file),
        STORE_TEST(test_the_same_journal_gives_the_same_store),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
