/*
 * Long random runs of puts, deletes, restores, imports, prunes and purges, with the store reopened
 * between, each checked against a model: an array of versions per memory. At the end the same
 * events are applied to a second store, which must be equal in every row.
 */
#include "store_fixture.h"

#include "broker/event_import.h"
#include "broker/event_prune.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define IDS    5
#define EVENTS 1200

static const char *const origins[] = {"00000000-0000-4000-8000-000000000000", FIXTURE_ORIGIN,
                                      "ffffffff-0000-4000-8000-000000000000"};

struct version {
    uint64_t seq;
    int content; /* 0: empty, of a purge */
    int vector;  /* 0: none */
    uint64_t vector_seq;
    int64_t created_ms, updated_ms, deleted_ms, stamp_us;
    int origin;
};

struct model {
    struct version versions[IDS][EVENTS];
    size_t counts[IDS];
    bool purged[IDS]; /* its only version is that of a purge */
};

enum kind { PUT = 0, DELETE, RESTORE, IMPORT, PRUNE, PURGE };

struct request {
    enum kind kind;
    int id, content, vector; /* content of a put: always given */
    uint64_t version;        /* of a restore, or up to where a prune goes */
    int64_t stamp_us, deleted_ms;
    int origin;
};

/* ---- the model ---- */

static const struct version *last_of(const struct model *model, int id)
{
    size_t count = model->counts[id];

    return count == 0 ? NULL : &model->versions[id][count - 1];
}

static enum apply_outcome add(struct model *model, int id, struct version version)
{
    model->versions[id][model->counts[id]++] = version;
    model->purged[id] = false;
    return APPLY_CHANGED;
}

static struct version made_here(struct version version, uint64_t seq)
{
    version.seq = seq;
    version.updated_ms = (int64_t)seq * 1000;
    version.stamp_us = (int64_t)seq * 1000000;
    version.origin = 1;
    return version;
}

static enum apply_outcome model_put(struct model *model, const struct request *request,
                                    uint64_t seq)
{
    const struct version *last = last_of(model, request->id);
    struct version next = {.created_ms = (int64_t)seq * 1000};

    if (last != NULL) {
        next = *last;
    }
    bool changed = last == NULL || last->content != request->content;
    if (request->vector > 0 && (changed || next.vector != request->vector)) {
        next.vector_seq = seq;
    } else if (request->vector == 0 && changed) {
        next.vector_seq = 0;
    }
    next.vector = request->vector > 0 ? request->vector : changed ? 0 : next.vector;
    next.content = request->content;
    next.deleted_ms = 0;
    return add(model, request->id, made_here(next, seq));
}

static enum apply_outcome model_restore(struct model *model, const struct request *request,
                                        uint64_t seq)
{
    const struct version *last = last_of(model, request->id);

    for (size_t i = 0; i < model->counts[request->id]; i++) {
        const struct version *version = &model->versions[request->id][i];
        if (version->seq != request->version) {
            continue;
        }
        bool same = version->content == last->content && version->vector_seq == last->vector_seq &&
                    version->created_ms == last->created_ms &&
                    version->deleted_ms == last->deleted_ms;
        return same ? APPLY_DUPLICATE : add(model, request->id, made_here(*version, seq));
    }
    return APPLY_NOT_FOUND;
}

static enum apply_outcome model_import(struct model *model, const struct request *request,
                                       uint64_t seq)
{
    const struct version *last = last_of(model, request->id);

    if (last != NULL && (request->stamp_us < last->stamp_us ||
                         (request->stamp_us == last->stamp_us && request->origin < last->origin))) {
        return APPLY_OLDER;
    }
    if (last != NULL && request->stamp_us == last->stamp_us && request->origin == last->origin) {
        return APPLY_DUPLICATE;
    }
    return add(model, request->id,
               (struct version){.seq = seq,
                                .content = request->content,
                                .vector = request->vector,
                                .vector_seq = request->vector > 0 ? seq : 0,
                                .created_ms = 5,
                                .updated_ms = request->stamp_us / 1000,
                                .deleted_ms = request->deleted_ms,
                                .stamp_us = request->stamp_us,
                                .origin = request->origin});
}

static enum apply_outcome model_prune(struct model *model, const struct request *request)
{
    const struct version *last = last_of(model, request->id);
    size_t kept = 0;

    if (last == NULL || request->version >= last->seq) {
        return APPLY_DUPLICATE;
    }
    for (size_t i = 0; i < model->counts[request->id]; i++) {
        if (model->versions[request->id][i].seq > request->version) {
            model->versions[request->id][kept++] = model->versions[request->id][i];
        }
    }
    model->counts[request->id] = kept;
    return APPLY_CHANGED;
}

