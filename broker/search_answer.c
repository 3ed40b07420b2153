/* search_answer.c - the hits as the call's result: memories, scores, snippets, and what is missing.
 */
#include "broker/search_run.h"

#include "broker/search_marker.h"
#include "broker/search_snippet.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ---- snippets ---- */

struct snippet_of {
    struct search_run *run;
    struct reader_candidate *candidate;
};

static int add_snippet(void *arg, const char *content, size_t size)
{
    const struct snippet_of *it = arg;
    struct search_marker *marker = search_finder_marker(it->run->searcher->finder);
    msgpack_sbuffer marked;

    msgpack_sbuffer_init(&marked);
    int r = search_marker_mark(marker, content, size, &marked);
    if (r == 0 && marked.size > 0) {
        r = search_snippet_pack(marked.data, marked.size, &it->run->snippet);
        it->candidate->snippet_members = 2;
    }
    msgpack_sbuffer_destroy(&marked);
    return r;
}

/* Hits of one reading stand together, so that the query is taken apart once for each. */
static int ask_marker(struct search_run *run, enum search_reading reading)
{
    struct search_strings strings;

    search_words_strings(&run->words, reading, &strings);
    return search_marker_ask(search_finder_marker(run->searcher->finder), &strings);
}

static int find_snippet(struct snippet_of *it, struct error *err)
{
    struct search_run *run = it->run;
    bool all = it->candidate->reading == SEARCH_ALL;
    int r = 0;

    if (all ? !run->asked_all : !run->asked_any) {
        r = ask_marker(run, (enum search_reading)it->candidate->reading);
        run->asked_all = all;
        run->asked_any = !all;
    }
    if (r == 0) {
        r = search_finder_content(run->searcher->finder, it->candidate->doc, add_snippet, it, err);
    }
    return r == -ENOMEM ? error_set(err, r, "out of memory while searching") : r;
}

/* It lasts until the next one is made. */
static int make_snippet(void *arg, struct reader_candidate *candidate, struct error *err)
{
    struct snippet_of it = {.run = arg, .candidate = candidate};

    if (!candidate->by_text) {
        return 0;
    }
    msgpack_sbuffer_clear(&it.run->snippet);
    int r = find_snippet(&it, err);
    candidate->snippet = (struct unpack_slice){.data = (const uint8_t *)it.run->snippet.data,
                                               .size = it.run->snippet.size};
    return r == 0 ? 0 : search_index_failed(it.run->searcher, r, err);
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
    const struct reader_preparing preparing = {.fn = make_snippet, .arg = run};
    bool lacks = request->vector == NULL && request->mode != SEARCH_TEXT;
    msgpack_sbuffer hits;
    msgpack_packer packer;
    uint32_t count;

    msgpack_sbuffer_init(&hits);
    int r = reader_pack_candidates(run->reader, &request->filter, &preparing, run->candidates,
                                   run->count, &hits, &count, err);
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
