/* search.c - see search.h. */
#include "broker/search.h"

#include "broker/search_run.h"
#include "broker/util/clock.h"
#include "broker/vector_dot.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LIST_SPARE 16 /* hits beyond twice the limit, where few are not what they were */

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

int search_index_failed(struct searcher *searcher, int r, struct error *err)
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

/* What has every word; when that is not enough, what has some, of which those come first that have
 * a form of each. */
static int find_texts(struct search_run *run, struct error *err)
{
    static const enum search_reading readings[] = {SEARCH_ALL, SEARCH_ANY_BEGINNING};
    struct search_finding finding = {.filter = &run->request->filter,
                                     .deadline_ms = clock_monotonic_ms() + SEARCH_TEXT_MS};
    bool failed = false;
    int r = 0;

    search_words_parse(run->request->query, run->request->size, &run->words);
    for (size_t i = 0; r == 0 && i < 2 && !run->late; i++) {
        msgpack_sbuffer expression;
        msgpack_sbuffer_init(&expression);
        if (run->found_count < run->request->filter.limit &&
            search_words_express(&run->words, readings[i], &expression, &failed)) {
            finding.expression = expression.data;
            finding.loose = readings[i] != SEARCH_ALL;
            r = search_finder_find(run->searcher->finder, &finding, run->list_max, run->found,
                                   &run->found_count, &run->late, err);
        }
        msgpack_sbuffer_destroy(&expression);
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
static int choose_docs(struct search_run *run, struct doc_bits *bits, struct error *err)
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

static int find_near(struct search_run *run, struct error *err)
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
        r = search_indexer_top(run->searcher->indexer, &query, run->list_max, run->near,
                               &run->near_count, err);
        if (r == -EIO) {
            search_indexer_condemn(run->searcher->indexer, run->searcher->making, err->text);
        }
    }
    free(bits.bytes);
    return r;
}

static int find_all(struct search_run *run, struct error *err)
{
    int r = 0;

    if (run->by_text) {
        r = find_texts(run, err);
    }
    if (r == 0 && run->by_vector) {
        r = find_near(run, err);
    }
    if (r != 0) {
        return search_index_failed(run->searcher, r, err);
    }
    return search_fuse(run, err);
}

/* One list alone, of an index that is level, has few that are no more as they were. */
static size_t list_max_of(const struct search_run *run, uint64_t behind)
{
    size_t more = run->by_vector || behind > 0 ? SEARCH_LIST_MIN : LIST_SPARE;

    return 2 * run->request->filter.limit + more;
}

static struct search_run *run_new(struct searcher *searcher, struct reader *reader,
                                  const struct search_request *request, uint64_t behind)
{
    struct search_run *run = calloc(1, sizeof *run);

    if (run == NULL) {
        return NULL;
    }
    run->searcher = searcher;
    run->reader = reader;
    run->request = request;
    run->by_vector = request->mode != SEARCH_TEXT && request->vector != NULL;
    run->by_text = request->mode != SEARCH_SEMANTIC && request->size > 0;
    run->list_max = list_max_of(run, behind);
    return run;
}

static void run_free(struct search_run *run)
{
    for (size_t i = 0; i < run->found_count; i++) {
        free(run->found[i].id);
    }
    for (size_t i = 0; i < run->count; i++) {
        free(run->candidates[i].id);
    }
    msgpack_sbuffer_destroy(&run->snippet);
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
    struct search_run *run = run_new(searcher, reader, request, behind);
    if (run == NULL) {
        return error_set(err, -ENOMEM, "out of memory while searching");
    }
    r = search_finder_begin(searcher->finder, err);
    r = r != 0 ? search_index_failed(searcher, r, err) : find_all(run, err);
    if (r == 0) {
        r = search_answer(run, behind, ret_result, err);
    }
    search_finder_end(searcher->finder);
    run_free(run);
    return r;
}
