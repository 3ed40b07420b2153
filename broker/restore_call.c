/* restore_call.c - see restore_call.h. */
#include "broker/restore_call.h"

#include "broker/util/container.h"

#include <stdlib.h>
#include <string.h>
#include <uuid/uuid.h>

struct restore_call *restore_call_new(struct services *services)
{
    struct restore_call *restore = calloc(1, sizeof *restore);

    if (restore != NULL) {
        restore->services = services;
        restore->limit = PLAN_ITEMS_MAX;
    }
    return restore;
}

void restore_call_free(struct restore_call *restore)
{
    plan_deinit(&restore->plan);
    arena_deinit(&restore->arena);
    free(restore->wishes);
    query_deinit(&restore->query);
    free(restore);
}

/* ---- the reply ---- */

struct tally {
    uint64_t restored, conflicts, same, failed;
};

static void pack_missing(msgpack_packer *packer, const struct plan_item *item)
{
    struct rpc_failure failure;

    if (item->outcome == PLAN_NO_MEMORY) {
        rpc_failure_set(&failure, RPC_NOT_FOUND, NULL, "there is no memory %s", item->id);
    } else {
        rpc_failure_set(&failure, RPC_NOT_FOUND, NULL,
                        "there is no such version, or it is kept no longer, of memory %s",
                        item->id);
    }
    receipt_pack_error(packer, &failure);
}

static void pack_conflict(msgpack_packer *packer, const struct plan_item *item)
{
    char text[200];

    if (item->other_session != NULL) {
        snprintf(text, sizeof text, "session %s has changed it since (version %llu)",
                 item->other_session, (unsigned long long)item->other_version);
    } else {
        snprintf(text, sizeof text, "it was changed since, by no session (version %llu)",
                 (unsigned long long)item->other_version);
    }
    pack_text_member(packer, "conflict", text);
}

/* What became of an item that was written. */
static void pack_written(msgpack_packer *packer, const struct write *write, struct tally *tally)
{
    struct rpc_failure failure;
    enum rpc_code code = write_outcome(write, &failure);

    if (code == RPC_OK && write_is_duplicate(write)) {
        tally->same++;
        pack_bool_member(packer, "unchanged", true);
    } else if (code == RPC_OK) {
        tally->restored++;
        pack_uint_member(packer, "version", write_seq(write));
    } else if (code == RPC_CONFLICT) {
        tally->conflicts++;
        pack_text_member(packer, "conflict", "it was changed while it was being restored");
    } else {
        tally->failed++;
        receipt_pack_error(packer, &failure);
    }
}

static const char *change_name(enum plan_change change)
{
    static const char *const names[] = {
        [PLAN_REPLACE] = "replace", [PLAN_UNDELETE] = "undelete", [PLAN_DELETE] = "delete"};

    return names[change];
}

static bool has_target(const struct plan_item *item)
{
    return item->outcome != PLAN_NO_MEMORY && item->outcome != PLAN_NO_VERSION;
}

/* write NULL: nothing was written for it. */
static void pack_item(msgpack_packer *packer, const struct plan_item *item,
                      const struct write *write, struct tally *tally)
{
    bool planned_only = item->outcome == PLAN_RESTORE && write == NULL;

    msgpack_pack_map(packer, (size_t)(has_target(item) ? 4 : 2) + !planned_only);
    pack_text_member(packer, "id", item->id);
    pack_uint_member(packer, "from", item->from);
    if (has_target(item)) {
        pack_uint_member(packer, "to", item->to);
        pack_text_member(packer, "change", change_name(item->change));
    }
    switch (item->outcome) {
    case PLAN_RESTORE:
        if (write != NULL) {
            pack_written(packer, write, tally);
        } else {
            tally->restored++;
        }
        return;
    case PLAN_SAME:
        tally->same++;
        pack_bool_member(packer, "unchanged", true);
        return;
    case PLAN_CONFLICT:
        tally->conflicts++;
        pack_conflict(packer, item);
        return;
    case PLAN_NO_MEMORY:
    case PLAN_NO_VERSION:
        tally->failed++;
        pack_missing(packer, item);
        return;
    }
}

