/* The indexer over a real store: level with it, across restarts, damage and while others search. */
#include "store_fixture.h"

#include "broker/reader_search.h"
#include "broker/search.h"
#include "broker/search_indexer.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define WAIT_MS 60000

struct rig {
    struct fixture store;
    char index[96], vectors[96];
    struct log log;
    struct search_indexer *indexer;
    struct searcher *searcher;
    struct reader *reader;
    msgpack_sbuffer answer;
    struct error err;
};

static void start(struct rig *rig)
{
    const struct search_indexer_options options = {.store_path = rig->store.path,
                                                   .index_path = rig->index,
                                                   .vector_path = rig->vectors,
                                                   .origin = FIXTURE_ORIGIN,
                                                   .dims = FIXTURE_DIMS,
                                                   .applied_seq = rig->store.seq};

    assert_int_equal(search_indexer_start(&rig->indexer, &options, &rig->log, &rig->err), 0);
    rig->searcher = searcher_new(rig->indexer);
    assert_int_equal(reader_open(&rig->reader, rig->store.path, &rig->err), 0);
}

static void stop(struct rig *rig)
{
    rig->searcher = searcher_free(rig->searcher);
    rig->reader = reader_close(rig->reader);
    rig->indexer = search_indexer_stop(rig->indexer);
}

static int setup(void **state)
{
    struct rig *rig = calloc(1, sizeof *rig);

    fixture_init(&rig->store);
    log_init(&rig->log, STDERR_FILENO, LOG_LEVEL_ERROR);
    snprintf(rig->index, sizeof rig->index, "%s/search.db", rig->store.dir);
    snprintf(rig->vectors, sizeof rig->vectors, "%s/vectors.idx", rig->store.dir);
    msgpack_sbuffer_init(&rig->answer);
    start(rig);
    *state = rig;
    return 0;
}

static int teardown(void **state)
{
    struct rig *rig = *state;

    stop(rig);
    msgpack_sbuffer_destroy(&rig->answer);
    fixture_deinit(&rig->store);
    free(rig);
    return 0;
}

static void level(struct rig *rig)
{
    search_indexer_wake(rig->indexer, rig->store.seq);
    assert_int_equal(search_indexer_await(rig->indexer, rig->store.seq, WAIT_MS), 0);
}

/* Ids of the hits, with a blank behind each. */
static const char *found(struct rig *rig, const struct search_request *request, char ids[512])
{
    msgpack_unpacked result;

    msgpack_sbuffer_clear(&rig->answer);
    int r = searcher_run(rig->searcher, rig->reader, request, &rig->answer, &rig->err);
    if (r != 0) {
        fail_msg("%d: %s", r, rig->err.text);
    }
    msgpack_unpacked_init(&result);
    assert_int_equal(msgpack_unpack_next(&result, rig->answer.data, rig->answer.size, NULL),
                     MSGPACK_UNPACK_SUCCESS);
    const msgpack_object_array *hits = &result.data.via.map.ptr[0].val.via.array;
    size_t size = 0;
    ids[0] = '\0';
    for (uint32_t i = 0; i < hits->size; i++) {
        const msgpack_object_str *id = &hits->ptr[i].via.map.ptr[0].val.via.str;
        size += (size_t)snprintf(ids + size, 512 - size, "%.*s ", (int)id->size, id->ptr);
    }
    msgpack_unpacked_destroy(&result);
    return ids;
}

static struct search_request request_of(const char *query, const float *vector)
{
    return (struct search_request){.query = query,
                                   .size = query == NULL ? 0 : strlen(query),
                                   .filter = {.limit = 20},
                                   .vector = vector,
                                   .why = "",
                                   .model = "caller"};
}

static void assert_text(struct rig *rig, const char *query, const char *wanted)
{
    const struct search_request request = request_of(query, NULL);
    char ids[512];

    level(rig);
    assert_string_equal(found(rig, &request, ids), wanted);
}

static void assert_near(struct rig *rig, float x, float y, const char *wanted)
{
    const float vector[FIXTURE_DIMS] = {x, y};
    const struct search_request request = request_of(NULL, vector);
    char ids[512];

    level(rig);
    assert_string_equal(found(rig, &request, ids), wanted);
}

static void put(struct rig *rig, const char *id, const char *json)
{
    fixture_put_json(&rig->store, id, json);
}

/* FTS5 holds its index against the texts. */
static void assert_sound(struct rig *rig)
{
    struct search_index *index;
    bool fresh;

    stop(rig);
    assert_int_equal(search_index_open(&index, rig->index, FIXTURE_ORIGIN, &fresh, &rig->err), 0);
    assert_false(fresh);
    assert_int_equal(search_index_check(index, &rig->err), 0);
    search_index_close(index);
    start(rig);
}

