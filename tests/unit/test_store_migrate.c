/* A database as an earlier version made it opens, and holds what it held. The tables of each are
 * frozen here: they are never changed again. */
#include "store_fixture.h"

#include "broker/memory_state.h"
#include "broker/store_copy.h"
#include "broker/store_hash.h"

#include <fcntl.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char schema_1[] =
    "PRAGMA journal_mode=WAL;"
    "CREATE TABLE meta(name TEXT PRIMARY KEY, value ANY) STRICT, WITHOUT ROWID;"
    "CREATE TABLE applied(id INTEGER PRIMARY KEY CHECK(id=1), seq INTEGER NOT NULL,"
    " memories INTEGER NOT NULL, deleted INTEGER NOT NULL, events INTEGER NOT NULL,"
    " embeddings INTEGER NOT NULL) STRICT;"
    "CREATE TABLE event(seq INTEGER PRIMARY KEY, event_id TEXT, memory_id TEXT, op TEXT NOT NULL,"
    " session_id TEXT, at_ms INTEGER NOT NULL, peer_pid INTEGER, reason TEXT, state BLOB) STRICT;"
    "CREATE INDEX event_memory ON event(memory_id);"
    "CREATE TABLE memory(id TEXT PRIMARY KEY NOT NULL, version INTEGER NOT NULL,"
    " touched_seq INTEGER NOT NULL, created_ms INTEGER NOT NULL, updated_ms INTEGER NOT NULL,"
    " deleted_ms INTEGER, kind TEXT NOT NULL, session_id TEXT, content_hash BLOB NOT NULL,"
    " embedding_state TEXT NOT NULL) STRICT;"
    "CREATE INDEX memory_version ON memory(version);"
    "CREATE INDEX memory_touched ON memory(touched_seq);"
    "CREATE INDEX memory_kind ON memory(kind, version);"
    "CREATE INDEX memory_session ON memory(session_id, version) WHERE session_id IS NOT NULL;"
    "CREATE TABLE memory_tag(tag TEXT, version INTEGER, PRIMARY KEY(tag, version))"
    " STRICT, WITHOUT ROWID;"
    "CREATE TABLE embedding(seq INTEGER PRIMARY KEY, memory_id TEXT NOT NULL,"
    " content_hash BLOB NOT NULL, model TEXT NOT NULL, dims INTEGER NOT NULL,"
    " vector BLOB NOT NULL) STRICT;"
    "CREATE TABLE event_key(key BLOB PRIMARY KEY, seq INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE TABLE lane(name TEXT PRIMARY KEY, cursor INTEGER NOT NULL, paused INTEGER NOT NULL,"
    " delivered INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE TABLE deferred(lane TEXT, memory_id TEXT, due_ms INTEGER NOT NULL,"
    " attempts INTEGER NOT NULL, version INTEGER NOT NULL, reason TEXT, dead INTEGER NOT NULL,"
    " at_ms INTEGER NOT NULL, PRIMARY KEY(lane, memory_id)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX deferred_due ON deferred(lane, dead, due_ms);"
    "PRAGMA application_id=1835363686; PRAGMA user_version=1;"
    "INSERT INTO meta(name, value) VALUES('origin', '" FIXTURE_ORIGIN "'), ('dims', 2);"
    "INSERT INTO lane VALUES('graph', 4, 1, 3);"
    "INSERT INTO deferred VALUES('graph', 'plain', 5000, 2, 4, 'because', 0, 4000);";

