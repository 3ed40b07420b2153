/* search.c - see search.h. */
#include "broker/search.h"

#include "broker/reader_search.h"
#include "broker/search_snippet.h"
#include "broker/search_words.h"
#include "broker/util/clock.h"
#include "broker/vector_dot.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Of each list, more are taken than are asked for: some are no more as they were, and in both lists
 * a hit may stand further down than it ends up. */
#define LIST_MIN 50
#define LIST_MAX (2 * SEARCH_LIMIT_MAX + LIST_MIN)
#define SPARE    8 /* snippets beyond the limit */

#define FUSE_K        60.0
#define FUSE_ANY_WORD 0.5 /* what has only some of the words counts half */

struct searcher {
    struct search_indexer *indexer;
    struct search_finder *finder;
    uint64_t making; /* of the index that the finder has open */
    float *vector;   /* a query's, scaled */
};

/* One search. */
struct run {
    struct searcher *searcher;
    struct reader *reader;
    const struct search_request *request;
    size_t list_max; /* of each list */
    msgpack_sbuffer expressions[SEARCH_READINGS];
    struct search_found found[LIST_MAX];
    size_t found_count;
    struct vector_hit near[LIST_MAX];
    size_t near_count;
    struct reader_candidate candidates[2 * LIST_MAX];
    size_t count;
    bool late, by_text, by_vector;
    msgpack_sbuffer snippets;
};

struct searcher *searcher_new(struct search_indexer *indexer)
{
    struct searcher *searcher = calloc(1, sizeof *searcher);

    if (searcher == NULL) {
        return NULL;
    }
    searcher->indexer = indexer;
    searcher->vector = calloc(search_indexer_dims(indexer), sizeof *searcher->vector);
    return searcher->vector != NULL ? searcher : searcher_free(searcher);
}

struct searcher *searcher_free(struct searcher *searcher)
{
    if (searcher != NULL) {
        search_finder_close(searcher->finder);
        free(searcher->vector);
        free(searcher);
    }
    return NULL;
}

/* ---- the index ---- */

static int open_finder(struct searcher *searcher, struct error *err)
{
    uint64_t making = search_indexer_making(searcher->indexer);

    if (making == 0) {
        return error_set(err, SEARCH_E_UNAVAILABLE,
                         "the search index is not open yet: see the log, or try again in a moment");
    }
    if (searcher->finder != NULL && searcher->making == making) {
        return 0;
    }
    searcher->finder = search_finder_close(searcher->finder);
    int r = search_finder_open(&searcher->finder, search_indexer_path(searcher->indexer), err);
    searcher->making = making;
    if (r != 0) {
        return error_set(err, SEARCH_E_UNAVAILABLE,
                         "the search index is being made anew: try again in a moment");
    }
    return 0;
}

/* What went wrong with the index; a damaged one is to be made anew. */
static int index_failed(struct searcher *searcher, int r, struct error *err)
{
    if (r == -ENOMEM) {
        return r;
    }
    if (search_finder_is_damaged(searcher->finder)) {
        search_indexer_condemn(searcher->indexer, searcher->making, err->text);
    }
    return error_set(
        err, SEARCH_E_UNAVAILABLE,
        "the search index can't be read and is being made anew: try again in a moment");
}

/* ---- by words ---- */

static int find_texts(struct run *run, struct error *err)
{
    int64_t deadline_ms = clock_monotonic_ms() + SEARCH_TEXT_MS;
    struct search_words words;
    bool failed = false;
    int r = 0;

    search_words_parse(run->request->query, run->request->size, &words);
    for (int reading = 0; r == 0 && reading < SEARCH_READINGS && !run->late; reading++) {
        msgpack_sbuffer *expression = &run->expressions[reading];
        if (run->found_count >= run->request->filter.limit ||
            !search_words_express(&words, (enum search_reading)reading, expression, &failed)) {
            continue;
        }
        r = search_finder_find(run->searcher->finder, expression->data,
                               (enum search_reading)reading, &run->request->filter, run->list_max,
                               deadline_ms, run->found, &run->found_count, &run->late, err);
    }
    if (r == 0 && failed) {
        r = error_set(err, -ENOMEM, "out of memory while searching");
    }
    return r;
}

