/* health.c - asks the threads how long they have stood still, and feeds the watchdog; see health.h.
 */
#include "broker/health.h"

#include "broker/systemd.h"
#include "broker/util/clock.h"
#include "broker/util/container.h"

#define LOOKS_IN_A_SPAN 4

static int64_t stuck_after_ms(const struct health *health)
{
    int64_t half_ms = health->watchdog_ms / 2;

    return half_ms > 0 && half_ms < HEALTH_STUCK_MS ? half_ms : HEALTH_STUCK_MS;
}

struct health_findings health_look(const struct health *health)
{
    const struct writes *writes = health->writes;
    int64_t limit_ms = stuck_after_ms(health);
    struct health_findings found = {
        .writer_ms = journal_stuck_ms(writes->journal),
        .store_ms = applier_stuck_ms(writes->applier),
        .unapplied = writes->unapplied,
        .unapplied_ms = progress_age_ms(&writes->applying),
        .full = writes_is_full(writes),
    };

    found.writer_stuck = found.writer_ms >= limit_ms;
    found.store_stuck = found.store_ms >= limit_ms;
    return found;
}

int64_t health_call_ms(const struct lane_status *lane)
{
    int64_t age_ms = lane->busy ? clock_monotonic_ms() - lane->busy_since_ms : 0;

    return !lane->busy ? 0 : age_ms > 0 ? age_ms : 1;
}

static void tell_stuck(struct health *health, const struct health_findings *found)
{
    const char *who = found->writer_stuck ? "writer" : "store";
    int64_t ms = found->writer_stuck ? found->writer_ms : found->store_ms;

    if (!health->told) {
        health->told = true;
        log_write(health->log, LOG_LEVEL_ERROR, "stuck",
                  "the %s thread has work and has finished none of it for %lld s: the watchdog is "
                  "told no more; see whether the disk hangs",
                  who, (long long)ms / 1000);
        systemd_notifyf("STATUS=The %s thread has stood still for %lld s.", who,
                        (long long)ms / 1000);
    }
}

static void look_cb(uv_timer_t *timer)
{
    struct health *health = container_of(timer, struct health, timer);
    struct health_findings found = health_look(health);

    if (found.writer_stuck || found.store_stuck) {
        tell_stuck(health, &found);
        return;
    }
    if (health->told) {
        health->told = false;
        log_write(health->log, LOG_LEVEL_WARNING, "unstuck", "writer and store go on");
        systemd_notify("STATUS=Writer and store go on again.");
    }
    systemd_notify("WATCHDOG=1");
}

void health_init(struct health *health, uv_loop_t *loop, struct writes *writes, struct log *log)
{
    *health = (struct health){.writes = writes, .log = log};
    uv_timer_init(loop, &health->timer);
}

void health_start(struct health *health)
{
    health->watchdog_ms = systemd_watchdog_ms();
    if (health->watchdog_ms > 0) {
        uint64_t every_ms = (uint64_t)health->watchdog_ms / LOOKS_IN_A_SPAN;
        uv_timer_start(&health->timer, look_cb, 0, every_ms > 0 ? every_ms : 1);
    }
}
