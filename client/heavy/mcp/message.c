/*
 * message.c - a line of input: a request, a notification, a batch of them, or none of these.
 *
 * Happy path: a request becomes a call, with the revision that it is to be answered by, and its
 * method is run. Failure modes: not JSON, not a request, no method of ours, a revision we have not:
 * an error with a code that tells which. What cannot be answered (a notification, an answer to what
 * we never asked) is passed over.
 */
#include "client/heavy/mcp/batch.h"
#include "client/heavy/mcp/call.h"
#include "client/reply.h"

#include <stdlib.h>
#include <string.h>

#define META                "io.modelcontextprotocol/"
#define UNSUPPORTED_VERSION (-32022)

static const char *const revision_names[REVISION_COUNT] = {
    [REVISION_NONE] = "",
    [REVISION_2024_11_05] = "2024-11-05",
    [REVISION_2025_03_26] = "2025-03-26",
    [REVISION_2025_06_18] = "2025-06-18",
    [REVISION_2025_11_25] = "2025-11-25",
    [REVISION_2026_07_28] = "2026-07-28",
};

const char *revision_name(enum revision revision)
{
    return revision_names[revision];
}

enum revision revision_find(const char *name)
{
    for (unsigned i = REVISION_NONE + 1; i < REVISION_COUNT; i++) {
        if (strcmp(name, revision_names[i]) == 0) {
            return (enum revision)i;
        }
    }
    return REVISION_NONE;
}

/* ---- by which revision ---- */

static void unsupported(struct call *call, const char *wanted)
{
    struct json_writer data;

    json_writer_init(&data, MCP_ANSWER_MAX);
    json_begin_object(&data);
    json_write_key(&data, "supported");
    json_begin_array(&data);
    json_write_text(&data, revision_name(REVISION_2026_07_28));
    json_end_array(&data);
    json_write_key(&data, "requested");
    json_write_text(&data, wanted);
    json_end_object(&data);
    call_error_data(call, UNSUPPORTED_VERSION, json_writer_text(&data, NULL),
                    "Unsupported protocol version");
    json_writer_deinit(&data);
}

/* False: it was answered. */
static bool find_revision(struct call *call, const char *method)
{
    const struct memferry_node *meta = memferry_node_get(call->params, "_meta");
    const struct memferry_node *wanted = memferry_node_get(meta, META "protocolVersion");

    if (wanted != NULL) {
        const char *name = memferry_node_string(wanted, "");
        call->revision = revision_find(name);
        if (call->revision < REVISION_2026_07_28) {
            unsupported(call, name);
            return false;
        }
        if (memferry_node_kind(memferry_node_get(meta, META "clientCapabilities")) !=
            MEMFERRY_NODE_MAP) {
            call_error(call, RPC_INVALID_PARAMS, "_meta has no " META "clientCapabilities");
            return false;
        }
        return true;
    }
    call->revision = call->mcp->revision;
    if (call->revision == REVISION_NONE && strcmp(method, "initialize") != 0 &&
        strcmp(method, "ping") != 0) {
        call_error(call, RPC_INVALID_PARAMS,
                   "neither is there _meta." META "protocolVersion (%s), nor was the connection "
                   "initialized (revisions up to %s)",
                   revision_name(REVISION_2026_07_28), revision_name(REVISION_LEGACY_NEWEST));
        return false;
    }
    return true;
}

/* ---- methods ---- */

static const struct method {
    const char *name;
    enum revision first, last;
    void (*run)(struct call *call);
} methods[] = {
    {"initialize", REVISION_NONE, REVISION_LEGACY_NEWEST, method_initialize},
    {"ping", REVISION_NONE, REVISION_LEGACY_NEWEST, method_ping},
    {"server/discover", REVISION_2026_07_28, REVISION_2026_07_28, method_discover},
    {"tools/list", REVISION_2024_11_05, REVISION_2026_07_28, method_tools_list},
    {"tools/call", REVISION_2024_11_05, REVISION_2026_07_28, method_tools_call},
    {"resources/list", REVISION_2024_11_05, REVISION_2026_07_28, method_resources_list},
    {"resources/templates/list", REVISION_2024_11_05, REVISION_2026_07_28,
     method_resource_templates_list},
    {"resources/read", REVISION_2024_11_05, REVISION_2026_07_28, method_resources_read},
    {"subscriptions/listen", REVISION_2026_07_28, REVISION_2026_07_28, method_listen},
};

static void run_method(struct call *call, const char *name)
{
    if (!find_revision(call, name)) {
        return;
    }
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        if (strcmp(name, methods[i].name) == 0 && call->revision >= methods[i].first &&
            call->revision <= methods[i].last) {
            methods[i].run(call);
            return;
        }
    }
    call_error(call, RPC_METHOD_NOT_FOUND, "Method not found: %.100s", name);
}

/* ---- notifications ---- */

