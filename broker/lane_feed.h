/*
 * lane_feed.h - what a kind of lane carries, and how its plugin is called: memories to a sink,
 * contents to an embedder (lane_embed.h), alerts to people.
 *
 * A lane is the same for all kinds: cursor, batch, outcomes, circuit. A feed reads the batch and
 * calls the plugin's function for it.
 */
#ifndef MEMFERRY_LANE_FEED_H
#define MEMFERRY_LANE_FEED_H

#include "broker/reader.h"
#include "broker/util/error.h"

#include <memferry/plugin.h>

struct lane;

/* What is delivered next. Only one of the last ones is there, by the feed. */
struct lane_batch {
    const struct reader_batch_item *items;
    size_t count;
    uint64_t cursor;               /* where the lane stands once the batch is dealt with */
    struct reader_batch *memories; /* owned */
    struct reader_alerts *alerts;  /* owned */
};

struct lane_feed {
    enum lane_kind kind;
    const char *noun; /* for messages: "memories" */
    /* What is above the lane's cursor; as reader_batch_after. */
    int (*read_events)(struct lane *, struct lane_batch *ret, struct error *err);
    /* What is deferred and due; sets lane->next_due_ms. As reader_batch_due. */
    int (*read_due)(struct lane *, int64_t now_ms, struct lane_batch *ret, struct error *err);
    /* Calls the plugin with the items which[0 … n) of lane->carried. */
    void (*call)(struct lane *, const uint32_t *which, size_t n, struct memferry_outcome *outcomes);
    /* Behind the calls, before the outcomes are recorded: keeps what the plugin gave. On failure
     * nothing is recorded, and the batch is read again. NULL: there is nothing to keep. */
    int (*settle)(struct lane *, struct error *err);
};

/* By what the plugin can do; a plugin that can do nothing of it has none. */
const struct lane_feed *lane_feed_of(const struct memferry_plugin *table);

void lane_batch_of_memories(struct lane_batch *ret, struct reader_batch *memories);
void lane_batch_deinit(struct lane_batch *batch);

/* Room for what one call of the plugin carries; only what the feed needs is there. */
struct lane_room {
    struct memferry_memory *memories;
    struct memferry_alert *alerts;
    /* of an embedder: what one call carries … */
    struct memferry_text *texts;
    uint32_t *asked; /* where each of them stands in the call */
    struct memferry_outcome *outcomes;
    float *part;
    /* … and what was made of the batch, by its items */
    float *vectors;
    bool *truncated;
    size_t dims;
};

/* -ENOMEM. */
int lane_room_init(struct lane_room *room, enum lane_kind kind, uint32_t batch, uint32_t dims);
void lane_room_deinit(struct lane_room *room);

#endif
