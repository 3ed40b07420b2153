/* A store is brought up to its journal, and the two are refused when they do not belong together.
 */
#include "store_fixture.h"

#include "broker/replay.h"
#include "broker/util/container.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct rig {
    char dir[64], journal_dir[96], store_path[96], log_path[96];
    struct log log;
    struct journal *journal;
    struct journal_recovery found;
    struct journal_observer observer;
    struct replay_set_aside set_aside;
    uint64_t segment_bytes;
    pthread_mutex_t mutex;
    pthread_cond_t more;
    size_t committed;
};

static void committed_cb(struct journal_observer *observer, struct journal_list *done)
{
    struct rig *rig = container_of(observer, struct rig, observer);

    pthread_mutex_lock(&rig->mutex);
    while (done->count > 0) {
        struct journal_record *record = journal_list_pop(done);
        rig->committed += record->status == 0;
        free((void *)(uintptr_t)record->payload);
        free(record);
    }
    pthread_cond_signal(&rig->more);
    pthread_mutex_unlock(&rig->mutex);
}

static void open_journal(struct rig *rig)
{
    struct journal_options options = {.dir = rig->journal_dir, .segment_bytes = rig->segment_bytes};
    struct error err = {0};

    if (journal_open(&rig->journal, &options, &rig->log, &rig->found, &err) != 0) {
        fail_msg("journal_open: %s", err.text);
    }
}

static int setup(void **state)
{
    struct rig *rig = calloc(1, sizeof *rig);

    strcpy(rig->dir, "/tmp/memferry-replay-XXXXXX");
    assert_non_null(mkdtemp(rig->dir));
    snprintf(rig->journal_dir, sizeof rig->journal_dir, "%s/journal", rig->dir);
    snprintf(rig->store_path, sizeof rig->store_path, "%s/memferry.db", rig->dir);
    snprintf(rig->log_path, sizeof rig->log_path, "%s/log", rig->dir);
    log_init(&rig->log, open(rig->log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600),
             LOG_LEVEL_DEBUG);
    pthread_mutex_init(&rig->mutex, NULL);
    pthread_cond_init(&rig->more, NULL);
    rig->observer.committed = committed_cb;
    rig->segment_bytes = 1 << 20;
    open_journal(rig);
    *state = rig;
    return 0;
}

static int teardown(void **state)
{
    struct rig *rig = *state;
    char command[128];

    journal_close(rig->journal);
    close(rig->log.fd);
    snprintf(command, sizeof command, "rm -r %s", rig->dir);
    assert_int_equal(system(command), 0);
    pthread_mutex_destroy(&rig->mutex);
    pthread_cond_destroy(&rig->more);
    free(rig);
    return 0;
}

/* Writes events to the journal, and opens it again as a new start would. recycle_seq: told to the
 * journal half way, as by a checkpoint. */
static void write_journal(struct rig *rig, size_t count, const char *json, bool with_garbage,
                          uint64_t recycle_seq)
{
    struct fields fields;
    struct error err;

    rig->committed = 0;
    assert_int_equal(journal_start(rig->journal, &rig->observer, &err), 0);
    fields_init(&fields, json);
    for (size_t i = 0; i < count; i++) {
        char id[16];
        struct journal_list list = {0};
        struct journal_record *record = calloc(1, sizeof *record);
        snprintf(id, sizeof id, "m%zu", i % 100);
        struct event event = fixture_put(id, &fields);
        *record = fixture_record(0, &event);
        if (with_garbage && i % 50 == 7) {
            *(uint8_t *)(uintptr_t)record->payload = 0xc1;
        }
        journal_list_push(&list, record);
        journal_append(rig->journal, &list, 1);
        if (recycle_seq != 0 && i == recycle_seq) {
            pthread_mutex_lock(&rig->mutex);
            while (rig->committed <= recycle_seq) {
                pthread_cond_wait(&rig->more, &rig->mutex);
            }
            pthread_mutex_unlock(&rig->mutex);
            journal_recycle(rig->journal, recycle_seq);
        }
    }
    rig->journal = journal_close(rig->journal);
    assert_int_equal(rig->committed, count);
    fields_deinit(&fields);
    open_journal(rig);
}

static struct store *open_store(struct rig *rig)
{
    struct store_options options = {
        .path = rig->store_path, .origin = journal_origin(rig->journal), .dims = 2};
    struct store *store;
    struct error err = {0};

    if (store_open(&store, &options, &err) != 0) {
        fail_msg("store_open: %s", err.text);
    }
    return store;
}

static void test_a_store_is_brought_up_to_its_journal(void **state)
{
    struct rig *rig = *state;
    struct error err;

    write_journal(rig, 300, "{'content':'x'}", false, 0);
    struct store *store = open_store(rig);
    assert_int_equal(replay_journal(store, rig->journal, &rig->log, &rig->set_aside, &err), 0);
    assert_int_equal(store_applied_seq(store), 300);
    store = store_close(store);
    write_journal(rig, 50, "{'content':'y'}", false, 0);
    store = open_store(rig);
    assert_int_equal(store_applied_seq(store), 300);
    assert_int_equal(replay_journal(store, rig->journal, &rig->log, &rig->set_aside, &err), 0);
    assert_int_equal(store_applied_seq(store), 350);
    assert_int_equal(replay_journal(store, rig->journal, &rig->log, &rig->set_aside, &err), 0);
    assert_int_equal(store_applied_seq(store), 350);
    store_close(store);
}