static enum apply_outcome model_purge(struct model *model, const struct request *request,
                                      uint64_t seq)
{
    const struct version *last = last_of(model, request->id);

    if (last == NULL) {
        return APPLY_NOT_FOUND;
    }
    if (model->purged[request->id]) {
        return APPLY_DUPLICATE;
    }
    struct version tombstone = {.created_ms = last->created_ms, .deleted_ms = (int64_t)seq * 1000};
    model->counts[request->id] = 0;
    add(model, request->id, made_here(tombstone, seq));
    model->purged[request->id] = true;
    return APPLY_CHANGED;
}

static enum apply_outcome model_apply(struct model *model, const struct request *request,
                                      uint64_t seq)
{
    const struct version *last = last_of(model, request->id);
    struct version next;

    switch (request->kind) {
    case PUT:
        return model_put(model, request, seq);
    case DELETE:
        if (last == NULL) {
            return APPLY_NOT_FOUND;
        }
        next = *last;
        if (next.deleted_ms != 0) {
            return APPLY_DUPLICATE;
        }
        next.deleted_ms = (int64_t)seq * 1000;
        return add(model, request->id, made_here(next, seq));
    case RESTORE:
        return model_restore(model, request, seq);
    case IMPORT:
        return model_import(model, request, seq);
    case PRUNE:
        return model_prune(model, request);
    case PURGE:
        return model_purge(model, request, seq);
    }
    return 0;
}

/* ---- the store ---- */

static enum kind random_kind(unsigned *seed)
{
    static const enum kind kinds[] = {PUT,     PUT,     PUT,     PUT,     PUT,    PUT,
                                      DELETE,  DELETE,  DELETE,  IMPORT,  IMPORT, IMPORT,
                                      RESTORE, RESTORE, RESTORE, RESTORE, PRUNE};

    return rand_r(seed) % 60 == 0 ? PURGE
                                  : kinds[(size_t)rand_r(seed) % (sizeof kinds / sizeof *kinds)];
}

static struct request random_request(const struct model *model, uint64_t seq, unsigned *seed)
{
    int id = rand_r(seed) % IDS;
    size_t count = model->counts[id];
    struct request request = {.kind = random_kind(seed),
                              .id = id,
                              .content = 1 + rand_r(seed) % 3,
                              .vector = rand_r(seed) % 3,
                              .origin = rand_r(seed) % 3};

    request.version = count == 0 ? 1 : model->versions[id][(size_t)rand_r(seed) % count].seq;
    request.stamp_us = ((int64_t)seq + rand_r(seed) % 9 - 6) * 1000000;
    if (count > 0 && rand_r(seed) % 3 == 0) {
        request.stamp_us = last_of(model, id)->stamp_us;
    }
    request.deleted_ms = rand_r(seed) % 4 == 0 ? 77 : 0;
    return request;
}

static void pack_import(const struct request *request, const char *body, msgpack_sbuffer *fields)
{
    struct fields packed;

    fields_init(&packed, body);
    struct event_import import = {.body = {(const uint8_t *)packed.buffer.data, packed.buffer.size},
                                  .created_ms = 5,
                                  .updated_ms = request->stamp_us / 1000,
                                  .deleted_ms = request->deleted_ms,
                                  .stamp_us = request->stamp_us,
                                  .origin = fixture_text(origins[request->origin])};
    assert_int_equal(event_import_pack(&import, fields), 0);
    fields_deinit(&packed);
}

static void pack_fields(const struct request *request, msgpack_sbuffer *fields)
{
    struct fields packed = {0};
    char json[128];

    if (request->kind == PRUNE) {
        assert_int_equal(event_prune_pack(request->version, fields), 0);
        return;
    }
    if (request->kind == RESTORE) {
        snprintf(json, sizeof json, "{'version':%llu}", (unsigned long long)request->version);
    } else if (request->vector > 0) {
        snprintf(json, sizeof json, "{'content':'c%d','embedding':[%d,1]}", request->content,
                 request->vector);
    } else {
        snprintf(json, sizeof json, "{'content':'c%d'}", request->content);
    }
    if (request->kind == IMPORT) {
        pack_import(request, json, fields);
        return;
    }
    fields_init(&packed, json);
    assert_int_equal(msgpack_sbuffer_write(fields, packed.buffer.data, packed.buffer.size), 0);
    fields_deinit(&packed);
}