static void test_what_was_applied_is_found(void **state)
{
    struct rig *rig = *state;

    put(rig, "a", "{'content':'green tea','tags':['drink'],'embedding':[1,0]}");
    put(rig, "b", "{'content':'black coffee','embedding':[0,1]}");
    assert_text(rig, "tea", "a ");
    assert_text(rig, "drink", "a ");
    assert_near(rig, 1, 0.1f, "a b ");
    put(rig, "a", "{'content':'white wine'}");
    assert_text(rig, "tea", "");
    assert_near(rig, 1, 0.1f, "b ");
    fixture_delete(&rig->store, "b");
    assert_near(rig, 1, 0.1f, "");
    assert_sound(rig);
}

static void test_an_embedders_vector_is_compared_with_its_own_model_only(void **state)
{
    struct rig *rig = *state;
    const float vector[FIXTURE_DIMS] = {1, 0};
    struct search_request request = request_of(NULL, vector);
    char ids[512];

    put(rig, "a", "{'content':'one'}");
    put(rig, "b", "{'content':'two','embedding':[1,0]}");
    fixture_embed(&rig->store, "a", "one", "model-1", 1, 0);
    level(rig);
    assert_string_equal(found(rig, &request, ids), "b ");
    request.model = "model-1";
    assert_string_equal(found(rig, &request, ids), "a ");
    fixture_embed(&rig->store, "a", "one", "model-2", 1, 0);
    level(rig);
    assert_string_equal(found(rig, &request, ids), "");
    request.model = "model-2";
    assert_string_equal(found(rig, &request, ids), "a ");
}

static void test_many_changes_leave_a_sound_index_and_few_dead_rows(void **state)
{
    struct rig *rig = *state;
    char id[16], json[128];

    for (int turn = 0; turn < 12; turn++) {
        for (int n = 0; n < 200; n++) {
            snprintf(id, sizeof id, "m%d", n);
            snprintf(json, sizeof json, "{'content':'word%d turn%d','embedding':[%d,50]}", n, turn,
                     n - 100);
            put(rig, id, json);
        }
        level(rig);
    }
    assert_text(rig, "\"word17\"", "m17 ");
    assert_text(rig, "\"turn3\"", "");
    const float vector[FIXTURE_DIMS] = {50, 50};
    struct search_request request = request_of(NULL, vector);
    char ids[512];
    request.filter.limit = 3;
    assert_string_equal(found(rig, &request, ids), "m150 m151 m149 ");
    stop(rig);
    struct search_index *index;
    uint64_t rows;
    bool fresh;
    assert_int_equal(search_index_open(&index, rig->index, FIXTURE_ORIGIN, &fresh, &rig->err), 0);
    assert_int_equal(search_index_rows(index, &rows, &rig->err), 0);
    assert_in_range(rows, 200, 1400); /* of 2,400 that were written */
    search_index_close(index);
    start(rig);
    assert_text(rig, "\"word17\"", "m17 ");
    assert_sound(rig);
}

static void test_an_index_of_another_store_is_thrown_away(void **state)
{
    struct rig *rig = *state;

    put(rig, "a", "{'content':'green tea'}");
    put(rig, "b", "{'content':'black tea'}");
    level(rig);
    stop(rig);
    /* a store that is behind its index: an older one was put in its place */
    fixture_deinit(&rig->store);
    char index[96], vectors[96];
    memcpy(index, rig->index, sizeof index);
    memcpy(vectors, rig->vectors, sizeof vectors);
    fixture_init(&rig->store);
    snprintf(rig->index, sizeof rig->index, "%s/search.db", rig->store.dir);
    snprintf(rig->vectors, sizeof rig->vectors, "%s/vectors.idx", rig->store.dir);
    start(rig);
    put(rig, "c", "{'content':'white tea'}");
    put(rig, "d", "{'content':'red tea'}");
    put(rig, "e", "{'content':'blue tea'}");
    assert_text(rig, "white", "c ");
    stop(rig);
    struct search_files files;
    bool fresh;
    search_files_init(&files, rig->index, rig->vectors, FIXTURE_ORIGIN, FIXTURE_DIMS);
    assert_int_equal(search_files_open(&files, 2, &fresh, &rig->err), 0);
    assert_true(fresh);
    assert_non_null(strstr(rig->err.text, "ahead of the store"));
    search_files_close(&files);
    files.origin = "99999999-2222-4333-8444-555555555555";
    assert_int_equal(search_files_open(&files, 2, &fresh, &rig->err), 0);
    assert_true(fresh);
    assert_non_null(strstr(rig->err.text, "of another store"));
    search_files_close(&files);
    files.origin = FIXTURE_ORIGIN;
    files.dims = FIXTURE_DIMS + 1;
    assert_int_equal(search_files_open(&files, 2, &fresh, &rig->err), 0);
    assert_true(fresh);
    search_files_deinit(&files);
    start(rig);
    assert_text(rig, "white", "c ");
}

