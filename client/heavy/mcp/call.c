/*
 * call.c - see call.h.
 *
 * Failure modes: there is no memory for an answer, or it is over MCP_ANSWER_MAX: then the answer is
 * an error that says so.
 */
#include "client/heavy/mcp/call.h"

#include "client/cli/version.h"
#include "client/heavy/mcp/batch.h"
#include "client/wire/utf8.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

struct call *call_new(struct mcp *mcp, struct memferry_reply *request, const struct rpc_id *id,
                      struct batch *batch)
{
    struct call *call = calloc(1, sizeof *call);

    if (call == NULL) {
        memferry_reply_free(request);
        return NULL;
    }
    *call = (struct call){.mcp = mcp, .next = mcp->calls, .batch = batch, .id = *id};
    call->request = request;
    call->params = memferry_reply_root(request);
    json_writer_init(&call->out, MCP_ANSWER_MAX);
    mcp->calls = call;
    mcp->call_count++;
    return call;
}

static void unlink_call(struct call *call)
{
    struct call **at = &call->mcp->calls;

    while (*at != call) {
        at = &(*at)->next;
    }
    *at = call->next;
    call->mcp->call_count--;
}

struct call *call_free(struct call *call)
{
    if (call == NULL) {
        return NULL;
    }
    unlink_call(call);
    json_writer_deinit(&call->out);
    memferry_reply_free(call->request);
    memferry_reply_free(call->reply);
    memferry_reply_free(call->kept[0]);
    memferry_reply_free(call->kept[1]);
    free(call->sent);
    free(call);
    return NULL;
}

/* ---- answers ---- */

static void deliver(struct mcp *mcp, struct batch *batch, const char *text, size_t size)
{
    if (batch != NULL) {
        batch_take(batch, text, size);
    } else if (text != NULL) {
        output_line(&mcp->out, text, size);
    }
}

static void write_head(struct json_writer *w, const struct rpc_id *id)
{
    json_begin_object(w);
    json_write_key(w, "jsonrpc");
    json_write_text(w, "2.0");
    json_write_key(w, "id");
    if (id != NULL && id->present && id->json_size > 0) {
        json_write_raw(w, id->json, id->json_size);
    } else {
        json_write_null(w);
    }
}

static void write_error(struct json_writer *w, const struct rpc_id *id, int code, const char *text,
                        const char *data)
{
    write_head(w, id);
    json_write_key(w, "error");
    json_begin_object(w);
    json_write_key(w, "code");
    json_write_int(w, code);
    json_write_key(w, "message");
    json_write_text(w, text);
    if (data != NULL) {
        json_write_key(w, "data");
        json_write_raw(w, data, strlen(data));
    }
    json_end_object(w);
    json_end_object(w);
}

void mcp_error(struct mcp *mcp, struct batch *batch, const struct rpc_id *id, int code,
               const char *text)
{
    struct json_writer w;
    size_t size;

    json_writer_init(&w, MCP_ANSWER_MAX);
    write_error(&w, id, code, text, NULL);
    const char *line = json_writer_text(&w, &size);
    deliver(mcp, batch, line, size);
    json_writer_deinit(&w);
}

/* Sends call->out. */
static void finish(struct call *call)
{
    size_t size;
    const char *line = json_writer_text(&call->out, &size);

    if (line != NULL) {
        deliver(call->mcp, call->batch, line, size);
    } else {
        mcp_error(call->mcp, call->batch, &call->id, RPC_INTERNAL,
                  json_writer_status(&call->out) == -ENOMEM
                      ? "out of memory for the answer"
                      : "the answer is too large; ask for less at a time");
    }
    call_free(call);
}

void call_drop(struct call *call)
{
    deliver(call->mcp, call->batch, NULL, 0);
    call_free(call);
}

void call_result_begin(struct call *call)
{
    json_writer_reset(&call->out);
    write_head(&call->out, &call->id);
    json_write_key(&call->out, "result");
    json_begin_object(&call->out);
}

void call_result_fresh(struct call *call, int64_t ms, bool is_public)
{
    if (call->revision >= REVISION_2026_07_28) {
        json_write_key(&call->out, "ttlMs");
        json_write_int(&call->out, ms);
        json_write_key(&call->out, "cacheScope");
        json_write_text(&call->out, is_public ? "public" : "private");
    }
}

/* Since 2026-07-28 each result says what it is and whose. */
static void write_modern(struct json_writer *w)
{
    json_write_key(w, "resultType");
    json_write_text(w, "complete");
    json_write_key(w, "_meta");
    json_begin_object(w);
    json_write_key(w, "io.modelcontextprotocol/serverInfo");
    json_begin_object(w);
    json_write_key(w, "name");
    json_write_text(w, "memferry");
    json_write_key(w, "version");
    json_write_text(w, MEMFERRY_CLI_VERSION);
    json_end_object(w);
    json_end_object(w);
}

void call_result_end(struct call *call)
{
    if (call->revision >= REVISION_2026_07_28) {
        write_modern(&call->out);
    }
    json_end_object(&call->out);
    json_end_object(&call->out);
    finish(call);
}

static void error_va(struct call *call, int code, const char *data, const char *format,
                     va_list args) __attribute__((format(printf, 4, 0)));

static void error_va(struct call *call, int code, const char *data, const char *format,
                     va_list args)
{
    char text[1024];

    vsnprintf(text, sizeof text, format, args);
    text[utf8_whole(text, strlen(text))] = '\0';
    json_writer_reset(&call->out);
    write_error(&call->out, &call->id, code, text, data);
    finish(call);
}

void call_error(struct call *call, int code, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    error_va(call, code, NULL, format, args);
    va_end(args);
}

void call_error_data(struct call *call, int code, const char *data, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    error_va(call, code, data, format, args);
    va_end(args);
}

void call_error_asked(struct call *call, int code)
{
    call_error(call, code == MEMFERRY_E_INVALID_PARAMS ? RPC_INVALID_PARAMS : RPC_INTERNAL, "%s",
               call_why(call));
}
