/*
 * method_backend_list.c - backend.list: how each lane stands, the detached ones too.
 *
 * What the lanes say of themselves is taken in the loop; what the store holds of them is read by
 * the reader thread, which packs both.
 */
#include "broker/methods.h"
#include "broker/pack.h"
#include "broker/params.h"
#include "broker/util/clock.h"
#include "broker/util/container.h"

#include <stdlib.h>
#include <string.h>

struct list_query {
    struct query query;
    size_t count;
    struct lane_status lanes[];
};

static const char *health(const struct lane_status *lane, const struct reader_lane *stored)
{
    if (stored->paused) {
        return "paused";
    }
    return lane->circuit == CIRCUIT_CLOSED ? "ok" : "down";
}

/* How long ago, at least 1; 0: never. */
static int64_t age_ms(int64_t at_ms)
{
    int64_t age = clock_wall_ms() - at_ms;

    return at_ms == 0 ? 0 : age > 0 ? age : 1;
}

static void pack_lane(msgpack_packer *packer, const struct lane_status *lane,
                      const struct reader_lane *stored)
{
    msgpack_pack_map(packer, 20);
    pack_text_member(packer, "name", lane->name);
    pack_text_member(packer, "plugin", lane->plugin);
    pack_text_member(packer, "kind", lane_kind_name(lane->kind));
    pack_text_member(packer, "health", health(lane, stored));
    pack_text_member(packer, "circuit", circuit_name(lane->circuit));
    pack_bool_member(packer, "paused", stored->paused);
    pack_uint_member(packer, "cursor", stored->cursor);
    pack_uint_member(packer, "pending", stored->pending);
    pack_time_member(packer, "oldest_pending_ms", age_ms(stored->oldest_pending_ms));
    pack_uint_member(packer, "deferred", stored->deferred);
    pack_uint_member(packer, "dead", stored->dead);
    pack_uint_member(packer, "delivered", stored->delivered);
    pack_uint_member(packer, "retried", lane->retried);
    pack_uint_member(packer, "rejected", lane->rejected);
    pack_uint_member(packer, "circuit_opened", lane->opened);
    pack_text_member(packer, "last_error", lane->last_error);
    pack_time_member(packer, "last_error_ms", lane->last_error_ms);
    pack_time_member(packer, "last_success_ms", lane->last_success_ms);
    pack_time_member(packer, "next_probe_ms", lane->next_probe_ms);
    pack_int_member(packer, "call_ms", health_call_ms(lane));
}

static void pack_detached(msgpack_packer *packer, const char *name,
                          const struct reader_lane *stored)
{
    msgpack_pack_map(packer, 9);
    pack_text_member(packer, "name", name);
    pack_text_member(packer, "kind", lane_kind_name(stored->kind));
    pack_text_member(packer, "health", "detached");
    pack_bool_member(packer, "paused", stored->paused);
    pack_uint_member(packer, "cursor", stored->cursor);
    pack_uint_member(packer, "pending", stored->pending);
    pack_uint_member(packer, "deferred", stored->deferred);
    pack_uint_member(packer, "dead", stored->dead);
    pack_uint_member(packer, "delivered", stored->delivered);
}

static bool is_attached(const struct list_query *list, const char *name)
{
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->lanes[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

static int pack_one(struct list_query *list, struct reader *reader, const char *name, size_t i,
                    msgpack_packer *packer, struct error *err)
{
    struct reader_lane stored = {0};
    int r = reader_lane(reader, name, &stored, err);

    if (r != 0) {
        return r;
    }
    if (i < list->count) {
        pack_lane(packer, &list->lanes[i], &stored);
    } else {
        pack_detached(packer, name, &stored);
    }
    return 0;
}

static void free_names(char **names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(names[i]);
    }
    free(names);
}

/* Detached lanes are those with a row and no section in the config. */
static int keep_detached(struct list_query *list, struct reader *reader, char ***ret_names,
                         size_t *ret_count, struct error *err)
{
    size_t kept = 0;
    int r = reader_lane_names(reader, ret_names, ret_count, err);

    if (r != 0) {
        return r;
    }
    for (size_t i = 0; i < *ret_count; i++) {
        char *name = (*ret_names)[i];
        if (is_attached(list, name)) {
            free(name);
        } else {
            (*ret_names)[kept++] = name;
        }
    }
    *ret_count = kept;
    return 0;
}

static int run_list(struct query *query, struct reader *reader, struct error *err)
{
    struct list_query *list = container_of(query, struct list_query, query);
    char **names = NULL;
    size_t count = 0;
    msgpack_packer packer;
    int r = keep_detached(list, reader, &names, &count, err);

    if (r != 0) {
        return r;
    }
    msgpack_packer_init(&packer, &query->result, msgpack_sbuffer_write);
    msgpack_pack_map(&packer, 1);
    pack_key(&packer, "backends");
    msgpack_pack_array(&packer, list->count + count);
    for (size_t i = 0; r == 0 && i < list->count; i++) {
        r = pack_one(list, reader, list->lanes[i].name, i, &packer, err);
    }
    for (size_t i = 0; r == 0 && i < count; i++) {
        r = pack_one(list, reader, names[i], list->count, &packer, err);
    }
    free_names(names, count);
    return r;
}

static void list_done(struct query *query)
{
    query_answer(query);
    query_deinit(query);
    free(container_of(query, struct list_query, query));
}

/* One that has no lane just now, or never got one, is down and not detached. */
static void take_status(struct backends *backends, size_t i, struct lane_status *ret)
{
    const struct config_backend *wanted = backends_wanted(backends, i);
    struct backend *backend = backends_find(backends, wanted->name);

    if (backend != NULL) {
        lane_status(backend->lane, ret);
        return;
    }
    ret->circuit = CIRCUIT_OPEN;
    snprintf(ret->name, sizeof ret->name, "%s", wanted->name);
    snprintf(ret->plugin, sizeof ret->plugin, "%s", wanted->plugin);
    snprintf(ret->last_error, sizeof ret->last_error, "It " BACKEND_WITHOUT_LANE ".");
}

void method_backend_list(struct services *services, struct call *call, const msgpack_object *params)
{
    struct backends *backends = services->backends;
    size_t count = backends_wanted_count(backends);
    struct rpc_failure failure = {0};

    if (params_none(params, &failure) != RPC_OK) {
        call_fail_with(call, &failure, NULL);
        return;
    }
    struct list_query *list = calloc(1, sizeof *list + count * sizeof(struct lane_status));
    if (list == NULL) {
        call_fail(call, RPC_INTERNAL, "out of memory for the request");
        return;
    }
    list->count = count;
    for (size_t i = 0; i < count; i++) {
        take_status(backends, i, &list->lanes[i]);
    }
    list->query.run = run_list;
    list->query.done = list_done;
    services_read(services, &list->query, call);
}
