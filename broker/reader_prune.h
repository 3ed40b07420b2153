/*
 * reader_prune.h - which old versions may go, a page at a time.
 *
 * By age a version may go when another had taken its place before the cutoff: what any memory was
 * at the cutoff, and ever since, stays. By count the newest versions of each memory stay; and of a
 * deleted one the last that was not deleted, so that it can always come back. The latest version
 * stays in any case.
 */
#ifndef MEMFERRY_READER_PRUNE_H
#define MEMFERRY_READER_PRUNE_H

#include "broker/arena.h"
#include "broker/event.h"
#include "broker/reader.h"

#define PRUNE_ITEMS_MAX    500u
#define PRUNE_VERSIONS_MAX 1000u /* of one item: a longer history goes piece by piece */

/* By one of the two. */
struct prune_rule {
    int64_t before_ms;   /* the cutoff; 0: not by age */
    uint32_t keep_count; /* 0: not by count */
};

struct prune_item {
    struct event_text id;
    uint64_t through; /* versions up to this seq */
};

struct prune_page {
    struct arena arena;
    struct prune_item items[PRUNE_ITEMS_MAX];
    size_t count;
    bool more; /* there is a next page, behind next_seq, once this one was carried out */
    uint64_t next_seq;
};

/* after_seq 0: the first page. Free the page either way. */
int reader_prune(struct reader *reader, const struct prune_rule *rule, uint64_t after_seq,
                 struct prune_page *ret, struct error *err);
void prune_page_deinit(struct prune_page *page);

#endif
