/* reader_search.h - what a search asks the store: whether what an index found is still so, and the
 * memories themselves. */
#ifndef MEMFERRY_READER_SEARCH_H
#define MEMFERRY_READER_SEARCH_H

#include "broker/reader.h"

/* A memory that an index has found. */
struct reader_candidate {
    char *id;    /* the index's */
    int64_t doc; /* the index's own … */
    uint8_t reading;
    bool by_text, by_vector;
    uint64_t vector_seq; /* which vector was found */
    /* of the answer */
    double score;
    double text_score, vector_score;
    size_t text_rank, vector_rank;
    struct unpack_slice snippet; /* msgpack members behind those of the memory … */
    size_t snippet_members;      /* … and how many */
};

/* Clears by_text and by_vector of what the filter does not let through as it is now, and by_vector
 * of what shows another vector by now. */
int reader_check_candidates(struct reader *reader, const struct reader_filter *filter,
                            struct reader_candidate *candidates, size_t count, struct error *err);
/* Called for each that is to be packed, to give it its snippet. */
struct reader_preparing {
    int (*fn)(void *arg, struct reader_candidate *candidate, struct error *err);
    void *arg;
};
/* Appends a map for each that the filter lets through as it is now, at most filter->limit and 1 MiB
 * (one at least), and counts them. */
int reader_pack_candidates(struct reader *reader, const struct reader_filter *filter,
                           const struct reader_preparing *preparing,
                           struct reader_candidate *candidates, size_t count, msgpack_sbuffer *out,
                           uint32_t *ret_count, struct error *err);

int reader_has_memory(struct reader *reader, const char *id, bool *ret, struct error *err);
/* The model of the embedder that is configured, "" without one. ret holds EMBEDDING_MODEL_MAX + 1.
 */
int reader_embedder_model(struct reader *reader, char *ret, struct error *err);

#endif
