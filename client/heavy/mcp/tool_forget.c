/*
 * tool_forget.c - forget: makes tombstones of memories.
 *
 * Their history stays, and the answer says how to bring them back. Deleting what is deleted changes
 * nothing, so it may be asked twice.
 */
#include "client/heavy/mcp/tool.h"

#define IDS_MAX 100

static const struct argument arguments[] = {
    {"ids", ARGUMENT_TEXTS, "Which memories.", 1, IDS_MAX, NULL, true},
    {"reason", ARGUMENT_TEXT, "Why; it is kept in the history.", 1, TOOL_REASON_MAX, NULL, false},
    {"session_id", ARGUMENT_TEXT, "The session that does it (default: the one in force).", 1,
     TOOL_SESSION_MAX, NULL, false},
    {.name = NULL}};

struct forgotten {
    unsigned done, before, failed;
};

static void take_one(struct answer *answer, const struct memferry_node *receipt,
                     struct forgotten *sum)
{
    const struct memferry_node *error = memferry_node_get(receipt, "error");
    const char *id = field_text(receipt, "id"), *state = "forgotten";

    if (error != NULL) {
        sum->failed++;
        state = "failed";
        fprintf(answer->out, "\"%s\" was not forgotten: %s\n", id, field_text(error, "message"));
    } else if (field_bool(receipt, "duplicate")) {
        sum->before++;
        state = "before";
        fprintf(answer->out, "\"%s\" was forgotten before.\n", id);
    } else {
        sum->done++;
        fprintf(answer->out, "\"%s\" is forgotten (version %lld is its tombstone).\n", id,
                (long long)field_int(receipt, "seq"));
    }
    json_begin_object(&answer->w);
    answer_field(answer, "id", id);
    answer_field(answer, "state", state);
    if (error != NULL) {
        answer_field(answer, "error", field_text(error, "message"));
    } else {
        answer_int(answer, "version", field_int(receipt, "seq"));
    }
    json_end_object(&answer->w);
}

static void forget_asked(struct call *call, int code)
{
    const struct memferry_node *receipts =
        memferry_node_get(memferry_reply_root(call->reply), "receipts");
    struct forgotten sum = {0};
    struct answer answer;

    if (!answer_asked(&answer, call, code)) {
        return;
    }
    json_write_key(&answer.w, "memories");
    json_begin_array(&answer.w);
    for (size_t i = 0; i < memferry_node_count(receipts); i++) {
        take_one(&answer, memferry_node_at(receipts, i), &sum);
    }
    json_end_array(&answer.w);
    if (sum.done + sum.before > 0) {
        fputs("Nothing is lost: undo with these ids and confirm true brings them back.\n",
              answer.out);
    }
    answer_int(&answer, "forgotten", sum.done);
    answer_int(&answer, "failed", sum.failed);
    answer_end(&answer, call);
}

static void forget(struct call *call)
{
    char session[MEMFERRY_SESSION_SIZE];
    struct json_writer params;

    json_writer_init(&params, MCP_ANSWER_MAX);
    json_begin_object(&params);
    argument_pass(&params, call->arguments, "ids", "ids");
    argument_pass(&params, call->arguments, "reason", "reason");
    if (call_session(call, tool_text(call, "session_id"), session)[0] != '\0') {
        json_write_key(&params, "session_id");
        json_write_text(&params, session);
    }
    json_end_object(&params);
    call_ask(call, "memory.delete", &params, CALL_AGAIN, forget_asked);
    json_writer_deinit(&params);
}

const struct tool tool_forget = {
    .name = "forget",
    .title = "Forget memories",
    .description =
        "Delete memories: recall no longer finds them. Their history stays, and undo brings them "
        "back. To correct a memory remember it anew under its id instead.",
    .arguments = arguments,
    .output = "{\"type\":\"object\",\"properties\":{"
              "\"message\":{\"type\":\"string\"},"
              "\"forgotten\":{\"type\":\"integer\"},"
              "\"failed\":{\"type\":\"integer\"},"
              "\"memories\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{"
              "\"id\":{\"type\":\"string\"},"
              "\"state\":{\"type\":\"string\",\"enum\":[\"forgotten\",\"before\",\"failed\"]},"
              "\"version\":{\"type\":\"integer\"},"
              "\"error\":{\"type\":\"string\"}},"
              "\"required\":[\"id\",\"state\"]}}},"
              "\"required\":[\"message\",\"forgotten\",\"failed\",\"memories\"]}",
    .is_destructive = true,
    .is_idempotent = true,
    .run = forget,
};
