/*
 * replay.c - see replay.h.
 *
 * Happy path: many events to a transaction, each page of the store written once for all of them.
 *
 * Failure modes: an event that fails for a reason of its own undoes its transaction, which is then
 * begun anew with a savepoint for each event, so that one that fails takes nothing with it; it is
 * tried three times, as the applier does, because a reason of its own does not go away. A savepoint
 * keeps a copy of each page that its event changes, which would double the cost of all the others.
 */
#include "broker/replay.h"

#include "broker/memory_state.h"
#include "broker/util/way_on.h"

#include <inttypes.h>

#define REPLAY_EVENTS_MAX 50000
#define REPLAY_BYTES_MAX  ((size_t)32 << 20)
/* A long replay checkpoints on its way, or the WAL would grow as large as the journal. What a
 * killed broker leaves is shorter as a rule, and is checkpointed behind the start. */
#define REPLAY_WAL_MAX ((uint64_t)128 << 20)

#define ALONE_ATTEMPTS 3

struct replay {
    struct store *store;
    struct journal *journal;
    struct log *log;
    struct error *err;
    size_t events, bytes; /* in the transaction */
    uint64_t applied;
    uint64_t careful_seq; /* events up to here have savepoints; 0: none */
    struct replay_set_aside *set_aside;
};

/* ---- do the two belong together? ---- */

static int refuse_ahead(struct store *store, const struct journal_stats *stats, struct error *err)
{
    return error_set(err, REPLAY_E_REFUSED,
                     "%s holds events up to %" PRIu64 ", but the journal beside it ends at %" PRIu64
                     ": the journal is older than the store, or was lost. Put the journal of this "
                     "store back, or move both away and " WAY_ON "; this store is a backup too",
                     store_path(store), store_applied_seq(store), stats->committed_seq);
}

static int refuse_missing(struct store *store, const struct journal_stats *stats, struct error *err)
{
    if (store_is_new(store)) {
        store_discard(store);
    }
    return error_set(err, REPLAY_E_REFUSED,
                     "%s is missing or empty, and the journal no longer holds the events before "
                     "%" PRIu64 ": put it back, or " WAY_ON,
                     store_path(store), stats->first_seq);
}

static int refuse_gap(struct store *store, const struct journal_stats *stats, struct error *err)
{
    return error_set(
        err, REPLAY_E_REFUSED,
        "%s holds events up to %" PRIu64 ", but the journal begins at %" PRIu64
        ": the store is older than the journal. Put the store of this journal back, or "
        "move this one away and " WAY_ON,
        store_path(store), store_applied_seq(store), stats->first_seq);
}

static int check_fit(struct store *store, const struct journal_stats *stats, struct error *err)
{
    uint64_t applied_seq = store_applied_seq(store);

    if (applied_seq > stats->committed_seq) {
        return refuse_ahead(store, stats, err);
    }
    if (applied_seq + 1 >= stats->first_seq) {
        return 0;
    }
    return applied_seq == 0 ? refuse_missing(store, stats, err) : refuse_gap(store, stats, err);
}

/* ---- apply ---- */

static void tell_set_aside(struct replay *replay, uint64_t seq)
{
    log_write(replay->log, LOG_LEVEL_ERROR, "event-set-aside",
              "%s; it was set aside, and its memory stays as it was", replay->err->text);
    if (replay->set_aside->count++ == 0) {
        replay->set_aside->first_seq = seq;
    }
}

static int set_aside(struct replay *replay, const struct journal_record *record)
{
    tell_set_aside(replay, record->seq);
    store_skip(replay->store, record->seq);
    return 0;
}

/* The store refuses by a rule, and nobody waits for the answer. What is answered before its apply
 * may have had a receipt, of a broker that did not look at sizes: that is told. */
static void tell_refused(struct replay *replay, const struct journal_record *record,
                         const struct apply_result *result)
{
    struct event event;

    if (result->outcome == APPLY_TOO_LARGE &&
        event_decode(record->payload, record->payload_size, &event) == 0 &&
        !event_needs_apply(&event)) {
        error_set(replay->err, STORE_E_EVENT,
                  "event %" PRIu64 " (%s of memory %.*s) cannot be applied: the memory would grow "
                  "over %u MiB",
                  record->seq, event_op_name(event.op), (int)event.memory_id.size,
                  event.memory_id.data, MEMORY_STATE_MAX >> 20);
        tell_set_aside(replay, record->seq);
    }
}

