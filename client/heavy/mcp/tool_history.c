/* tool_history.c - history: the versions of a memory, who made them, and when. */
#include "client/cli/times.h"
#include "client/heavy/mcp/tool.h"

#define LIMIT_MAX     100
#define LIMIT_DEFAULT 20

static const struct argument arguments[] = {
    {"id", ARGUMENT_TEXT, "Of which memory.", 1, TOOL_ID_MAX, NULL, true},
    {"limit", ARGUMENT_INT, "At most this many versions (default 20).", 1, LIMIT_MAX, NULL, false},
    {.name = NULL}};

static void tell_version(struct answer *answer, const struct memferry_node *version)
{
    const char *op = field_text(version, "op"), *session = field_text(version, "session_id");
    const char *reason = field_text(version, "reason");
    char time[TIME_TEXT_SIZE];

    time_text(field_int(version, "at_ms"), false, time);
    fprintf(answer->out, "%lld  %s  %s%s%s%s%s\n", (long long)field_int(version, "version"), time,
            op, session[0] != '\0' ? "  session " : "", session,
            reason[0] != '\0' ? "  reason: " : "", reason);
    json_begin_object(&answer->w);
    answer_int(answer, "version", field_int(version, "version"));
    answer_field(answer, "op", op);
    answer_field(answer, "at", time);
    answer_field(answer, "session_id", session);
    answer_field(answer, "reason", reason);
    json_end_object(&answer->w);
}

static void history_asked(struct call *call, int code)
{
    const struct memferry_node *versions =
        memferry_node_get(memferry_reply_root(call->reply), "versions");
    const char *id = tool_text(call, "id");
    size_t count = memferry_node_count(versions);
    struct answer answer;

    if (!answer_asked(&answer, call, code)) {
        return;
    }
    fprintf(answer.out, "Versions of \"%s\", the newest first%s:\n", id,
            (int64_t)count == tool_int(call, "limit", LIMIT_DEFAULT) ? " (there may be older ones)"
                                                                     : "");
    json_write_key(&answer.w, "versions");
    json_begin_array(&answer.w);
    for (size_t i = 0; i < count; i++) {
        tell_version(&answer, memferry_node_at(versions, i));
    }
    json_end_array(&answer.w);
    fputs("recall with id and version shows one; undo with id, version and confirm true makes it "
          "the current one again.\n",
          answer.out);
    answer_field(&answer, "id", id);
    answer_end(&answer, call);
}

static void history(struct call *call)
{
    struct json_writer params;

    json_writer_init(&params, MCP_ANSWER_MAX);
    json_begin_object(&params);
    argument_pass(&params, call->arguments, "id", "id");
    json_write_key(&params, "limit");
    json_write_int(&params, tool_int(call, "limit", LIMIT_DEFAULT));
    json_end_object(&params);
    call_ask(call, "memory.history", &params, CALL_AGAIN, history_asked);
    json_writer_deinit(&params);
}

const struct tool tool_history = {
    .name = "history",
    .title = "Versions of a memory",
    .description = "List the versions of a memory, the newest first: what was done, when, by which "
                   "session and why. Forgotten memories have theirs too.",
    .arguments = arguments,
    .output = "{\"type\":\"object\",\"properties\":{"
              "\"message\":{\"type\":\"string\"},"
              "\"id\":{\"type\":\"string\"},"
              "\"versions\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{"
              "\"version\":{\"type\":\"integer\"},"
              "\"op\":{\"type\":\"string\"},"
              "\"at\":{\"type\":\"string\"},"
              "\"session_id\":{\"type\":\"string\"},"
              "\"reason\":{\"type\":\"string\"}},"
              "\"required\":[\"version\",\"op\",\"at\"]}}},"
              "\"required\":[\"message\",\"id\",\"versions\"]}",
    .is_read_only = true,
    .run = history,
};
