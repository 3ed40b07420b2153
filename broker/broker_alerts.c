/* broker_alerts.c - what the broker itself finds that somebody should look at. */
#include "broker/broker_internal.h"

#include <inttypes.h>
#include <stdio.h>

void broker_tell_trouble(struct broker *broker, const char *backend, enum lane_trouble trouble,
                         const char *why)
{
    char undo[128];

    switch (trouble) {
    case LANE_TROUBLE_GONE:
        snprintf(undo, sizeof undo, "memferry backends resume %s", backend);
        alerts_tell(&broker->alerts, "backend-gone", backend, MEMFERRY_SEVERITY_CRITICAL, undo,
                    "Backend %s says that it is gone for good, and is paused: %.300s", backend,
                    why);
        break;
    case LANE_TROUBLE_LOST:
        snprintf(undo, sizeof undo, "memferry verify %s --repair", backend);
        alerts_tell(&broker->alerts, "backend-lost", backend, MEMFERRY_SEVERITY_CRITICAL, undo,
                    "Backend %s lost more than half of what it had: %.300s", backend, why);
        break;
    case LANE_TROUBLE_FOREIGN:
        snprintf(undo, sizeof undo, "memferry recover --from %s", backend);
        alerts_tell(&broker->alerts, "journal-lost", backend, MEMFERRY_SEVERITY_CRITICAL, undo,
                    "%.400s", why);
        break;
    case LANE_TROUBLE_REJECTS:
        alerts_tell(&broker->alerts, "backend-rejects", backend, MEMFERRY_SEVERITY_WARNING, NULL,
                    "Backend %s refuses everything: %.300s", backend, why);
        break;
    }
}

void broker_tell_damage(struct broker *broker)
{
    const struct journal_recovery *found = &broker->recovered;

    if (found->damaged_groups == 0) {
        return;
    }
    alerts_tell(&broker->alerts, "journal-damage", found->aside[0] != '\0' ? found->aside : "kept",
                MEMFERRY_SEVERITY_CRITICAL, NULL,
                "%" PRIu32 " pieces of the journal could not be read whole at the start; the first "
                "is kept in %.200s%s%s. Look at the disk, and for memories that are missing",
                found->damaged_groups, broker->places.journal_dir,
                found->aside[0] != '\0' ? "/" : "", found->aside);
}

void broker_tell_set_aside(struct broker *broker, uint64_t seq)
{
    char subject[32];

    snprintf(subject, sizeof subject, "%" PRIu64, seq);
    alerts_tell(&broker->alerts, "event-set-aside", subject, MEMFERRY_SEVERITY_CRITICAL, NULL,
                "Event %" PRIu64 " is in the journal but the store cannot hold it; its memory "
                "stays as it was: see the log",
                seq);
}

void broker_tell_replayed(struct broker *broker)
{
    const struct replay_set_aside *found = &broker->replayed;
    char subject[32];

    if (found->count == 0) {
        return;
    }
    snprintf(subject, sizeof subject, "%" PRIu64, found->first_seq);
    alerts_tell(&broker->alerts, "event-set-aside", subject, MEMFERRY_SEVERITY_CRITICAL, NULL,
                "%" PRIu64 " events of the journal could not be applied at the start, the first of "
                "them %" PRIu64 "; their memories stay as they were: see the log",
                found->count, found->first_seq);
}
