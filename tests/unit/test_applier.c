/* The store thread applies in order, lets works fail alone, waits for room, sets aside what cannot
 * be applied, and gives everything back exactly once. */
#include "store_fixture.h"

#include "broker/applier.h"
#include "broker/store_internal.h"
#include "broker/util/container.h"

#include <assert.h>
#include <errno.h>
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

#define TOLD_MAX 16384

/* One of what the applier told, in the order it did. */
struct told {
    bool is_work;
    uint64_t seq; /* or the work's number */
    int status;
    struct apply_result result;
};

struct rig {
    struct fixture fixture;
    struct applier_observer observer;
    struct journal *journal;
    struct applier *applier;
    struct log log;
    pthread_mutex_t mutex;
    pthread_cond_t told_more;
    struct told told[TOLD_MAX];
    size_t told_count;
    uint64_t applied_seq;
    unsigned full_began, full_ended, failures;
    uint64_t next_seq;
};

static void tell(struct rig *rig, struct told told)
{
    pthread_mutex_lock(&rig->mutex);
    assert(rig->told_count < TOLD_MAX);
    rig->told[rig->told_count++] = told;
    pthread_cond_broadcast(&rig->told_more);
    pthread_mutex_unlock(&rig->mutex);
}

static void applied_cb(struct applier_observer *observer, struct journal_list *done,
                       uint64_t applied_seq)
{
    struct rig *rig = container_of(observer, struct rig, observer);

    pthread_mutex_lock(&rig->mutex);
    rig->applied_seq = applied_seq;
    pthread_mutex_unlock(&rig->mutex);
    while (done->count > 0) {
        struct change *change = container_of(journal_list_pop(done), struct change, record);
        tell(rig, (struct told){.seq = change->record.seq,
                                .status = change->apply_status,
                                .result = change->result});
        free((void *)(uintptr_t)change->record.payload);
        free(change);
    }
}

/* Room comes back as soon as it is missed. */
static void full_cb(struct applier_observer *observer, bool is_full)
{
    struct rig *rig = container_of(observer, struct rig, observer);

    pthread_mutex_lock(&rig->mutex);
    *(is_full ? &rig->full_began : &rig->full_ended) += 1;
    pthread_cond_broadcast(&rig->told_more);
    pthread_mutex_unlock(&rig->mutex);
    sqlite3_exec(rig->fixture.store->sql.db, "PRAGMA max_page_count=1000000", NULL, NULL, NULL);
}

static void failed_cb(struct applier_observer *observer, const struct error *err)
{
    struct rig *rig = container_of(observer, struct rig, observer);

    pthread_mutex_lock(&rig->mutex);
    assert(err->text[0] != '\0');
    rig->failures++;
    pthread_mutex_unlock(&rig->mutex);
}

static void start(struct rig *rig, struct applier_options options)
{
    struct error err;

    assert_int_equal(applier_start(&rig->applier, rig->fixture.store, rig->journal, &rig->observer,
                                   &options, &rig->log, &err),
                     0);
}

/* The applier closes the store. */
static void stop(struct rig *rig)
{
    rig->applier = applier_stop(rig->applier);
    rig->fixture.store = NULL;
}

static int setup(void **state)
{
    struct rig *rig = calloc(1, sizeof *rig);
    struct journal_recovery found;
    struct error err;
    char dir[128];

    fixture_init(&rig->fixture);
    snprintf(dir, sizeof dir, "%s/journal", rig->fixture.dir);
    log_init(&rig->log, open("/dev/null", O_WRONLY | O_CLOEXEC), LOG_LEVEL_DEBUG);
    struct journal_options options = {.dir = dir, .segment_bytes = 1 << 20};
    assert_int_equal(journal_open(&rig->journal, &options, &rig->log, &found, &err), 0);
    rig->observer =
        (struct applier_observer){.applied = applied_cb, .full = full_cb, .failed = failed_cb};
    pthread_mutex_init(&rig->mutex, NULL);
    pthread_cond_init(&rig->told_more, NULL);
    *state = rig;
    return 0;
}

