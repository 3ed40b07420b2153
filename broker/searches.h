/*
 * searches.h - the parts of search, put together for the loop: the indexer's thread, the search
 * thread with a reader of its own, so that no get ever waits for a search, and the asks for
 * vectors.
 */
#ifndef MEMFERRY_SEARCHES_H
#define MEMFERRY_SEARCHES_H

#include "broker/query.h"
#include "broker/query_embed.h"
#include "broker/search.h"

struct searches {
    struct queries queries;
    struct query_embeds embeds;
    struct searcher *searcher; /* the search thread's */
    struct search_indexer *indexer;
};

struct searches_options {
    const char *store_path, *index_path, *vector_path, *origin;
    uint32_t dims;
    uint64_t applied_seq;
};

int searches_start(struct searches *searches, uv_loop_t *loop, struct mailbox *mailbox,
                   struct backends *backends, const struct searches_options *options,
                   struct log *log, struct error *err);
/* The store has applied up to applied_seq. */
void searches_applied(struct searches *searches, uint64_t applied_seq);
/* No vector is asked for any more. */
void searches_hurry(struct searches *searches);
/* Joins the threads; half started too. When no search is in flight. */
void searches_stop(struct searches *searches);

struct searches *searches_of(struct queries *queries);

#endif
