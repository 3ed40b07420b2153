/*
 * Long random runs of puts, deletes, restores, conditions, repeats and an embedder's vectors, each
 * checked against a model that is too simple to be wrong: an array of versions per memory, searched
 * from end to end, and a table of what was embedded.
 */
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

#define IDS         6
#define PROPS       4
#define CONTENTS    3
#define EVENTS_MAX  1500
#define REQUESTS    40 /* different (event_id, body) pairs that come again and again */
#define BATCH_TRIES 5

static const char *const models[] = {NULL, "nomic", "minilm"};

/* A vector that an embedder made. */
struct made {
    int model; /* 0: there is none */
    int number;
};

struct version {
    uint64_t seq;
    int content;      /* -1: there is none */
    int props[PROPS]; /* 0: absent */
    int vector;       /* 0: none */
    uint64_t vector_seq;
    int tag;
    int64_t created_ms, deleted_ms;
};

struct request {
    int id, event_id;
    bool is_delete, has_expected;
    uint64_t expected;
    uint64_t restore;         /* the version that comes back; 0: this is no restore */
    int content, tag, vector; /* -1: not given; vector 0: null */
    int props[PROPS];         /* -1: not given, 0: null */
};

/* What the model remembers of a change: the request, and the seq that it was answered with. */
struct receipt {
    struct request request;
    uint64_t seq;
};

struct model {
    struct version versions[IDS][EVENTS_MAX];
    size_t counts[IDS];
    struct receipt receipts[EVENTS_MAX];
    size_t receipt_count;
    struct made made[IDS][CONTENTS];
    int embedder; /* its model; 0: there is none */
};

static const struct version *last_version(const struct model *model, int id)
{
    size_t count = model->counts[id];

    return count > 0 ? &model->versions[id][count - 1] : NULL;
}

static bool same_request(const struct request *a, const struct request *b)
{
    return a->id == b->id && a->event_id == b->event_id && a->is_delete == b->is_delete &&
           a->has_expected == b->has_expected && a->expected == b->expected &&
           a->restore == b->restore && a->content == b->content && a->tag == b->tag &&
           a->vector == b->vector && memcmp(a->props, b->props, sizeof a->props) == 0;
}

static struct apply_result result_of(enum apply_outcome outcome, uint64_t seq, uint64_t version)
{
    return (struct apply_result){.outcome = outcome, .seq = seq, .version = version};
}

static struct apply_result model_add(struct model *model, const struct request *request,
                                     struct version next, uint64_t seq)
{
    next.seq = seq;
    model->versions[request->id][model->counts[request->id]++] = next;
    model->receipts[model->receipt_count++] = (struct receipt){*request, seq};
    return result_of(APPLY_CHANGED, seq, seq);
}

static struct apply_result model_nothing(struct model *model, const struct request *request,
                                         uint64_t version)
{
    model->receipts[model->receipt_count++] = (struct receipt){*request, version};
    return result_of(APPLY_DUPLICATE, version, version);
}

static bool same_version(const struct version *a, const struct version *b)
{
    return a->content == b->content && memcmp(a->props, b->props, sizeof a->props) == 0 &&
           a->vector_seq == b->vector_seq && a->tag == b->tag && a->created_ms == b->created_ms &&
           a->deleted_ms == b->deleted_ms;
}

static struct apply_result model_restore(struct model *model, const struct request *request,
                                         uint64_t seq)
{
    const struct version *versions = model->versions[request->id];
    size_t count = model->counts[request->id];

    for (size_t i = 0; i < count; i++) {
        if (versions[i].seq == request->restore) {
            return same_version(&versions[i], &versions[count - 1])
                       ? model_nothing(model, request, versions[count - 1].seq)
                       : model_add(model, request, versions[i], seq);
        }
    }
    return result_of(APPLY_NOT_FOUND, seq, count > 0 ? versions[count - 1].seq : 0);
}

/* The vector that was given, or that the content keeps. */
static void model_vector(struct version *next, const struct request *request, uint64_t seq)
{
    bool content_changed = request->content >= 0 && request->content != next->content;

    if (request->vector > 0 && (content_changed || request->vector != next->vector)) {
        next->vector_seq = seq;
    } else if (request->vector == 0 || (request->vector < 0 && content_changed)) {
        next->vector_seq = 0;
    }
    if (request->vector >= 0 || content_changed) {
        next->vector = request->vector > 0 ? request->vector : 0;
    }
}