/* Ids are compared as values: "a" and "\u0061" are one. */
static bool same_id(struct mcp *mcp, const struct rpc_id *id, const char *wanted)
{
    char text[RPC_JSON_ID_MAX + 1];
    struct memferry_reply *reply = NULL;

    memcpy(text, id->json, id->json_size);
    text[id->json_size] = '\0';
    if (memferry_parse_json(mcp->cli->m, text, &reply) != MEMFERRY_OK) {
        return false;
    }
    char *own = memferry_node_json(memferry_reply_root(reply));
    bool same = own != NULL && strcmp(own, wanted) == 0;
    free(own);
    memferry_reply_free(reply);
    return same;
}

/* Work that the broker has begun goes on there; its answer is dropped. */
static void cancel(struct mcp *mcp, const struct memferry_node *params)
{
    char *wanted = memferry_node_json(memferry_node_get(params, "requestId"));

    for (struct call *call = mcp->calls; wanted != NULL && call != NULL; call = call->next) {
        if (!call->cancelled && same_id(mcp, &call->id, wanted)) {
            call->cancelled = true;
            if (call->is_listening) {
                call_drop(call);
            }
            break;
        }
    }
    free(wanted);
}

static void notification(struct mcp *mcp, const char *method, const struct memferry_node *params)
{
    if (strcmp(method, "notifications/cancelled") == 0) {
        cancel(mcp, params);
    }
}

/* ---- one message ---- */

/* An answer to a request of ours; but we never ask. */
static bool is_response(struct mcp *mcp, const char *text, size_t size)
{
    struct memferry_reply *reply = NULL;
    char *copy = strndup(text, size);
    bool is = false;

    if (copy != NULL && memferry_parse_json(mcp->cli->m, copy, &reply) == MEMFERRY_OK) {
        const struct memferry_node *root = memferry_reply_root(reply);
        is =
            memferry_node_get(root, "method") == NULL &&
            (memferry_node_get(root, "result") != NULL || memferry_node_get(root, "error") != NULL);
    }
    memferry_reply_free(reply);
    free(copy);
    return is;
}

static void refuse(struct mcp *mcp, struct batch *batch, const char *text, size_t size,
                   const struct rpc_request *request, const struct rpc_failure *failure)
{
    bool is_answered = request->id.present || failure->code == RPC_PARSE_ERROR ||
                       failure->code == RPC_INVALID_REQUEST;

    if (is_answered && !is_response(mcp, text, size)) {
        mcp_error(mcp, batch, &request->id, failure->code, failure->text);
    } else if (batch != NULL) {
        batch_take(batch, NULL, 0);
    }
}

static void run_request(struct mcp *mcp, struct batch *batch, struct memferry_reply *reply,
                        const struct rpc_request *request)
{
    if (batch != NULL && strcmp(request->method, "initialize") == 0) {
        mcp_error(mcp, batch, &request->id, RPC_INVALID_REQUEST,
                  "initialize does not belong into a batch");
        memferry_reply_free(reply);
        return;
    }
    char *method = strdup(request->method); /* the call may end, and its request with it */
    struct call *call = method != NULL ? call_new(mcp, reply, &request->id, batch) : NULL;
    if (call != NULL) {
        run_method(call, method);
    } else {
        mcp_error(mcp, batch, &request->id, RPC_INTERNAL, "out of memory");
    }
    free(method);
}

void mcp_message(struct mcp *mcp, struct batch *batch, const char *text, size_t size)
{
    struct memferry_reply *reply = reply_new();
    struct rpc_failure failure = {0};
    struct rpc_request request;

    if (reply == NULL) {
        mcp_error(mcp, batch, NULL, RPC_INTERNAL, "out of memory");
        return;
    }
    enum rpc_code code = rpc_request_decode(WIRE_JSON, (const uint8_t *)text, size, &reply->zone,
                                            &request, &failure);
    if (code == RPC_OK && reply_adopt(reply, &request.params) != MEMFERRY_OK) {
        code = rpc_failure_set(&failure, RPC_INTERNAL, NULL, "out of memory");
    }
    if (code != RPC_OK) {
        refuse(mcp, batch, text, size, &request, &failure);
        memferry_reply_free(reply);
        return;
    }
    if (request.id.present) {
        run_request(mcp, batch, reply, &request);
        return;
    }
    notification(mcp, request.method, memferry_reply_root(reply));
    memferry_reply_free(reply);
    if (batch != NULL) {
        batch_take(batch, NULL, 0);
    }
}

void mcp_line(struct mcp *mcp, const char *line, size_t size)
{
    size_t start = 0;

    if (json_line_blank((const uint8_t *)line, size)) {
        return;
    }
    while (start < size && (line[start] == ' ' || line[start] == '\t')) {
        start++;
    }
    if (line[start] == '[') {
        batch_begin(mcp, line, size);
    } else {
        mcp_message(mcp, NULL, line, size);
    }
}

void mcp_line_too_long(struct mcp *mcp)
{
    mcp_error(mcp, NULL, NULL, RPC_INVALID_REQUEST,
              "the message is over 4 MiB and was passed over");
}
_Static_assert(INPUT_LINE_MAX == 4194304, "the text names the bound");