/* ---- by meaning ---- */

struct doc_bits {
    uint8_t *bytes;
    size_t count; /* bits */
    bool failed;
};

static void set_bit(void *arg, int64_t doc)
{
    struct doc_bits *bits = arg;
    size_t bit = (size_t)doc;

    if (bit >= bits->count) {
        size_t count = bits->count * 2 > bit + 1 ? bits->count * 2 : bit + 4096;
        uint8_t *more = realloc(bits->bytes, count / 8 + 1);
        if (more == NULL) {
            bits->failed = true;
            return;
        }
        memset(more + (bits->count == 0 ? 0 : bits->count / 8 + 1), 0,
               count / 8 + 1 - (bits->count == 0 ? 0 : bits->count / 8 + 1));
        bits->bytes = more;
        bits->count = count;
    }
    bits->bytes[bit / 8] |= (uint8_t)(1u << (bit % 8));
}

/* Which documents may be found, when it is not only about deleted or not: that the rows know. */
static int choose_docs(struct run *run, struct doc_bits *bits, struct error *err)
{
    const struct reader_filter *filter = &run->request->filter;

    if (filter->kind == NULL && filter->session_id == NULL && filter->tag == NULL &&
        filter->since_ms == 0 && filter->until_ms == 0) {
        return 0;
    }
    set_bit(bits, 0); /* no document has this number: there are bits, though none may pass */
    int r = search_finder_each(run->searcher->finder, filter, set_bit, bits, err);
    return r == 0 && bits->failed ? error_set(err, -ENOMEM, "out of memory while searching") : r;
}

static int find_near(struct run *run, struct error *err)
{
    const struct search_request *request = run->request;
    enum reader_deleted deleted = request->filter.deleted;
    struct doc_bits bits = {0};

    if (!vector_normalize(request->vector, search_indexer_dims(run->searcher->indexer),
                          run->searcher->vector)) {
        return 0;
    }
    int r = choose_docs(run, &bits, err);
    if (r == 0) {
        const struct vector_query query = {
            .vector = run->searcher->vector,
            .model = vector_model_hash(request->model, strlen(request->model)),
            .deleted_mask = deleted == READER_DELETED_ANY ? 0 : VECTOR_DELETED,
            .deleted_marks = deleted == READER_DELETED_ONLY ? VECTOR_DELETED : 0,
            .docs = bits.bytes,
            .doc_count = bits.count};
        search_indexer_top(run->searcher->indexer, &query, run->list_max, run->near,
                           &run->near_count);
    }
    free(bits.bytes);
    return r;
}

/* ---- together ---- */

static struct reader_candidate *candidate_of(struct run *run, int64_t doc)
{
    for (size_t i = 0; i < run->count; i++) {
        if (run->candidates[i].doc == doc) {
            return &run->candidates[i];
        }
    }
    return NULL;
}

static void add_found(struct run *run)
{
    for (size_t i = 0; i < run->found_count; i++) {
        run->candidates[run->count++] =
            (struct reader_candidate){.id = run->found[i].id,
                                      .doc = run->found[i].doc,
                                      .reading = run->found[i].reading,
                                      .by_text = true,
                                      .text_score = run->found[i].score};
        run->found[i].id = NULL; /* moved */
    }
}

static int add_near(struct run *run, struct error *err)
{
    for (size_t i = 0; i < run->near_count; i++) {
        const struct vector_hit *hit = &run->near[i];
        struct reader_candidate *candidate = candidate_of(run, hit->doc);
        if (candidate == NULL) {
            char *id;
            int r = search_finder_id(run->searcher->finder, hit->doc, &id, err);
            if (r != 0) {
                return r;
            }
            if (id == NULL) {
                continue;
            }
            candidate = &run->candidates[run->count++];
            *candidate = (struct reader_candidate){.id = id, .doc = hit->doc};
        }
        /* A vector that was replaced stands beside its old one for a moment. */
        if (!candidate->by_vector || hit->vector_seq > candidate->vector_seq) {
            candidate->by_vector = true;
            candidate->vector_score = (double)hit->score;
            candidate->vector_seq = hit->vector_seq;
        }
    }
    return 0;
}

