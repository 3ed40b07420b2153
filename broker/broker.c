/* broker.c - runs and stops memferryd, and wires its parts; broker.h tells the order. */
#include "broker/broker_internal.h"
#include "broker/systemd.h"
#include "broker/util/clock.h"
#include "broker/util/container.h"
#include "broker/version.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

/* ---- stop ---- */

static void close_handle_cb(uv_handle_t *handle, void *arg)
{
    (void)arg;
    if (!uv_is_closing(handle)) {
        uv_close(handle, NULL);
    }
}

static bool is_quiet(const struct broker *broker)
{
    return broker->peers_closed && broker->backends_stopped && broker->writes.in_flight == 0 &&
           broker->queries.in_flight == 0 && broker->alerts.waits == NULL &&
           broker->searches.queries.in_flight == 0 && backups_are_quiet(&broker->backups);
}

/* Nothing uses the threads any more: ends them, the lowest layer last, and lets the loop run out.
 */
static void end_threads(struct broker *broker)
{
    broker->running = false;
    alerts_stop(&broker->alerts);
    own_events_stop(&broker->own_events);
    sessions_stop(&broker->sessions);
    queries_stop(&broker->queries);
    searches_stop(&broker->searches);
    broker->applier = applier_stop(broker->applier);
    broker->store = store_close(broker->store);
    broker->journal = journal_close(broker->journal);
    mailbox_drain(&broker->mailbox);
    uv_walk(&broker->loop, close_handle_cb, NULL);
}

static void stop_timer_cb(uv_timer_t *timer)
{
    struct broker *broker = container_of(timer, struct broker, stop_timer);

    log_write(broker->log, LOG_LEVEL_ERROR, "stop-late",
              "could not end in %d ms; what has a receipt is safe", BROKER_STOP_MS);
    _exit(EX_SOFTWARE);
}

static void broker_stop(struct broker *broker, int exit_code)
{
    if (broker->stopping) {
        return;
    }
    broker->stopping = true;
    broker->exit_code = exit_code;
    systemd_notify("STOPPING=1\nSTATUS=Ending: what has a receipt is safe.");
    log_write(broker->log, LOG_LEVEL_INFO, "stopping", "stopping");
    uv_timer_start(&broker->stop_timer, stop_timer_cb, BROKER_STOP_MS, 0);
    listener_close(&broker->listener);
    applier_hurry(broker->applier);
    waits_stop(&broker->waits);
    subscribers_stop(&broker->subscribers);
    pruner_stop(&broker->pruner);
    sessions_stop(&broker->sessions);
    backups_stop(&broker->backups);
    searches_hurry(&broker->searches);
    peers_close(&broker->peers);
    backends_stop(&broker->backends);
}

static void peer_closed(struct peer_handler *handler, const struct peer *peer)
{
    struct broker *broker = container_of(handler, struct broker, peer_handler);

    waits_peer_closed(&broker->waits, peer);
    subscribers_peer_closed(&broker->subscribers, peer);
}

static void peers_all_closed(struct peer_handler *handler)
{
    struct broker *broker = container_of(handler, struct broker, peer_handler);

    broker->peers_closed = true;
}

static void backends_all_stopped(struct backends_observer *observer)
{
    struct broker *broker = container_of(observer, struct broker, backends_observer);

    broker->backends_stopped = true;
}

/* ---- what the parts tell ---- */

static void request_came(struct peer_handler *handler, struct call *call,
                         const struct rpc_request *request)
{
    struct broker *broker = container_of(handler, struct broker, peer_handler);

    methods_dispatch(&broker->services, call, request);
}

static void writes_applied(struct writes_observer *observer, uint64_t applied_seq)
{
    struct broker *broker = container_of(observer, struct broker, writes_observer);

    queries_applied(&broker->queries, applied_seq);
    searches_applied(&broker->searches, applied_seq);
    subscribers_wake(&broker->subscribers, applied_seq);
    backends_wake(&broker->backends, applied_seq);
}

