/* broker_internal.h - the broker's own object, for broker.c and broker_start.c alone. */
#ifndef MEMFERRY_BROKER_INTERNAL_H
#define MEMFERRY_BROKER_INTERNAL_H

#include "broker/alerts.h"
#include "broker/applier.h"
#include "broker/backends.h"
#include "broker/backup.h"
#include "broker/broker.h"
#include "broker/guard.h"
#include "broker/health.h"
#include "broker/journal.h"
#include "broker/listener.h"
#include "broker/methods.h"
#include "broker/own_events.h"
#include "broker/places.h"
#include "broker/pruner.h"
#include "broker/recovery.h"
#include "broker/replay.h"
#include "broker/searches.h"
#include "broker/store.h"

#include <signal.h>

struct broker {
    const struct options *options;
    struct log *log;
    struct config *config;
    struct places places;
    uv_loop_t loop;
    uv_prepare_t prepare;
    uv_check_t check;
    uv_signal_t term, interrupt, hangup;
    uv_timer_t stop_timer;
    struct mailbox mailbox;
    struct stats stats;
    struct health health;
    struct peers peers;
    struct listener listener;
    struct writes writes;
    struct own_events own_events;
    struct alerts alerts;
    struct subscribers subscribers;
    struct guard *guard;
    struct journal_recovery recovered;
    struct replay_set_aside replayed;
    struct queries queries;
    struct backups backups;
    struct searches searches;
    struct backends backends;
    struct waits waits;
    struct recovery recovery;
    struct sessions sessions;
    struct pruner pruner;
    struct services services;
    struct journal *journal;
    struct store *store; /* until the applier takes it over */
    struct applier *applier;
    struct peer_handler peer_handler;
    struct writes_observer writes_observer;
    struct backends_observer backends_observer;
    bool loop_made, running, stopping, peers_closed, backends_stopped;
    bool reload_wanted; /* came while lanes were ending */
    sigset_t signals_before;
    int exit_code;
};

/* Starts the parts in order. On failure exit_code is set, and what was started is left to be ended.
 */
int broker_start(struct broker *broker, struct error *err);
/* ---- broker_alerts.c: what becomes an alert ---- */

void broker_tell_trouble(struct broker *broker, const char *backend, enum lane_trouble trouble,
                         const char *why);
/* Of the journal, found when it was opened. */
void broker_tell_damage(struct broker *broker);
/* Of its events, found when the store was brought up to it. */
void broker_tell_replayed(struct broker *broker);
void broker_tell_set_aside(struct broker *broker, uint64_t seq);

/* Turns and signals, from here on. */
void broker_turn_start(struct broker *broker);

#endif