static double fused(const struct reader_candidate *candidate, bool both)
{
    double weight = candidate->reading == SEARCH_ANY_BEGINNING ? FUSE_ANY_WORD : 1;
    double score = 0;

    if (!both) {
        return candidate->by_text ? candidate->text_score : candidate->vector_score;
    }
    if (candidate->by_text) {
        score += weight / (FUSE_K + (double)candidate->text_rank);
    }
    if (candidate->by_vector) {
        score += 1 / (FUSE_K + (double)candidate->vector_rank);
    }
    return score;
}

static int better_first(const void *left, const void *right)
{
    const struct reader_candidate *a = left, *b = right;

    if (a->score != b->score) {
        return a->score < b->score ? 1 : -1;
    }
    return a->doc < b->doc ? 1 : -1; /* the newer one */
}

static int nearer_first(const void *left, const void *right)
{
    const struct reader_candidate *a = left, *b = right;

    if (a->by_vector != b->by_vector) {
        return a->by_vector ? -1 : 1;
    }
    if (a->vector_score != b->vector_score) {
        return a->vector_score < b->vector_score ? 1 : -1;
    }
    return a->doc < b->doc ? -1 : 1;
}

/* The text's are in their order as they come. */
static void rank(struct run *run)
{
    size_t text_rank = 0;

    for (size_t i = 0; i < run->count; i++) {
        if (run->candidates[i].by_text) {
            run->candidates[i].text_rank = ++text_rank;
        }
    }
    qsort(run->candidates, run->count, sizeof run->candidates[0], nearer_first);
    for (size_t i = 0; i < run->count; i++) {
        run->candidates[i].vector_rank = i + 1;
    }
    for (size_t i = 0; i < run->count; i++) {
        run->candidates[i].score = fused(&run->candidates[i], run->by_text && run->by_vector);
    }
}

/* What is no hit any more goes. */
static void drop_stale(struct run *run)
{
    size_t kept = 0;

    for (size_t i = 0; i < run->count; i++) {
        if (run->candidates[i].by_text || run->candidates[i].by_vector) {
            run->candidates[kept++] = run->candidates[i];
        } else {
            free(run->candidates[i].id);
        }
    }
    run->count = kept;
}

static int fuse(struct run *run, struct error *err)
{
    add_found(run);
    int r = add_near(run, err);
    if (r != 0) {
        return index_failed(run->searcher, r, err);
    }
    r = reader_check_candidates(run->reader, &run->request->filter, run->candidates, run->count,
                                err);
    if (r != 0) {
        return r;
    }
    drop_stale(run);
    rank(run);
    qsort(run->candidates, run->count, sizeof run->candidates[0], better_first);
    return 0;
}

/* ---- snippets ---- */

static int add_snippet(struct run *run, struct reader_candidate *candidate, size_t *at,
                       struct error *err)
{
    msgpack_sbuffer marked;
    size_t size_before = run->snippets.size;

    msgpack_sbuffer_init(&marked);
    int r = search_finder_snippet(run->searcher->finder, run->expressions[candidate->reading].data,
                                  candidate->doc, &marked, err);
    if (r == 0 && marked.size > 0) {
        r = search_snippet_pack(marked.data, marked.size, &run->snippets);
        candidate->snippet_members = 2;
    }
    *at = run->snippets.size - size_before;
    msgpack_sbuffer_destroy(&marked);
    return r;
}

/* They are pointed at when all are made: the buffer may move while it grows. */
static int make_snippets(struct run *run, struct error *err)
{
    size_t sizes[SEARCH_LIMIT_MAX + SPARE] = {0};
    size_t count = run->request->filter.limit + SPARE, offset = 0;
    int r = 0;

    count = count < run->count ? count : run->count;
    for (size_t i = 0; r == 0 && i < count; i++) {
        if (run->candidates[i].by_text) {
            r = add_snippet(run, &run->candidates[i], &sizes[i], err);
        }
    }
    if (r != 0) {
        return index_failed(run->searcher, r, err);
    }
    for (size_t i = 0; i < count; offset += sizes[i++]) {
        if (sizes[i] > 0) {
            run->candidates[i].snippet = (struct unpack_slice){
                .data = (const uint8_t *)run->snippets.data + offset, .size = sizes[i]};
        }
    }
    return 0;
}