static int teardown(void **state)
{
    struct rig *rig = *state;

    if (rig->applier != NULL) {
        stop(rig);
    }
    journal_close(rig->journal);
    close(rig->log.fd);
    fixture_deinit(&rig->fixture);
    pthread_mutex_destroy(&rig->mutex);
    pthread_cond_destroy(&rig->told_more);
    free(rig);
    return 0;
}

static void wait_told(struct rig *rig, size_t count)
{
    pthread_mutex_lock(&rig->mutex);
    while (rig->told_count < count) {
        pthread_cond_wait(&rig->told_more, &rig->mutex);
    }
    pthread_mutex_unlock(&rig->mutex);
}

static void add_payload(struct rig *rig, struct journal_list *list, const struct event *event)
{
    struct change *change = calloc(1, sizeof *change);

    if (event != NULL) {
        change->record = fixture_record(++rig->next_seq, event);
    } else { /* none of ours */
        uint8_t *payload = malloc(1);
        *payload = 0xc1;
        change->record = (struct journal_record){
            .payload = payload, .payload_size = 1, .seq = ++rig->next_seq, .at_ms = 1};
    }
    journal_list_push(list, &change->record);
}

static void add_put(struct rig *rig, struct journal_list *list, const char *id, const char *json)
{
    struct fields fields;

    fields_init(&fields, json);
    struct event event = fixture_put(id, &fields);
    add_payload(rig, list, &event);
    fields_deinit(&fields);
}

static void apply_put(struct rig *rig, const char *id, const char *json)
{
    struct journal_list list = {0};

    add_put(rig, &list, id, json);
    applier_apply(rig->applier, &list);
}

/* ---- works ---- */

struct lane_work {
    struct applier_work work;
    struct rig *rig;
    uint64_t number;
    char lane[16]; /* it makes this lane */
    int answer;
};

static int lane_work_run(struct applier_work *work, struct store *store, struct error *err)
{
    struct lane_work *self = container_of(work, struct lane_work, work);

    int r = store_lane_ensure(store, self->lane, LANE_SINK, err);
    return r != 0 ? r : error_set(err, self->answer, "as the test wants it");
}

static void lane_work_done(struct applier_work *work, int status, const struct error *err)
{
    struct lane_work *self = container_of(work, struct lane_work, work);

    assert((status == 0) == (err == NULL));
    tell(self->rig, (struct told){.is_work = true, .seq = self->number, .status = status});
    free(self);
}

static void submit(struct rig *rig, uint64_t number, int answer)
{
    struct lane_work *self = calloc(1, sizeof *self);

    self->work = (struct applier_work){.run = lane_work_run, .done = lane_work_done};
    self->rig = rig;
    self->number = number;
    self->answer = answer;
    snprintf(self->lane, sizeof self->lane, "lane-%d", (int)number);
    applier_submit(rig->applier, &self->work);
}

static bool lane_exists(struct rig *rig, const char *name)
{
    struct reader_lane lane;
    struct error err;

    assert_int_equal(reader_lane(fixture_reader(&rig->fixture), name, &lane, &err), 0);
    return lane.exists;
}

/* ---- tests ---- */

static void test_changes_come_back_in_order_with_their_results(void **state)
{
    struct rig *rig = *state;
    struct journal_list list = {0};

    start(rig, (struct applier_options){0});
    add_put(rig, &list, "a", "{'content':'A'}");
    add_put(rig, &list, "b", "{'kind':'fact'}");
    add_put(rig, &list, "a", "{'content':'A2'}");
    applier_apply(rig->applier, &list);
    assert_int_equal(list.count, 0);
    wait_told(rig, 3);
    for (uint64_t i = 0; i < 3; i++) {
        assert_int_equal(rig->told[i].seq, i + 1);
        assert_int_equal(rig->told[i].status, 0);
    }
    assert_int_equal(rig->told[0].result.outcome, APPLY_CHANGED);
    assert_int_equal(rig->told[1].result.outcome, APPLY_NOT_FOUND);
    assert_int_equal(rig->told[2].result.version, 3);
    assert_int_equal(rig->applied_seq, 3);
    assert_non_null(strstr(fixture_get(&rig->fixture, "a", 0), "'A2'"));
}