static void writes_set_aside(struct writes_observer *observer, uint64_t seq)
{
    broker_tell_set_aside(container_of(observer, struct broker, writes_observer), seq);
}

static void writes_failed(struct writes_observer *observer, const char *text)
{
    struct broker *broker = container_of(observer, struct broker, writes_observer);

    log_write(broker->log, LOG_LEVEL_ERROR, "storage-failed",
              "%s; stopping, because nothing more can be promised. Check the disk, then start "
              "again: what has a receipt is there",
              text);
    broker_stop(broker, EX_IOERR);
}

static void reload(struct broker *broker);

static void backends_changed(struct backends_observer *observer)
{
    struct broker *broker = container_of(observer, struct broker, backends_observer);

    waits_changed(&broker->waits);
    if (broker->reload_wanted && !backends_are_ending(&broker->backends)) {
        reload(broker);
    }
}

static void backends_superseded(struct backends_observer *observer, const char *backend,
                                const char *memory_id, uint64_t seq)
{
    struct broker *broker = container_of(observer, struct broker, backends_observer);

    waits_superseded(&broker->waits, backend, memory_id, seq);
}

static void backends_trouble(struct backends_observer *observer, const char *backend,
                             enum lane_trouble trouble, const char *why)
{
    broker_tell_trouble(container_of(observer, struct broker, backends_observer), backend, trouble,
                        why);
}

/* ---- signals and turns ---- */

static void term_cb(uv_signal_t *signal, int number)
{
    (void)number;
    broker_stop(container_of(signal, struct broker, term), EX_OK);
}

static void interrupt_cb(uv_signal_t *signal, int number)
{
    (void)number;
    broker_stop(container_of(signal, struct broker, interrupt), EX_OK);
}

static void reload(struct broker *broker)
{
    struct config *config = NULL;
    struct error err;

    broker->reload_wanted = backends_are_ending(&broker->backends);
    if (broker->reload_wanted || broker->stopping) {
        return; /* backends_changed comes when they have ended */
    }
    int r = config_load(&config, broker->options->config, &err);

    if (r == 0) {
        r = backends_reload(&broker->backends, config, &err);
    }
    if (r != 0) {
        log_write(broker->log, LOG_LEVEL_ERROR, "config-refused",
                  "the config was not taken, the old one stays in force: %s", err.text);
        config_free(config);
        return;
    }
    if (config_needs_restart(broker->config, config)) {
        log_write(broker->log, LOG_LEVEL_WARNING, "config-restart",
                  "some changes in [broker] or [journal] need a restart to be in force");
        config->dims = broker->config->dims;
    }
    listener_allow(&broker->listener, config->users, config->user_count);
    sessions_set_idle(&broker->sessions, config->session_idle_ms);
    pruner_configure(&broker->pruner, config);
    guard_reload(broker->guard, &config->guard);
    config_free(broker->config);
    broker->config = broker->services.config = config;
    broker->stats.config_ms = clock_wall_ms();
    log_write(broker->log, LOG_LEVEL_INFO, "config-taken", "the config was read again");
}

static void hangup_cb(uv_signal_t *signal, int number)
{
    struct broker *broker = container_of(signal, struct broker, hangup);

    (void)number;
    if (!broker->stopping) {
        systemd_notifyf("RELOADING=1\nMONOTONIC_USEC=%lld", (long long)clock_monotonic_us());
        reload(broker);
        systemd_notify("READY=1");
    }
}

/* A turn of the loop collects: all events go to the journal at once, all replies of a peer as one
 * write. After the poll for what came in, before it for what timers made. */
static void turn(struct broker *broker)
{
    if (broker->running) {
        writes_turn(&broker->writes);
        peers_turn(&broker->peers);
        queries_turn(&broker->queries);
        queries_turn(&broker->searches.queries);
        subscribers_turn(&broker->subscribers);
        writes_turn(&broker->writes);
    }
    if (broker->stopping && broker->running && is_quiet(broker)) {
        end_threads(broker);
    }
}