static struct apply_result store_apply_request(struct fixture *f, const struct request *request)
{
    static const enum event_op ops[] = {
        [PUT] = EVENT_PUT,       [DELETE] = EVENT_DELETE, [RESTORE] = EVENT_RESTORE,
        [IMPORT] = EVENT_IMPORT, [PRUNE] = EVENT_PRUNE,   [PURGE] = EVENT_PURGE};
    struct apply_result result;
    msgpack_sbuffer fields;
    char id[8];

    snprintf(id, sizeof id, "m%d", request->id);
    msgpack_sbuffer_init(&fields);
    struct event event = {.op = ops[request->kind], .memory_id = fixture_text(id)};
    if (request->kind != DELETE && request->kind != PURGE) {
        pack_fields(request, &fields);
        event.fields = (const uint8_t *)fields.data;
        event.fields_size = fields.size;
    }
    assert_int_equal(fixture_apply(f, &event, &result), 0);
    msgpack_sbuffer_destroy(&fields);
    return result;
}

/* ---- comparing ---- */

static void print_version(int id, const struct version *version, char *out, size_t size)
{
    FILE *text = fmemopen(out, size, "w");

    fprintf(text, "{'id':'m%d','content':'", id);
    if (version->content > 0) {
        fprintf(text, "c%d", version->content);
    }
    fprintf(text, "','kind':'note','tags':[],'props':{},'created_ms':%lld,'updated_ms':%lld,",
            (long long)version->created_ms, (long long)version->updated_ms);
    if (version->deleted_ms != 0) {
        fprintf(text, "'deleted_ms':%lld,", (long long)version->deleted_ms);
    }
    fprintf(text, "'version':%llu,'stamp':%lld,'origin':'%s',", (unsigned long long)version->seq,
            (long long)version->stamp_us, origins[version->origin]);
    if (version->vector > 0) {
        fprintf(text, "'embedding_state':'ready','embedding_model':'caller','embedding':[%d,1]}",
                version->vector);
    } else {
        fprintf(text, "'embedding_state':'none'}");
    }
    fclose(text);
}

static void compare(struct fixture *f, const struct model *model)
{
    uint64_t memories, events, applied_seq, expected_events = 0;
    struct error err = {0};
    char expected[512], id[8];

    for (int i = 0; i < IDS; i++) {
        snprintf(id, sizeof id, "m%d", i);
        expected_events += model->counts[i];
        for (size_t k = 0; k < model->counts[i]; k++) {
            print_version(i, &model->versions[i][k], expected, sizeof expected);
            assert_string_equal(fixture_get(f, id, model->versions[i][k].seq), expected);
        }
        if (model->counts[i] > 0) {
            assert_string_equal(fixture_get(f, id, 0), expected);
            uint64_t oldest = model->versions[i][0].seq;
            assert_true(oldest == 1 || fixture_get(f, id, oldest - 1) == NULL);
        }
    }
    if (store_verify(f->path, &memories, &events, &applied_seq, &err) != 0) {
        fail_msg("store_verify: %s", err.text);
    }
    assert_int_equal(events, expected_events);
}

/* The same events, in a store that never was closed. */
static void compare_again(struct fixture *f, const struct request *requests, size_t count)
{
    struct fixture again;

    fixture_init(&again);
    for (size_t i = 0; i < count; i++) {
        store_apply_request(&again, &requests[i]);
    }
    char *first = fixture_dump(f->path), *second = fixture_dump(again.path);
    assert_string_equal(first, second);
    free(first);
    free(second);
    fixture_deinit(&again);
}

static void run_model(unsigned seed)
{
    struct model *model = calloc(1, sizeof *model);
    struct request *requests = calloc(EVENTS, sizeof *requests);
    struct fixture fixture;

    assert_non_null(model);
    assert_non_null(requests);
    fixture_init(&fixture);
    for (size_t i = 0; i < EVENTS; i++) {
        uint64_t seq = fixture.seq + 1;
        requests[i] = random_request(model, seq, &seed);
        enum apply_outcome expected = model_apply(model, &requests[i], seq);
        struct apply_result found = store_apply_request(&fixture, &requests[i]);
        assert_int_equal(found.outcome, expected);
        if (i % 300 == 299) {
            compare(&fixture, model);
            fixture_reopen(&fixture);
        }
    }
    compare(&fixture, model);
    compare_again(&fixture, requests, EVENTS);
    fixture_deinit(&fixture);
    free(requests);
    free(model);
}

static void test_random_runs_agree_with_the_model_and_are_the_same_again(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 4; seed++) {
        run_model(seed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_runs_agree_with_the_model_and_are_the_same_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