static void test_rows_that_nobody_names_are_buried_at_the_next_start(void **state)
{
    struct rig *rig = *state;
    struct search_files files;
    bool fresh;

    put(rig, "a", "{'content':'green tea','embedding':[1,0]}");
    put(rig, "b", "{'content':'black tea','embedding':[0,1]}");
    level(rig);
    stop(rig);
    /* as after a crash between the commit and the marks */
    search_files_init(&files, rig->index, rig->vectors, FIXTURE_ORIGIN, FIXTURE_DIMS);
    assert_int_equal(search_files_open(&files, rig->store.seq, &fresh, &rig->err), 0);
    assert_false(fresh);
    const struct vector_row row = {.doc = 1, .vector_seq = 99, .model = 5};
    const float vector[FIXTURE_DIMS] = {1, 1};
    int64_t at;
    assert_int_equal(vector_file_append(files.vectors, &row, vector, false, &at, &rig->err), 0);
    assert_int_equal(search_index_begin(files.index, &rig->err), 0);
    assert_int_equal(search_index_set_row(files.index, 1, at, 99, &rig->err), 0);
    assert_int_equal(search_index_commit(files.index, rig->store.seq, &rig->err), 0);
    search_files_close(&files);
    assert_int_equal(search_files_open(&files, rig->store.seq, &fresh, &rig->err), 0);
    assert_false(fresh);
    assert_int_equal(vector_file_rows(files.vectors), 3);
    assert_int_equal(vector_file_dead(files.vectors), 1);
    search_files_deinit(&files);
    start(rig);
}

static void test_a_copy_of_vectors_that_is_hurried_leaves_all_as_it_was(void **state)
{
    enum { ROWS = 1600, DEAD = 1200 };
    struct rig *rig = *state;
    struct search_files files;
    const float vector[FIXTURE_DIMS] = {1, 1};
    bool fresh;

    stop(rig);
    search_files_init(&files, rig->index, rig->vectors, FIXTURE_ORIGIN, FIXTURE_DIMS);
    assert_int_equal(search_files_open(&files, rig->store.seq, &fresh, &rig->err), 0);
    for (int64_t i = 0; i < ROWS; i++) {
        const struct vector_row row = {.doc = i + 1, .vector_seq = (uint64_t)i + 1, .model = 5};
        int64_t at;
        assert_int_equal(vector_file_append(files.vectors, &row, vector, false, &at, &rig->err), 0);
    }
    vector_file_publish(files.vectors);
    for (uint64_t i = 0; i < DEAD; i++) {
        assert_int_equal(vector_file_mark(files.vectors, i, 0, &rig->err), 0);
    }
    uint64_t rows = vector_file_rows(files.vectors);
    atomic_store(&files.hurry, true);
    assert_int_equal(search_files_tidy(&files, &rig->err), -ECANCELED);
    assert_int_equal(vector_file_rows(files.vectors), rows);
    assert_int_equal(vector_file_dead(files.vectors), DEAD);
    assert_int_equal(search_files_sweep(&files, NULL, &rig->err), -ECANCELED);
    search_files_deinit(&files);
    start(rig);
}

static void test_a_damaged_index_is_found_out_by_a_search_and_made_anew(void **state)
{
    struct rig *rig = *state;
    char junk[4096], ids[512];

    for (int n = 0; n < 300; n++) {
        char id[16];
        snprintf(id, sizeof id, "m%d", n);
        put(rig, id, "{'content':'the same words in every memory, so that there are pages'}");
    }
    put(rig, "one", "{'content':'lighthouse'}");
    level(rig);
    stop(rig);
    memset(junk, 0xa5, sizeof junk);
    int fd = open(rig->index, O_WRONLY);
    off_t size = lseek(fd, 0, SEEK_END);
    for (off_t at = 4096; at < size; at += 4096) {
        assert_int_equal(pwrite(fd, junk, sizeof junk, at), sizeof junk);
    }
    close(fd);
    start(rig);
    const struct search_request request = request_of("lighthouse", NULL);
    int r;
    do { /* until it was found out and made again: it ends by that, or by the test's own end */
        search_indexer_await(rig->indexer, rig->store.seq, WAIT_MS);
        msgpack_sbuffer_clear(&rig->answer);
        r = searcher_run(rig->searcher, rig->reader, &request, &rig->answer, &rig->err);
        assert_true(r == 0 || r == SEARCH_E_UNAVAILABLE);
    } while (r != 0 || strcmp(found(rig, &request, ids), "one ") != 0);
    assert_sound(rig);
}