/* What the second made of it. */
static const char schema_2[] =
    "ALTER TABLE lane ADD COLUMN kind TEXT NOT NULL DEFAULT 'sink';"
    "ALTER TABLE event ADD COLUMN effect INTEGER;"
    "CREATE INDEX event_session ON event(session_id) WHERE session_id IS NOT NULL;"
    "CREATE TABLE alert(id TEXT PRIMARY KEY NOT NULL, seq INTEGER NOT NULL, rule TEXT NOT NULL,"
    " severity TEXT NOT NULL, first_ms INTEGER NOT NULL, at_ms INTEGER NOT NULL, session_id TEXT,"
    " peer_pid INTEGER, peer_command TEXT, count INTEGER NOT NULL, sample_ids BLOB,"
    " statement TEXT, summary TEXT, undo TEXT, acked_ms INTEGER, acked_by TEXT,"
    " from_seq INTEGER, to_seq INTEGER, until_ms INTEGER) STRICT;"
    "CREATE UNIQUE INDEX alert_seq ON alert(seq);"
    "CREATE INDEX alert_open ON alert(seq) WHERE acked_ms IS NULL;"
    "ALTER TABLE embedding ADD COLUMN truncated INTEGER NOT NULL DEFAULT 0;"
    "CREATE INDEX embedding_memory ON embedding(memory_id, content_hash);"
    "ALTER TABLE memory ADD COLUMN vector_seq INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE memory ADD COLUMN embedding_model TEXT;"
    "UPDATE memory SET embedding_model='caller', vector_seq=coalesce((SELECT max(seq) FROM"
    " embedding WHERE memory_id=memory.id), 0) WHERE embedding_state='ready';"
    "ALTER TABLE memory DROP COLUMN embedding_state;"
    "CREATE TABLE session(id TEXT PRIMARY KEY NOT NULL, seq INTEGER NOT NULL, agent TEXT, cwd TEXT,"
    " pid INTEGER, pid_start INTEGER, boot_id TEXT, started_ms INTEGER NOT NULL,"
    " seen_ms INTEGER NOT NULL, ended_ms INTEGER, end_reason TEXT, end_note TEXT) STRICT;"
    "CREATE UNIQUE INDEX session_seq ON session(seq);"
    "CREATE INDEX session_open ON session(seq) WHERE ended_ms IS NULL;"
    "INSERT INTO session(id, seq, started_ms, seen_ms) SELECT session_id, min(seq), min(at_ms),"
    " max(at_ms) FROM event WHERE session_id IS NOT NULL GROUP BY session_id ORDER BY min(seq);"
    "PRAGMA user_version=2;";

/* And the third. */
static const char schema_3[] =
    "CREATE INDEX event_large ON event(seq) WHERE length(state)>33554432;"
    "PRAGMA user_version=3;";

/* One put or delete as the first release kept it. */
struct old_change {
    uint64_t seq;
    const char *id, *content;
    uint64_t vector_seq; /* in its state; 0: it has none */
    float vector[2];     /* that came with it, when vector_seq is seq */
    bool is_current;
    int64_t deleted_ms;
};

static const struct old_change changes[] = {
    {1, "two vectors", "one", 1, {1, 2}, false, 0}, {2, "two vectors", "one", 2, {3, 4}, true, 0},
    {3, "lost it", "one", 3, {5, 6}, false, 0},     {4, "plain", "one", 0, {0}, true, 0},
    {5, "lost it", "two", 0, {0}, true, 0},         {6, "deleted", "one", 6, {7, 8}, false, 0},
    {7, "deleted", "one", 6, {0}, true, 7000},
};

static sqlite3_stmt *prepared(sqlite3 *db, const char *text)
{
    sqlite3_stmt *statement;

    assert_int_equal(sqlite3_prepare_v2(db, text, -1, &statement, NULL), SQLITE_OK);
    return statement;
}

static void run(sqlite3_stmt *statement)
{
    assert_int_equal(sqlite3_step(statement), SQLITE_DONE);
    sqlite3_finalize(statement);
}

static void write_event(sqlite3 *db, const struct old_change *change)
{
    sqlite3_stmt *add = prepared(db, "INSERT INTO event(seq, memory_id, op, at_ms, state) "
                                     "VALUES(?1, ?2, ?3, ?1*1000, ?4)");
    struct memory_state state;
    msgpack_sbuffer bytes;

    memory_state_init(&state);
    state.content = fixture_text(change->content);
    state.created_ms = state.updated_ms = (int64_t)change->seq * 1000;
    state.deleted_ms = change->deleted_ms;
    state.version = change->seq;
    state.stamp_us = (int64_t)change->seq * 1000000;
    state.origin = fixture_text(FIXTURE_ORIGIN);
    state.vector_seq = change->vector_seq;
    if (change->vector_seq != 0) {
        state.embedding_state = MEMFERRY_EMBEDDING_READY;
        state.embedding_model = fixture_text("caller");
    }
    msgpack_sbuffer_init(&bytes);
    assert_int_equal(memory_state_encode(&state, &bytes), 0);
    sqlite3_bind_int64(add, 1, (int64_t)change->seq);
    sqlite3_bind_text(add, 2, change->id, -1, SQLITE_STATIC);
    sqlite3_bind_text(add, 3, change->deleted_ms != 0 ? "delete" : "put", -1, SQLITE_STATIC);
    sqlite3_bind_blob64(add, 4, bytes.data, bytes.size, SQLITE_STATIC);
    run(add);
    msgpack_sbuffer_destroy(&bytes);
}

