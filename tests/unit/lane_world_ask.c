/* lane_world_ask.c - what a test waits for, asks the lane for, and sees at the backend. */
#include "tests/unit/lane_world.h"

#include "broker/util/container.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#define PATIENCE_S 60

/* ---- conditions ---- */

static unsigned long generation(struct world *world)
{
    pthread_mutex_lock(&world->mutex);
    unsigned long now = world->generation;
    pthread_mutex_unlock(&world->mutex);
    return now;
}

void world_await(struct world *world, world_condition *condition)
{
    struct timespec deadline;

    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += PATIENCE_S;
    for (;;) {
        unsigned long seen = generation(world);
        int waited = 0;

        if (condition(world)) {
            return;
        }
        pthread_mutex_lock(&world->mutex);
        while (world->generation == seen && waited == 0) {
            waited = pthread_cond_timedwait(&world->changed, &world->mutex, &deadline);
        }
        pthread_mutex_unlock(&world->mutex);
        if (waited != 0) {
            fail_msg("the condition did not come");
        }
    }
}

struct reader_lane world_row(struct world *world)
{
    struct reader_lane row = {0};
    struct error err = {0};

    world_must(reader_lane(world->reader, LANE, &row, &err), &err);
    return row;
}

struct lane_status world_status(struct world *world)
{
    struct lane_status status;

    lane_status(world->lane, &status);
    return status;
}

bool world_is_level(struct world *world)
{
    struct reader_lane row = world_row(world);

    return row.exists && row.pending == 0 && row.deferred == 0 &&
           world_status(world).cursor == row.cursor;
}

bool world_circuit_is_open(struct world *world)
{
    return world_status(world).circuit == CIRCUIT_OPEN;
}

bool world_circuit_is_closed(struct world *world)
{
    return world_status(world).circuit == CIRCUIT_CLOSED;
}

bool world_one_is_dead(struct world *world)
{
    return world_row(world).dead == 1;
}

bool world_nothing_is_left(struct world *world)
{
    return world_is_level(world) && world_row(world).dead == 0;
}

bool world_has_error(struct world *world)
{
    return world_status(world).last_error[0] != '\0' && world_circuit_is_open(world);
}

int64_t world_number(struct world *world, const char *query)
{
    sqlite3 *db;
    sqlite3_stmt *statement;

    assert_int_equal(sqlite3_open_v2(world->store_path, &db, SQLITE_OPEN_READONLY, NULL),
                     SQLITE_OK);
    sqlite3_busy_timeout(db, 10000);
    assert_int_equal(sqlite3_prepare_v2(db, query, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    int64_t value = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return value;
}

void world_await_call(struct world *world)
{
    uint64_t count;

    assert_int_equal(read(world->backend.called_fd, &count, sizeof count), sizeof count);
}

void world_release_calls(struct world *world)
{
    uint64_t one = 1;

    assert_int_equal(write(world->backend.go_fd, &one, sizeof one), sizeof one);
}

/* ---- requests ---- */

struct answer {
    struct lane_reply reply;
    struct applier_work work;
    struct world *world;
    const char *id;
    int64_t due_ms;
    bool given; /* guarded by the world's mutex */
    int status;
    struct error err;
};

static void give(struct answer *answer, int status, const struct error *err)
{
    struct world *world = answer->world;

    pthread_mutex_lock(&world->mutex);
    assert_false(answer->given);
    answer->given = true;
    answer->status = status;
    if (err != NULL) {
        answer->err = *err;
    }
    world->generation++;
    pthread_cond_broadcast(&world->changed);
    pthread_mutex_unlock(&world->mutex);
}

static void replied(struct lane_reply *reply, int status, const struct error *err)
{
    give(container_of(reply, struct answer, reply), status, err);
}

static int await_answer(struct answer *answer)
{
    struct world *world = answer->world;

    pthread_mutex_lock(&world->mutex);
    while (!answer->given) {
        pthread_cond_wait(&world->changed, &world->mutex);
    }
    pthread_mutex_unlock(&world->mutex);
    return answer->status;
}

int world_pause(struct world *world, bool paused)
{
    struct answer answer = {.reply = {.done = replied}, .world = world};

    lane_set_paused(world->lane, paused, &answer.reply);
    return await_answer(&answer);
}

int world_probe(struct world *world, struct error *err)
{
    struct answer answer = {.reply = {.done = replied}, .world = world};

    lane_probe(world->lane, &answer.reply);
    int status = await_answer(&answer);
    if (err != NULL) {
        *err = answer.err;
    }
    return status;
}

static int run_retry(struct applier_work *work, struct store *store, struct error *err)
{
    struct answer *answer = container_of(work, struct answer, work);
    uint64_t count;

    return store_dead_retry(store, LANE, answer->id, answer->due_ms, &count, err);
}

static void retried(struct applier_work *work, int status, const struct error *err)
{
    give(container_of(work, struct answer, work), status, err);
}

void world_dead_retry(struct world *world, const char *id, int64_t due_ms)
{
    struct answer answer = {
        .work = {.run = run_retry, .done = retried}, .world = world, .id = id, .due_ms = due_ms};

    applier_submit(world->applier, &answer.work);
    world_must(await_answer(&answer), &answer.err);
    lane_kick(world->lane);
}

/* ---- the backend ---- */

void world_set(struct world *world, bool *which, bool value)
{
    pthread_mutex_lock(&world->backend.mutex);
    *which = value;
    pthread_mutex_unlock(&world->backend.mutex);
}

void world_set_password_file(struct world *world, const char *password)
{
    FILE *file = fopen(world->password_path, "w");

    assert_non_null(file);
    assert_int_equal(fchmod(fileno(file), 0600), 0);
    fprintf(file, "%s\n", password);
    assert_int_equal(fclose(file), 0);
}

unsigned world_given(struct world *world, const char *id)
{
    unsigned count = 0;

    pthread_mutex_lock(&world->backend.mutex);
    for (size_t i = 0; i < world->backend.taped; i++) {
        count += strcmp(world->backend.tape[i].id, id) == 0;
    }
    pthread_mutex_unlock(&world->backend.mutex);
    return count;
}

struct scripted_entry world_last_given(struct world *world, const char *id)
{
    struct scripted_entry last = {0};

    pthread_mutex_lock(&world->backend.mutex);
    for (size_t i = 0; i < world->backend.taped; i++) {
        if (strcmp(world->backend.tape[i].id, id) == 0) {
            last = world->backend.tape[i];
        }
    }
    pthread_mutex_unlock(&world->backend.mutex);
    return last;
}

bool world_log_has(struct world *world, const char *text)
{
    char *line = NULL;
    size_t room = 0;
    bool found = false;
    FILE *file = fopen(world->log_path, "r");

    assert_non_null(file);
    while (!found && getline(&line, &room, file) > 0) {
        found = strstr(line, text) != NULL;
    }
    free(line);
    fclose(file);
    return found;
}
