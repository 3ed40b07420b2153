/*
 * lane_others.c - a new journal meets a backend that holds memories already: a new machine beside
 * others, or a disk that was lost.
 *
 * Only a person knows which. So the lane looks for one memory of another origin before its first
 * delivery, pauses itself if there is one, and names both ways on: recover, or resume.
 */
#include "broker/lane_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct look {
    const struct lane *lane;
    char id[65], origin[65];
};

static int look_at(void *arg, const struct memferry_memory *memory)
{
    struct look *look = arg;

    if (strcmp(memory->origin.data, look->lane->origin) == 0) {
        return 0;
    }
    snprintf(look->id, sizeof look->id, "%.64s", memory->id.data);
    snprintf(look->origin, sizeof look->origin, "%.64s", memory->origin.data);
    return 1;
}

static int pause_for_others(struct lane *lane, const struct look *look, struct error *err)
{
    char why[512];

    snprintf(why, sizeof why,
             "Backend %s holds memories of another journal (%s is of %s), and this one is new. If "
             "this machine lost its disk: memferry recover --from %s. If it is a new one beside "
             "others: memferry backends resume %s",
             lane->name, look->id, look->origin, lane->name, lane->name);
    lane_note_error(lane, why);
    log_write(lane->log, LOG_LEVEL_WARNING, "lane-journal-lost", "%s", why);
    int status = lane_pause(lane, true, err);
    lane->observer->trouble(lane->observer, lane->name, LANE_TROUBLE_FOREIGN, why);
    return status;
}

int lane_look_for_others(struct lane *lane, struct error *err)
{
    struct look look = {.lane = lane};

    if (!lane->looks_for_others || lane->cursor != 0 || lane->paused) {
        return 0;
    }
    if (!lane_enter_call(lane, LANE_CALL_WORK)) {
        return error_set(err, -ECANCELED, "Backend %s is being stopped.", lane->name);
    }
    int n = lane->table->fetch(instance_self(lane->instance), "", 1, look_at, &look);
    lane_leave_call(lane);
    if (n < 0) {
        return error_set_errno(err, n, "Backend %s could not be read back; see the log",
                               lane->name);
    }
    lane->looks_for_others = false;
    return look.id[0] != '\0' ? pause_for_others(lane, &look, err) : 0;
}
