/* search_answer.c - the hits as the call's result: memories, scores, snippets, and what is missing.
 */
#include "broker/search_run.h"

#include "broker/search_snippet.h"

#include <stdio.h>
#include <string.h>

#define SPARE 8 /* snippets beyond the limit */

/* ---- snippets ---- */

static int add_snippet(struct search_run *run, struct reader_candidate *candidate, size_t *at,
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
static int make_snippets(struct search_run *run, struct error *err)
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
        return search_index_failed(run->searcher, r, err);
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

int search_answer(struct search_run *run, uint64_t behind, msgpack_sbuffer *result,
                  struct error *err)
{
    const struct search_request *request = run->request;
    bool lacks = request->vector == NULL && request->mode != SEARCH_TEXT;
    msgpack_sbuffer hits;
    msgpack_packer packer;
    uint32_t count;

    int r = make_snippets(run, err);
    if (r != 0) {
        return r;
    }
    msgpack_sbuffer_init(&hits);
    r = reader_pack_candidates(run->reader, &request->filter, run->candidates, run->count, &hits,
                               &count, err);
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
