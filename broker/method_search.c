/*
 * method_search.c - memory.search: parameters → a vector from the embedder, where one is wanted → a
 * search in the search thread.
 */
#include "broker/memory_params.h"
#include "broker/methods.h"
#include "broker/param_embedding.h"
#include "broker/search.h"
#include "broker/searches.h"
#include "broker/util/container.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LIMIT_DEFAULT 10

struct search_call {
    struct query query;
    struct embed_ask ask;
    struct services *services;
    struct call *call;
    struct search_request request;
    struct event_text text;
    char *owned_text;
    float *vector;
    uint64_t limit;
    struct filter_texts texts;
    char model[EMBEDDING_MODEL_MAX + 1];
};

static void search_free(struct search_call *search)
{
    free(search->owned_text);
    free(search->vector);
    free(search);
}

/* ---- the search ---- */

static int run(struct query *query, struct reader *reader, struct error *err)
{
    struct search_call *search = container_of(query, struct search_call, query);

    return searcher_run(searches_of(query->queries)->searcher, reader, &search->request,
                        &query->result, err);
}

static void done(struct query *query)
{
    struct search_call *search = container_of(query, struct search_call, query);

    if (query->status == SEARCH_E_UNAVAILABLE) {
        call_fail(query->call, RPC_UNAVAILABLE, "%s", query->err.text);
    } else {
        query_answer(query);
    }
    query_deinit(query);
    search_free(search);
}

static void submit(struct search_call *search)
{
    uint64_t need_seq = writes_seq_to_read(search->services->writes);

    search->query.run = run;
    search->query.done = done;
    search->query.call = search->call;
    search->request.need_seq = need_seq;
    queries_submit(&search->services->searches->queries, &search->query, need_seq);
}

/* ---- the vector ---- */

static void embedded(struct embed_ask *ask)
{
    struct search_call *search = container_of(ask, struct search_call, ask);

    search->vector = ask->vector;
    search->request.vector = ask->vector;
    search->request.why = ask->why;
    search->request.model = ask->model;
    if (ask->vector == NULL && search->request.mode == SEARCH_SEMANTIC) {
        call_fail(search->call, RPC_UNAVAILABLE, "there is no semantic search: %s", ask->why);
        search_free(search);
        return;
    }
    submit(search);
}

static void ask(struct search_call *search)
{
    search->ask.text = search->request.query;
    search->ask.size = search->request.size;
    search->ask.done = embedded;
    query_embeds_ask(&search->services->searches->embeds, &search->ask);
}

/* ---- parameters ---- */

static enum rpc_code read_mode(const struct param *param, enum search_mode *ret)
{
    static const char *const names[] = {"auto", "text", "semantic"};
    unsigned which = *ret;
    enum rpc_code code = param_choice(param, names, sizeof names / sizeof *names, &which);

    *ret = (enum search_mode)which;
    return code;
}

static enum rpc_code search_read(void *target, const struct param *param)
{
    struct search_call *search = target;

    if (param_is(param, "query")) {
        return param_text(param, 1, SEARCH_QUERY_MAX, &search->text);
    }
    if (param_is(param, "mode")) {
        return read_mode(param, &search->request.mode);
    }
    if (param_is(param, "limit")) {
        return param_uint(param, 1, SEARCH_LIMIT_MAX, &search->limit);
    }
    if (param_is(param, "embedding")) {
        if (param->value->type == MSGPACK_OBJECT_BOOLEAN) {
            return param_bool(param, &search->request.filter.embedding);
        }
        return param_vector(param, search->services->config->dims, &search->vector);
    }
    if (param_is(param, "embedding_model")) {
        return param_copy(param, 1, EMBEDDING_MODEL_MAX, search->model);
    }
    return filter_params_read(&search->request.filter, &search->texts, param);
}

static enum rpc_code check(const struct search_call *search, struct rpc_failure *failure)
{
    bool text = search->text.data != NULL;

    if (!text && (search->vector == NULL || search->request.mode == SEARCH_TEXT)) {
        return rpc_failure_set(failure, RPC_INVALID_PARAMS, "query",
                               "query is required, or an embedding to search by");
    }
    if (search->model[0] != '\0' && search->vector == NULL) {
        return rpc_failure_set(failure, RPC_INVALID_PARAMS, "embedding_model",
                               "embedding_model goes with an embedding");
    }
    return RPC_OK;
}

static bool keep(struct search_call *search)
{
    search->request.filter.limit = (uint32_t)search->limit;
    search->request.vector = search->vector;
    search->request.model = search->model[0] != '\0' ? search->model : EMBEDDING_MODEL_CALLER;
    search->request.why = "";
    if (search->text.data != NULL) {
        search->owned_text = strndup(search->text.data, search->text.size);
        search->request.query = search->owned_text;
        search->request.size = search->text.size;
        return search->owned_text != NULL;
    }
    return true;
}

void method_memory_search(struct services *services, struct call *call,
                          const msgpack_object *params)
{
    struct search_call *search = calloc(1, sizeof *search);
    struct rpc_failure failure = {0};

    if (search == NULL) {
        call_fail(call, RPC_INTERNAL, "out of memory for the request");
        return;
    }
    search->services = services;
    search->call = call;
    search->limit = LIMIT_DEFAULT;
    enum rpc_code code = params_read(params, search_read, search, &failure);
    if (code == RPC_OK) {
        code = check(search, &failure);
    }
    if (code != RPC_OK || !keep(search)) {
        search_free(search);
        if (code != RPC_OK) {
            call_fail_with(call, &failure, NULL);
        } else {
            call_fail(call, RPC_INTERNAL, "out of memory for the request");
        }
        return;
    }
    if (search->vector != NULL || search->request.mode == SEARCH_TEXT) {
        submit(search);
    } else {
        ask(search);
    }
}