static void test_a_rebuilt_store_equals_the_one_that_was_there(void **state)
{
    struct rig *rig = *state;
    struct error err;

    write_journal(rig, 200, "{'content':'x','tags':['t'],'embedding':[1,2]}", false, 0);
    struct store *store = open_store(rig);
    assert_int_equal(replay_journal(store, rig->journal, &rig->log, &rig->set_aside, &err), 0);
    store_close(store);
    char *first = fixture_dump(rig->store_path);
    assert_int_equal(unlink(rig->store_path), 0);
    store = open_store(rig);
    assert_int_equal(replay_journal(store, rig->journal, &rig->log, &rig->set_aside, &err), 0);
    store_close(store);
    char *second = fixture_dump(rig->store_path);
    assert_string_equal(first, second);
    free(first);
    free(second);
}

static void test_an_event_that_fails_is_set_aside(void **state)
{
    struct rig *rig = *state;
    struct reader_counts counts;
    struct reader *reader;
    struct error err;

    write_journal(rig, 200, "{'content':'x'}", true, 0);
    struct store *store = open_store(rig);
    assert_int_equal(replay_journal(store, rig->journal, &rig->log, &rig->set_aside, &err), 0);
    assert_int_equal(store_applied_seq(store), 200);
    assert_int_equal(reader_open(&reader, rig->store_path, &err), 0);
    assert_int_equal(reader_counts(reader, &counts, &err), 0);
    assert_int_equal(counts.events, 196);
    assert_int_equal(rig->set_aside.count, 4);
    assert_int_equal(rig->set_aside.first_seq, 8);
    reader_close(reader);
    store_close(store);
}

#define MIB ((size_t)1 << 20)

/* Fields with one prop of so many bytes. */
static void fields_with_prop(struct fields *ret, const char *content, const char *name, size_t size)
{
    char *json = malloc(size + 64);

    assert_non_null(json);
    int at = sprintf(json, "{%s'props':{'%s':'", content, name);
    memset(json + at, 'x', size);
    strcpy(json + at + size, "'}}");
    fields_init(ret, json);
    free(json);
}

/* The store has another first event of m0 than the journal: one of 62 MiB. */
static void make_it_large(struct rig *rig)
{
    struct store *store = open_store(rig);
    struct apply_result result;
    struct fields fields;
    struct error err;

    fields_with_prop(&fields, "'content':'x',", "p", 62 * MIB);
    struct event event = fixture_put("m0", &fields);
    struct journal_record record = fixture_record(1, &event);
    assert_int_equal(store_begin(store, &err), 0);
    assert_int_equal(store_apply(store, &record, &result, &err), 0);
    assert_int_equal(store_commit(store, &err), 0);
    free((void *)(uintptr_t)record.payload);
    fields_deinit(&fields);
    store_close(store);
}

/* A put of m0 with 3 MiB more in the journal alone, as a broker that did not look left it. */
static void write_more(struct rig *rig, const char *content)
{
    struct journal_record *record = calloc(1, sizeof *record);
    struct journal_list list = {0};
    struct fields fields;
    struct error err;

    rig->journal = journal_close(rig->journal);
    rig->segment_bytes = 8 * MIB;
    open_journal(rig);
    rig->committed = 0;
    assert_int_equal(journal_start(rig->journal, &rig->observer, &err), 0);
    fields_with_prop(&fields, content, "q", 3 * MIB);
    struct event event = fixture_put("m0", &fields);
    *record = fixture_record(0, &event);
    journal_list_push(&list, record);
    journal_append(rig->journal, &list, 1);
    rig->journal = journal_close(rig->journal);
    assert_int_equal(rig->committed, 1);
    fields_deinit(&fields);
    open_journal(rig);
}

/* What the log says of events that were set aside. */
static size_t told_set_aside(struct rig *rig, const char *part)
{
    char line[4096];
    size_t count = 0;
    FILE *file = fopen(rig->log_path, "r");

    assert_non_null(file);
    while (fgets(line, sizeof line, file) != NULL) {
        count += strstr(line, " event-set-aside: ") != NULL && strstr(line, part) != NULL;
    }
    fclose(file);
    return count;
}

static void replay_all(struct rig *rig, uint64_t expected_seq)
{
    struct store *store = open_store(rig);
    struct error err;

    assert_int_equal(replay_journal(store, rig->journal, &rig->log, &rig->set_aside, &err), 0);
    assert_int_equal(store_applied_seq(store), expected_seq);
    store_close(store);
}

/* The transaction that an event undoes is begun anew: nothing of it is applied twice, or told
 * twice. */
