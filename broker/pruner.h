/*
 * pruner.h - [history] keep: old versions go in the background.
 *
 * Happy path: at the start, after a reload and once an hour a pass begins: the search thread,
 * behind which no get waits, finds a page of what may go, each memory's part of it becomes an
 * EVENT_PRUNE, and when those have been applied the next page follows, PRUNER_PAUSE_MS later, so
 * that everybody else comes first.
 *
 * Another config counts at once: what was found by the old rule and is not written yet stays, and
 * with `all` there is no further page.
 *
 * Failure modes: what cannot be read or written ends the pass, with a warning; the next one finds
 * the same again. In the loop.
 */
#ifndef MEMFERRY_PRUNER_H
#define MEMFERRY_PRUNER_H

#include "broker/emitter.h"
#include "broker/query.h"
#include "broker/reader_prune.h"

#define PRUNER_EVERY_MS 3600000
#define PRUNER_PAUSE_MS 20

struct config;

struct pruner {
    struct queries *queries;
    struct emitter *emitter;
    struct log *log;
    uv_timer_t timer;
    struct query query;
    struct prune_rule rule; /* of the pass */
    struct prune_page page;
    int64_t keep_ms; /* both 0: everything is kept */
    uint32_t keep_count;
    bool working; /* a page is being read or written */
    bool wanted;  /* a pass is to begin when it is done */
    bool stopped;
    uint64_t after_seq;
    uint64_t memories; /* of the pass, whose history became shorter */
};

/* All is borrowed. */
void pruner_init(struct pruner *pruner, uv_loop_t *loop, struct queries *queries,
                 struct emitter *emitter, struct log *log);
/* The rule of this config, from now on; a pass begins. */
void pruner_configure(struct pruner *pruner, const struct config *config);
/* No page is begun any more. Its timer is closed by who ends the loop. */
void pruner_stop(struct pruner *pruner);
void pruner_deinit(struct pruner *pruner);

#endif
