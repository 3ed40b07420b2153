/* tools.c - tools/list and tools/call. */
#include "client/heavy/mcp/tool.h"

#include <string.h>

#define TOOLS_FRESH_MS 3600000

/* The order is always the same: what a client has cached of it stays good. */
static const struct tool *const tools[] = {&tool_remember, &tool_recall, &tool_forget,
                                           &tool_history,  &tool_undo,   &tool_session,
                                           &tool_status};

static void write_annotations(struct json_writer *w, const struct tool *tool)
{
    json_write_key(w, "annotations");
    json_begin_object(w);
    json_write_key(w, "title");
    json_write_text(w, tool->title);
    json_write_key(w, "readOnlyHint");
    json_write_bool(w, tool->is_read_only);
    if (!tool->is_read_only) { /* they mean nothing otherwise */
        json_write_key(w, "destructiveHint");
        json_write_bool(w, tool->is_destructive);
        json_write_key(w, "idempotentHint");
        json_write_bool(w, tool->is_idempotent);
    }
    json_write_key(w, "openWorldHint");
    json_write_bool(w, false);
    json_end_object(w);
}

static void write_tool(struct json_writer *w, const struct tool *tool, enum revision revision)
{
    json_begin_object(w);
    json_write_key(w, "name");
    json_write_text(w, tool->name);
    if (revision >= REVISION_2025_06_18) {
        json_write_key(w, "title");
        json_write_text(w, tool->title);
    }
    json_write_key(w, "description");
    json_write_text(w, tool->description);
    json_write_key(w, "inputSchema");
    argument_write_schema(w, tool->arguments);
    if (revision >= REVISION_2025_06_18) {
        json_write_key(w, "outputSchema");
        json_write_raw(w, tool->output, strlen(tool->output));
    }
    if (revision >= REVISION_2025_03_26) {
        write_annotations(w, tool);
    }
    json_end_object(w);
}

void method_tools_list(struct call *call)
{
    if (memferry_node_kind(memferry_node_get(call->params, "cursor")) != MEMFERRY_NODE_NULL) {
        call_error(call, RPC_INVALID_PARAMS, "there is no such cursor: the list has one page");
        return;
    }
    call_result_begin(call);
    json_write_key(&call->out, "tools");
    json_begin_array(&call->out);
    for (size_t i = 0; i < sizeof tools / sizeof tools[0]; i++) {
        write_tool(&call->out, tools[i], call->revision);
    }
    json_end_array(&call->out);
    call_result_fresh(call, TOOLS_FRESH_MS, true);
    call_result_end(call);
}

static const struct tool *find(const char *name)
{
    for (size_t i = 0; i < sizeof tools / sizeof tools[0]; i++) {
        if (strcmp(tools[i]->name, name) == 0) {
            return tools[i];
        }
    }
    return NULL;
}

void method_tools_call(struct call *call)
{
    const char *name = memferry_node_string(memferry_node_get(call->params, "name"), NULL);
    const struct memferry_node *arguments = memferry_node_get(call->params, "arguments");
    char text[512];

    if (name == NULL) {
        call_error(call, RPC_INVALID_PARAMS, "tools/call needs the name of a tool");
        return;
    }
    call->tool = find(name);
    if (call->tool == NULL) {
        call_error(call, RPC_INVALID_PARAMS, "Unknown tool: %.100s", name);
        return;
    }
    call->arguments = arguments;
    if (memferry_node_kind(arguments) != MEMFERRY_NODE_MAP &&
        memferry_node_kind(arguments) != MEMFERRY_NODE_NULL) {
        call_error(call, RPC_INVALID_PARAMS, "arguments is not an object");
        return;
    }
    argument_check(call->tool->arguments, arguments, text, sizeof text);
    if (text[0] != '\0') {
        tool_error(call, "%s: %s. Nothing was done.", name, text);
        return;
    }
    call->tool->run(call);
}
