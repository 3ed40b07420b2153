/*
 * lane_world.h - all that a lane needs, for its tests: a real journal, store, applier and loader in
 * a directory of their own, and a backend that the test scripts.
 *
 * The test waits for conditions: every callback of the applier and of the lane makes the waiter
 * look again. A condition that does not come within a minute fails the test.
 */
#ifndef TEST_LANE_WORLD_H
#define TEST_LANE_WORLD_H

#include "broker/applier.h"
#include "broker/emitter.h"
#include "broker/journal.h"
#include "broker/lane.h"
#include "broker/reader.h"
#include "tests/unit/plugins/scripted.h"

#include <stdbool.h>
#include <stdint.h>

#define LANE "graph"

struct world {
    char dir[64], store_path[96], password_path[96], log_path[96];
    char plugin_dir[512], plugin_path[768];
    struct log log;
    struct journal *journal;
    struct journal_observer journal_observer;
    struct applier *applier;
    struct applier_observer applier_observer;
    struct lane_observer lane_observer;
    struct reader *reader;
    struct lane *lane; /* NULL: none runs */
    struct lane_options options;
    struct emitter emitter;
    const char *plugin; /* scripted, or scripted_embedder */
    const char *model;  /* of the latter; NULL: its default */
    struct scripted backend;
    unsigned long events;

    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct lane *woken;       /* the lane that applied events wake; NULL: none */
    unsigned long generation; /* of all that a condition may look at */
    uint64_t applied_seq;
    unsigned superseded;
    unsigned troubles[LANE_TROUBLE_GONE + 1]; /* how often each was told */
    char superseded_id[32];
};

/* Ends the program when a step of the set-up failed. */
void world_must(int status, const struct error *err);

struct world *world_new(void);
void world_free(struct world *world);

int world_setup(void **state);
int world_teardown(void **state);

/* world->options are the test's to set before. */
void world_start_lane(struct world *world);
void world_stop_lane(struct world *world);

/* Committed and applied when it returns. */
void world_put(struct world *world, const char *id, const char *content);
void world_delete(struct world *world, const char *id);
/* n events at once: PREFIX0 …; committed and applied when it returns. */
void world_put_many(struct world *world, const char *prefix, unsigned n);

typedef bool world_condition(struct world *world);
void world_await(struct world *world, world_condition *condition);
/* Conditions. Level: nothing pending, nothing deferred. */
bool world_is_level(struct world *world);
bool world_circuit_is_open(struct world *world);
bool world_circuit_is_closed(struct world *world);
bool world_one_is_dead(struct world *world);
bool world_nothing_is_left(struct world *world); /* level, and no dead letter */
bool world_has_error(struct world *world);       /* the circuit is open and says why */

/* One number out of the database. */
int64_t world_number(struct world *world, const char *query);

struct reader_lane world_row(struct world *world);
struct lane_status world_status(struct world *world);
/* Blocks until the plugin is in its next call of deliver. */
void world_await_call(struct world *world);
void world_release_calls(struct world *world);

/* Of the request, once it is answered; err may be NULL. */
int world_pause(struct world *world, bool paused);
int world_probe(struct world *world, struct error *err);
/* Dead letters become deferred, due at due_ms; id NULL: all. */
void world_dead_retry(struct world *world, const char *id, int64_t due_ms);

/* Of the lane to the store: the next n fail; the next is kept until it is released. */
void world_fail_writes(unsigned n);
void world_hold_writes(void);
void world_await_held_write(void);
void world_release_writes(struct world *world);

/* Set a switch of the backend. */
void world_set(struct world *world, bool *which, bool value);
void world_set_password_file(struct world *world, const char *password);

/* How often the backend was given this memory. */
unsigned world_given(struct world *world, const char *id);
/* The last that it was given of this memory. */
struct scripted_entry world_last_given(struct world *world, const char *id);
bool world_log_has(struct world *world, const char *text);

#endif
