/* lane_world.c - see lane_world.h. A step of the set-up that fails ends the test program. */
#include "tests/unit/lane_world.h"

#include "broker/event.h"
#include "broker/util/container.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <fcntl.h>
#include <msgpack.h>

#define PATIENCE_S 60

struct put {
    struct change change;
    uint8_t payload[512];
};

static void must(int status, const struct error *err)
{
    if (status != 0) {
        fprintf(stderr, "lane_world: %d: %s\n", status, err->text);
        abort();
    }
}

/* ---- callbacks ---- */

static void announce(struct world *world)
{
    pthread_mutex_lock(&world->mutex);
    world->generation++;
    pthread_cond_broadcast(&world->changed);
    pthread_mutex_unlock(&world->mutex);
}

static void committed(struct journal_observer *observer, struct journal_list *done)
{
    struct world *world = container_of(observer, struct world, journal_observer);

    assert_int_equal(done->head->status, 0);
    applier_apply(world->applier, done);
}

static void applied(struct applier_observer *observer, struct journal_list *done,
                    uint64_t applied_seq)
{
    struct world *world = container_of(observer, struct world, applier_observer);
    struct journal_record *record;

    while ((record = journal_list_pop(done)) != NULL) {
        free(container_of(record, struct put, change.record));
    }
    pthread_mutex_lock(&world->mutex);
    world->applied_seq = applied_seq;
    if (world->woken != NULL) {
        lane_wake(world->woken, applied_seq);
    }
    pthread_mutex_unlock(&world->mutex);
    announce(world);
}

static void full(struct applier_observer *observer, bool is_full)
{
    (void)observer;
    assert_false(is_full);
}

/* The test stands between a lane and the applier: --wrap gives it every work first. */
void __real_applier_submit(struct applier *applier, struct applier_work *work);
void __wrap_applier_submit(struct applier *applier, struct applier_work *work);

static struct {
    pthread_mutex_t mutex;
    pthread_cond_t kept;
    unsigned failing; /* works that come back with an error */
    bool holding;     /* works are kept */
    struct applier_work *held;
} submits = {.mutex = PTHREAD_MUTEX_INITIALIZER, .kept = PTHREAD_COND_INITIALIZER};

void __wrap_applier_submit(struct applier *applier, struct applier_work *work)
{
    struct error err;

    pthread_mutex_lock(&submits.mutex);
    bool fails = submits.failing > 0, holds = submits.holding;
    if (fails) {
        submits.failing--;
    } else if (holds) {
        assert_null(submits.held);
        submits.held = work;
        pthread_cond_broadcast(&submits.kept);
    }
    pthread_mutex_unlock(&submits.mutex);
    if (fails) {
        error_set(&err, -EIO, "the disk is on fire");
        work->done(work, -EIO, &err);
    } else if (!holds) {
        __real_applier_submit(applier, work);
    }
}

void world_fail_writes(unsigned n)
{
    pthread_mutex_lock(&submits.mutex);
    submits.failing = n;
    pthread_mutex_unlock(&submits.mutex);
}

void world_hold_writes(void)
{
    pthread_mutex_lock(&submits.mutex);
    submits.holding = true;
    pthread_mutex_unlock(&submits.mutex);
}

void world_await_held_write(void)
{
    pthread_mutex_lock(&submits.mutex);
    while (submits.held == NULL) {
        pthread_cond_wait(&submits.kept, &submits.mutex);
    }
    pthread_mutex_unlock(&submits.mutex);
}

void world_release_writes(struct world *world)
{
    pthread_mutex_lock(&submits.mutex);
    struct applier_work *work = submits.held;
    submits.holding = false;
    submits.held = NULL;
    pthread_mutex_unlock(&submits.mutex);
    if (work != NULL) {
        __real_applier_submit(world->applier, work);
    }
}

static void failed(struct applier_observer *observer, const struct error *err)
{
    (void)observer;
    must(-1, err);
}

static void lane_did_change(struct lane_observer *observer, const char *lane)
{
    assert_string_equal(lane, LANE);
    announce(container_of(observer, struct world, lane_observer));
}

