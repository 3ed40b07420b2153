/* lane_embed.h - the feed of an embedder, and the room that its calls need. */
#ifndef MEMFERRY_LANE_EMBED_H
#define MEMFERRY_LANE_EMBED_H

#include "broker/lane_feed.h"

extern const struct lane_feed lane_embed_feed;

/* -ENOMEM. */
int lane_embed_room_init(struct lane_room *room, uint32_t batch, uint32_t dims);
void lane_embed_room_deinit(struct lane_room *room);

#endif
