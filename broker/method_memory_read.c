/* method_memory_read.c - memory.get, memory.history, memory.list: parameters → a query of the
 * reader. */
#include "broker/memory_params.h"
#include "broker/methods.h"
#include "broker/util/container.h"

#include <stdlib.h>
#include <string.h>

#define LIMIT_DEFAULT 100
#define LIMIT_MAX     1000
#define AFTER_MAX     512

struct memory_query {
    struct query query;
    bool has_id;
    char id[MEMORY_ID_MAX + 1];
    uint64_t version, limit;
    struct reader_filter filter;
    struct filter_texts texts;
    char after[AFTER_MAX + 1];
};

static void done(struct query *query)
{
    query_answer(query);
    query_deinit(query);
    free(container_of(query, struct memory_query, query));
}

static void start(struct services *services, struct call *call, const msgpack_object *params,
                  param_read_fn *read, bool needs_id,
                  int (*run)(struct query *, struct reader *, struct error *))
{
    struct rpc_failure failure = {0};
    struct memory_query *query = calloc(1, sizeof *query);

    if (query == NULL) {
        call_fail(call, RPC_INTERNAL, "out of memory for the request");
        return;
    }
    query->limit = LIMIT_DEFAULT;
    query->query.run = run;
    query->query.done = done;
    enum rpc_code code = params_read(params, read, query, &failure);
    if (code == RPC_OK && needs_id && !query->has_id) {
        failure = (struct rpc_failure){
            .code = RPC_INVALID_PARAMS, .field = "id", .text = "id is required"};
        code = RPC_INVALID_PARAMS;
    }
    if (code == RPC_OK && query->filter.by_id && query->filter.tag != NULL) {
        failure = (struct rpc_failure){.code = RPC_INVALID_PARAMS,
                                       .field = "order",
                                       .text = "order \"id\" does not go with tag"};
        code = RPC_INVALID_PARAMS;
    }
    if (code != RPC_OK) {
        free(query);
        call_fail_with(call, &failure, NULL);
        return;
    }
    services_read(services, &query->query, call);
}

static enum rpc_code read_id(struct memory_query *query, const struct param *param)
{
    query->has_id = true;
    return param_copy(param, 1, MEMORY_ID_MAX, query->id);
}

/* ---- get ---- */

static int run_get(struct query *base, struct reader *reader, struct error *err)
{
    struct memory_query *query = container_of(base, struct memory_query, query);

    return reader_get(reader, query->id, query->version, &base->result, err);
}

static enum rpc_code get_params_read(void *target, const struct param *param)
{
    struct memory_query *query = target;

    if (param_is(param, "id")) {
        return read_id(query, param);
    }
    if (param_is(param, "version")) {
        return param_uint(param, 1, INT64_MAX, &query->version);
    }
    return RPC_METHOD_NOT_FOUND;
}

void method_memory_get(struct services *services, struct call *call, const msgpack_object *params)
{
    start(services, call, params, get_params_read, true, run_get);
}

/* ---- history ---- */

static int run_history(struct query *base, struct reader *reader, struct error *err)
{
    struct memory_query *query = container_of(base, struct memory_query, query);

    return reader_history(reader, query->id, (uint32_t)query->limit, &base->result, err);
}

static enum rpc_code history_params_read(void *target, const struct param *param)
{
    struct memory_query *query = target;

    if (param_is(param, "id")) {
        return read_id(query, param);
    }
    if (param_is(param, "limit")) {
        return param_uint(param, 1, LIMIT_MAX, &query->limit);
    }
    return RPC_METHOD_NOT_FOUND;
}

void method_memory_history(struct services *services, struct call *call,
                           const msgpack_object *params)
{
    start(services, call, params, history_params_read, true, run_history);
}

/* ---- list ---- */

static int run_list(struct query *base, struct reader *reader, struct error *err)
{
    struct memory_query *query = container_of(base, struct memory_query, query);

    query->filter.limit = (uint32_t)query->limit;
    return reader_list(reader, &query->filter, &base->result, err);
}

static enum rpc_code read_order(const struct param *param, bool *ret_by_id)
{
    static const char *const names[] = {"newest", "id"};
    unsigned which = 0;
    enum rpc_code code = param_choice(param, names, sizeof names / sizeof *names, &which);

    *ret_by_id = which == 1;
    return code;
}

static enum rpc_code list_params_read(void *target, const struct param *param)
{
    struct memory_query *query = target;
    struct reader_filter *filter = &query->filter;

    if (param_is(param, "after")) {
        return param_filter(param, AFTER_MAX, query->after, &filter->after);
    }
    if (param_is(param, "limit")) {
        return param_uint(param, 1, LIMIT_MAX, &query->limit);
    }
    if (param_is(param, "order")) {
        return read_order(param, &filter->by_id);
    }
    if (param_is(param, "embedding")) {
        return param_bool(param, &filter->embedding);
    }
    return filter_params_read(filter, &query->texts, param);
}

void method_memory_list(struct services *services, struct call *call, const msgpack_object *params)
{
    start(services, call, params, list_params_read, false, run_list);
}
