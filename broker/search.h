/*
 * search.h - one search, in the search thread: by words, by meaning, or by both.
 *
 * Happy path: wait for the index to be level (1 s at most); take the best of the text index and of
 * the vectors; hold them to what the store says now; fuse; read the memories.
 *
 * Both are fused by reciprocal rank: a hit counts 1 / (60 + its rank) in each list that has it.
 *
 * Failure modes: an index that is not level answers all the same, and says how far it is behind.
 * One that is damaged is condemned, and made anew by the indexer; until then there is nothing to
 * answer with: SEARCH_E_UNAVAILABLE.
 */
#ifndef MEMFERRY_SEARCH_H
#define MEMFERRY_SEARCH_H

#include "broker/reader.h"
#include "broker/search_indexer.h"

#define SEARCH_LEVEL_MS      1000 /* how long a search waits for the index */
#define SEARCH_TEXT_MS       2000 /* how long it looks through the texts */
#define SEARCH_E_UNAVAILABLE 100

enum search_mode { SEARCH_AUTO = 0, SEARCH_TEXT, SEARCH_SEMANTIC };

struct search_request {
    enum search_mode mode;
    const char *query; /* size 0: only the vector */
    size_t size;
    struct reader_filter filter;
    const float *vector; /* of the broker's dims; NULL: there is none, because … */
    const char *why;
    const char *model; /* whose the vector is */
    uint64_t need_seq;
};

struct searcher;

/* The indexer is borrowed. NULL: no memory. */
struct searcher *searcher_new(struct search_indexer *indexer);
struct searcher *searcher_free(struct searcher *searcher);

/* {hits, mode, semantic?, behind?, late?}. 0, SEARCH_E_UNAVAILABLE, or a negative errno. */
int searcher_run(struct searcher *searcher, struct reader *reader,
                 const struct search_request *request, msgpack_sbuffer *ret_result,
                 struct error *err);

#endif