/* ---- the answer ---- */

static void pack_text_at(msgpack_packer *packer, const char *text)
{
    msgpack_pack_str_with_body(packer, text, strlen(text));
}

static void pack_semantic(msgpack_packer *packer, const struct search_request *request)
{
    char text[600];

    snprintf(text, sizeof text, "unavailable: %s", request->why);
    pack_text_at(packer, "semantic");
    pack_text_at(packer, text);
}

static int answer(struct run *run, uint64_t behind, msgpack_sbuffer *result, struct error *err)
{
    const struct search_request *request = run->request;
    bool lacks = request->vector == NULL && request->mode != SEARCH_TEXT;
    msgpack_sbuffer hits;
    msgpack_packer packer;
    uint32_t count;

    msgpack_sbuffer_init(&hits);
    int r = reader_pack_candidates(run->reader, &request->filter, run->candidates, run->count,
                                   &hits, &count, err);
    msgpack_packer_init(&packer, result, msgpack_sbuffer_write);
    msgpack_pack_map(&packer, 2 + (size_t)lacks + (behind > 0) + run->late);
    pack_text_at(&packer, "hits");
    msgpack_pack_array(&packer, count);
    if (count > 0) {
        msgpack_pack_str_body(&packer, hits.data, hits.size);
    }
    pack_text_at(&packer, "mode");
    pack_text_at(&packer, !run->by_vector ? "text" : run->by_text ? "both" : "semantic");
    if (lacks) {
        pack_semantic(&packer, request);
    }
    if (behind > 0) {
        pack_text_at(&packer, "behind");
        msgpack_pack_uint64(&packer, behind);
    }
    if (run->late) {
        pack_text_at(&packer, "late");
        msgpack_pack_true(&packer);
    }
    msgpack_sbuffer_destroy(&hits);
    return r;
}

static int find_all(struct run *run, struct error *err)
{
    int r = 0;

    if (run->by_text) {
        r = find_texts(run, err);
    }
    if (r == 0 && run->by_vector) {
        r = find_near(run, err);
    }
    if (r != 0) {
        return index_failed(run->searcher, r, err);
    }
    r = fuse(run, err);
    return r == 0 ? make_snippets(run, err) : r;
}

static struct run *run_new(struct searcher *searcher, struct reader *reader,
                           const struct search_request *request)
{
    struct run *run = calloc(1, sizeof *run);

    if (run == NULL) {
        return NULL;
    }
    run->searcher = searcher;
    run->reader = reader;
    run->request = request;
    run->by_vector = request->mode != SEARCH_TEXT && request->vector != NULL;
    run->by_text = request->mode != SEARCH_SEMANTIC && request->size > 0;
    run->list_max = 2 * request->filter.limit + LIST_MIN;
    return run;
}

static void run_free(struct run *run)
{
    for (size_t i = 0; i < SEARCH_READINGS; i++) {
        msgpack_sbuffer_destroy(&run->expressions[i]);
    }
    for (size_t i = 0; i < run->found_count; i++) {
        free(run->found[i].id);
    }
    for (size_t i = 0; i < run->count; i++) {
        free(run->candidates[i].id);
    }
    msgpack_sbuffer_destroy(&run->snippets);
    free(run);
}

int searcher_run(struct searcher *searcher, struct reader *reader,
                 const struct search_request *request, msgpack_sbuffer *ret_result,
                 struct error *err)
{
    assert(request->filter.limit >= 1 && request->filter.limit <= SEARCH_LIMIT_MAX);
    uint64_t behind = search_indexer_await(searcher->indexer, request->need_seq, SEARCH_LEVEL_MS);
    int r = open_finder(searcher, err);
    if (r != 0) {
        return r;
    }
    struct run *run = run_new(searcher, reader, request);
    if (run == NULL) {
        return error_set(err, -ENOMEM, "out of memory while searching");
    }
    r = find_all(run, err);
    if (r == 0) {
        r = answer(run, behind, ret_result, err);
    }
    run_free(run);
    return r;
}
