/*
 * broker_start.c - starts the parts of the broker, the lowest first; broker.h tells the order.
 *
 * Each step fails with a text for a person, and leaves what was started to be ended by broker.c.
 */
#include "broker/broker_internal.h"
#include "broker/sql.h"
#include "broker/util/paths.h"

#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sysexits.h>

#define FILES_BESIDE_PEERS 64 /* descriptors that are not connections */
#define LARGE_BLOCK_BYTES  (128 << 10)
#define TRIM_BYTES         (16 << 20)
#define ARENAS_MAX         2

/* Large buffers go back to the system when they are freed: a burst must not stay in our size. By
 * default the C library raises its threshold to what it has seen, and keeps such blocks for ever.
 */
static void bound_memory(void)
{
    mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK_BYTES);
    mallopt(M_TRIM_THRESHOLD, TRIM_BYTES); /* of small blocks; the rest goes when threads rest */
    mallopt(M_ARENA_MAX, ARENAS_MAX);
    sql_init();
}

/* Room for every connection, and for the owners of sessions; where the system gives less, fewer
 * owners are watched, and then fewer connections served. */
static unsigned raise_file_limit(unsigned max_peers, unsigned *ret_max_owners)
{
    struct rlimit limit;
    rlim_t needed = max_peers + PEERS_REFUSED_MAX + FILES_BESIDE_PEERS;
    rlim_t wanted = needed + SESSIONS_WATCHED_MAX;

    *ret_max_owners = SESSIONS_WATCHED_MAX;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= wanted) {
        return max_peers;
    }
    limit.rlim_cur = limit.rlim_max > wanted ? wanted : limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    *ret_max_owners = limit.rlim_cur > needed ? (unsigned)(limit.rlim_cur - needed) : 0;
    return limit.rlim_cur >= needed
               ? max_peers
               : (unsigned)(limit.rlim_cur - PEERS_REFUSED_MAX - FILES_BESIDE_PEERS);
}

static int start_loop(struct broker *broker, struct error *err)
{
    int r = uv_loop_init(&broker->loop);

    if (r < 0) {
        return error_set_errno(err, r, "cannot make the event loop");
    }
    uv_prepare_init(&broker->loop, &broker->prepare);
    uv_check_init(&broker->loop, &broker->check);
    uv_timer_init(&broker->loop, &broker->stop_timer);
    uv_signal_init(&broker->loop, &broker->term);
    uv_signal_init(&broker->loop, &broker->interrupt);
    uv_signal_init(&broker->loop, &broker->hangup);
    mailbox_init(&broker->mailbox, &broker->loop);
    unsigned max_owners, max_peers = raise_file_limit(broker->config->max_peers, &max_owners);
    r = peers_init(&broker->peers, &broker->loop, &broker->peer_handler, broker->log, max_peers);
    if (r == 0) {
        r = writes_init(&broker->writes, &broker->loop, &broker->peers, &broker->stats,
                        &broker->writes_observer, broker->log);
    }
    own_events_init(&broker->own_events, &broker->mailbox, &broker->writes);
    alerts_init(&broker->alerts, &broker->loop, &broker->own_events.emitter, broker->log);
    pruner_init(&broker->pruner, &broker->loop, &broker->searches.queries,
                &broker->own_events.emitter, broker->log);
    sessions_init(&broker->sessions, &broker->loop, &broker->queries, &broker->own_events.emitter,
                  broker->config->session_idle_ms, max_owners, broker->log);
    const struct guard_options guard = {.config = &broker->config->guard,
                                        .alerts = &broker->alerts,
                                        .log = broker->log,
                                        .loop = &broker->loop,
                                        .mailbox = &broker->mailbox};
    health_init(&broker->health, &broker->loop, &broker->writes, broker->log);
    r = r == 0 ? guard_new(&broker->guard, &guard) : r;
    broker->loop_made = r == 0;
    return r < 0 ? error_set_errno(err, r, "cannot make the event loop's handles") : 0;
}