static void write_change(sqlite3 *db, const struct old_change *change)
{
    struct event_text content = fixture_text(change->content);
    uint8_t hash[CONTENT_HASH_SIZE];

    store_hash_content(&content, hash);
    write_event(db, change);
    if (change->is_current) {
        sqlite3_stmt *add = prepared(db, "INSERT INTO memory VALUES(?1, ?2, ?2, ?2*1000, ?2*1000, "
                                         "nullif(?3, 0), 'note', NULL, ?4, ?5)");
        sqlite3_bind_text(add, 1, change->id, -1, SQLITE_STATIC);
        sqlite3_bind_int64(add, 2, (int64_t)change->seq);
        sqlite3_bind_int64(add, 3, change->deleted_ms);
        sqlite3_bind_blob(add, 4, hash, sizeof hash, SQLITE_STATIC);
        sqlite3_bind_text(add, 5, change->vector_seq != 0 ? "ready" : "none", -1, SQLITE_STATIC);
        run(add);
    }
    if (change->vector_seq == change->seq) {
        sqlite3_stmt *add =
            prepared(db, "INSERT INTO embedding VALUES(?1, ?2, ?3, 'caller', 2, ?4)");
        sqlite3_bind_int64(add, 1, (int64_t)change->seq);
        sqlite3_bind_text(add, 2, change->id, -1, SQLITE_STATIC);
        sqlite3_bind_blob(add, 3, hash, sizeof hash, SQLITE_STATIC);
        sqlite3_bind_blob(add, 4, change->vector, sizeof change->vector, SQLITE_STATIC);
        run(add);
    }
}

static void write_old_store(const char *path, int schema)
{
    sqlite3 *db;

    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, schema_1, NULL, NULL, NULL), SQLITE_OK);
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        write_change(db, &changes[i]);
    }
    run(prepared(db, "UPDATE event SET session_id='s' WHERE seq IN (2, 3, 5)"));
    run(prepared(db, "INSERT INTO applied VALUES(1, 7, 3, 1, 7, 4)"));
    if (schema >= 2) {
        assert_int_equal(sqlite3_exec(db, schema_2, NULL, NULL, NULL), SQLITE_OK);
    }
    if (schema >= 3) {
        assert_int_equal(sqlite3_exec(db, schema_3, NULL, NULL, NULL), SQLITE_OK);
    }
    sqlite3_close(db);
}

/* A fixture whose store is an old one, opened anew. */
static int setup_with(void **state, int schema)
{
    struct fixture *f;

    fixture_setup(state);
    f = *state;
    f->store = store_close(f->store);
    assert_int_equal(unlink(f->path), 0);
    write_old_store(f->path, schema);
    fixture_reopen(f);
    f->seq = 7;
    return 0;
}

static int setup_1(void **state)
{
    return setup_with(state, 1);
}

static int setup_2(void **state)
{
    return setup_with(state, 2);
}

static int setup_3(void **state)
{
    return setup_with(state, 3);
}

static void assert_embedding(struct fixture *f, const char *id, uint64_t version,
                             const char *expected)
{
    const char *text = fixture_get(f, id, version);

    assert_non_null(text);
    assert_string_equal(strstr(text, "'embedding_state'"), expected);
}

static void assert_whole(struct fixture *f, uint64_t expected_memories)
{
    uint64_t memories, events, applied_seq;
    struct error err = {0};

    if (store_verify(f->path, &memories, &events, &applied_seq, &err) != 0) {
        fail_msg("store_verify: %s", err.text);
    }
    assert_int_equal(memories, expected_memories);
    assert_int_equal(applied_seq, f->seq);
}

static void test_an_old_store_is_whole_after_it_was_opened(void **state)
{
    struct fixture *f = *state;

    assert_false(store_is_new(f->store));
    assert_int_equal(store_applied_seq(f->store), 7);
    assert_whole(f, 4);
    fixture_reopen(f);
    assert_whole(f, 4);
}

