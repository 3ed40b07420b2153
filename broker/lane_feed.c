/* lane_feed.c - the feed of each kind of lane: see lane_feed.h. */
#include "broker/lane_embed.h"
#include "broker/lane_internal.h"

#include <errno.h>
#include <stdlib.h>

/* ---- memories, to a sink ---- */

void lane_batch_of_memories(struct lane_batch *ret, struct reader_batch *memories)
{
    *ret = (struct lane_batch){.items = reader_batch_items(memories),
                               .count = reader_batch_count(memories),
                               .cursor = reader_batch_cursor(memories),
                               .memories = memories};
}

static int read_memories(struct lane *lane, struct lane_batch *ret, struct error *err)
{
    struct reader_batch *memories = NULL;
    int status = reader_batch_after(lane->reader, lane->name, lane->cursor, lane->batch,
                                    lane->batch_bytes, &memories, err);

    if (status == 0) {
        lane_batch_of_memories(ret, memories);
    }
    return status;
}

static int read_due_memories(struct lane *lane, int64_t now_ms, struct lane_batch *ret,
                             struct error *err)
{
    struct reader_batch *memories = NULL;
    int status = reader_batch_due(lane->reader, lane->name, now_ms, lane->batch, lane->batch_bytes,
                                  &memories, &lane->next_due_ms, err);

    if (status == 0) {
        lane_batch_of_memories(ret, memories);
    }
    return status;
}

static void deliver(struct lane *lane, const uint32_t *which, size_t n,
                    struct memferry_outcome *outcomes)
{
    const struct memferry_memory *memories = reader_batch_memories(lane->carried->memories);

    for (size_t i = 0; i < n; i++) {
        lane->room.memories[i] = memories[which[i]];
    }
    lane->table->deliver(instance_self(lane->instance), lane->room.memories, n, outcomes);
}

static const struct lane_feed memories_feed = {.kind = LANE_SINK,
                                               .noun = "memories",
                                               .read_events = read_memories,
                                               .read_due = read_due_memories,
                                               .call = deliver};

/* ---- alerts, to people ---- */

static void hold_alerts(struct lane_batch *ret, struct reader_alerts *alerts)
{
    *ret = (struct lane_batch){.items = reader_alerts_items(alerts),
                               .count = reader_alerts_count(alerts),
                               .cursor = reader_alerts_cursor(alerts),
                               .alerts = alerts};
}

static int read_alerts(struct lane *lane, struct lane_batch *ret, struct error *err)
{
    struct reader_alerts *alerts = NULL;
    int status = reader_alerts_after(lane->reader, lane->name, lane->cursor, lane->batch,
                                     lane->batch_bytes, &alerts, err);

    if (status == 0) {
        hold_alerts(ret, alerts);
    }
    return status;
}

static int read_due_alerts(struct lane *lane, int64_t now_ms, struct lane_batch *ret,
                           struct error *err)
{
    struct reader_alerts *alerts = NULL;
    int status = reader_alerts_due(lane->reader, lane->name, now_ms, lane->batch, lane->batch_bytes,
                                   &alerts, &lane->next_due_ms, err);

    if (status == 0) {
        hold_alerts(ret, alerts);
    }
    return status;
}

static void notify(struct lane *lane, const uint32_t *which, size_t n,
                   struct memferry_outcome *outcomes)
{
    const struct memferry_alert *alerts = reader_alerts_get(lane->carried->alerts);

    for (size_t i = 0; i < n; i++) {
        lane->room.alerts[i] = alerts[which[i]];
    }
    lane->table->notify(instance_self(lane->instance), lane->room.alerts, n, outcomes);
}

static const struct lane_feed alerts_feed = {.kind = LANE_ALERTS,
                                             .noun = "alerts",
                                             .read_events = read_alerts,
                                             .read_due = read_due_alerts,
                                             .call = notify};

/* ---- which ---- */

const struct lane_feed *lane_feed_of(const struct memferry_plugin *table)
{
    if ((table->deliver != NULL) + (table->embed != NULL) + (table->notify != NULL) != 1) {
        return NULL;
    }
    return table->deliver != NULL ? &memories_feed
           : table->embed != NULL ? &lane_embed_feed
                                  : &alerts_feed;
}

void lane_batch_deinit(struct lane_batch *batch)
{
    reader_batch_free(batch->memories);
    reader_alerts_free(batch->alerts);
    *batch = (struct lane_batch){0};
}

int lane_room_init(struct lane_room *room, enum lane_kind kind, uint32_t batch, uint32_t dims)
{
    switch (kind) {
    case LANE_SINK:
        room->memories = calloc(batch, sizeof *room->memories);
        return room->memories == NULL ? -ENOMEM : 0;
    case LANE_EMBEDDER:
        return lane_embed_room_init(room, batch, dims);
    case LANE_ALERTS:
        room->alerts = calloc(batch, sizeof *room->alerts);
        return room->alerts == NULL ? -ENOMEM : 0;
    }
    return 0;
}

void lane_room_deinit(struct lane_room *room)
{
    free(room->memories);
    free(room->alerts);
    lane_embed_room_deinit(room);
}