static void superseded(struct lane_observer *observer, const char *lane, const char *memory_id,
                       uint64_t seq)
{
    struct world *world = container_of(observer, struct world, lane_observer);

    assert_string_equal(lane, LANE);
    assert_true(seq > 0);
    pthread_mutex_lock(&world->mutex);
    world->superseded++;
    snprintf(world->superseded_id, sizeof world->superseded_id, "%s", memory_id);
    pthread_mutex_unlock(&world->mutex);
}

/* ---- set-up ---- */

static void open_storage(struct world *world)
{
    struct journal_options options = {.dir = NULL, .segment_bytes = 1u << 20, .spare_segments = 1};
    struct applier_options applier_options = {0};
    struct journal_recovery found;
    struct store *store;
    struct error err = {0};
    char journal_dir[96];

    snprintf(journal_dir, sizeof journal_dir, "%s/journal", world->dir);
    options.dir = journal_dir;
    must(journal_open(&world->journal, &options, &world->log, &found, &err), &err);
    struct store_options store_options = {
        .path = world->store_path, .origin = journal_origin(world->journal), .dims = 4};
    must(store_open(&store, &store_options, &err), &err);
    world->applier_observer =
        (struct applier_observer){.applied = applied, .full = full, .failed = failed};
    must(applier_start(&world->applier, store, world->journal, &world->applier_observer,
                       &applier_options, &world->log, &err),
         &err);
    world->journal_observer.committed = committed;
    must(journal_start(world->journal, &world->journal_observer, &err), &err);
    must(reader_open(&world->reader, world->store_path, &err), &err);
}

static void name_paths(struct world *world)
{
    snprintf(world->dir, sizeof world->dir, "/tmp/memferry-lane-XXXXXX");
    assert_non_null(mkdtemp(world->dir));
    snprintf(world->store_path, sizeof world->store_path, "%s/memferry.db", world->dir);
    snprintf(world->password_path, sizeof world->password_path, "%s/password", world->dir);
    snprintf(world->log_path, sizeof world->log_path, "%s/log", world->dir);
    snprintf(world->plugin_dir, sizeof world->plugin_dir, "%s", TEST_PLUGIN_DIR);
    snprintf(world->plugin_path, sizeof world->plugin_path, "%s/scripted.so", world->plugin_dir);
}

struct world *world_new(void)
{
    struct world *world = calloc(1, sizeof *world);

    assert_non_null(world);
    name_paths(world);
    pthread_mutex_init(&world->mutex, NULL);
    pthread_cond_init(&world->changed, NULL);
    pthread_mutex_init(&world->backend.mutex, NULL);
    world->backend.go_fd = eventfd(0, EFD_CLOEXEC);
    world->backend.called_fd = eventfd(0, EFD_CLOEXEC | EFD_SEMAPHORE);
    world->lane_observer =
        (struct lane_observer){.changed = lane_did_change, .superseded = superseded};
    log_init(&world->log, open(world->log_path, O_CREAT | O_RDWR | O_APPEND, 0600),
             LOG_LEVEL_DEBUG);
    open_storage(world);
    world->options = (struct lane_options){.name = LANE,
                                           .store_path = world->store_path,
                                           .backoff_min_ms = 1,
                                           .backoff_max_ms = 3,
                                           .seed = 1};
    return world;
}

static void remove_tree(const char *dir)
{
    char command[128];

    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    assert_int_equal(system(command), 0);
}

void world_free(struct world *world)
{
    if (world->lane != NULL) {
        world_stop_lane(world);
    }
    reader_close(world->reader);
    applier_stop(world->applier); /* nothing is on its way: each put waits until it is applied */
    journal_close(world->journal);
    close(world->log.fd);
    close(world->backend.go_fd);
    close(world->backend.called_fd);
    remove_tree(world->dir);
    pthread_cond_destroy(&world->changed);
    pthread_mutex_destroy(&world->mutex);
    pthread_mutex_destroy(&world->backend.mutex);
    free(world);
}