static int open_journal(struct broker *broker, struct error *err)
{
    const struct journal_options options = {.dir = broker->places.journal_dir,
                                            .segment_bytes = broker->config->segment_bytes,
                                            .gather_us = broker->config->gather_us,
                                            .keep_segments = broker->config->keep_segments};
    int r = paths_ensure_private_dir(broker->places.state_dir, err);

    if (r == 0) {
        r = journal_find(&broker->journal, &options, broker->log, err);
    }
    if (r == JOURNAL_E_LOCKED) {
        broker->exit_code = EX_TEMPFAIL; /* another broker is at work: the command looks for this */
    }
    return r;
}

/* Beside the text of a start that failed, which says how to go on. */
static void tell_newest_backup(struct broker *broker)
{
    char *newest = backup_newest(broker->places.state_dir);

    if (newest != NULL) {
        log_write(broker->log, LOG_LEVEL_WARNING, "newest-backup",
                  "the newest backup known here is %s", newest);
    }
    free(newest);
}

/* The store tells how much of the journal must be read. */
static int recover_journal(struct broker *broker, struct error *err)
{
    int r =
        journal_recover(broker->journal, store_applied_seq(broker->store), &broker->recovered, err);

    if (r != 0 && store_is_new(broker->store)) {
        store_discard(broker->store); /* whether one belongs there is not known yet */
    }
    return r;
}

static int open_store(struct broker *broker, struct error *err)
{
    const struct store_options options = {.path = broker->places.store_file,
                                          .origin = journal_origin(broker->journal),
                                          .dims = broker->config->dims};
    int r = store_open(&broker->store, &options, err);

    if (r == 0) {
        r = recover_journal(broker, err);
    }
    if (r == 0) {
        r = replay_journal(broker->store, broker->journal, broker->log, &broker->replayed, err);
    }
    if (r != 0) {
        tell_newest_backup(broker);
    }
    return r;
}

static void set_large(void *writes, const struct event_text *memory_id)
{
    writes_set_large(writes, memory_id);
}

static int learn_large_memories(struct broker *broker, struct error *err)
{
    return store_large_memories(broker->store, set_large, &broker->writes, err);
}

/* Signals are the loop's: no other thread's call is interrupted by one, because threads start with
 * them blocked. */
static int block_signals(struct broker *broker, struct error *err)
{
    sigset_t all;

    (void)err;
    sigfillset(&all);
    sigdelset(&all, SIGBUS); /* a fault: it must reach who made it */
    pthread_sigmask(SIG_SETMASK, &all, &broker->signals_before);
    return 0;
}

static int unblock_signals(struct broker *broker, struct error *err)
{
    (void)err;
    pthread_sigmask(SIG_SETMASK, &broker->signals_before, NULL);
    return 0;
}

static int start_threads(struct broker *broker, struct error *err)
{
    const struct applier_options options = {.watch = guard_watch(broker->guard)};
    struct reader *reader = NULL;
    uint64_t applied_seq = store_applied_seq(broker->store);
    int r = applier_start(&broker->applier, broker->store, broker->journal,
                          &broker->writes.applier_observer, &options, broker->log, err);

    broker->store = NULL;
    if (r == 0) {
        guard_begin(broker->guard, broker->applier);
        r = journal_start(broker->journal, &broker->writes.journal_observer, err);
    }
    if (r == 0) {
        r = reader_open(&reader, broker->places.store_file, err);
    }
    if (r == 0) {
        r = queries_start(&broker->queries, QUERIES_READ, &broker->loop, &broker->mailbox, reader,
                          applied_seq, err);
    }
    subscribers_init(&broker->subscribers, &broker->queries, applied_seq, broker->log);
    backups_init(&broker->backups, &broker->mailbox, broker->places.store_file,
                 broker->places.state_dir);
    broker->writes.journal = broker->journal;
    broker->writes.applier = broker->applier;
    broker->writes.committed_seq = broker->writes.applied_seq = applied_seq;
    return r;
}

