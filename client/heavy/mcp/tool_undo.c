/*
 * tool_undo.c - undo: brings memories back, by id, by alert, by session, or to a time.
 *
 * Without `confirm` it is a dry run, which says what would become of each. It handles one page of
 * memories; what follows has a cursor. It may be asked twice: what is back already is unchanged.
 */
#include "client/heavy/mcp/tool.h"

#include <string.h>

#define IDS_MAX    100
#define PAGE       200
#define CURSOR_MAX 400
#define ALERT_MAX  256

static const struct argument arguments[] = {
    {"ids", ARGUMENT_TEXTS, "These memories, to their last version that is not deleted.", 1,
     IDS_MAX, NULL, false},
    {"id", ARGUMENT_TEXT, "This memory, with version.", 1, TOOL_ID_MAX, NULL, false},
    {"version", ARGUMENT_INT, "With id: the version that is to be the current one again.", 1,
     INT64_MAX, NULL, false},
    {"session_id", ARGUMENT_TEXT, "All that this session has changed; what it made stays.", 1,
     TOOL_SESSION_MAX, NULL, false},
    {"since", ARGUMENT_TIME,
     "All that was changed since: 2h (two hours ago), 7d, or 2026-01-31T08:00:00Z.", 0, 0, NULL,
     false},
    {"alert", ARGUMENT_TEXT, "What this alert tells of (status lists them).", 1, ALERT_MAX, NULL,
     false},
    {"confirm", ARGUMENT_BOOL,
     "true: do it. Otherwise only what would be done is shown, and nothing is changed.", 0, 0, NULL,
     false},
    {"force", ARGUMENT_BOOL, "Also what another session has changed since.", 0, 0, NULL, false},
    {"reason", ARGUMENT_TEXT, "Why; it is kept in the history.", 1, TOOL_REASON_MAX, NULL, false},
    {"cursor", ARGUMENT_TEXT, "Of the answer before, for those that follow.", 1, CURSOR_MAX, NULL,
     false},
    {.name = NULL}};

/* ---- what is asked ---- */

static void write_version(const struct call *call, struct json_writer *w)
{
    const char *id = tool_text(call, "id");

    if (id != NULL) {
        json_write_key(w, "versions");
        json_begin_object(w);
        json_write_key(w, id);
        json_write_int(w, tool_int(call, "version", 1));
        json_end_object(w);
    }
}

static void write_params(struct call *call, struct json_writer *w)
{
    bool confirm = tool_bool(call, "confirm");
    char session[MEMFERRY_SESSION_SIZE] = "";

    json_begin_object(w);
    argument_pass(w, call->arguments, "ids", "ids");
    write_version(call, w);
    argument_pass(w, call->arguments, "session_id", "session_id");
    argument_pass_time(w, call->arguments, "since", "before");
    argument_pass(w, call->arguments, "alert", "alert");
    argument_pass(w, call->arguments, "force", "force");
    argument_pass(w, call->arguments, "reason", "reason");
    argument_pass(w, call->arguments, "cursor", "after");
    if (confirm) {
        call_session(call, NULL, session);
    } else {
        json_write_key(w, "dry_run");
        json_write_bool(w, true);
    }
    if (session[0] != '\0') {
        json_write_key(w, "by_session_id");
        json_write_text(w, session);
    }
    json_write_key(w, "limit");
    json_write_int(w, PAGE);
    json_end_object(w);
}

/* What is wrong, or NULL. */
static const char *check(const struct call *call)
{
    static const char *const targets[] = {"ids", "id", "session_id", "since", "alert"};
    unsigned given = 0;

    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
        const struct memferry_node *node = memferry_node_get(call->arguments, targets[i]);
        given += memferry_node_kind(node) != MEMFERRY_NODE_NULL;
    }
    if (given != 1) {
        return "give exactly one of ids, id with version, session_id, since and alert";
    }
    if ((tool_text(call, "id") != NULL) != (tool_int(call, "version", 0) != 0)) {
        return "id and version go together; for the last version that is not deleted give ids";
    }
    return NULL;
}

/* ---- the answer ---- */

static const char *state_of(const struct memferry_node *memory)
{
    if (memferry_node_get(memory, "error") != NULL) {
        return "failed";
    }
    if (memferry_node_get(memory, "conflict") != NULL) {
        return "conflict";
    }
    return field_bool(memory, "unchanged") ? "unchanged" : field_text(memory, "change");
}

static const char *problem_of(const struct memferry_node *memory)
{
    const struct memferry_node *error = memferry_node_get(memory, "error");

    if (error != NULL && memferry_node_kind(error) == MEMFERRY_NODE_MAP) {
        return field_text(error, "message");
    }
    return error != NULL ? memferry_node_string(error, "") : field_text(memory, "conflict");
}

