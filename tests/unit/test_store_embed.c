/* An embedder's vectors: which content they are for, whose place they take, and what readers and
 * lanes are told. */
#include "store_fixture.h"

#include "broker/event_embed.h"
#include "broker/store_hash.h"
#include "broker/store_recent.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NO_BYTES_MAX ((size_t)64 << 20)

static void assert_contains(const char *text, const char *part)
{
    if (text == NULL || strstr(text, part) == NULL) {
        fail_msg("%s is not in %s", part, text == NULL ? "nothing" : text);
    }
}

static void assert_embedding(struct fixture *f, const char *id, uint64_t version,
                             const char *expected)
{
    const char *text = fixture_get(f, id, version);

    assert_contains(text, "'embedding_state'");
    assert_string_equal(strstr(text, "'embedding_state'"), expected);
}

#define NONE    "'embedding_state':'none'}"
#define PENDING "'embedding_state':'pending'}"
#define READY(model, vector)                                                                       \
    "'embedding_state':'ready','embedding_model':'" model "','embedding':" vector "}"

static int64_t number(struct fixture *f, const char *text)
{
    sqlite3_stmt *statement;
    sqlite3 *db;

    assert_int_equal(sqlite3_open_v2(f->path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, text, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    int64_t found = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return found;
}

static struct reader_counts counts(struct fixture *f)
{
    struct reader_counts counts;
    struct error err;

    assert_int_equal(reader_counts(fixture_reader(f), &counts, &err), 0);
    assert_int_equal(counts.embeddings, number(f, "SELECT count(*) FROM embedding"));
    return counts;
}

static void verify(struct fixture *f)
{
    uint64_t memories, events, applied_seq;
    struct error err = {0};

    if (store_verify(f->path, &memories, &events, &applied_seq, &err) != 0) {
        fail_msg("store_verify: %s", err.text);
    }
}

/* ---- what an embed does ---- */

static void test_a_vector_comes_to_its_content_and_leaves_the_version(void **state)
{
    struct fixture *f = *state;

    fixture_put_json(f, "m", "{'content':'one'}");
    struct apply_result result = fixture_embed(f, "m", "one", "nomic", 1, 2);
    assert_int_equal(result.outcome, APPLY_CHANGED);
    assert_int_equal(result.seq, 2);
    assert_int_equal(result.version, 1);
    assert_string_equal(fixture_get(f, "m", 0),
                        "{'id':'m','content':'one','kind':'note','tags':[],'props':{},"
                        "'created_ms':1000,'updated_ms':1000,'version':1,'stamp':1000000,"
                        "'origin':'" FIXTURE_ORIGIN "'," READY("nomic", "[1,2]"));
    assert_embedding(f, "m", 1, READY("nomic", "[1,2]"));
    assert_int_equal(counts(f).events, 2);
    assert_int_equal(number(f, "SELECT op='embed' AND state IS NULL FROM event WHERE seq=2"), 1);
    verify(f);
}

static void test_an_embed_is_no_version(void **state)
{
    struct fixture *f = *state;
    struct error err;

    fixture_put_json(f, "m", "{'content':'one'}");
    fixture_embed(f, "m", "one", "nomic", 1, 2);
    assert_null(fixture_get(f, "m", 2));
    msgpack_sbuffer_clear(&f->answer);
    assert_int_equal(reader_history(fixture_reader(f), "m", 10, &f->answer, &err), 0);
    assert_string_equal(fixture_json(f), "{'versions':[{'version':1,'op':'put','at_ms':1000}]}");
}

static void test_a_vector_for_content_that_is_gone_changes_nothing(void **state)
{
    struct fixture *f = *state;

    fixture_put_json(f, "m", "{'content':'one'}");
    fixture_put_json(f, "m", "{'content':'two'}");
    struct apply_result result = fixture_embed(f, "m", "one", "nomic", 1, 2);
    assert_int_equal(result.outcome, APPLY_DUPLICATE);
    assert_int_equal(result.version, 2);
    assert_embedding(f, "m", 0, NONE);
    assert_int_equal(fixture_embed(f, "never", "one", "nomic", 1, 2).outcome, APPLY_NOT_FOUND);
    assert_int_equal(counts(f).embeddings, 0);
    assert_int_equal(counts(f).events, 2);
    assert_int_equal(store_applied_seq(f->store), 4);
    verify(f);
}

static void test_a_callers_vector_is_never_replaced(void **state)
{
    struct fixture *f = *state;

    fixture_put_json(f, "m", "{'content':'one','embedding':[1,2]}");
    assert_int_equal(fixture_embed(f, "m", "one", "nomic", 3, 4).outcome, APPLY_DUPLICATE);
    assert_embedding(f, "m", 0, READY("caller", "[1,2]"));
    assert_int_equal(counts(f).embeddings, 1);
}

static void test_a_caller_may_replace_an_embedders_vector_and_take_its_own_back(void **state)
{
    struct fixture *f = *state;

    fixture_put_json(f, "m", "{'content':'one'}");
    fixture_embed(f, "m", "one", "nomic", 1, 2);
    fixture_put_json(f, "m", "{'embedding':[3,4]}");
    assert_embedding(f, "m", 0, READY("caller", "[3,4]"));
    assert_embedding(f, "m", 1, READY("nomic", "[1,2]"));
    fixture_put_json(f, "m", "{'embedding':null}");
    assert_embedding(f, "m", 0, READY("nomic", "[1,2]"));
    fixture_put_json(f, "m", "{'embedding':null}"); /* an embedder's is not a caller's to drop */
    assert_embedding(f, "m", 0, READY("nomic", "[1,2]"));
    assert_embedding(f, "m", 3, READY("caller", "[3,4]"));
    verify(f);
}

static void test_another_models_vector_takes_the_place_of_the_old(void **state)
{
    struct fixture *f = *state;

    fixture_put_json(f, "m", "{'content':'one'}");
    fixture_embed(f, "m", "one", "nomic", 1, 2);
    assert_int_equal(fixture_embed(f, "m", "one", "minilm", 3, 4).outcome, APPLY_CHANGED);
    assert_embedding(f, "m", 0, READY("minilm", "[3,4]"));
    assert_embedding(f, "m", 1, READY("minilm", "[3,4]"));
    assert_int_equal(counts(f).embeddings, 1);
    verify(f);
}

static void test_the_same_vector_again_changes_nothing(void **state)
{
    struct fixture *f = *state;

    fixture_put_json(f, "m", "{'content':'one'}");
    fixture_embed(f, "m", "one", "nomic", 1, 2);
    assert_int_equal(fixture_embed(f, "m", "one", "nomic", 1, 2).outcome, APPLY_DUPLICATE);
    assert_int_equal(number(f, "SELECT touched_seq FROM memory"), 2);
    assert_int_equal(fixture_embed(f, "m", "one", "nomic", 1, 3).outcome, APPLY_CHANGED);
    assert_embedding(f, "m", 0, READY("nomic", "[1,3]"));
    assert_int_equal(counts(f).embeddings, 1);
}

static void test_content_that_comes_back_has_its_vector_again(void **state)
{
    struct fixture *f = *state;

    fixture_put_json(f, "m", "{'content':'one'}");
    fixture_embed(f, "m", "one", "nomic", 1, 2);
    fixture_put_json(f, "m", "{'content':'two'}");
    assert_embedding(f, "m", 0, NONE);
    assert_embedding(f, "m", 1, READY("nomic", "[1,2]"));
    fixture_put_json(f, "m", "{'content':'one'}");
    assert_embedding(f, "m", 0, READY("nomic", "[1,2]"));
    fixture_put_json(f, "other", "{'content':'one'}"); /* a vector is one memory's own */
    assert_embedding(f, "other", 0, NONE);
    assert_int_equal(counts(f).embeddings, 1);
    verify(f);
}

static void restore(struct fixture *f, const char *id, uint64_t version)
{
    struct apply_result result;
    msgpack_sbuffer fields;
    msgpack_packer out;

    msgpack_sbuffer_init(&fields);
    msgpack_packer_init(&out, &fields, msgpack_sbuffer_write);
    msgpack_pack_map(&out, 1);
    msgpack_pack_str_with_body(&out, "version", 7);
    msgpack_pack_uint64(&out, version);
    struct event event = {.op = EVENT_RESTORE,
                          .memory_id = fixture_text(id),
                          .fields = (const uint8_t *)fields.data,
                          .fields_size = fields.size};
    assert_int_equal(fixture_apply(f, &event, &result), 0);
    assert_int_equal(result.outcome, APPLY_CHANGED);
    msgpack_sbuffer_destroy(&fields);
}

static void test_a_restored_version_has_its_vector_again(void **state)
{
    struct fixture *f = *state;

    fixture_put_json(f, "m", "{'content':'one'}");
    fixture_embed(f, "m", "one", "nomic", 1, 2);
    fixture_put_json(f, "m", "{'content':'two','embedding':[3,4]}");
    fixture_put_json(f, "m", "{'content':'three'}");
    restore(f, "m", 1);
    assert_embedding(f, "m", 0, READY("nomic", "[1,2]"));
    restore(f, "m", 3);
    assert_embedding(f, "m", 0, READY("caller", "[3,4]"));
    restore(f, "m", 4);
    assert_embedding(f, "m", 0, NONE);
    verify(f);
}

static void test_a_change_of_other_fields_keeps_the_vector(void **state)
{
    struct fixture *f = *state;

    fixture_put_json(f, "m", "{'content':'one'}");
    fixture_embed(f, "m", "one", "nomic", 1, 2);
    fixture_put_json(f, "m", "{'content':'one','tags':['t']}");
    fixture_delete(f, "m");
    assert_embedding(f, "m", 3, READY("nomic", "[1,2]"));
    assert_embedding(f, "m", 0, READY("nomic", "[1,2]"));
    fixture_put_json(f, "m", "{'kind':'fact'}");
    assert_embedding(f, "m", 0, READY("nomic", "[1,2]"));
    verify(f);
}

static void test_a_new_vector_survives_a_restart(void **state)
{
    struct fixture *f = *state;

    fixture_put_json(f, "m", "{'content':'one'}");
    fixture_embed(f, "m", "one", "nomic", 1, 2);
    fixture_reopen(f);
    assert_embedding(f, "m", 0, READY("nomic", "[1,2]"));
    fixture_put_json(f, "m", "{'kind':'fact'}");
    assert_embedding(f, "m", 0, READY("nomic", "[1,2]"));
}

static void test_an_embed_that_is_none_of_ours_is_refused(void **state)
{
    static const struct {
        size_t hash_size;
        const char *model;
        float floats[3];
        size_t dims;
    } bad[] = {{15, "nomic", {1, 2}, 2},        {16, "caller", {1, 2}, 2},   {16, "", {1, 2}, 2},
               {16, "nomic", {1, INFINITY}, 2}, {16, "nomic", {1, 2, 3}, 3}, {16, "nomic", {1}, 1}};
    struct fixture *f = *state;
    struct event_text content = fixture_text("one");
    uint8_t hash[CONTENT_HASH_SIZE];
    struct apply_result result;

    fixture_put_json(f, "m", "{'content':'one'}");
    store_hash_content(&content, hash);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        msgpack_sbuffer fields;
        msgpack_packer out;
        msgpack_sbuffer_init(&fields);
        msgpack_packer_init(&out, &fields, msgpack_sbuffer_write);
        msgpack_pack_map(&out, 3);
        msgpack_pack_str_with_body(&out, "content_hash", 12);
        msgpack_pack_bin_with_body(&out, hash, bad[i].hash_size);
        msgpack_pack_str_with_body(&out, "model", 5);
        msgpack_pack_str_with_body(&out, bad[i].model, strlen(bad[i].model));
        msgpack_pack_str_with_body(&out, "embedding", 9);
        msgpack_pack_bin_with_body(&out, bad[i].floats, bad[i].dims * sizeof(float));
        struct event event = {.op = EVENT_EMBED,
                              .memory_id = fixture_text("m"),
                              .fields = (const uint8_t *)fields.data,
                              .fields_size = fields.size};
        assert_int_equal(fixture_apply(f, &event, &result), STORE_E_EVENT);
        msgpack_sbuffer_destroy(&fields);
    }
    assert_embedding(f, "m", 0, NONE);
}

static void test_a_model_that_is_no_embedders_is_not_packed(void **state)
{
    char long_model[EMBEDDING_MODEL_MAX + 2];
    float floats[2] = {1, 2};
    struct event_embed embed = {.content_hash = (const uint8_t *)"0123456789abcdef",
                                .vector = {.data = (uint8_t *)floats, .size = sizeof floats}};
    msgpack_sbuffer out;

    (void)state;
    memset(long_model, 'm', sizeof long_model);
    long_model[sizeof long_model - 1] = '\0';
    msgpack_sbuffer_init(&out);
    embed.model = fixture_text("caller");
    assert_int_equal(event_embed_pack(&embed, &out), -EINVAL);
    embed.model = fixture_text(long_model);
    assert_int_equal(event_embed_pack(&embed, &out), -EINVAL);
    embed.model.size--;
    assert_int_equal(event_embed_pack(&embed, &out), 0);
    struct event_embed found;
    assert_int_equal(event_embed_read((const uint8_t *)out.data, out.size, &found), 0);
    assert_int_equal(found.model.size, EMBEDDING_MODEL_MAX);
    for (size_t size = 0; size < out.size; size++) {
        assert_int_equal(event_embed_read((const uint8_t *)out.data, size, &found), -EBADMSG);
    }
    msgpack_sbuffer_destroy(&out);
}

/* ---- the state that is told ---- */

static void test_pending_is_what_an_embedder_will_make(void **state)
{
    struct fixture *f = *state;

    fixture_put_json(f, "m", "{'content':'one'}");
    fixture_put_json(f, "m", "{'content':'two'}");
    assert_embedding(f, "m", 0, NONE);
    assert_true(fixture_set_embedder(f, "vectors", "nomic"));
    assert_embedding(f, "m", 0, PENDING);
    assert_embedding(f, "m", 2, PENDING);
    assert_embedding(f, "m", 1, NONE); /* content that is gone is not embedded */
    fixture_delete(f, "m");
    assert_embedding(f, "m", 0, NONE);
    assert_embedding(f, "m", 2, NONE);
    fixture_put_json(f, "m", "{'kind':'fact'}");
    assert_embedding(f, "m", 2, PENDING);
    fixture_embed(f, "m", "two", "nomic", 1, 2);
    assert_embedding(f, "m", 2, READY("nomic", "[1,2]"));
    assert_true(fixture_set_embedder(f, "vectors", NULL));
    assert_embedding(f, "m", 1, NONE);
}

static void test_lists_and_batches_tell_the_same_state(void **state)
{
    struct fixture *f = *state;
    struct reader_filter filter = {.limit = 10, .embedding = true};
    struct reader_batch *batch;
    struct error err;

    fixture_put_json(f, "a", "{'content':'A'}");
    fixture_put_json(f, "b", "{'content':'B'}");
    fixture_put_json(f, "c", "{'content':'C','embedding':[5,6]}");
    fixture_embed(f, "a", "A", "nomic", 1, 2);
    fixture_set_embedder(f, "vectors", "nomic");
    msgpack_sbuffer_clear(&f->answer);
    assert_int_equal(reader_list(fixture_reader(f), &filter, &f->answer, &err), 0);
    const char *text = fixture_json(f);
    assert_contains(text, "'content':'A'");
    assert_contains(strstr(text, "'content':'A'"), READY("nomic", "[1,2]"));
    assert_contains(text, PENDING);
    assert_contains(text, READY("caller", "[5,6]"));
    assert_int_equal(
        reader_batch_after(fixture_reader(f), "graph", 0, 10, NO_BYTES_MAX, &batch, &err), 0);
    const struct memferry_memory *memories = reader_batch_memories(batch);
    assert_int_equal(reader_batch_count(batch), 3);
    assert_int_equal(memories[0].embedding_state, MEMFERRY_EMBEDDING_READY);
    assert_string_equal(memories[0].embedding_model.data, "nomic");
    assert_true(memories[0].dims == 2 && memories[0].embedding[1] == 2.0f);
    assert_int_equal(memories[0].version, 1);
    assert_int_equal(memories[1].embedding_state, MEMFERRY_EMBEDDING_PENDING);
    assert_null(memories[1].embedding);
    assert_string_equal(memories[1].embedding_model.data, "");
    assert_string_equal(memories[2].embedding_model.data, "caller");
    reader_batch_free(batch);
}

static void test_a_new_vector_is_delivered_to_who_was_past_the_memory(void **state)
{
    struct fixture *f = *state;
    struct reader_batch *batch;
    struct error err;

    fixture_put_json(f, "m", "{'content':'one'}");
    fixture_embed(f, "m", "one", "nomic", 1, 2);
    assert_int_equal(
        reader_batch_after(fixture_reader(f), "graph", 1, 10, NO_BYTES_MAX, &batch, &err), 0);
    assert_int_equal(reader_batch_count(batch), 1);
    assert_int_equal(reader_batch_items(batch)[0].seq, 2);
    assert_int_equal(reader_batch_memories(batch)[0].version, 1);
    assert_int_equal(reader_batch_memories(batch)[0].stamp, 1000000);
    assert_int_equal(reader_batch_cursor(batch), 2);
    reader_batch_free(batch);
}

/* ---- what an embedder is given ---- */

/* Its ids and its cursor; frees the batch. */
static void assert_batch(struct reader_batch *batch, const char *expected_ids, uint64_t cursor)
{
    char ids[1024] = "";

    for (size_t i = 0; i < reader_batch_count(batch); i++) {
        strcat(strcat(ids, reader_batch_items(batch)[i].id), " ");
    }
    assert_string_equal(ids, expected_ids);
    assert_int_equal(reader_batch_cursor(batch), cursor);
    reader_batch_free(batch);
}

static struct reader_batch *embed_batch(struct fixture *f, uint64_t cursor, const char *model,
                                        size_t max)
{
    struct reader_batch *batch;
    struct error err;

    assert_int_equal(reader_batch_embed(fixture_reader(f), "vectors", cursor, model, max,
                                        NO_BYTES_MAX, &batch, &err),
                     0);
    return batch;
}

static void test_an_embedder_is_given_what_needs_a_vector(void **state)
{
    struct fixture *f = *state;

    fixture_set_embedder(f, "vectors", "nomic");
    fixture_put_json(f, "deleted", "{'content':'D'}");
    fixture_delete(f, "deleted");
    fixture_put_json(f, "caller", "{'content':'C','embedding':[1,2]}");
    fixture_put_json(f, "old", "{'content':'O'}");
    fixture_embed(f, "old", "O", "minilm", 1, 2);
    fixture_put_json(f, "done", "{'content':'V'}");
    fixture_embed(f, "done", "V", "nomic", 1, 2);
    fixture_put_json(f, "new", "{'content':'N'}");
    fixture_put_json(f, "last", "{'content':'L'}");
    fixture_embed(f, "last", "L", "nomic", 1, 2);
    assert_batch(embed_batch(f, 0, "nomic", 10), "new old ", 10);
    assert_batch(embed_batch(f, 0, "nomic", 1), "old ", 5);
    assert_batch(embed_batch(f, 8, "nomic", 10), "", 10);
    assert_batch(embed_batch(f, 0, "minilm", 10), "done last new ", 10);
    struct reader_batch *batch = embed_batch(f, 0, "nomic", 10);
    struct event_text content = fixture_text("N");
    uint8_t hash[CONTENT_HASH_SIZE];
    store_hash_content(&content, hash);
    assert_string_equal(reader_batch_memories(batch)[0].content.data, "N");
    assert_memory_equal(reader_batch_items(batch)[0].content_hash, hash, sizeof hash);
    assert_false(reader_batch_items(batch)[0].satisfied);
    assert_int_equal(reader_batch_memories(batch)[0].embedding_state, MEMFERRY_EMBEDDING_PENDING);
    reader_batch_free(batch);
}

static void defer(struct fixture *f, const char *id, bool dead)
{
    char name[16], reason[] = "because";
    struct lane_row row = {.memory_id = name,
                           .action = dead ? LANE_ROW_DEAD : LANE_ROW_DEFER,
                           .due_ms = 5,
                           .attempts = 2,
                           .version = 1,
                           .reason = reason};
    struct error err;

    snprintf(name, sizeof name, "%s", id);
    assert_int_equal(store_begin(f->store, &err), 0);
    assert_int_equal(store_lane_progress(f->store, "vectors", f->seq, &row, 1, 0, &err), 0);
    assert_int_equal(store_commit(f->store, &err), 0);
}

static void test_what_is_deferred_is_given_again_and_told_when_it_is_satisfied(void **state)
{
    struct fixture *f = *state;
    struct reader_batch *batch;
    int64_t next_due_ms;
    struct error err;

    fixture_set_embedder(f, "vectors", "nomic");
    fixture_put_json(f, "a", "{'content':'A'}");
    fixture_put_json(f, "b", "{'content':'B'}");
    defer(f, "a", false);
    defer(f, "b", false);
    fixture_put_json(f, "b", "{'embedding':[1,2]}");
    assert_int_equal(reader_batch_embed_due(fixture_reader(f), "vectors", 10, "nomic", 10,
                                            NO_BYTES_MAX, &batch, &next_due_ms, &err),
                     0);
    assert_int_equal(reader_batch_count(batch), 2);
    assert_false(reader_batch_items(batch)[0].satisfied);
    assert_int_equal(reader_batch_items(batch)[0].attempts, 2);
    assert_true(reader_batch_items(batch)[1].satisfied);
    assert_int_equal(next_due_ms, 0);
    assert_batch(batch, "a b ", 0);
}

static void test_pending_counts_what_needs_a_vector(void **state)
{
    struct fixture *f = *state;
    struct reader_lane lane;
    struct error err;

    fixture_put_json(f, "a", "{'content':'A'}");
    fixture_put_json(f, "b", "{'content':'B'}");
    fixture_put_json(f, "c", "{'content':'C','embedding':[1,2]}");
    fixture_put_json(f, "d", "{'content':'D'}");
    fixture_delete(f, "d");
    assert_int_equal(counts(f).embeddings_pending, 0); /* nobody will make them */
    fixture_set_embedder(f, "vectors", "nomic");
    assert_int_equal(counts(f).embeddings_pending, 2);
    fixture_embed(f, "a", "A", "nomic", 1, 2);
    assert_int_equal(counts(f).embeddings_pending, 1);
    assert_int_equal(reader_lane(fixture_reader(f), "vectors", &lane, &err), 0);
    assert_int_equal(lane.pending, 1);
    assert_int_equal(lane.oldest_pending_ms, 2000);
    assert_int_equal(reader_lane(fixture_reader(f), "graph", &lane, &err), 0);
    assert_int_equal(lane.pending, 4);
    defer(f, "b", false); /* and the cursor went past all */
    assert_int_equal(counts(f).embeddings_pending, 1);
    defer(f, "b", true);
    assert_int_equal(counts(f).embeddings_pending, 0);
    fixture_put_json(f, "e", "{'content':'E'}");
    fixture_set_embedder(f, "vectors", NULL); /* the lane stays, and waits for nothing */
    assert_int_equal(counts(f).embeddings_pending, 0);
    assert_int_equal(reader_lane(fixture_reader(f), "vectors", &lane, &err), 0);
    assert_true(lane.exists);
    assert_int_equal(lane.pending, 0);
}

static void test_another_model_comes_by_everything_again(void **state)
{
    struct fixture *f = *state;
    struct reader_lane lane;
    struct error err;

    assert_true(fixture_set_embedder(f, "vectors", "nomic"));
    fixture_put_json(f, "a", "{'content':'A'}");
    fixture_embed(f, "a", "A", "nomic", 1, 2);
    fixture_put_json(f, "b", "{'content':'B'}");
    defer(f, "b", true);
    assert_false(fixture_set_embedder(f, "vectors", "nomic"));
    assert_int_equal(reader_lane(fixture_reader(f), "vectors", &lane, &err), 0);
    assert_int_equal(lane.cursor, 3);
    assert_true(fixture_set_embedder(f, "vectors", "minilm"));
    assert_int_equal(reader_lane(fixture_reader(f), "vectors", &lane, &err), 0);
    assert_int_equal(lane.cursor, 0);
    assert_int_equal(lane.pending, 2);
    assert_embedding(f, "a", 0, READY("nomic", "[1,2]")); /* until the new one is there */
    assert_batch(embed_batch(f, 0, "minilm", 10), "a b ", 3);
    fixture_reopen(f);
    assert_false(fixture_set_embedder(f, "vectors", "minilm"));
}

/* ---- what the guard reads back ---- */

static void keep_last(void *arg, const struct store_recent_event *event)
{
    *(struct apply_effect *)arg = event->effect;
}

/* As it was told when it was applied, and as it is read back after a start. */
static void assert_changed_before(struct fixture *f, const char *json, int64_t before_ms)
{
    struct fields fields;
    struct apply_result result;
    struct apply_effect again;
    struct error err;

    fields_init(&fields, json);
    struct event event = fixture_put("m", &fields);
    assert_int_equal(fixture_apply(f, &event, &result), 0);
    fields_deinit(&fields);
    assert_int_equal(store_recent_events(f->store, f->seq - 1, keep_last, &again, &err), 0);
    assert_true(result.effect.was_live && result.effect.changed);
    assert_true(again.was_live && again.changed);
    assert_int_equal(result.effect.before_ms, before_ms);
    assert_int_equal(again.before_ms, before_ms);
}

static void test_a_vector_is_no_change_of_its_memory(void **state)
{
    struct fixture *f = *state;

    fixture_put_json(f, "m", "{'content':'c'}");
    fixture_embed(f, "m", "c", "nomic", 1, 0);
    assert_changed_before(f, "{'content':'d'}", 1000);
}

static void test_an_event_of_an_older_version_counts_as_a_change(void **state)
{
    struct fixture *f = *state;
    sqlite3 *db;

    fixture_put_json(f, "m", "{'content':'c'}");
    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "UPDATE event SET effect=NULL", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    fixture_put_json(f, "m", "{'content':'c'}"); /* changes nothing */
    assert_changed_before(f, "{'content':'d'}", 1000);
}

#define STORE_TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_a_vector_comes_to_its_content_and_leaves_the_version),
        STORE_TEST(test_an_embed_is_no_version),
        STORE_TEST(test_a_vector_for_content_that_is_gone_changes_nothing),
        STORE_TEST(test_a_callers_vector_is_never_replaced),
        STORE_TEST(test_a_caller_may_replace_an_embedders_vector_and_take_its_own_back),
        STORE_TEST(test_another_models_vector_takes_the_place_of_the_old),
        STORE_TEST(test_the_same_vector_again_changes_nothing),
        STORE_TEST(test_content_that_comes_back_has_its_vector_again),
        STORE_TEST(test_a_restored_version_has_its_vector_again),
        STORE_TEST(test_a_change_of_other_fields_keeps_the_vector),
        STORE_TEST(test_a_new_vector_survives_a_restart),
        STORE_TEST(test_an_embed_that_is_none_of_ours_is_refused),
        cmocka_unit_test(test_a_model_that_is_no_embedders_is_not_packed),
        STORE_TEST(test_pending_is_what_an_embedder_will_make),
        STORE_TEST(test_lists_and_batches_tell_the_same_state),
        STORE_TEST(test_a_new_vector_is_delivered_to_who_was_past_the_memory),
        STORE_TEST(test_an_embedder_is_given_what_needs_a_vector),
        STORE_TEST(test_what_is_deferred_is_given_again_and_told_when_it_is_satisfied),
        STORE_TEST(test_pending_counts_what_needs_a_vector),
        STORE_TEST(test_another_model_comes_by_everything_again),
        STORE_TEST(test_a_vector_is_no_change_of_its_memory),
        STORE_TEST(test_an_event_of_an_older_version_counts_as_a_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