static struct apply_result model_change(struct model *model, const struct request *request,
                                        uint64_t seq)
{
    size_t count = model->counts[request->id];
    struct version next = {.seq = seq, .content = -1, .tag = -1, .created_ms = (int64_t)seq * 1000};

    if (count > 0) {
        next = model->versions[request->id][count - 1];
    }
    next.deleted_ms = request->is_delete ? (int64_t)seq * 1000 : 0;
    model_vector(&next, request, seq);
    if (request->content >= 0) {
        next.content = request->content;
    }
    if (request->tag >= 0) {
        next.tag = request->tag;
    }
    for (int i = 0; i < PROPS; i++) {
        next.props[i] = request->props[i] >= 0 ? request->props[i] : next.props[i];
    }
    return model_add(model, request, next, seq);
}

static struct apply_result model_apply(struct model *model, const struct request *request,
                                       uint64_t seq)
{
    const struct version *last = last_version(model, request->id);
    uint64_t version = last != NULL ? last->seq : 0;

    for (size_t i = 0; i < model->receipt_count; i++) {
        if (same_request(&model->receipts[i].request, request)) {
            return result_of(APPLY_DUPLICATE, model->receipts[i].seq, version);
        }
    }
    if (request->has_expected && request->expected != version) {
        return result_of(APPLY_CONFLICT, seq, version);
    }
    if (request->restore != 0) {
        return model_restore(model, request, seq);
    }
    if (last == NULL && (request->is_delete || request->content < 0)) {
        return result_of(APPLY_NOT_FOUND, seq, 0);
    }
    if (request->is_delete && last->deleted_ms != 0) {
        return model_nothing(model, request, version);
    }
    return model_change(model, request, seq);
}

static struct apply_result model_embed(struct model *model, int id, int content, struct made made,
                                       uint64_t seq)
{
    const struct version *last = last_version(model, id);

    if (last == NULL) {
        return result_of(APPLY_NOT_FOUND, seq, 0);
    }
    struct made *old = &model->made[id][content];
    if (last->content != content || last->vector > 0 ||
        (old->model == made.model && old->number == made.number)) {
        return result_of(APPLY_DUPLICATE, last->seq, last->seq);
    }
    *old = made;
    return result_of(APPLY_CHANGED, seq, last->seq);
}

/* ---- the same for the store ---- */

/* Of this memory as a rule, now and then of another: then there is no such version. */
static uint64_t random_version(const struct model *model, int id, unsigned *seed)
{
    int of = rand_r(seed) % 8 == 0 ? rand_r(seed) % IDS : id;
    size_t count = model->counts[of];

    return count == 0 ? 1 : model->versions[of][(size_t)rand_r(seed) % count].seq;
}

static struct request random_request(const struct model *model, unsigned *seed)
{
    struct request request = {.id = rand_r(seed) % IDS,
                              .event_id = rand_r(seed) % 1000000,
                              .is_delete = rand_r(seed) % 4 == 0,
                              .content = rand_r(seed) % (CONTENTS + 1) - 1,
                              .tag = rand_r(seed) % 4 - 1,
                              .vector = rand_r(seed) % 6 - 3};

    request.vector = request.vector < -1 ? -1 : request.vector;
    for (int i = 0; i < PROPS; i++) {
        request.props[i] = rand_r(seed) % 4 - 1;
    }
    if (rand_r(seed) % 4 == 0) {
        size_t count = model->counts[request.id];
        request.has_expected = true;
        request.expected = count == 0 || rand_r(seed) % 3 == 0
                               ? (uint64_t)(rand_r(seed) % 3)
                               : model->versions[request.id][count - 1].seq;
    }
    if (!request.is_delete && rand_r(seed) % 4 == 0) {
        request.restore = random_version(model, request.id, seed);
    }
    if (request.is_delete || request.restore != 0) {
        request.content = request.tag = request.vector = -1;
        memset(request.props, -1, sizeof request.props);
    }
    return request;
}

static void print_fields(const struct request *request, char *out, size_t size)
{
    FILE *text = fmemopen(out, size, "w");

    if (request->restore != 0) {
        fprintf(text, "{'version':%llu}", (unsigned long long)request->restore);
        fclose(text);
        return;
    }

    fprintf(text, "{'props':{");
    const char *comma = "";
    for (int i = 0; i < PROPS; i++) {
        if (request->props[i] == 0) {
            fprintf(text, "%s'p%d':null", comma, i);
        } else if (request->props[i] > 0) {
            fprintf(text, "%s'p%d':%d", comma, i, request->props[i]);
        }
        comma = request->props[i] >= 0 ? "," : comma;
    }
    fprintf(text, "}");
    if (request->content >= 0) {
        fprintf(text, ",'content':'c%d'", request->content);
    }
    if (request->tag >= 0) {
        fprintf(text, ",'tags':['t%d']", request->tag);
    }
    if (request->vector >= 0) {
        fprintf(text, request->vector == 0 ? ",'embedding':null" : ",'embedding':[%d,1]",
                request->vector);
    }
    fprintf(text, "}");
    fclose(text);
}