static void test_when_ranking_takes_too_long_the_newest_stand_for_the_best(void **state)
{
    struct rig *rig = *state;
    const struct reader_filter filter = {.limit = 3};
    const struct search_finding finding = {.expression = "\"tea\"", .filter = &filter};
    struct search_found hits[3];
    struct search_finder *finder;
    size_t count = 0;
    bool late = false;

    for (int n = 0; n < 1000; n++) {
        char id[16];
        snprintf(id, sizeof id, "m%d", n);
        put(rig, id, "{'content':'tea'}");
    }
    level(rig);
    assert_int_equal(search_finder_open(&finder, rig->index, &rig->err), 0);
    assert_int_equal(search_finder_find(finder, &finding, 3, hits, &count, &late, &rig->err), 0);
    assert_true(late);
    assert_int_equal(count, 3);
    assert_string_equal(hits[0].id, "m999");
    for (size_t i = 0; i < count; i++) {
        free(hits[i].id);
    }
    search_finder_close(finder);
}

/* What tells whose index it is stays whole: only opening it in full finds the damage. */
static void test_an_index_whose_documents_can_not_be_read_is_made_anew(void **state)
{
    struct rig *rig = *state;
    sqlite3_stmt *roots;
    sqlite3 *db;
    char junk[4096], ids[512];

    put(rig, "one", "{'content':'lighthouse'}");
    level(rig);
    stop(rig);
    memset(junk, 0xa5, sizeof junk);
    assert_int_equal(sqlite3_open(rig->index, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "PRAGMA wal_checkpoint(TRUNCATE)", NULL, NULL, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db,
                                        "SELECT rootpage FROM sqlite_schema WHERE tbl_name='doc'",
                                        -1, &roots, NULL),
                     SQLITE_OK);
    int fd = open(rig->index, O_WRONLY), damaged = 0;
    for (; sqlite3_step(roots) == SQLITE_ROW; damaged++) {
        off_t at = (off_t)(sqlite3_column_int64(roots, 0) - 1) * (off_t)sizeof junk;
        assert_int_equal(pwrite(fd, junk, sizeof junk, at), sizeof junk);
    }
    assert_true(damaged > 0);
    close(fd);
    sqlite3_finalize(roots);
    sqlite3_close(db);
    start(rig);
    level(rig);
    const struct search_request request = request_of("lighthouse", NULL);
    assert_string_equal(found(rig, &request, ids), "one ");
    assert_sound(rig);
}

/* ---- at the same time ---- */

struct asking {
    struct rig *rig;
    _Atomic bool stop;
    unsigned asked;
};

static void *ask_on(void *arg)
{
    struct asking *asking = arg;
    const float vector[FIXTURE_DIMS] = {1, 1};
    const struct search_request request = request_of("word7 turn", vector);
    msgpack_sbuffer answer;
    struct error err;

    msgpack_sbuffer_init(&answer);
    while (!asking->stop || asking->asked == 0) {
        msgpack_sbuffer_clear(&answer);
        if (searcher_run(asking->rig->searcher, asking->rig->reader, &request, &answer, &err) !=
            0) {
            break;
        }
        asking->asked++;
    }
    msgpack_sbuffer_destroy(&answer);
    return asking->stop ? NULL : arg;
}

static void test_searches_go_on_while_the_files_grow_and_are_copied(void **state)
{
    struct rig *rig = *state;
    struct asking asking = {.rig = rig};
    pthread_t thread;
    void *failed;

    level(rig);
    assert_int_equal(pthread_create(&thread, NULL, ask_on, &asking), 0);
    for (int turn = 0; turn < 15; turn++) {
        for (int n = 0; n < 150; n++) {
            char id[16], json[128];
            snprintf(id, sizeof id, "m%d", n);
            snprintf(json, sizeof json, "{'content':'word%d turn','embedding':[%d,%d]}", n, n + 1,
                     turn + 1);
            put(rig, id, json);
        }
        level(rig);
    }
    asking.stop = true;
    pthread_join(thread, &failed);
    assert_null(failed);
    assert_true(asking.asked > 0);
    assert_text(rig, "\"word7\"", "m7 ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_was_applied_is_found, setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_an_embedders_vector_is_compared_with_its_own_model_only, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_changes_leave_a_sound_index_and_few_dead_rows,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_an_index_of_another_store_is_thrown_away, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_rows_that_nobody_names_are_buried_at_the_next_start,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_copy_of_vectors_that_is_hurried_leaves_all_as_it_was,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_damaged_index_is_found_out_by_a_search_and_made_anew,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_when_ranking_takes_too_long_the_newest_stand_for_the_best, setup, teardown),
        cmocka_unit_test_setup_teardown(test_an_index_whose_documents_can_not_be_read_is_made_anew,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_searches_go_on_while_the_files_grow_and_are_copied,
                                        setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
