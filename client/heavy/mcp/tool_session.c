/*
 * tool_session.c - session: which one is in force, beginning and ending one, and the list of them.
 *
 * What concerns the session file is done here, by the library; then the broker is told, as
 * `memferry session` does. A broker that does not know the session in force is no failure: it does
 * from the first memory on.
 */
#include "client/cli/times.h"
#include "client/heavy/mcp/session.h"
#include "client/heavy/mcp/tool.h"

#include <string.h>

#define LIST_MAX     100
#define LIST_DEFAULT 20

static const char *const actions[] = {"current", "begin", "end", "list", NULL};

static const struct argument arguments[] = {
    {"action", ARGUMENT_TEXT,
     "current (default): which one is in force; begin: another; end: it, or session_id; list: the "
     "newest.",
     0, 0, actions, false},
    {"session_id", ARGUMENT_TEXT, "With end: which one.", 1, TOOL_SESSION_MAX, NULL, false},
    {"reason", ARGUMENT_TEXT, "With end: why; it is kept.", 1, TOOL_REASON_MAX, NULL, false},
    {"active", ARGUMENT_BOOL, "With list: only those that have not ended.", 0, 0, NULL, false},
    {"limit", ARGUMENT_INT, "With list: at most this many (default 20).", 1, LIST_MAX, NULL, false},
    {.name = NULL}};

static void tell_session(struct answer *answer, const struct memferry_node *session)
{
    char began[TIME_TEXT_SIZE], seen[TIME_TEXT_SIZE], ended[TIME_TEXT_SIZE];
    const char *agent = field_text(session, "agent"), *cwd = field_text(session, "cwd");
    bool has_ended = field_int(session, "ended_ms") != 0;

    time_text(field_int(session, "started_ms"), false, began);
    time_text(field_int(session, "seen_ms"), false, seen);
    time_text(field_int(session, "ended_ms"), false, ended);
    fprintf(answer->out, "%s  %s%sbegan %s, seen %s, %s%s%s%s\n", field_text(session, "id"), agent,
            agent[0] != '\0' ? ", " : "", began, seen, has_ended ? "ended " : "active",
            has_ended ? ended : "", cwd[0] != '\0' ? ", in " : "", cwd);
    json_begin_object(&answer->w);
    answer_field(answer, "id", field_text(session, "id"));
    answer_field(answer, "agent", agent);
    answer_field(answer, "cwd", cwd);
    answer_field(answer, "began", began);
    answer_field(answer, "seen", seen);
    if (has_ended) {
        answer_field(answer, "ended", ended);
        answer_field(answer, "end_reason", field_text(session, "end_reason"));
    }
    json_end_object(&answer->w);
}

/* Answers with these sessions; NULL: none. */
static void tell(struct call *call, const struct memferry_node *list,
                 const struct memferry_node *one, const char *text)
{
    struct answer answer;

    if (!answer_begin(&answer, call)) {
        return;
    }
    fputs(text, answer.out);
    json_write_key(&answer.w, "sessions");
    json_begin_array(&answer.w);
    if (one != NULL) {
        tell_session(&answer, one);
    }
    for (size_t i = 0; i < memferry_node_count(list); i++) {
        tell_session(&answer, memferry_node_at(list, i));
    }
    json_end_array(&answer.w);
    char id[MEMFERRY_SESSION_SIZE];
    struct memferry_session peeked;
    if (call->mcp->session != NULL) {
        answer_field(&answer, "session_id", call->mcp->session);
    } else if (memferry_session_peek(call->mcp->cli->m, &peeked) == MEMFERRY_OK) {
        snprintf(id, sizeof id, "%s", peeked.id);
        answer_field(&answer, "session_id", id);
    }
    answer_end(&answer, call);
}

/* ---- current ---- */

static void current_asked(struct call *call, int code)
{
    const struct memferry_node *session = memferry_reply_root(call->reply);
    char text[200], id[MEMFERRY_SESSION_SIZE];

    session_in_force(call->mcp, id);
    if (code == MEMFERRY_E_NOT_FOUND) {
        snprintf(text, sizeof text,
                 "The session in force is %s. It has no memories yet; with the first one it is "
                 "known to the broker.\n",
                 id);
        tell(call, NULL, NULL, text);
    } else if (code != MEMFERRY_OK) {
        tool_failed(call, code);
    } else {
        tell(call, NULL, session, "The session in force:\n");
    }
}

static void ask_id(struct call *call, const char *method, const char *id, call_asked_fn *asked)
{
    struct json_writer params;

    json_writer_init(&params, MCP_ANSWER_MAX);
    json_begin_object(&params);
    json_write_key(&params, "session_id");
    json_write_text(&params, id);
    if (strcmp(method, "session.end") == 0) {
        argument_pass(&params, call->arguments, "reason", "reason");
    }
    json_end_object(&params);
    call_ask(call, method, &params, CALL_AGAIN, asked);
    json_writer_deinit(&params);
}

