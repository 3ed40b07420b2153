/*
 * resources.c - memories as resources: listed page by page, the newest first, and read by
 * memferry://memory/ID, or ?version=N of it.
 */
#include "client/cli/times.h"
#include "client/heavy/mcp/argument.h"
#include "client/heavy/mcp/call.h"
#include "client/heavy/mcp/uri.h"
#include "client/wire/utf8.h"

#include <string.h>

#define PAGE               100
#define TITLE_MAX          80
#define TEMPLATES_FRESH_MS 3600000
#define CODE_NO_RESOURCE   (-32002) /* before 2026-07-28 */
#define CURSOR_MAX         400

/* ---- the list ---- */

/* The first line of the content, not too long. */
static void write_title(struct json_writer *w, const char *content)
{
    size_t size = strcspn(content, "\r\n");

    json_write_string(w, content, size > TITLE_MAX ? utf8_whole(content, TITLE_MAX) : size);
}

static void write_resource(struct json_writer *w, const struct memferry_node *memory,
                           enum revision revision)
{
    const char *content = field_text(memory, "content");
    char uri[URI_SIZE_MAX], time[TIME_TEXT_SIZE];

    uri_write(uri, field_text(memory, "id"));
    json_begin_object(w);
    json_write_key(w, "uri");
    json_write_text(w, uri);
    json_write_key(w, "name");
    json_write_text(w, field_text(memory, "id"));
    json_write_key(w, revision >= REVISION_2025_06_18 ? "title" : "description");
    write_title(w, content);
    json_write_key(w, "mimeType");
    json_write_text(w, "text/plain");
    if (revision >= REVISION_2025_03_26) {
        json_write_key(w, "size");
        json_write_uint(w, strlen(content));
    }
    if (revision >= REVISION_2025_06_18) {
        json_write_key(w, "annotations");
        json_begin_object(w);
        json_write_key(w, "lastModified");
        json_write_text(w, time_text(field_int(memory, "updated_ms"), false, time));
        json_end_object(w);
    }
    json_end_object(w);
}

static void list_asked(struct call *call, int code)
{
    const struct memferry_node *root = memferry_reply_root(call->reply);
    const struct memferry_node *memories = memferry_node_get(root, "memories");

    if (code != MEMFERRY_OK) {
        call_error_asked(call, code);
        return;
    }
    call_result_begin(call);
    json_write_key(&call->out, "resources");
    json_begin_array(&call->out);
    for (size_t i = 0; i < memferry_node_count(memories); i++) {
        write_resource(&call->out, memferry_node_at(memories, i), call->revision);
    }
    json_end_array(&call->out);
    if (field_text(root, "next")[0] != '\0') {
        json_write_key(&call->out, "nextCursor");
        json_write_text(&call->out, field_text(root, "next"));
    }
    call_result_fresh(call, 0, false);
    call_result_end(call);
}

void method_resources_list(struct call *call)
{
    const struct memferry_node *cursor = memferry_node_get(call->params, "cursor");
    struct json_writer params;

    if (memferry_node_kind(cursor) != MEMFERRY_NODE_NULL &&
        (memferry_node_string(cursor, NULL) == NULL ||
         strlen(memferry_node_string(cursor, "")) > CURSOR_MAX)) {
        call_error(call, RPC_INVALID_PARAMS, "the cursor is none of ours");
        return;
    }
    json_writer_init(&params, MCP_ANSWER_MAX);
    json_begin_object(&params);
    json_write_key(&params, "limit");
    json_write_int(&params, PAGE);
    argument_pass(&params, call->params, "cursor", "after");
    json_end_object(&params);
    call_ask(call, "memory.list", &params, CALL_AGAIN, list_asked);
    json_writer_deinit(&params);
}

/* ---- templates ---- */

static void write_template(struct json_writer *w, const char *uri, const char *name,
                           const char *description)
{
    json_begin_object(w);
    json_write_key(w, "uriTemplate");
    json_write_text(w, uri);
    json_write_key(w, "name");
    json_write_text(w, name);
    json_write_key(w, "description");
    json_write_text(w, description);
    json_write_key(w, "mimeType");
    json_write_text(w, "text/plain");
    json_end_object(w);
}

void method_resource_templates_list(struct call *call)
{
    call_result_begin(call);
    json_write_key(&call->out, "resourceTemplates");
    json_begin_array(&call->out);
    write_template(&call->out, URI_PREFIX "{id}", "memory", "The content of a memory");
    write_template(&call->out, URI_PREFIX "{id}{?version}", "memory-version",
                   "The content of a memory as it was at a version");
    json_end_array(&call->out);
    call_result_fresh(call, TEMPLATES_FRESH_MS, true);
    call_result_end(call);
}

/* ---- one ---- */

static void read_asked(struct call *call, int code)
{
    const struct memferry_node *memory = memferry_reply_root(call->reply);
    const char *uri = memferry_node_string(memferry_node_get(call->params, "uri"), "");

    if (code == MEMFERRY_E_NOT_FOUND) {
        call_error(call,
                   call->revision >= REVISION_2026_07_28 ? RPC_INVALID_PARAMS : CODE_NO_RESOURCE,
                   "Resource not found: %.800s", uri);
        return;
    }
    if (code != MEMFERRY_OK) {
        call_error_asked(call, code);
        return;
    }
    call_result_begin(call);
    json_write_key(&call->out, "contents");
    json_begin_array(&call->out);
    json_begin_object(&call->out);
    json_write_key(&call->out, "uri");
    json_write_text(&call->out, uri);
    json_write_key(&call->out, "mimeType");
    json_write_text(&call->out, "text/plain");
    json_write_key(&call->out, "text");
    json_write_text(&call->out, field_text(memory, "content"));
    json_end_object(&call->out);
    json_end_array(&call->out);
    call_result_fresh(call, 0, false);
    call_result_end(call);
}

void method_resources_read(struct call *call)
{
    const char *uri = memferry_node_string(memferry_node_get(call->params, "uri"), NULL);
    struct json_writer params;
    char id[URI_ID_SIZE];
    int64_t version;

    if (uri == NULL) {
        call_error(call, RPC_INVALID_PARAMS, "resources/read needs a uri");
        return;
    }
    if (!uri_read(uri, id, &version)) {
        call_error(call,
                   call->revision >= REVISION_2026_07_28 ? RPC_INVALID_PARAMS : CODE_NO_RESOURCE,
                   "Resource not found: %.800s names no memory (" URI_PREFIX "ID does)", uri);
        return;
    }
    json_writer_init(&params, MCP_ANSWER_MAX);
    json_begin_object(&params);
    json_write_key(&params, "id");
    json_write_text(&params, id);
    if (version != 0) {
        json_write_key(&params, "version");
        json_write_int(&params, version);
    }
    json_end_object(&params);
    call_ask(call, "memory.get", &params, CALL_AGAIN, read_asked);
    json_writer_deinit(&params);
}
