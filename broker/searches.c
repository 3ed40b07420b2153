/* searches.c - see searches.h. */
#include "broker/searches.h"

#include "broker/util/container.h"

#include <errno.h>

struct searches *searches_of(struct queries *queries)
{
    return container_of(queries, struct searches, queries);
}

static int start_indexer(struct searches *searches, const struct searches_options *options,
                         struct log *log, struct error *err)
{
    const struct search_indexer_options indexer = {.store_path = options->store_path,
                                                   .index_path = options->index_path,
                                                   .vector_path = options->vector_path,
                                                   .origin = options->origin,
                                                   .dims = options->dims,
                                                   .applied_seq = options->applied_seq};

    int r = search_indexer_start(&searches->indexer, &indexer, log, err);
    if (r != 0) {
        return r;
    }
    searches->searcher = searcher_new(searches->indexer);
    return searches->searcher != NULL ? 0 : error_set(err, -ENOMEM, "out of memory for searching");
}

int searches_start(struct searches *searches, uv_loop_t *loop, struct mailbox *mailbox,
                   struct backends *backends, const struct searches_options *options,
                   struct log *log, struct error *err)
{
    struct reader *reader = NULL;

    query_embeds_init(&searches->embeds, loop, mailbox, backends);
    int r = start_indexer(searches, options, log, err);
    if (r == 0) {
        r = reader_open(&reader, options->store_path, err);
    }
    return r == 0 ? queries_start(&searches->queries, QUERIES_SEARCH, loop, mailbox, reader,
                                  options->applied_seq, err)
                  : r;
}

void searches_applied(struct searches *searches, uint64_t applied_seq)
{
    search_indexer_wake(searches->indexer, applied_seq);
    queries_applied(&searches->queries, applied_seq);
}

void searches_hurry(struct searches *searches)
{
    query_embeds_stop(&searches->embeds);
}

void searches_stop(struct searches *searches)
{
    queries_stop(&searches->queries);
    searches->searcher = searcher_free(searches->searcher);
    searches->indexer = search_indexer_stop(searches->indexer);
}