static void test_works_and_changes_keep_their_order(void **state)
{
    struct rig *rig = *state;

    start(rig, (struct applier_options){0});
    for (uint64_t i = 1; i <= 300; i++) {
        apply_put(rig, "m", "{'content':'x'}");
        submit(rig, i, 0);
    }
    wait_told(rig, 600);
    for (uint64_t i = 0; i < 600; i++) {
        assert_int_equal(rig->told[i].is_work, i % 2 == 1);
        assert_int_equal(rig->told[i].seq, i / 2 + 1);
    }
    assert_true(lane_exists(rig, "lane-300"));
}

static void test_a_work_fails_alone(void **state)
{
    struct rig *rig = *state;

    start(rig, (struct applier_options){0});
    apply_put(rig, "a", "{'content':'A'}");
    submit(rig, 1, -ENOENT);
    submit(rig, 2, 0);
    apply_put(rig, "b", "{'content':'B'}");
    for (int answer = 1; answer <= 5; answer++) { /* an outcome of its own, not the store's */
        submit(rig, 3, answer);
    }
    wait_told(rig, 9);
    assert_int_equal(rig->told[1].status, -ENOENT);
    assert_int_equal(rig->told[2].status, 0);
    for (int answer = 1; answer <= 5; answer++) {
        assert_int_equal(rig->told[3 + answer].status, answer);
    }
    assert_int_equal(rig->full_began, 0);
    assert_false(lane_exists(rig, "lane-3"));
    assert_false(lane_exists(rig, "lane-1"));
    assert_true(lane_exists(rig, "lane-2"));
    assert_non_null(fixture_get(&rig->fixture, "a", 0));
    assert_non_null(fixture_get(&rig->fixture, "b", 0));
}

static void test_an_event_that_fails_alone_is_set_aside(void **state)
{
    struct rig *rig = *state;
    struct journal_list list = {0};

    start(rig, (struct applier_options){0});
    for (int i = 0; i < 30; i++) {
        if (i % 10 == 5) {
            add_payload(rig, &list, NULL);
        } else {
            add_put(rig, &list, "m", "{'content':'x'}");
        }
    }
    applier_apply(rig->applier, &list);
    submit(rig, 1, 0);
    wait_told(rig, 31);
    for (uint64_t i = 0; i < 30; i++) {
        assert_int_equal(rig->told[i].seq, i + 1);
        assert_int_equal(rig->told[i].status, i % 10 == 5 ? -EBADMSG : 0);
    }
    assert_true(rig->told[30].is_work);
    assert_int_equal(rig->applied_seq, 30);
    assert_non_null(strstr(fixture_get(&rig->fixture, "m", 0), "'version':30"));
    assert_int_equal(rig->failures, 0);
}

static void test_a_full_disk_keeps_the_queue_and_ends(void **state)
{
    struct rig *rig = *state;
    char json[8192];

    memset(json, 'x', sizeof json);
    memcpy(json, "{'content':'", 12);
    strcpy(json + sizeof json - 3, "'}");
    sqlite3_exec(rig->fixture.store->sql.db, "PRAGMA max_page_count=40", NULL, NULL, NULL);
    start(rig, (struct applier_options){.retry_full_ms = 1});
    for (uint64_t i = 1; i <= 50; i++) {
        char id[16];
        snprintf(id, sizeof id, "m%d", (int)i);
        apply_put(rig, id, json);
    }
    submit(rig, 1, 0);
    wait_told(rig, 51);
    for (uint64_t i = 0; i < 50; i++) {
        assert_int_equal(rig->told[i].seq, i + 1);
        assert_int_equal(rig->told[i].status, 0);
    }
    assert_int_equal(rig->full_began, 1);
    assert_int_equal(rig->full_ended, 1);
    assert_int_equal(rig->failures, 0);
    assert_non_null(fixture_get(&rig->fixture, "m50", 0));
}

