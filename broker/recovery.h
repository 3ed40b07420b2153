/*
 * recovery.h - an empty journal gets back what a backend holds.
 *
 * Happy path: recovery_start holds writes and lanes, and gives the job to the backend's lane
 * (lane_recover.h); when it has verified that both are equal, writes and lanes go on.
 *
 * Failure modes: a job that fails leaves everything held and is begun again where it was, by the
 * same call; so does a broker that was stopped in the middle (recovery_resume). recovery_abandon
 * lets writes and lanes go with what has come. Nothing is deleted in any case. In the loop.
 */
#ifndef MEMFERRY_RECOVERY_H
#define MEMFERRY_RECOVERY_H

#include "broker/backends.h"
#include "broker/lane_recover.h"
#include "broker/writes.h"

enum recovery_state {
    RECOVERY_NONE = 0,
    RECOVERY_BEGINNING, /* the store is being told */
    RECOVERY_RUNNING,
    RECOVERY_FAILED,
    RECOVERY_DONE
};

struct recovery {
    struct recover_importer importer;
    struct backends *backends;
    struct writes *writes;
    struct mailbox *mailbox;
    struct journal *journal;
    struct log *log;
    uint32_t dims;
    enum recovery_state state, before; /* before a claim */
    char claimed[BACKEND_NAME_MAX + 1];
    char backend[BACKEND_NAME_MAX + 1];
    struct lane_recover *job;     /* while it runs */
    struct recover_progress last; /* of the job that ended */
    char refusals[RECOVER_SAMPLES][320];
    struct error err; /* with FAILED */
    struct lane_reply resume_reply;
    /* from the lane's thread */
    struct note note;
    int status;
    struct error job_err; /* without status 0 */
};

/* All is borrowed. */
void recovery_init(struct recovery *recovery, struct backends *backends, struct writes *writes,
                   struct mailbox *mailbox, struct journal *journal, uint32_t dims,
                   struct log *log);
/* At the start, as the store tells it; before the lanes are started. */
void recovery_resume(struct recovery *recovery, const struct reader_recovery *stored);
/* The store is about to be told. False: one is under way, or about to be. */
bool recovery_claim(struct recovery *recovery, const char *backend);
/* The store was not told: as if nothing had been asked for. */
void recovery_unclaim(struct recovery *recovery);
/* The store knows; after recovery_claim. after_id: where an earlier one was, or "". When it cannot
 * be started it has stopped half-way, as any that failed: err says why. */
int recovery_start(struct recovery *recovery, const char *after_id, struct error *err);
/* Whether there was one to abandon; it does not run. The store is the caller's to tell. */
bool recovery_abandon(struct recovery *recovery);
struct recover_progress recovery_progress(struct recovery *recovery);
/* none, running (from its begin), failed, done. */
const char *recovery_state_name(enum recovery_state state);

#endif