/* One that was stopped in the middle holds writes and lanes from the start. */
static int resume_recovery(struct broker *broker, struct error *err)
{
    struct reader_recovery stored = {0};
    struct reader *reader = NULL;
    int r = reader_open(&reader, broker->places.store_file, err);

    if (r == 0) {
        r = reader_recovery(reader, &stored, err);
    }
    reader_close(reader);
    if (r == 0) {
        recovery_resume(&broker->recovery, &stored);
    }
    return r;
}

static int start_backends(struct broker *broker, struct error *err)
{
    const struct backends_options options = {.plugin_dir = broker->places.plugin_dir,
                                             .state_dir = broker->places.state_dir,
                                             .store_path = broker->places.store_file,
                                             .origin = journal_origin(broker->journal),
                                             .dims = broker->config->dims};

    backends_init(&broker->backends, &broker->loop, &broker->mailbox, broker->applier,
                  &broker->own_events.emitter, &options, &broker->backends_observer, broker->log);
    waits_init(&broker->waits, &broker->loop, &broker->queries, &broker->backends);
    recovery_init(&broker->recovery, &broker->backends, &broker->writes, &broker->mailbox,
                  broker->journal, broker->config->dims, broker->log);
    int r = resume_recovery(broker, err);
    return r == 0
               ? backends_load(&broker->backends, broker->config, broker->writes.applied_seq, err)
               : r;
}

/* When the applier runs already, but nothing can be applied before the loop turns. */
static int start_searches(struct broker *broker, struct error *err)
{
    const struct searches_options options = {.store_path = broker->places.store_file,
                                             .index_path = broker->places.index_file,
                                             .vector_path = broker->places.vector_file,
                                             .origin = journal_origin(broker->journal),
                                             .dims = broker->config->dims,
                                             .applied_seq = broker->writes.applied_seq};

    return searches_start(&broker->searches, &broker->loop, &broker->mailbox, &broker->backends,
                          &options, broker->log, err);
}

static int start_sessions(struct broker *broker, struct error *err)
{
    (void)err;
    sessions_start(&broker->sessions);
    pruner_configure(&broker->pruner, broker->config);
    return 0;
}

static int start_listening(struct broker *broker, struct error *err)
{
    int r = listener_open(&broker->listener, &broker->loop, broker->places.socket, &broker->peers,
                          broker->log, err);

    if (r == 0) {
        listener_allow(&broker->listener, broker->config->users, broker->config->user_count);
        r = listener_start(&broker->listener, err);
    }
    return r;
}

static int load_config(struct broker *broker, struct error *err)
{
    return config_load(&broker->config, broker->options->config, err);
}

static int find_places(struct broker *broker, struct error *err)
{
    return places_find(&broker->places, broker->options, broker->config, err);
}

static int start_turning(struct broker *broker, struct error *err)
{
    (void)err;
    broker_turn_start(broker);
    broker_tell_damage(broker);
    broker_tell_replayed(broker);
    return 0;
}

static const struct {
    int (*run)(struct broker *, struct error *);
    int exit_code; /* of a start that fails here */
} steps[] = {
    {load_config, EX_CONFIG},   {find_places, EX_CONFIG},        {start_loop, EX_OSERR},
    {open_journal, EX_IOERR},   {open_store, EX_IOERR},          {learn_large_memories, EX_IOERR},
    {block_signals, EX_OSERR},  {start_threads, EX_OSERR},       {start_backends, EX_CONFIG},
    {start_searches, EX_OSERR}, {unblock_signals, EX_OSERR},     {start_turning, EX_OSERR},
    {start_sessions, EX_OSERR}, {start_listening, EX_CANTCREAT},
};

int broker_start(struct broker *broker, struct error *err)
{
    bound_memory();
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        int r = steps[i].run(broker, err);
        if (r != 0) {
            broker->exit_code = broker->exit_code != 0 ? broker->exit_code : steps[i].exit_code;
            return r;
        }
    }
    return 0;
}
