/*
 * methods.h - the calls of the protocol, by name; each in a method_*.c of its subject.
 *
 * A method checks its parameters, and then answers the call, or hands it on to what will: writes,
 * queries, waits. It runs in the loop and never blocks.
 */
#ifndef MEMFERRY_METHODS_H
#define MEMFERRY_METHODS_H

#include "broker/alerts.h"
#include "broker/backends.h"
#include "broker/call.h"
#include "broker/config.h"
#include "broker/health.h"
#include "broker/params.h"
#include "broker/peer.h"
#include "broker/places.h"
#include "broker/query.h"
#include "broker/searches.h"
#include "broker/sessions.h"
#include "broker/stats.h"
#include "broker/subscribers.h"
#include "broker/waits.h"
#include "broker/writes.h"

#define MEMFERRY_PROTOCOL 1

/* What methods work with; all borrowed from the broker. */
struct services {
    struct peers *peers;
    struct writes *writes;
    struct queries *queries;
    struct searches *searches;
    struct backends *backends;
    struct waits *waits;
    struct recovery *recovery;
    struct sessions *sessions;
    struct backups *backups;
    struct stats *stats;
    const struct places *places;
    struct health *health;
    struct alerts *alerts;
    struct subscribers *subscribers;
    struct journal *journal;
    struct config *config;
    struct log *log;
    struct mailbox *mailbox;
    msgpack_sbuffer scratch; /* for what is packed and copied on within one call (pack_anew) */
};

/* Consumes the call. `params` is borrowed for the duration. */
typedef void method_fn(struct services *, struct call *, const msgpack_object *params);

struct method {
    const char *name;
    method_fn *run;
};

/* Ends with a NULL name. */
extern const struct method methods[];

/* Consumes the call. */
void methods_dispatch(struct services *services, struct call *call,
                      const struct rpc_request *request);

method_fn method_hello, method_health, method_stats, method_store_backup;
method_fn method_memory_put, method_memory_delete;
method_fn method_memory_get, method_memory_history, method_memory_list;
method_fn method_memory_search, method_memory_restore, method_memory_import, method_memory_purge;
method_fn method_backend_list, method_backend_flush, method_backend_pause, method_backend_resume,
    method_backend_probe, method_backend_forget, method_backend_verify, method_backend_recover,
    method_backend_recovery;
method_fn method_dead_list, method_dead_retry, method_dead_drop;
method_fn method_guard_observe;
method_fn method_alert_list, method_alert_ack;
method_fn method_event_subscribe;

method_fn method_session_begin, method_session_touch, method_session_end, method_session_get,
    method_session_list;

/* ---- shared by the methods ---- */

/* Reads are held until the store shows every write that had its receipt. */
void services_read(struct services *services, struct query *query, struct call *call);
/* The same for what may take long: in the search thread, so that no get ever waits for it. */
void services_read_long(struct services *services, struct query *query, struct call *call);
/* Writes the members of a receipt but for "backends", as the head of a map of six. */
void receipt_pack_head(msgpack_packer *packer, const struct write *write);
/* …and "backends": how each sink stands with something that was just written. */
void receipt_pack_backends(msgpack_packer *packer, struct backends *backends);
/* {"receipts": […]}, an item each by `pack`; or the failure of all, when nothing was written. */
void receipts_reply(const struct write_request *request,
                    void (*pack)(msgpack_packer *packer, const struct write *write));
/* "error", in place of a receipt, in a list of several. */
void receipt_pack_error(msgpack_packer *packer, const struct rpc_failure *failure);
/* Reads the parameters of a call about one backend, whose name `read` puts at `name`, and finds its
 * lane. False: the call is answered. */
bool backend_params_read(struct services *services, struct call *call, const msgpack_object *params,
                         param_read_fn *read, void *target, const char *name,
                         struct lane **ret_lane);

#endif
