/* search_run.h - one search from inside: what search.c, search_fuse.c and search_answer.c share. */
#ifndef MEMFERRY_SEARCH_RUN_H
#define MEMFERRY_SEARCH_RUN_H

#include "broker/reader_search.h"
#include "broker/search.h"
#include "broker/search_words.h"

struct searcher {
    struct search_indexer *indexer;
    struct search_finder *finder;
    uint64_t making; /* of the index that the finder has open */
    float *vector;   /* a query's, scaled */
};

/* One search. */
struct search_run {
    struct searcher *searcher;
    struct reader *reader;
    const struct search_request *request;
    size_t list_max; /* of each list */
    struct search_words words;
    struct search_found found[SEARCH_LIST_MAX];
    size_t found_count;
    struct vector_hit near[SEARCH_LIST_MAX];
    size_t near_count;
    struct reader_candidate candidates[2 * SEARCH_LIST_MAX];
    size_t count;
    bool late, by_text, by_vector;
    bool asked_all, asked_any; /* which strings the marker has */
    msgpack_sbuffer snippet;
};

/* What went wrong with the index; a damaged one is to be made anew. */
int search_index_failed(struct searcher *searcher, int r, struct error *err);
/* search_fuse.c: found and near become candidates, the best first, as the store has them now. */
int search_fuse(struct search_run *run, struct error *err);
/* search_answer.c */
int search_answer(struct search_run *run, uint64_t behind, msgpack_sbuffer *result,
                  struct error *err);

#endif
