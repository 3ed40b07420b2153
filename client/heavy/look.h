/*
 * look.h - one look at a broker: stats, health and backend.list, over one connection. Shared by
 * metrics, health, top and doctor.
 */
#ifndef MEMFERRY_HEAVY_LOOK_H
#define MEMFERRY_HEAVY_LOOK_H

#include "client/cli/cli.h"

#define LOOK_TIMEOUT_MS 10000 /* without --timeout: whoever watches gives up soon, too */

struct look {
    struct memferry_reply *stats_reply, *health_reply, *list_reply;
    const struct memferry_node *stats, *health,
        *backends; /* of these; health NULL: an older broker */
    int64_t at_ms; /* monotonic */
    int code;      /* of memferry_call, when look_take failed; then memferry_error says why */
};

/* Takes one, connecting if need be; nothing is told. False: look->code. Free it either way. */
bool look_take(struct cli *cli, struct look *look);
void look_free(struct look *look);

/* "memory" or "memories". */
const char *look_memories(int64_t count);

/* Whether it is one of the config's: the others are only remembered. */
bool look_is_attached(const struct memferry_node *backend);

#endif