static void tell_one(struct answer *answer, const struct memferry_node *memory, bool dry_run)
{
    const char *id = field_text(memory, "id"), *state = state_of(memory);
    const char *problem = problem_of(memory);
    long long from = field_int(memory, "from"), to = field_int(memory, "to");

    if (problem[0] != '\0') {
        fprintf(answer->out, "\"%s\": left alone: %s\n", id, problem);
    } else if (strcmp(state, "unchanged") == 0) {
        fprintf(answer->out, "\"%s\": already as it was at version %lld\n", id, to);
    } else {
        fprintf(answer->out, "\"%s\": %s%s, from version %lld to what it was at version %lld\n", id,
                dry_run ? "would be: " : "done: ", state, from, to);
    }
    json_begin_object(&answer->w);
    answer_field(answer, "id", id);
    answer_field(answer, "state", state);
    answer_int(answer, "from", from);
    answer_int(answer, "to", to);
    if (field_int(memory, "version") != 0) {
        answer_int(answer, "version", field_int(memory, "version"));
    }
    answer_field(answer, "problem", problem);
    json_end_object(&answer->w);
}

static void tell_next_step(struct answer *answer, const struct memferry_node *root, bool dry_run)
{
    const char *next = field_text(root, "next");
    bool conflicts = field_int(root, "conflicts") > 0;

    if (dry_run && field_int(root, "restored") > 0) {
        fputs("NOTHING WAS CHANGED: this was a dry run. To do it call undo again with the same "
              "arguments and confirm true.\n",
              answer->out);
    } else if (dry_run) {
        fputs("Nothing would be changed.\n", answer->out);
    } else {
        fprintf(answer->out, "%lld brought back, each as a new version: an undo can be undone.\n",
                (long long)field_int(root, "restored"));
    }
    if (conflicts) {
        fputs("What another session has changed since is left alone, unless force is true.\n",
              answer->out);
    }
    if (next[0] != '\0') {
        fprintf(answer->out, "There are more: the same call with cursor \"%s\".\n", next);
        answer_field(answer, "next_cursor", next);
    }
}

static void undo_asked(struct call *call, int code)
{
    const struct memferry_node *root = memferry_reply_root(call->reply);
    const struct memferry_node *memories = memferry_node_get(root, "memories");
    bool dry_run = !tool_bool(call, "confirm");
    struct answer answer;

    if (!answer_asked(&answer, call, code)) {
        return;
    }
    json_write_key(&answer.w, "memories");
    json_begin_array(&answer.w);
    for (size_t i = 0; i < memferry_node_count(memories); i++) {
        tell_one(&answer, memferry_node_at(memories, i), dry_run);
    }
    json_end_array(&answer.w);
    tell_next_step(&answer, root, dry_run);
    answer_bool(&answer, "dry_run", dry_run);
    answer_int(&answer, "restored", field_int(root, "restored"));
    answer_int(&answer, "conflicts", field_int(root, "conflicts"));
    answer_end(&answer, call);
}

static void undo(struct call *call)
{
    const char *wrong = check(call);
    struct json_writer params;

    if (wrong != NULL) {
        tool_error(call, "undo: %s. Nothing was done.", wrong);
        return;
    }
    json_writer_init(&params, MCP_ANSWER_MAX);
    write_params(call, &params);
    call_ask(call, "memory.restore", &params, CALL_AGAIN, undo_asked);
    json_writer_deinit(&params);
}

const struct tool tool_undo = {
    .name = "undo",
    .title = "Bring memories back",
    .description =
        "Bring memories back to what they were: by ids, to a version, what a session changed, what "
        "was changed since a time, or what an alert tells of. Without confirm it only shows what "
        "would be done. No version is lost: an undo can be undone.",
    .arguments = arguments,
    .output = "{\"type\":\"object\",\"properties\":{"
              "\"message\":{\"type\":\"string\"},"
              "\"dry_run\":{\"type\":\"boolean\"},"
              "\"restored\":{\"type\":\"integer\",\"description\":\"or would be\"},"
              "\"conflicts\":{\"type\":\"integer\"},"
              "\"next_cursor\":{\"type\":\"string\"},"
              "\"memories\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{"
              "\"id\":{\"type\":\"string\"},"
              "\"state\":{\"type\":\"string\",\"enum\":"
              "[\"undelete\",\"replace\",\"delete\",\"unchanged\",\"conflict\",\"failed\"]},"
              "\"from\":{\"type\":\"integer\"},\"to\":{\"type\":\"integer\"},"
              "\"version\":{\"type\":\"integer\"},\"problem\":{\"type\":\"string\"}},"
              "\"required\":[\"id\",\"state\"]}}},"
              "\"required\":[\"message\",\"dry_run\",\"restored\",\"conflicts\",\"memories\"]}",
    .is_destructive = true,
    .is_idempotent = true,
    .run = undo,
};