static void check_cb(uv_check_t *check)
{
    turn(container_of(check, struct broker, check));
}

static void prepare_cb(uv_prepare_t *prepare)
{
    turn(container_of(prepare, struct broker, prepare));
}

void broker_turn_start(struct broker *broker)
{
    uv_prepare_start(&broker->prepare, prepare_cb);
    uv_check_start(&broker->check, check_cb);
    uv_signal_start(&broker->term, term_cb, SIGTERM);
    uv_signal_start(&broker->interrupt, interrupt_cb, SIGINT);
    uv_signal_start(&broker->hangup, hangup_cb, SIGHUP);
    signal(SIGPIPE, SIG_IGN);
    broker->running = true;
}

static struct broker *broker_new(const struct options *options, struct log *log)
{
    struct broker *broker = calloc(1, sizeof *broker);

    if (broker == NULL) {
        return NULL;
    }
    broker->options = options;
    broker->log = log;
    broker->stats.started_ms = broker->stats.config_ms = clock_wall_ms();
    broker->peer_handler = (struct peer_handler){request_came, peer_closed, peers_all_closed};
    broker->writes_observer =
        (struct writes_observer){writes_failed, writes_applied, writes_set_aside};
    broker->backends_observer = (struct backends_observer){backends_changed, backends_superseded,
                                                           backends_trouble, backends_all_stopped};
    broker->services = (struct services){.peers = &broker->peers,
                                         .writes = &broker->writes,
                                         .queries = &broker->queries,
                                         .searches = &broker->searches,
                                         .backends = &broker->backends,
                                         .waits = &broker->waits,
                                         .recovery = &broker->recovery,
                                         .alerts = &broker->alerts,
                                         .subscribers = &broker->subscribers,
                                         .sessions = &broker->sessions,
                                         .backups = &broker->backups,
                                         .stats = &broker->stats,
                                         .places = &broker->places,
                                         .health = &broker->health,
                                         .log = log,
                                         .mailbox = &broker->mailbox};
    return broker;
}

static void broker_free(struct broker *broker)
{
    if (broker->loop_made) {
        alerts_deinit(&broker->alerts);
        pruner_deinit(&broker->pruner);
        writes_deinit(&broker->writes);
        msgpack_sbuffer_destroy(&broker->services.scratch);
        peers_deinit(&broker->peers);
        uv_loop_close(&broker->loop);
    }
    guard_free(broker->guard);
    places_deinit(&broker->places);
    config_free(broker->config);
    free(broker);
}

/* A start that failed: ends what was started. Nothing was promised to anybody yet. */
static void broker_abandon(struct broker *broker)
{
    listener_close(&broker->listener);
    backends_abandon(&broker->backends);
    if (broker->loop_made) {
        end_threads(broker);
        uv_run(&broker->loop, UV_RUN_DEFAULT);
    }
    broker_free(broker);
}

int broker_run(const struct options *options, struct log *log)
{
    struct broker *broker = broker_new(options, log);
    struct error err;

    if (broker == NULL) {
        return EX_OSERR;
    }
    if (broker_start(broker, &err) != 0) {
        int exit_code = broker->exit_code;
        log_write(log, LOG_LEVEL_ERROR, "start-failed", "%s", err.text);
        broker_abandon(broker);
        return exit_code;
    }
    broker->services.config = broker->config;
    broker->services.journal = broker->journal;
    log_write(log, LOG_LEVEL_INFO, "started", "memferryd " MEMFERRY_VERSION " on %s, state in %s",
              broker->places.socket, broker->places.state_dir);
    systemd_notifyf("READY=1\nSTATUS=Listening on %s.", broker->places.socket);
    health_start(&broker->health);
    uv_run(&broker->loop, UV_RUN_DEFAULT);
    int exit_code = broker->exit_code;
    broker_free(broker);
    log_write(log, LOG_LEVEL_INFO, "stopped", "stopped");
    return exit_code;
}