static void assert_backup_is_brought_up_to_date(struct fixture *f, int schema)
{
    struct store_contents contents;
    uint64_t memories, events, applied_seq;
    int64_t stamp_us;
    struct error err = {0};
    char old[128], copy[128];

    snprintf(old, sizeof old, "%s/old-%d.db", f->dir, schema);
    write_old_store(old, schema);
    snprintf(copy, sizeof copy, "%s/copy-%d.db", f->dir, schema);
    close(open(copy, O_WRONLY | O_CREAT | O_EXCL, 0600));
    assert_true(store_contents_read(old, &contents, &err) < 0);
    assert_non_null(strstr(err.text, "older memferry"));
    assert_int_equal(store_copy(old, copy, NULL, &contents, &err), 0);
    assert_int_equal(store_copy_migrate(copy, &err), 0);
    if (store_verify(copy, &memories, &events, &applied_seq, &err) != 0) {
        fail_msg("store_verify: %s", err.text);
    }
    assert_int_equal(memories, 4);
    assert_int_equal(applied_seq, 7);
    assert_int_equal(store_newest_stamp(copy, &stamp_us, &err), 0);
    assert_true(stamp_us > 0);
}

static void test_an_old_backup_is_whole_after_it_was_brought_up_to_date(void **state)
{
    assert_backup_is_brought_up_to_date(*state, 1);
    assert_backup_is_brought_up_to_date(*state, 2);
    assert_backup_is_brought_up_to_date(*state, 3);
}

static void test_an_old_store_shows_every_vector_it_had(void **state)
{
    struct fixture *f = *state;

    assert_embedding(f, "two vectors", 0,
                     "'embedding_state':'ready','embedding_model':'caller','embedding':[3,4]}");
    assert_embedding(f, "two vectors", 1,
                     "'embedding_state':'ready','embedding_model':'caller','embedding':[1,2]}");
    assert_embedding(f, "lost it", 0, "'embedding_state':'none'}");
    assert_embedding(f, "lost it", 3,
                     "'embedding_state':'ready','embedding_model':'caller','embedding':[5,6]}");
    assert_embedding(f, "plain", 0, "'embedding_state':'none'}");
    assert_embedding(f, "deleted", 0,
                     "'embedding_state':'ready','embedding_model':'caller','embedding':[7,8]}");
}

static void test_an_old_store_goes_on(void **state)
{
    struct fixture *f = *state;
    struct reader_lane lane;
    struct error err;

    assert_int_equal(fixture_embed(f, "plain", "one", "nomic", 1, 2).outcome, APPLY_CHANGED);
    assert_int_equal(fixture_embed(f, "two vectors", "one", "nomic", 1, 2).outcome,
                     APPLY_DUPLICATE);
    fixture_put_json(f, "two vectors", "{'embedding':[3,4]}"); /* the same: no new row */
    fixture_put_json(f, "new", "{'content':'three','tags':['t']}");
    assert_embedding(f, "plain", 0,
                     "'embedding_state':'ready','embedding_model':'nomic','embedding':[1,2]}");
    assert_int_equal(reader_lane(fixture_reader(f), "graph", &lane, &err), 0);
    assert_true(lane.exists && lane.paused && lane.kind == LANE_SINK);
    assert_int_equal(lane.cursor, 4);
    assert_int_equal(lane.delivered, 3);
    assert_int_equal(lane.deferred, 1);
    assert_whole(f, 5);
}

static void test_an_old_store_knows_the_sessions_of_its_events(void **state)
{
    struct fixture *f = *state;
    struct error err = {0};

    assert_int_equal(reader_session(fixture_reader(f), "s", &f->answer, &err), 0);
    assert_string_equal(fixture_json(f),
                        "{'id':'s','agent':nil,'cwd':nil,'pid':nil,'started_ms':2000,"
                        "'seen_ms':5000,'ended_ms':nil,'end_reason':nil,'end_note':nil}");
}

static void make_larger(const char *path, const char *id, size_t size)
{
    sqlite3 *db;

    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    sqlite3_stmt *set = prepared(db, "UPDATE event SET state=zeroblob(?1) WHERE memory_id=?2");
    sqlite3_bind_int64(set, 1, (int64_t)size);
    sqlite3_bind_text(set, 2, id, -1, SQLITE_STATIC);
    run(set);
    sqlite3_close(db);
}