/* writes: one for each item that was to be restored, in order; NULL in a dry run. */
static void reply(struct restore_call *restore, struct call *call, const struct write *writes)
{
    const struct plan *plan = &restore->plan;
    struct tally tally = {.same = plan->same};
    msgpack_sbuffer result;
    msgpack_packer packer;
    size_t written = 0;

    msgpack_sbuffer_init(&result);
    msgpack_packer_init(&packer, &result, msgpack_sbuffer_write);
    msgpack_pack_map(&packer, 8);
    pack_key(&packer, "memories");
    msgpack_pack_array(&packer, plan->count);
    for (size_t i = 0; i < plan->count; i++) {
        bool was_written = writes != NULL && plan->items[i].outcome == PLAN_RESTORE;
        pack_item(&packer, &plan->items[i], was_written ? &writes[written++] : NULL, &tally);
    }
    pack_bool_member(&packer, "dry_run", restore->dry_run);
    pack_uint_member(&packer, "restored", tally.restored);
    pack_uint_member(&packer, "conflicts", tally.conflicts);
    pack_uint_member(&packer, "unchanged", tally.same);
    pack_uint_member(&packer, "created", plan->created);
    pack_uint_member(&packer, "failed", tally.failed);
    pack_key(&packer, "next");
    if (plan->next[0] != '\0') {
        pack_text(&packer, plan->next, strlen(plan->next));
    } else {
        msgpack_pack_nil(&packer);
    }
    call_reply(call, &result);
    msgpack_sbuffer_destroy(&result);
}

/* ---- the events ---- */

static void written(struct write_request *request)
{
    struct restore_call *restore = request->restore;
    struct rpc_failure failure;

    if (!write_request_was_refused(request)) {
        reply(restore, request->call, request->items);
    } else {
        write_outcome(&request->items[0], &failure);
        call_fail_with(request->call, &failure, NULL);
    }
    restore_call_free(restore);
}

static struct event_text text_of(const char *text)
{
    return (struct event_text){text[0] == '\0' ? NULL : text, strlen(text)};
}

static int set_event(struct write_request *request, size_t i, const struct restore_call *restore,
                     const struct plan_item *item)
{
    char event_id[UUID_STR_LEN];
    msgpack_sbuffer fields;
    msgpack_packer packer;
    uuid_t uuid;

    uuid_generate_random(uuid);
    uuid_unparse_lower(uuid, event_id);
    msgpack_sbuffer_init(&fields);
    msgpack_packer_init(&packer, &fields, msgpack_sbuffer_write);
    msgpack_pack_map(&packer, 1);
    pack_uint_member(&packer, "version", item->to);
    struct event event = {.op = EVENT_RESTORE,
                          .peer_pid = request->call->peer_pid,
                          .event_id = text_of(event_id),
                          .memory_id = {item->id, item->id_size},
                          .session_id = text_of(restore->by_session_id),
                          .reason = text_of(restore->reason),
                          .has_expected_version = true,
                          .expected_version = item->from,
                          .fields = (const uint8_t *)fields.data,
                          .fields_size = fields.size};
    int r = write_request_set(request, i, &event);
    msgpack_sbuffer_destroy(&fields);
    return r;
}

static void write_plan(struct restore_call *restore, struct call *call, size_t count)
{
    struct write_request *request = write_request_new(call, count);
    size_t set = 0;
    int r = 0;

    if (request == NULL) {
        call_fail(call, RPC_INTERNAL, "out of memory for the request");
        restore_call_free(restore);
        return;
    }
    request->services = restore->services;
    request->restore = restore;
    request->done = written;
    for (size_t i = 0; r == 0 && i < restore->plan.count; i++) {
        if (restore->plan.items[i].outcome == PLAN_RESTORE) {
            r = set_event(request, set++, restore, &restore->plan.items[i]);
        }
    }
    if (r < 0) {
        call_fail(call, RPC_INTERNAL, "out of memory for the request");
        write_request_free(request);
        restore_call_free(restore);
        return;
    }
    writes_submit(restore->services->writes, request);
}

/* ---- the plan ---- */

static int run_plan(struct query *query, struct reader *reader, struct error *err)
{
    struct restore_call *restore = container_of(query, struct restore_call, query);

    return reader_plan(reader, &restore->request, &restore->plan, err);
}

static void plan_done(struct query *query)
{
    struct restore_call *restore = container_of(query, struct restore_call, query);
    struct call *call = query->call;
    size_t to_write = 0;

    if (query->abandoned || query->timed_out || query->status != 0) {
        query_answer(query);
        restore_call_free(restore);
        return;
    }
    for (size_t i = 0; i < restore->plan.count; i++) {
        to_write += restore->plan.items[i].outcome == PLAN_RESTORE;
    }
    if (!restore->dry_run && to_write > 0) {
        write_plan(restore, call, to_write);
        return;
    }
    reply(restore, call, NULL);
    restore_call_free(restore);
}

void restore_call_start(struct restore_call *restore, struct call *call)
{
    restore->query.run = run_plan;
    restore->query.done = plan_done;
    services_read_long(restore->services, &restore->query, call);
}
