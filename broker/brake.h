/*
 * brake.h - how fast peers that write are read while the store is behind.
 *
 * A journal takes events faster than a store applies them. Up to BRAKE_SOFT on their way to the
 * store everybody is read as fast as he writes: a burst is answered at the speed of the disk.
 * Above it peers that write are read as fast as the store applies, a little faster or slower by how
 * much there is, a portion each millisecond: callers wait evenly, and not all of them at once for a
 * batch to end. At BRAKE_MAX they are not read at all.
 *
 * Bounded: BRAKE_MAX, and one request beyond it. A stuck store is read for no longer than that.
 * The loop's own.
 */
#ifndef MEMFERRY_BRAKE_H
#define MEMFERRY_BRAKE_H

#include "broker/peer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

/* Weights are payload bytes, of an event at least BRAKE_EVENT: 65,536 small ones are as much as
 * 48 MiB. What a store applies in about two seconds, since reads wait for that (query.h). */
#define BRAKE_EVENT ((size_t)768)
#define BRAKE_MAX   ((size_t)48 << 20)
#define BRAKE_SOFT  (BRAKE_MAX / 4 * 3)

struct brake {
    struct peers *peers;
    uv_timer_t timer; /* while it brakes */
    size_t load;      /* on its way to the store */
    size_t drained;   /* by the store, since `since_us` */
    int64_t since_us;
    size_t rate;       /* what the store drains in a millisecond, as it was of late */
    int64_t allowance; /* what may be read in this millisecond; below 0: of the next ones too */
    int64_t ticked_us;
    bool brakes;
    bool released; /* whatever there is, everybody is read */
};

int brake_init(struct brake *brake, uv_loop_t *loop, struct peers *peers);
void brake_add(struct brake *brake, size_t payload_size);
void brake_remove(struct brake *brake, size_t payload_size);
/* What comes will be refused, and must be read for that. */
void brake_release(struct brake *brake, bool released);

#endif