static void note(void *arg, const struct event_text *id)
{
    strncat(arg, id->data, id->size);
    strcat(arg, ";");
}

static void test_what_is_large_in_an_old_store_is_known(void **state)
{
    struct fixture *f = *state;
    char large[256] = "";
    struct error err;

    for (int schema = 1; schema <= 3; schema++) {
        f->store = store_close(f->store);
        assert_int_equal(unlink(f->path), 0);
        write_old_store(f->path, schema);
        make_larger(f->path, "plain", MEMORY_STATE_LARGE + 1);
        make_larger(f->path, "deleted", MEMORY_STATE_LARGE);
        fixture_reopen(f);
        assert_int_equal(store_large_memories(f->store, note, large, &err), 0);
    }
    assert_string_equal(large, "plain;plain;plain;");
}

static struct apply_result put_once(struct fixture *f, const char *id)
{
    struct apply_result result;
    struct fields fields;

    fields_init(&fields, "{'content':'one'}");
    struct event event = fixture_put(id, &fields);
    event.event_id = fixture_text("once");
    assert_int_equal(fixture_apply(f, &event, &result), 0);
    fields_deinit(&fields);
    return result;
}

/* As the third release kept it: without the memory that it belongs to. */
static void add_old_key(sqlite3 *db, const void *key, uint64_t seq)
{
    sqlite3_stmt *add = prepared(db, "INSERT INTO event_key VALUES(?1, ?2)");

    sqlite3_bind_blob(add, 1, key, CONTENT_HASH_SIZE, SQLITE_STATIC);
    sqlite3_bind_int64(add, 2, (int64_t)seq);
    run(add);
}

static void read_key(sqlite3 *db, uint64_t seq, void *ret)
{
    sqlite3_stmt *find = prepared(db, "SELECT key FROM event_key WHERE seq=?1");

    sqlite3_bind_int64(find, 1, (int64_t)seq);
    assert_int_equal(sqlite3_step(find), SQLITE_ROW);
    memcpy(ret, sqlite3_column_blob(find, 0), CONTENT_HASH_SIZE);
    sqlite3_finalize(find);
}

static void test_a_repeat_is_found_in_an_old_store_though_its_event_was_pruned(void **state)
{
    struct fixture *f = *state;
    uint8_t kept[CONTENT_HASH_SIZE], pruned[CONTENT_HASH_SIZE];
    sqlite3 *db;

    uint64_t kept_seq = put_once(f, "plain").seq, pruned_seq = put_once(f, "two vectors").seq;
    f->store = store_close(f->store);
    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    read_key(db, kept_seq, kept);
    read_key(db, pruned_seq, pruned);
    sqlite3_close(db);
    assert_int_equal(unlink(f->path), 0);
    write_old_store(f->path, 3);
    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    add_old_key(db, kept, 4);
    add_old_key(db, pruned, 1);
    run(prepared(db, "DELETE FROM event WHERE seq=1"));
    sqlite3_close(db);
    fixture_reopen(f);
    f->seq = 7;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(put_once(f, "plain").outcome, APPLY_DUPLICATE);
        assert_int_equal(put_once(f, "plain").seq, 4);
        assert_int_equal(put_once(f, "two vectors").outcome, APPLY_DUPLICATE);
        assert_int_equal(put_once(f, "two vectors").seq, 1);
    }
}

#define MIGRATE_TEST(name)                                                                         \
    {#name " from 1", name, setup_1, fixture_teardown, NULL},                                      \
        {#name " from 2", name, setup_2, fixture_teardown, NULL},                                  \
    {                                                                                              \
#name " from 3", name, setup_3, fixture_teardown, NULL                                     \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        MIGRATE_TEST(test_an_old_store_is_whole_after_it_was_opened),
        MIGRATE_TEST(test_an_old_store_shows_every_vector_it_had),
        MIGRATE_TEST(test_an_old_backup_is_whole_after_it_was_brought_up_to_date),
        MIGRATE_TEST(test_an_old_store_knows_the_sessions_of_its_events),
        MIGRATE_TEST(test_an_old_store_goes_on),
        cmocka_unit_test_setup_teardown(
            test_a_repeat_is_found_in_an_old_store_though_its_event_was_pruned, fixture_setup,
            fixture_teardown),
        cmocka_unit_test_setup_teardown(test_what_is_large_in_an_old_store_is_known, setup_1,
                                        fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