static struct plugin *load(struct world *world)
{
    char address[32], control[] = "control", file[] = "password_file", name[] = LANE;
    struct plugin_context context = {.plugin_dir = world->plugin_dir,
                                     .state_dir = world->dir,
                                     .origin = journal_origin(world->journal),
                                     .dims = 4,
                                     .log = &world->log};
    struct config_option options[] = {{.key = control, .value = address, .line = 1},
                                      {.key = file, .value = world->password_path, .line = 2}};
    struct config_backend backend = {
        .name = name, .plugin = world->plugin_path, .options = options, .option_count = 2};
    struct plugin *plugin;
    struct error err = {0};

    snprintf(address, sizeof address, "%p", (void *)&world->backend);
    must(plugin_load(&plugin, &backend, &context, &err), &err);
    return plugin;
}

void world_start_lane(struct world *world)
{
    struct error err = {0};
    struct plugin *plugin = load(world);

    must(lane_start(&world->lane, &world->options, plugin, world->applier, &world->lane_observer,
                    &world->log, &err),
         &err);
    pthread_mutex_lock(&world->mutex);
    world->woken = world->lane;
    pthread_mutex_unlock(&world->mutex);
}

void world_stop_lane(struct world *world)
{
    pthread_mutex_lock(&world->mutex);
    world->woken = NULL;
    pthread_mutex_unlock(&world->mutex);
    lane_stop(world->lane);
    world->lane = lane_join(world->lane);
    assert_null(world->lane);
}

/* ---- events ---- */

static struct put *make_put(struct world *world, enum event_op op, const char *id,
                            const char *content)
{
    struct put *put = calloc(1, sizeof *put);
    msgpack_sbuffer fields;
    msgpack_packer packer;
    char event_id[32];

    assert_non_null(put);
    msgpack_sbuffer_init(&fields);
    msgpack_packer_init(&packer, &fields, msgpack_sbuffer_write);
    msgpack_pack_map(&packer, 1);
    msgpack_pack_str_with_body(&packer, "content", 7);
    msgpack_pack_str_with_body(&packer, content, strlen(content));
    int size = snprintf(event_id, sizeof event_id, "event-%lu", world->events++);
    struct event event = {.op = op,
                          .event_id = {.data = event_id, .size = (size_t)size},
                          .memory_id = {.data = id, .size = strlen(id)}};
    if (op == EVENT_PUT) {
        event.fields = (const uint8_t *)fields.data;
        event.fields_size = fields.size;
    }
    assert_true(event_size_max(&event) <= sizeof put->payload);
    put->change.record.payload = put->payload;
    put->change.record.payload_size = event_encode(&event, put->payload);
    msgpack_sbuffer_destroy(&fields);
    return put;
}

static bool all_is_applied(struct world *world)
{
    pthread_mutex_lock(&world->mutex);
    bool all = world->applied_seq == world->events;
    pthread_mutex_unlock(&world->mutex);
    return all;
}

static void append(struct world *world, struct journal_list *list)
{
    journal_append(world->journal, list, 1);
    world_await(world, all_is_applied);
}

void world_put(struct world *world, const char *id, const char *content)
{
    struct journal_list list = {0};

    journal_list_push(&list, &make_put(world, EVENT_PUT, id, content)->change.record);
    append(world, &list);
}

void world_delete(struct world *world, const char *id)
{
    struct journal_list list = {0};

    journal_list_push(&list, &make_put(world, EVENT_DELETE, id, "")->change.record);
    append(world, &list);
}

void world_put_many(struct world *world, const char *prefix, unsigned n)
{
    struct journal_list list = {0};
    char id[32];

    for (unsigned i = 0; i < n; i++) {
        snprintf(id, sizeof id, "%s%u", prefix, i);
        journal_list_push(&list, &make_put(world, EVENT_PUT, id, prefix)->change.record);
    }
    append(world, &list);
}

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

    must(reader_lane(world->reader, LANE, &row, &err), &err);
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
    must(await_answer(&answer), &answer.err);
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