static void test_events_around_one_that_fails_are_applied_once(void **state)
{
    struct rig *rig = *state;
    struct error err;

    write_journal(rig, 120, "{'content':'x'}", true, 0);
    replay_all(rig, 120);
    assert_int_equal(told_set_aside(rig, ""), 3);
    char *with_failures = fixture_dump(rig->store_path);
    for (unsigned i = 0; i < 3; i++) {
        char told[64];
        snprintf(told, sizeof told, "event %u cannot be applied", 8 + 50 * i);
        assert_int_equal(told_set_aside(rig, told), 1);
    }
    struct store *store = open_store(rig);
    assert_int_equal(replay_journal(store, rig->journal, &rig->log, &rig->set_aside, &err), 0);
    assert_int_equal(rig->set_aside.count, 0);
    store_close(store);
    char *again = fixture_dump(rig->store_path);
    assert_string_equal(with_failures, again);
    free(with_failures);
    free(again);
}

static void test_a_put_that_is_too_large_now_is_told_if_it_may_have_had_a_receipt(void **state)
{
    struct rig *rig = *state;

    write_journal(rig, 1, "{'content':'x'}", false, 0);
    make_it_large(rig);
    write_more(rig, "'content':'y',");
    write_more(rig, ""); /* that is answered after its apply, and was not */
    replay_all(rig, 3);
    assert_int_equal(told_set_aside(rig, ""), 1);
    assert_int_equal(told_set_aside(rig, "event 2 (put of memory m0) cannot be applied: the "
                                         "memory would grow over 64 MiB"),
                     1);
    assert_int_equal(rig->set_aside.count, 1);
    assert_int_equal(rig->set_aside.first_seq, 2);
    replay_all(rig, 3); /* once */
    assert_int_equal(told_set_aside(rig, ""), 1);
    assert_int_equal(rig->set_aside.count, 0);
}

static void assert_refused(struct rig *rig, struct store *store, const char *part)
{
    struct error err = {0};

    assert_int_equal(replay_journal(store, rig->journal, &rig->log, &rig->set_aside, &err),
                     REPLAY_E_REFUSED);
    if (strstr(err.text, part) == NULL || strstr(err.text, "memferry recover") == NULL ||
        strstr(err.text, "backup") == NULL) {
        fail_msg("%s", err.text);
    }
    store_close(store);
}

static void test_a_store_ahead_of_its_journal_is_refused(void **state)
{
    struct rig *rig = *state;
    struct apply_result result;
    struct fields fields;
    struct error err;

    struct store *store = open_store(rig);
    fields_init(&fields, "{'content':'x'}");
    struct event event = fixture_put("m", &fields);
    struct journal_record record = fixture_record(7, &event);
    assert_int_equal(store_begin(store, &err), 0);
    assert_int_equal(store_apply(store, &record, &result, &err), 0);
    assert_int_equal(store_commit(store, &err), 0);
    free((void *)(uintptr_t)record.payload);
    fields_deinit(&fields);
    assert_refused(rig, store, "ends at 0");
    assert_int_equal(access(rig->store_path, F_OK), 0); /* it is never touched */
}

/* Fills several segments, of which the first are given up. */
static void write_and_recycle(struct rig *rig)
{
    char json[4096];

    memset(json, 'x', sizeof json);
    memcpy(json, "{'content':'", 12);
    strcpy(json + sizeof json - 3, "'}");
    write_journal(rig, 2500, json, false, 1200);
    assert_true(rig->found.first_seq > 1);
    assert_true(rig->found.first_seq <= 1201);
}

static void test_a_lost_store_is_never_replaced_by_an_empty_one(void **state)
{
    struct rig *rig = *state;

    write_and_recycle(rig);
    assert_refused(rig, open_store(rig), "missing or empty");
    assert_int_equal(access(rig->store_path, F_OK), -1);
    assert_refused(rig, open_store(rig), "missing or empty");
}

static void test_a_store_older_than_its_journal_is_refused(void **state)
{
    struct rig *rig = *state;
    struct error err;

    write_journal(rig, 10, "{'content':'x'}", false, 0);
    struct store *store = open_store(rig);
    assert_int_equal(replay_journal(store, rig->journal, &rig->log, &rig->set_aside, &err), 0);
    store_close(store);
    write_and_recycle(rig);
    assert_refused(rig, open_store(rig), "older than the journal");
}

#define REPLAY_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        REPLAY_TEST(test_a_store_is_brought_up_to_its_journal),
        REPLAY_TEST(test_a_rebuilt_store_equals_the_one_that_was_there),
        REPLAY_TEST(test_an_event_that_fails_is_set_aside),
        REPLAY_TEST(test_events_around_one_that_fails_are_applied_once),
        REPLAY_TEST(test_a_put_that_is_too_large_now_is_told_if_it_may_have_had_a_receipt),
        REPLAY_TEST(test_a_store_ahead_of_its_journal_is_refused),
        REPLAY_TEST(test_a_lost_store_is_never_replaced_by_an_empty_one),
        REPLAY_TEST(test_a_store_older_than_its_journal_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
