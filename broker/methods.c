/* methods.c - finds the method of a request. */
#include "broker/methods.h"

#include <string.h>

const struct method methods[] = {
    {"hello", method_hello},
    {"health", method_health},
    {"memory.put", method_memory_put},
    {"memory.delete", method_memory_delete},
    {"memory.get", method_memory_get},
    {"memory.history", method_memory_history},
    {"memory.list", method_memory_list},
    {"memory.restore", method_memory_restore},
    {"memory.search", method_memory_search},
    {"memory.import", method_memory_import},
    {"memory.purge", method_memory_purge},
    {"backend.list", method_backend_list},
    {"backend.flush", method_backend_flush},
    {"backend.pause", method_backend_pause},
    {"backend.resume", method_backend_resume},
    {"backend.probe", method_backend_probe},
    {"backend.forget", method_backend_forget},
    {"backend.verify", method_backend_verify},
    {"backend.recover", method_backend_recover},
    {"backend.recovery", method_backend_recovery},
    {"dead.list", method_dead_list},
    {"dead.retry", method_dead_retry},
    {"dead.drop", method_dead_drop},
    {"guard.observe", method_guard_observe},
    {"alert.list", method_alert_list},
    {"alert.ack", method_alert_ack},
    {"event.subscribe", method_event_subscribe},
    {"session.begin", method_session_begin},
    {"session.touch", method_session_touch},
    {"session.end", method_session_end},
    {"session.get", method_session_get},
    {"session.list", method_session_list},
    {"store.backup", method_store_backup},
    {"stats", method_stats},
    {NULL, NULL},
};

void methods_dispatch(struct services *services, struct call *call,
                      const struct rpc_request *request)
{
    for (const struct method *method = methods; method->name != NULL; method++) {
        if (strcmp(method->name, request->method) == 0) {
            method->run(services, call, &request->params);
            return;
        }
    }
    call_fail(call, RPC_METHOD_NOT_FOUND, "there is no method %.100s; hello lists what there is",
              request->method);
}

void services_read(struct services *services, struct query *query, struct call *call)
{
    query->call = call;
    queries_submit(services->queries, query, writes_seq_to_read(services->writes));
}

void services_read_long(struct services *services, struct query *query, struct call *call)
{
    query->call = call;
    queries_submit(&services->searches->queries, query, writes_seq_to_read(services->writes));
}
