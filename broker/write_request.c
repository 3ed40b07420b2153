/* write_request.c - a request on its way: the events in it, and what became of each, in words. */
#include "broker/writes.h"

#include "broker/memory_state.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

/* ---- requests ---- */

struct write_request *write_request_new(struct call *call, size_t count)
{
    struct write_request *request = calloc(1, sizeof *request + count * sizeof(struct write));

    if (request == NULL) {
        return NULL;
    }
    request->call = call;
    request->count = request->unanswered = request->unfinished = count;
    for (size_t i = 0; i < count; i++) {
        request->items[i].request = request;
    }
    return request;
}

void write_request_free(struct write_request *request)
{
    for (size_t i = 0; i < request->count; i++) {
        free((void *)(uintptr_t)request->items[i].change.record.payload);
    }
    free(request);
}

int write_request_set(struct write_request *request, size_t i, const struct event *event)
{
    struct write *write = &request->items[i];
    uint8_t *payload = malloc(event_size_max(event));

    if (payload == NULL) {
        return -ENOMEM;
    }
    write->change.record.payload = payload;
    write->change.record.payload_size = event_encode(event, payload);
    write->needs_apply = event_needs_apply(event) || request->wait_delivered;
    return 0;
}

void write_request_take(struct write_request *request, size_t i, uint8_t *payload, size_t size)
{
    struct write *write = &request->items[i];

    write->change.record.payload = payload;
    write->change.record.payload_size = size;
    write->needs_apply = true;
}

void write_event(const struct write *write, struct event *ret_event)
{
    const struct journal_record *record = &write->change.record;
    int r = event_decode(record->payload, record->payload_size, ret_event);

    assert(r == 0);
    (void)r;
}

uint64_t write_seq(const struct write *write)
{
    return write->needs_apply ? write->change.result.seq : write->change.record.seq;
}

bool write_is_duplicate(const struct write *write)
{
    return write->needs_apply && write->change.result.outcome == APPLY_DUPLICATE;
}

bool write_request_was_refused(const struct write_request *request)
{
    for (size_t i = 0; i < request->count; i++) {
        if (request->items[i].change.record.status == 0) {
            return false;
        }
    }
    return true;
}

/* ---- outcomes ---- */

static enum rpc_code fail(struct rpc_failure *failure, enum rpc_code code, const char *text)
{
    return rpc_failure_set(failure, code, NULL, "%s", text);
}

static enum rpc_code conflict(const struct write *write, const struct event *event,
                              struct rpc_failure *failure)
{
    return rpc_failure_set(
        failure, RPC_CONFLICT, NULL,
        "memory %.*s has version %llu, not the expected %llu; read it and decide again",
        (int)event->memory_id.size, event->memory_id.data,
        (unsigned long long)write->change.result.version,
        (unsigned long long)event->expected_version);
}

static enum rpc_code not_found(const struct write *write, const struct event *event,
                               struct rpc_failure *failure)
{
    const struct event_text *id = &event->memory_id;

    if (event->op == EVENT_ALERT_ACK) {
        return rpc_failure_set(failure, RPC_NOT_FOUND, NULL,
                               "there is no alert %.*s; memferry alert list --acked lists all",
                               (int)event->event_id.size, event->event_id.data);
    }
    if (event->op == EVENT_RESTORE && write->change.result.version != 0) {
        return rpc_failure_set(failure, RPC_NOT_FOUND, NULL,
                               "memory %.*s has no such version, or it is kept no longer; memferry "
                               "history lists them",
                               (int)id->size, id->data);
    }
    return rpc_failure_set(failure, RPC_NOT_FOUND, NULL, "there is no memory %.*s%s", (int)id->size,
                           id->data,
                           event->op == EVENT_PUT ? " to change; a new one needs content" : "");
}

/* The journal did not take it. */
static enum rpc_code journal_failure(const struct write *write, struct rpc_failure *failure)
{
    switch (write->change.record.status) {
    case JOURNAL_E_FULL:
        return fail(failure, RPC_STORAGE_FULL,
                    "the disk of the state directory is full; nothing was written: make room");
    case JOURNAL_E_TOO_LARGE:
        return fail(failure, RPC_INVALID_PARAMS,
                    "the memory is larger than a journal segment can hold; nothing was written");
    case WRITE_E_HELD:
        return rpc_failure_set(failure, RPC_BUSY, NULL,
                               "nothing was written: memories are being recovered from backend %s; "
                               "memferry recover --from it goes on, or shows how far it is",
                               write->request->writes->held_for);
    default:
        return fail(failure, RPC_STORAGE_FAILED,
                    "the journal could not be written; the broker is stopping: see its log");
    }
}

/* The journal has it, and the answer depends on the store. */
static enum rpc_code apply_failure(const struct write *write, struct rpc_failure *failure)
{
    const struct change *change = &write->change;
    struct event event;

    if (change->apply_status == -EBADMSG) {
        return fail(failure, RPC_INTERNAL, "the store refused this event: see the log");
    }
    if (change->apply_status != 0) {
        return fail(failure, RPC_STORAGE_FAILED,
                    "the event is in the journal but the store failed; the broker is stopping: "
                    "see its log");
    }
    write_event(write, &event);
    switch (change->result.outcome) {
    case APPLY_CONFLICT:
        return conflict(write, &event, failure);
    case APPLY_NOT_FOUND:
        return not_found(write, &event, failure);
    case APPLY_TOO_LARGE:
        return rpc_failure_set(failure, RPC_TOO_LARGE, "props",
                               "memory %.*s would grow over %u MiB, and stays as it was: remove "
                               "props with null, or begin another memory",
                               (int)event.memory_id.size, event.memory_id.data,
                               MEMORY_STATE_MAX >> 20);
    default:
        return RPC_OK;
    }
}

enum rpc_code write_outcome(const struct write *write, struct rpc_failure *ret_failure)
{
    *ret_failure = (struct rpc_failure){.code = RPC_OK};
    if (write->change.record.status != 0) {
        return journal_failure(write, ret_failure);
    }
    return write->needs_apply ? apply_failure(write, ret_failure) : RPC_OK;
}