static void current(struct call *call)
{
    char id[MEMFERRY_SESSION_SIZE];

    if (session_in_force(call->mcp, id)[0] == '\0') {
        tool_error(call, "session: there is none: %s. Memories are stored without one.",
                   memferry_error(call->mcp->cli->m));
        return;
    }
    ask_id(call, "session.get", id, current_asked);
}

/* ---- begin ---- */

static void begin_asked(struct call *call, int code)
{
    if (code != MEMFERRY_OK) {
        tool_failed(call, code);
        return;
    }
    const struct memferry_node *session = memferry_reply_root(call->reply);
    snprintf(call->mcp->announced, sizeof call->mcp->announced, "%s", field_text(session, "id"));
    tell(call, NULL, session, "Begun; what is remembered from now on belongs to it:\n");
}

static void begin(struct call *call)
{
    struct memferry_session session = {0};
    struct json_writer params;

    if (call->mcp->session != NULL) {
        snprintf(session.id, sizeof session.id, "%s", call->mcp->session);
    } else {
        int code = memferry_session_begin(call->mcp->cli->m, &session);
        if (code != MEMFERRY_OK) {
            tool_error(call, "session: %s.", memferry_error(call->mcp->cli->m));
            return;
        }
    }
    json_writer_init(&params, MCP_ANSWER_MAX);
    session_begin_params(call, session.id, &params);
    call_ask(call, "session.begin", &params, CALL_AGAIN, begin_asked);
    json_writer_deinit(&params);
}

/* ---- end ---- */

static void end_asked(struct call *call, int code)
{
    call->mcp->announced[0] = '\0';
    if (code == MEMFERRY_E_NOT_FOUND) {
        tell(call, NULL, NULL, "Ended; it had no memories.\n");
    } else if (code != MEMFERRY_OK) {
        tool_failed(call, code);
    } else {
        tell(call, NULL, memferry_reply_root(call->reply), "Ended:\n");
    }
}

static void end(struct call *call)
{
    const char *given = tool_text(call, "session_id");
    struct memferry_session session;
    char id[MEMFERRY_SESSION_SIZE] = "";

    if (given != NULL || call->mcp->session != NULL) {
        snprintf(id, sizeof id, "%s", given != NULL ? given : call->mcp->session);
    } else if (memferry_session_peek(call->mcp->cli->m, &session) == MEMFERRY_OK) {
        strcpy(id, session.id);
    } else {
        tool_error(call, "session: there is none to end.");
        return;
    }
    memferry_session_end(call->mcp->cli->m, id); /* whether the file holds it or not */
    ask_id(call, "session.end", id, end_asked);
}

/* ---- list ---- */

static void list_asked(struct call *call, int code)
{
    if (code != MEMFERRY_OK) {
        tool_failed(call, code);
        return;
    }
    const struct memferry_node *sessions =
        memferry_node_get(memferry_reply_root(call->reply), "sessions");
    tell(call, sessions, NULL,
         memferry_node_count(sessions) > 0
             ? "Sessions, the newest first; undo with session_id shows what one has changed:\n"
             : "There are none.\n");
}

static void list(struct call *call)
{
    struct json_writer params;

    json_writer_init(&params, MCP_ANSWER_MAX);
    json_begin_object(&params);
    argument_pass(&params, call->arguments, "active", "active");
    json_write_key(&params, "limit");
    json_write_int(&params, tool_int(call, "limit", LIST_DEFAULT));
    json_end_object(&params);
    call_ask(call, "session.list", &params, CALL_AGAIN, list_asked);
    json_writer_deinit(&params);
}

static void run(struct call *call)
{
    static void (*const verbs[])(struct call * call) = {current, begin, end, list};
    const char *action = tool_text(call, "action");

    for (size_t i = 0; action != NULL && actions[i] != NULL; i++) {
        if (strcmp(action, actions[i]) == 0) {
            verbs[i](call);
            return;
        }
    }
    current(call);
}

const struct tool tool_session = {
    .name = "session",
    .title = "The session",
    .description =
        "Show, begin or end the session that memories belong to (one conversation), or list "
        "sessions. Memories are changed by none of these.",
    .arguments = arguments,
    .output =
        "{\"type\":\"object\",\"properties\":{"
        "\"message\":{\"type\":\"string\"},"
        "\"session_id\":{\"type\":\"string\",\"description\":\"the one in force; not there when "
        "there is none\"},"
        "\"sessions\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{"
        "\"id\":{\"type\":\"string\"},\"agent\":{\"type\":\"string\"},\"cwd\":{\"type\":\"string\"}"
        ","
        "\"began\":{\"type\":\"string\"},\"seen\":{\"type\":\"string\"},"
        "\"ended\":{\"type\":\"string\"},\"end_reason\":{\"type\":\"string\"}},"
        "\"required\":[\"id\",\"began\",\"seen\"]}}},"
        "\"required\":[\"message\",\"sessions\"]}",
    .run = run,
};
