/*
 * lane_recover.h - the job that brings back what a backend holds, into a journal that has lost it.
 *
 * Happy path: page by page from the plugin's fetch; each memory becomes an EVENT_IMPORT, and when
 * those of a page are applied, how far it is is written, so that it can be gone on with. Then
 * everything is compared with the backend once more; only when nothing differs is it through.
 *
 * Failure modes: a memory that can't be taken (RECOVER_SAMPLES of them are named) is left out, and
 * the rest goes on. What differs at the end, because others went on writing there, is fetched
 * again, RECOVER_ROUNDS times at most. Nothing is ever deleted: an unreachable or an empty backend
 * brings nothing, and takes nothing away.
 */
#ifndef MEMFERRY_LANE_RECOVER_H
#define MEMFERRY_LANE_RECOVER_H

#include "broker/journal.h"
#include "broker/lane_compare.h"

#define RECOVER_PAGE       200
#define RECOVER_PAGE_BYTES (8u << 20)
#define RECOVER_ROUNDS     3
#define RECOVER_SAMPLES    10

/* Who turns a memory of the backend into the fields of an EVENT_IMPORT; checked as a caller's are.
 */
struct recover_importer {
    /* Appends the fields. 0, -EINVAL with err filled: it can't be taken; -ENOMEM. */
    int (*pack)(struct recover_importer *, const struct memferry_memory *, msgpack_sbuffer *fields,
                struct error *err);
};

struct recover_progress {
    uint64_t fetched, imported, refused, compared;
    bool verifies; /* all is fetched, and being compared */
};

struct lane_recover {
    struct lane_job job;
    struct journal *journal; /* whose clock goes ahead of what was seen; borrowed */
    struct recover_importer *importer;
    char refusals[RECOVER_SAMPLES][320]; /* "id: why", of the first ones; once the job is done */

    pthread_mutex_t mutex; /* guards progress */
    struct recover_progress progress;

    /* its own */
    bool begun;
    unsigned round;
    uint64_t refused_now;    /* in this round */
    struct lane_place after; /* the last id that came */
    uint64_t last_seq;       /* of the newest import */
    struct emission *page;
    size_t page_count, page_bytes;
    int64_t page_stamp;
    struct compare compare;
    struct error err; /* of a failure inside fetch */
};

/* after_id: where an earlier recovery was; "" is the start. */
void lane_recover_init(struct lane_recover *recover, const char *after_id, struct journal *journal,
                       struct recover_importer *importer,
                       void (*done)(struct lane_job *, int status, const struct error *err));
void lane_recover_deinit(struct lane_recover *recover);
struct recover_progress lane_recover_progress(struct lane_recover *recover); /* any thread */

#endif