static struct apply_result store_request(struct fixture *f, const struct request *request)
{
    char id[8], event_id[16], json[256];
    struct apply_result result;
    struct fields fields;

    snprintf(id, sizeof id, "m%d", request->id);
    snprintf(event_id, sizeof event_id, "e%d", request->event_id);
    print_fields(request, json, sizeof json);
    fields_init(&fields, json);
    struct event event = fixture_put(id, &fields);
    if (request->is_delete) {
        event = (struct event){.op = EVENT_DELETE, .memory_id = fixture_text(id)};
    }
    if (request->restore != 0) {
        event.op = EVENT_RESTORE;
    }
    event.event_id = fixture_text(event_id);
    event.has_expected_version = request->has_expected;
    event.expected_version = request->expected;
    assert_int_equal(fixture_apply(f, &event, &result), 0);
    fields_deinit(&fields);
    return result;
}

/* ---- comparing ---- */

/* Nobody embeds what is deleted, what has a vector, or a content that is gone. */
static bool is_pending(const struct model *model, int id, const struct version *version)
{
    const struct version *last = last_version(model, id);

    return model->embedder != 0 && version->deleted_ms == 0 && last->deleted_ms == 0 &&
           last->vector == 0 && last->content == version->content;
}

static void print_embedding(FILE *text, const struct model *model, int id,
                            const struct version *version)
{
    const struct made *made = &model->made[id][version->content];

    if (version->vector > 0) {
        fprintf(text, "'embedding_state':'ready','embedding_model':'caller','embedding':[%d,1]}",
                version->vector);
    } else if (made->model > 0) {
        fprintf(text, "'embedding_state':'ready','embedding_model':'%s','embedding':[%d,2]}",
                models[made->model], made->number);
    } else {
        fprintf(text, "'embedding_state':'%s'}",
                is_pending(model, id, version) ? "pending" : "none");
    }
}

static void print_version(const struct model *model, int id, const struct version *version,
                          char *out, size_t size)
{
    FILE *text = fmemopen(out, size, "w");

    fprintf(text, "{'id':'m%d','content':'c%d','kind':'note','tags':[", id, version->content);
    if (version->tag >= 0) {
        fprintf(text, "'t%d'", version->tag);
    }
    fprintf(text, "],'props':{");
    const char *comma = "";
    for (int i = 0; i < PROPS; i++) {
        if (version->props[i] > 0) {
            fprintf(text, "%s'p%d':%d", comma, i, version->props[i]);
            comma = ",";
        }
    }
    long long seq = (long long)version->seq;
    fprintf(text, "},'created_ms':%lld,'updated_ms':%lld,", (long long)version->created_ms,
            seq * 1000);
    if (version->deleted_ms != 0) {
        fprintf(text, "'deleted_ms':%lld,", (long long)version->deleted_ms);
    }
    fprintf(text, "'version':%lld,'stamp':%lld,'origin':'" FIXTURE_ORIGIN "',", seq, seq * 1000000);
    print_embedding(text, model, id, version);
    fclose(text);
}

static void compare_all(struct fixture *f, const struct model *model)
{
    char expected[1024], id[8];

    for (int i = 0; i < IDS; i++) {
        snprintf(id, sizeof id, "m%d", i);
        if (model->counts[i] == 0) {
            assert_null(fixture_get(f, id, 0));
            continue;
        }
        for (size_t k = 0; k < model->counts[i]; k++) {
            print_version(model, i, &model->versions[i][k], expected, sizeof expected);
            assert_string_equal(fixture_get(f, id, model->versions[i][k].seq), expected);
        }
        assert_string_equal(fixture_get(f, id, 0), expected);
    }
}

/* Walks the whole with batches of a random size: each memory exactly once, as it is now. */
static void compare_batches(struct fixture *f, const struct model *model, unsigned *seed)
{
    uint64_t cursor = 0;
    size_t seen = 0, expected = 0, count;

    do {
        struct reader_batch *batch;
        struct error err;
        assert_int_equal(reader_batch_after(fixture_reader(f), "lane", cursor,
                                            1 + (size_t)rand_r(seed) % IDS, 1 << 20, &batch, &err),
                         0);
        count = reader_batch_count(batch);
        for (size_t i = 0; i < count; i++) {
            const struct memferry_memory *memory = &reader_batch_memories(batch)[i];
            int id = memory->id.data[1] - '0';
            assert_int_equal(memory->version, model->versions[id][model->counts[id] - 1].seq);
        }
        seen += count;
        assert_true(count == 0 || reader_batch_cursor(batch) > cursor);
        cursor = reader_batch_cursor(batch);
        reader_batch_free(batch);
    } while (count > 0);
    for (int i = 0; i < IDS; i++) {
        expected += model->counts[i] > 0;
    }
    assert_int_equal(seen, expected);
}