/* STORE_E_EVENT: it failed, and nothing of it is left. */
static int apply_alone(struct replay *replay, const struct journal_record *record)
{
    struct apply_result result;

    int r = store_savepoint(replay->store, replay->err);
    if (r != 0) {
        return r;
    }
    r = store_apply(replay->store, record, &result, replay->err);
    if (r == 0) {
        tell_refused(replay, record, &result);
        return store_savepoint_release(replay->store, replay->err);
    }
    if (r != STORE_E_EVENT) {
        return r;
    }
    int undone = store_savepoint_undo(replay->store, NULL);
    return undone == 0 ? STORE_E_EVENT : undone;
}

static int apply_carefully(struct replay *replay, const struct journal_record *record)
{
    int r = STORE_E_EVENT;

    for (unsigned i = 0; r == STORE_E_EVENT && i < ALONE_ATTEMPTS; i++) {
        r = apply_alone(replay, record);
    }
    return r == STORE_E_EVENT ? set_aside(replay, record) : r;
}

/* STORE_E_EVENT: it failed, or there is something to tell of it, which is told once, when it comes
 * again. */
static int apply_plainly(struct replay *replay, const struct journal_record *record)
{
    struct apply_result result;
    int r = store_apply(replay->store, record, &result, replay->err);

    if (r == 0 && result.outcome == APPLY_TOO_LARGE) {
        r = STORE_E_EVENT;
    }
    if (r == STORE_E_EVENT) {
        replay->careful_seq = record->seq + REPLAY_EVENTS_MAX; /* where one is, others may be */
    }
    return r;
}

static int apply_record(struct replay *replay, const struct journal_record *record)
{
    return record->seq <= replay->careful_seq ? apply_carefully(replay, record)
                                              : apply_plainly(replay, record);
}

static int commit(struct replay *replay)
{
    uint64_t safe_seq; /* not told to the journal: it is not started yet */

    int r = store_commit(replay->store, replay->err);
    replay->applied += r == 0 ? replay->events : 0;
    replay->events = replay->bytes = 0;
    if (r == 0 && store_wal_bytes(replay->store) > REPLAY_WAL_MAX) {
        r = store_checkpoint(replay->store, &safe_seq, replay->err);
    }
    return r;
}

static int replay_record(struct replay *replay, const struct journal_record *record)
{
    int r = replay->events == 0 ? store_begin(replay->store, replay->err) : 0;
    if (r != 0) {
        return r;
    }
    r = apply_record(replay, record);
    if (r != 0) {
        store_rollback(replay->store);
        replay->events = replay->bytes = 0;
        return r;
    }
    replay->events++;
    replay->bytes += record->payload_size;
    bool ends = replay->events >= REPLAY_EVENTS_MAX || replay->bytes >= REPLAY_BYTES_MAX ||
                record->seq == replay->careful_seq; /* what was told stays told */
    return ends ? commit(replay) : 0;
}

static int replay_record_cb(void *arg, const struct journal_record *record)
{
    return replay_record(arg, record);
}

/* Commits what is left of the last transaction. */
static int end_pass(struct replay *replay, int r)
{
    if (replay->events == 0) {
        return r;
    }
    if (r == 0) {
        return commit(replay);
    }
    store_rollback(replay->store);
    replay->events = replay->bytes = 0;
    return r;
}

/* Once, and once more for each transaction that was undone, whose events are careful then. */
static int apply_all(struct replay *replay)
{
    int r;

    do {
        r = journal_replay(replay->journal, store_applied_seq(replay->store), replay_record_cb,
                           replay, replay->err);
        r = end_pass(replay, r);
    } while (r == STORE_E_EVENT);
    return r;
}

int replay_journal(struct store *store, struct journal *journal, struct log *log,
                   struct replay_set_aside *ret_set_aside, struct error *err)
{
    struct error own = {0};
    struct replay replay = {.store = store,
                            .journal = journal,
                            .log = log,
                            .err = err != NULL ? err : &own,
                            .set_aside = ret_set_aside};
    struct journal_stats stats;

    *ret_set_aside = (struct replay_set_aside){0};
    journal_stats(journal, &stats);
    int r = check_fit(store, &stats, replay.err);
    if (r == 0) {
        r = apply_all(&replay);
    }
    if (r == 0 && replay.applied > 0) {
        log_write(log, LOG_LEVEL_INFO, "store-replayed",
                  "%" PRIu64 " events of the journal were applied to %s, %" PRIu64
                  " of them set aside",
                  replay.applied, store_path(store), ret_set_aside->count);
    }
    return r;
}