static void test_a_broken_store_gives_everything_back(void **state)
{
    struct rig *rig = *state;
    sqlite3 *db;

    start(rig, (struct applier_options){0});
    apply_put(rig, "a", "{'content':'A'}");
    wait_told(rig, 1);
    assert_int_equal(sqlite3_open(rig->fixture.path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "DROP TABLE memory", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    apply_put(rig, "b", "{'content':'B'}");
    submit(rig, 1, 0);
    apply_put(rig, "c", "{'content':'C'}");
    wait_told(rig, 4);
    for (size_t i = 1; i < 4; i++) {
        assert_int_equal(rig->told[i].status, -EIO);
    }
    stop(rig);
    assert_int_equal(rig->failures, 1);
    assert_int_equal(rig->told_count, 4);
}

static void test_stop_applies_what_is_queued(void **state)
{
    struct rig *rig = *state;

    start(rig, (struct applier_options){0});
    for (int i = 0; i < 5000; i++) {
        apply_put(rig, "m", "{'content':'x'}");
    }
    stop(rig);
    assert_int_equal(rig->told_count, 5000);
    assert_int_equal(rig->applied_seq, 5000);
    fixture_reopen(&rig->fixture);
    assert_int_equal(store_applied_seq(rig->fixture.store), 5000);
}

static void test_stop_ends_a_wait_for_room(void **state)
{
    struct rig *rig = *state;
    sqlite3 *db;

    /* Another process holds the write lock; nothing but stop ends the wait. */
    assert_int_equal(sqlite3_open(rig->fixture.path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_busy_timeout(rig->fixture.store->sql.db, 1);
    start(rig, (struct applier_options){.retry_full_ms = 3600000});
    apply_put(rig, "a", "{'content':'A'}");
    stop(rig);
    assert_int_equal(rig->told_count, 1);
    assert_int_equal(rig->told[0].status, -EIO);
    assert_int_equal(rig->failures, 0);
    sqlite3_close(db);
}

/* Room comes back between two batches of which the first was given up. */
static void test_nothing_is_applied_behind_what_was_given_up(void **state)
{
    struct rig *rig = *state;
    char *json = malloc(3 << 20);
    char id[16];

    memset(json, 'x', 3 << 20);
    memcpy(json, "{'content':'", 12);
    strcpy(json + (3 << 20) - 3, "'}");
    sqlite3_exec(rig->fixture.store->sql.db, "PRAGMA max_page_count=40", NULL, NULL, NULL);
    start(rig, (struct applier_options){.retry_full_ms = 3600000});
    for (int i = 1; i <= 6; i++) { /* two to a batch */
        snprintf(id, sizeof id, "m%d", i);
        apply_put(rig, id, json);
    }
    applier_hurry(rig->applier);
    submit(rig, 1, 0);
    wait_told(rig, 7);
    apply_put(rig, "late", "{'content':'x'}");
    submit(rig, 2, 0);
    wait_told(rig, 9);
    stop(rig);
    for (size_t i = 0; i < 9; i++) {
        assert_int_equal(rig->told[i].status, -EIO);
    }
    assert_int_equal(rig->failures, 0);
    assert_int_equal(rig->applied_seq, 0);
    fixture_reopen(&rig->fixture);
    assert_int_equal(store_applied_seq(rig->fixture.store), 0);
    free(json);
}

static void test_a_checkpoint_empties_the_wal_in_between(void **state)
{
    struct rig *rig = *state;

    start(rig, (struct applier_options){.checkpoint_bytes = 64 << 10});
    for (int i = 0; i < 3000; i++) {
        apply_put(rig, "m", "{'content':'0123456789012345678901234567890123456789'}");
    }
    wait_told(rig, 3000);
    stop(rig);
    assert_int_equal(rig->failures, 0);
    fixture_reopen(&rig->fixture);
    assert_int_equal(store_applied_seq(rig->fixture.store), 3000);
}

#define APPLIER_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        APPLIER_TEST(test_changes_come_back_in_order_with_their_results),
        APPLIER_TEST(test_works_and_changes_keep_their_order),
        APPLIER_TEST(test_a_work_fails_alone),
        APPLIER_TEST(test_an_event_that_fails_alone_is_set_aside),
        APPLIER_TEST(test_a_full_disk_keeps_the_queue_and_ends),
        APPLIER_TEST(test_a_broken_store_gives_everything_back),
        APPLIER_TEST(test_stop_applies_what_is_queued),
        APPLIER_TEST(test_stop_ends_a_wait_for_room),
        APPLIER_TEST(test_nothing_is_applied_behind_what_was_given_up),
        APPLIER_TEST(test_a_checkpoint_empties_the_wal_in_between),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