static bool needs_vector(const struct model *model, int id, int wanted)
{
    const struct version *last = last_version(model, id);

    return last != NULL && last->deleted_ms == 0 && last->vector == 0 &&
           model->made[id][last->content].model != wanted;
}

/* Walks the whole as an embedder does: each memory that needs a vector exactly once. */
static void compare_embed_batches(struct fixture *f, const struct model *model, int wanted,
                                  unsigned *seed)
{
    uint64_t cursor = 0, before;
    bool seen[IDS] = {false};
    struct error err;

    do {
        struct reader_batch *batch;
        assert_int_equal(reader_batch_embed(fixture_reader(f), "lane", cursor, models[wanted],
                                            1 + (size_t)rand_r(seed) % IDS, 1 << 20, &batch, &err),
                         0);
        for (size_t i = 0; i < reader_batch_count(batch); i++) {
            int id = reader_batch_items(batch)[i].id[1] - '0';
            assert_true(needs_vector(model, id, wanted));
            assert_false(seen[id]);
            seen[id] = true;
        }
        before = cursor;
        cursor = reader_batch_cursor(batch);
        reader_batch_free(batch);
    } while (cursor > before);
    for (int i = 0; i < IDS; i++) {
        assert_int_equal(seen[i], needs_vector(model, i, wanted));
    }
}

static void embed_something(struct fixture *f, struct model *model, unsigned *seed)
{
    int id = rand_r(seed) % IDS, content = rand_r(seed) % CONTENTS;
    struct made made = {.model = 1 + rand_r(seed) % 2, .number = 1 + rand_r(seed) % 2};
    char id_text[8], content_text[8];

    snprintf(id_text, sizeof id_text, "m%d", id);
    snprintf(content_text, sizeof content_text, "c%d", content);
    struct apply_result expected = model_embed(model, id, content, made, f->seq + 1);
    struct apply_result found =
        fixture_embed(f, id_text, content_text, models[made.model], (float)made.number, 2);
    assert_int_equal(found.outcome, expected.outcome);
    assert_int_equal(found.seq, expected.seq);
    assert_int_equal(found.version, expected.version);
}

static void verify(struct fixture *f)
{
    uint64_t memories, events, applied_seq;
    struct error err = {0};

    if (store_verify(f->path, &memories, &events, &applied_seq, &err) != 0) {
        fail_msg("store_verify: %s", err.text);
    }
    assert_int_equal(applied_seq, f->seq);
}

static void run_model(unsigned seed)
{
    struct model *model = calloc(1, sizeof *model);
    struct request again[REQUESTS];
    struct fixture fixture;

    fixture_init(&fixture);
    model->embedder = (int)seed % 2; /* with and without one */
    fixture_set_embedder(&fixture, "lane", models[model->embedder]);
    for (size_t i = 0; i < EVENTS_MAX; i++) {
        while (rand_r(&seed) % 3 == 0) {
            embed_something(&fixture, model, &seed);
        }
        struct request request = random_request(model, &seed);
        size_t slot = (size_t)rand_r(&seed) % REQUESTS;
        if (i >= REQUESTS && rand_r(&seed) % 3 == 0) {
            request = again[slot];
        }
        again[i < REQUESTS ? i : slot] = request;
        struct apply_result expected = model_apply(model, &request, fixture.seq + 1);
        struct apply_result found = store_request(&fixture, &request);
        assert_int_equal(found.outcome, expected.outcome);
        assert_int_equal(found.seq, expected.seq);
        assert_int_equal(found.version, expected.version);
        if (i % 400 == 399) {
            fixture_reopen(&fixture);
        }
    }
    compare_all(&fixture, model);
    for (int i = 0; i < BATCH_TRIES; i++) {
        compare_batches(&fixture, model, &seed);
        compare_embed_batches(&fixture, model, 1 + i % 2, &seed);
    }
    verify(&fixture);
    fixture_deinit(&fixture);
    free(model);
}

static void test_random_runs_agree_with_the_model(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 3; seed++) {
        run_model(seed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_runs_agree_with_the_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
