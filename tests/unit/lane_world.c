/* lane_world.c - see lane_world.h. A step of the set-up that fails ends the test program. */
#include "tests/unit/lane_world.h"

#include "broker/event.h"
#include "broker/util/container.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>
#include <fcntl.h>
#include <msgpack.h>

struct put {
    struct change change;
    struct emission *emission; /* NULL: the test's own */
    size_t item;
    uint8_t payload[512];
};

void world_must(int status, const struct error *err)
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

/* The last item ends the emission. */
static void item_applied(struct put *put)
{
    struct emission *emission = put->emission;

    emission->items[put->item].result = put->change.result;
    emission_set_status(emission, put->item, put->change.apply_status, NULL);
    if (put->item + 1 == emission->count) {
        emission->done(emission);
    }
}

static void emit(struct emitter *emitter, struct emission *emission)
{
    struct world *world = container_of(emitter, struct world, emitter);
    struct journal_list list = {0};

    for (size_t i = 0; i < emission->count; i++) {
        struct put *put = calloc(1, sizeof *put);
        assert_non_null(put);
        put->emission = emission;
        put->item = i;
        assert_true(emission->items[i].size <= sizeof put->payload);
        memcpy(put->payload, emission->items[i].payload, emission->items[i].size);
        put->change.record.payload = put->payload;
        put->change.record.payload_size = emission->items[i].size;
        journal_list_push(&list, &put->change.record);
    }
    pthread_mutex_lock(&world->mutex);
    world->events += emission->count;
    pthread_mutex_unlock(&world->mutex);
    journal_append(world->journal, &list, 1);
}

static void applied(struct applier_observer *observer, struct journal_list *done,
                    uint64_t applied_seq)
{
    struct world *world = container_of(observer, struct world, applier_observer);
    struct journal_record *record;

    while ((record = journal_list_pop(done)) != NULL) {
        struct put *put = container_of(record, struct put, change.record);
        if (put->emission != NULL) {
            item_applied(put);
        }
        free(put);
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

static void failed(struct applier_observer *observer, const struct error *err)
{
    (void)observer;
    world_must(-1, err);
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

static void trouble(struct lane_observer *observer, const char *lane, enum lane_trouble what,
                    const char *why)
{
    struct world *world = container_of(observer, struct world, lane_observer);

    assert_string_equal(lane, LANE);
    assert_true(strlen(why) > 0);
    pthread_mutex_lock(&world->mutex);
    world->troubles[what]++;
    pthread_mutex_unlock(&world->mutex);
    announce(world);
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
    world_must(journal_open(&world->journal, &options, &world->log, &found, &err), &err);
    struct store_options store_options = {
        .path = world->store_path, .origin = journal_origin(world->journal), .dims = 4};
    world_must(store_open(&store, &store_options, &err), &err);
    world->applier_observer =
        (struct applier_observer){.applied = applied, .full = full, .failed = failed};
    world_must(applier_start(&world->applier, store, world->journal, &world->applier_observer,
                             &applier_options, &world->log, &err),
               &err);
    world->journal_observer.committed = committed;
    world_must(journal_start(world->journal, &world->journal_observer, &err), &err);
    world_must(reader_open(&world->reader, world->store_path, &err), &err);
}

static void name_paths(struct world *world)
{
    snprintf(world->dir, sizeof world->dir, "/tmp/memferry-lane-XXXXXX");
    assert_non_null(mkdtemp(world->dir));
    snprintf(world->store_path, sizeof world->store_path, "%s/memferry.db", world->dir);
    snprintf(world->password_path, sizeof world->password_path, "%s/password", world->dir);
    snprintf(world->log_path, sizeof world->log_path, "%s/log", world->dir);
    snprintf(world->plugin_dir, sizeof world->plugin_dir, "%s", TEST_PLUGIN_DIR);
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
    world->lane_observer = (struct lane_observer){
        .changed = lane_did_change, .superseded = superseded, .trouble = trouble};
    log_init(&world->log, open(world->log_path, O_CREAT | O_RDWR | O_APPEND, 0600),
             LOG_LEVEL_DEBUG);
    world->emitter.submit = emit;
    world->plugin = "scripted";
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

int world_setup(void **state)
{
    *state = world_new();
    return 0;
}

int world_teardown(void **state)
{
    world_free(*state);
    return 0;
}

static struct plugin *load(struct world *world)
{
    char address[32], control[] = "control", file[] = "password_file", name[] = LANE;
    char model[] = "model", model_name[32] = "";
    struct plugin_context context = {.plugin_dir = world->plugin_dir,
                                     .state_dir = world->dir,
                                     .origin = journal_origin(world->journal),
                                     .dims = 4,
                                     .log = &world->log};
    struct config_option options[] = {{.key = control, .value = address, .line = 1},
                                      {.key = file, .value = world->password_path, .line = 2},
                                      {.key = model, .value = model_name, .line = 3}};
    struct config_backend backend = {.name = name,
                                     .plugin = world->plugin_path,
                                     .options = options,
                                     .option_count = world->model != NULL ? 3 : 2};
    struct plugin *plugin;
    struct error err = {0};

    snprintf(address, sizeof address, "%p", (void *)&world->backend);
    snprintf(model_name, sizeof model_name, "%s", world->model != NULL ? world->model : "");
    snprintf(world->plugin_path, sizeof world->plugin_path, "%s/%s.so", world->plugin_dir,
             world->plugin);
    world_must(plugin_load(&plugin, &backend, &context, &err), &err);
    return plugin;
}

void world_start_lane(struct world *world)
{
    struct error err = {0};
    struct plugin *plugin = load(world);

    world_must(lane_start(&world->lane, &world->options, plugin, world->applier, &world->emitter,
                          &world->lane_observer, &world->log, &err),
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
    pthread_mutex_lock(&world->mutex);
    int size = snprintf(event_id, sizeof event_id, "event-%lu", world->events++);
    pthread_mutex_unlock(&world->mutex);
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
