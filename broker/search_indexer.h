/*
 * search_indexer.h - the thread that keeps the search files level with the store.
 *
 * Happy path: woken with what was applied; reads the memories above its cursor as a lane does, what
 * they are now and once each, and puts them in, until there are none.
 *
 * Failure modes: what is damaged is thrown away and made anew, from the store and at the least
 * priority. Whatever else fails (a full disk, no memory) is logged once and tried again, with
 * back-off from 1 s to 1 min. Puts and receipts know nothing of any of it; searches say how many
 * events they are behind.
 */
#ifndef MEMFERRY_SEARCH_INDEXER_H
#define MEMFERRY_SEARCH_INDEXER_H

#include "broker/search_files.h"
#include "broker/util/log.h"

struct search_indexer;

struct search_indexer_options {
    const char *store_path, *index_path, *vector_path, *origin;
    uint32_t dims;
    uint64_t applied_seq;
};

int search_indexer_start(struct search_indexer **ret, const struct search_indexer_options *options,
                         struct log *log, struct error *err);
/* Ends it; what it was at is done once more at the next start. NULL is fine. */
struct search_indexer *search_indexer_stop(struct search_indexer *indexer);

/* The store has applied up to applied_seq. Any thread, never blocks. */
void search_indexer_wake(struct search_indexer *indexer, uint64_t applied_seq);

struct search_stats {
    uint64_t documents, vectors;  /* in the index */
    uint64_t indexed_seq, behind; /* events */
};
void search_indexer_stats(struct search_indexer *indexer,
                          struct search_stats *ret); /* any thread */

/* ---- the search thread ---- */

/* Waits until what was applied up to seq is in the index, no longer than timeout_ms; returns how
 * many events it is behind. */
uint64_t search_indexer_await(struct search_indexer *indexer, uint64_t seq, int64_t timeout_ms);
/* Which making of the index there is to open: 0 none yet, another one when it was made anew. */
uint64_t search_indexer_making(struct search_indexer *indexer);
const char *search_indexer_path(const struct search_indexer *indexer);
uint32_t search_indexer_dims(const struct search_indexer *indexer);
/* A reader has found that making damaged. */
void search_indexer_condemn(struct search_indexer *indexer, uint64_t making, const char *why);
int search_indexer_top(struct search_indexer *indexer, const struct vector_query *query, size_t max,
                       struct vector_hit *ret, size_t *ret_count, struct error *err);

#endif
