/* A good store is found good; each kind of damage is found, and told with the way on. */
#include "store_fixture.h"

#include "broker/util/error.h"

#include <errno.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int setup(void **state)
{
    struct fixture *f = malloc(sizeof *f);
    struct error err;

    fixture_init(f);
    fixture_put_json(f, "a", "{'content':'A','tags':['t'],'embedding':[1,2]}");
    fixture_put_json(f, "b", "{'content':'B'}");
    fixture_delete(f, "b");
    fixture_raise(f, &(struct alert){.id = fixture_text("x"),
                                     .rule = fixture_text("rapid-delete"),
                                     .severity = MEMFERRY_SEVERITY_WARNING,
                                     .count = 11});
    fixture_put_json(f, "e", "{'content':'E'}");
    fixture_embed(f, "e", "E", "nomic", 3, 4);
    assert_int_equal(store_begin(f->store, &err), 0);
    assert_int_equal(store_lane_ensure(f->store, "graph", LANE_SINK, &err), 0);
    assert_int_equal(store_commit(f->store, &err), 0);
    f->store = store_close(f->store);
    *state = f;
    return 0;
}

static void test_a_good_store_is_counted(void **state)
{
    struct fixture *f = *state;
    uint64_t memories, events, applied_seq;
    struct error err;

    assert_int_equal(store_verify(f->path, &memories, &events, &applied_seq, &err), 0);
    assert_int_equal(memories, 3);
    assert_int_equal(events, 5);
    assert_int_equal(applied_seq, 6);
}

static void test_each_kind_of_damage_is_found(void **state)
{
    static const char *const damages[] = {
        "UPDATE event SET state=x'80' WHERE seq=1",
        "UPDATE event SET state=(SELECT state FROM event WHERE seq=2) WHERE seq=3",
        "UPDATE memory SET version=2 WHERE id='a'",
        "UPDATE memory SET deleted_ms=NULL WHERE id='b'",
        "UPDATE memory SET content_hash=x'00' WHERE id='a'",
        "DELETE FROM memory WHERE id='b'",
        "DELETE FROM embedding",
        "UPDATE applied SET seq=5",
        "UPDATE lane SET cursor=7",
        "INSERT INTO memory_tag VALUES('t', 2)",
        "UPDATE alert SET seq=2",
        "UPDATE alert SET count=12",
        "UPDATE event SET state=x'80' WHERE seq=4",
        "DELETE FROM alert",
        "DELETE FROM embedding WHERE seq=6",
        "UPDATE embedding SET vector=x'00' WHERE seq=6",
        "UPDATE embedding SET vector=x'0000803f0000c07f' WHERE seq=6", /* 1, NaN */
        "UPDATE embedding SET dims=3 WHERE seq=6",
        "UPDATE embedding SET memory_id='b' WHERE seq=6",
        "UPDATE embedding SET memory_id='gone' WHERE seq=6",
        "UPDATE embedding SET content_hash=zeroblob(16) WHERE seq=6",
        "UPDATE embedding SET model='minilm' WHERE seq=6",
        "UPDATE embedding SET content_hash=zeroblob(16) WHERE seq=1",
        "UPDATE memory SET vector_seq=6 WHERE id='a'",
        "UPDATE memory SET vector_seq=0, embedding_model=NULL WHERE id='e'",
        "UPDATE memory SET vector_seq=0, embedding_model=NULL WHERE id='a'",
        "UPDATE memory SET embedding_model='caller' WHERE id='b'",
        "UPDATE applied SET embeddings=1",
        "INSERT INTO embedding(seq, memory_id, content_hash, model, dims, vector) "
        "SELECT 7, memory_id, content_hash, 'minilm', dims, vector FROM embedding WHERE seq=6; "
        "UPDATE applied SET embeddings=3",
        "UPDATE event SET state=NULL WHERE seq=5",
        "UPDATE event SET memory_number=2 WHERE seq=1",
        "UPDATE event SET memory_number=NULL WHERE seq=1",
        "INSERT INTO event_key VALUES(99, zeroblob(16), 1)",
        "UPDATE event SET op='put' WHERE seq=6",
        "UPDATE event SET event_id=CAST(x'36f81f' AS TEXT) WHERE seq=1",
        "UPDATE event SET reason=CAST(x'c0' AS TEXT) WHERE seq=3",
        "UPDATE memory SET session_id=CAST(x'ff' AS TEXT) WHERE id='a'",
        "INSERT INTO session(id,seq,started_ms,seen_ms) VALUES(CAST(x'eda080' AS TEXT),1,1,1)",
    };
    struct fixture *f = *state;
    char save[256], undo[256];
    uint64_t memories, events, applied_seq;
    struct error err;

    snprintf(save, sizeof save, "cp %s %s.good", f->path, f->path);
    snprintf(undo, sizeof undo, "cp %s.good %s", f->path, f->path);
    assert_int_equal(system(save), 0);
    for (size_t i = 0; i < sizeof damages / sizeof damages[0]; i++) {
        sqlite3 *db;
        assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db, damages[i], NULL, NULL, NULL), SQLITE_OK);
        sqlite3_close(db);
        if (store_verify(f->path, &memories, &events, &applied_seq, &err) != -EBADMSG) {
            fail_msg("not found: %s", damages[i]);
        }
        assert_non_null(strstr(err.text, "is damaged"));
        assert_non_null(strstr(err.text, f->path));
        assert_int_equal(system(undo), 0);
    }
    assert_int_equal(store_verify(f->path, &memories, &events, &applied_seq, &err), 0);
}

static void test_a_file_that_is_overwritten_is_found(void **state)
{
    struct fixture *f = *state;
    uint64_t memories, events, applied_seq;
    struct error err;

    FILE *file = fopen(f->path, "r+");
    fseek(file, 4096, SEEK_SET);
    for (int i = 0; i < 4096; i++) {
        fputc(0x5a, file);
    }
    fclose(file);
    assert_true(store_verify(f->path, &memories, &events, &applied_seq, &err) < 0);
    assert_non_null(strstr(err.text, "memferry recover"));
}

static void test_no_store_is_told(void **state)
{
    uint64_t memories, events, applied_seq;
    struct error err;

    (void)state;
    assert_true(store_verify("/nonexistent/memferry.db", &memories, &events, &applied_seq, &err) <
                0);
    assert_non_null(strstr(err.text, "/nonexistent/memferry.db"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_good_store_is_counted, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_each_kind_of_damage_is_found, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_a_file_that_is_overwritten_is_found, setup,
                                        fixture_teardown),
        cmocka_unit_test(test_no_store_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
