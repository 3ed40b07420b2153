/*
 * tool_remember.c - remember: puts a memory.
 *
 * It carries an id and an event_id of ours, so that a put whose answer was lost can be sent again
 * and happens once. What is new gets the tag of the project; a change leaves tags alone that it
 * does not name. So where an id comes without tags, the broker is asked first whether it is new.
 */
#include "client/heavy/mcp/tool.h"

#include <string.h>

#define CONTENT_MAX (1 << 20)
#define TAGS_MAX    255 /* and the project's */
#define SECOND_MS   1000

static const char *const waits[] = {"durable", "delivered", NULL};

static const struct argument arguments[] = {
    {"content", ARGUMENT_TEXT,
     "What to remember, in words that are understood without this conversation. May be left out "
     "when only kind, tags or props of a memory change.",
     1, CONTENT_MAX, NULL, false},
    {"id", ARGUMENT_TEXT,
     "Of the memory to make or change, such as project/topic; without it a new one is made. An id "
     "that is there already gets a new version; what is not given stays as it is.",
     1, TOOL_ID_MAX, NULL, false},
    {"kind", ARGUMENT_TEXT, "Such as fact, decision, preference, episode (default note).", 1,
     TOOL_KIND_MAX, NULL, false},
    {"tags", ARGUMENT_TEXTS, "Words to find it by; they replace the tags that are there.", 0,
     TAGS_MAX, NULL, false},
    {"props", ARGUMENT_OBJECT,
     "Properties: strings, numbers, booleans or lists of these. They are merged with those that "
     "are there; null removes one.",
     0, 0, NULL, false},
    {"expected_version", ARGUMENT_INT,
     "Fail unless the memory has this version; 0: unless there is none yet.", 0, INT64_MAX, NULL,
     false},
    {"wait", ARGUMENT_TEXT,
     "durable (default): until it is on disk here; delivered: until every backend has it, at most "
     "20 s.",
     0, 0, waits, false},
    {"session_id", ARGUMENT_TEXT, "The session it belongs to (default: the one in force).", 1,
     TOOL_SESSION_MAX, NULL, false},
    {.name = NULL}};

/* NULL: none were given, or null. */
static const struct memferry_node *given_tags(const struct call *call)
{
    const struct memferry_node *tags = memferry_node_get(call->arguments, "tags");

    return memferry_node_kind(tags) == MEMFERRY_NODE_LIST ? tags : NULL;
}

/* Those given, and the project's if it is not among them. */
static void write_tags(struct json_writer *w, const struct memferry_node *tags, const char *project)
{
    bool is_there = project[0] == '\0';

    json_write_key(w, "tags");
    json_begin_array(w);
    for (size_t i = 0; i < memferry_node_count(tags); i++) {
        const char *tag = memferry_node_string(memferry_node_at(tags, i), "");
        json_write_text(w, tag);
        is_there = is_there || strcmp(tag, project) == 0;
    }
    if (!is_there) {
        json_write_text(w, project);
    }
    json_end_array(w);
}

static void write_id(struct json_writer *w, const char *key)
{
    char id[64];

    memferry_make_id(id, sizeof id);
    json_write_key(w, key);
    json_write_text(w, id);
}

static void write_params(struct call *call, struct json_writer *w, bool is_new)
{
    const struct memferry_node *given = call->arguments;
    const struct memferry_node *tags = given_tags(call);
    char session[MEMFERRY_SESSION_SIZE];

    json_begin_object(w);
    argument_pass(w, given, "content", "content");
    argument_pass(w, given, "kind", "kind");
    argument_pass(w, given, "props", "props");
    argument_pass(w, given, "expected_version", "expected_version");
    argument_pass(w, given, "wait", "wait");
    argument_pass(w, given, "id", "id");
    if (tool_text(call, "id") == NULL) {
        write_id(w, "id");
    }
    write_id(w, "event_id");
    if (memferry_node_count(tags) > 0 || (is_new && tags == NULL)) {
        write_tags(w, tags, call->mcp->project);
    } else {
        argument_pass(w, given, "tags", "tags");
    }
    if (call_session(call, tool_text(call, "session_id"), session)[0] != '\0') {
        json_write_key(w, "session_id");
        json_write_text(w, session);
    }
    if (tool_text(call, "wait") != NULL) {
        json_write_key(w, "timeout_ms");
        json_write_int(w, MCP_DELIVERED_MS);
    }
    json_end_object(w);
}

/* ---- the answer ---- */

static void tell_backends(struct answer *answer, const struct memferry_node *backends)
{
    for (size_t i = 0; i < memferry_node_count(backends); i++) {
        fprintf(answer->out, "%s%s: %s", i == 0 ? " Backends: " : ", ",
                memferry_node_key(backends, i),
                memferry_node_string(memferry_node_at(backends, i), "?"));
    }
    if (memferry_node_count(backends) > 0) {
        fputs(".", answer->out);
    }
    json_write_key(&answer->w, "backends");
    argument_write_node(&answer->w, backends);
}

static void tell(struct call *call, const struct memferry_node *receipt, bool is_late)
{
    const char *id = field_text(receipt, "id");
    long long version = field_int(receipt, "seq");
    struct answer answer;

    if (!answer_begin(&answer, call)) {
        return;
    }
    fprintf(answer.out, "Remembered as \"%s\", version %lld: on disk on this machine.", id,
            version);
    tell_backends(&answer, memferry_node_get(receipt, "backends"));
    if (is_late) {
        fprintf(answer.out, " Not every backend had it within %d s; it goes on trying.",
                MCP_DELIVERED_MS / SECOND_MS);
    }
    fprintf(answer.out,
            "\nTo change it call remember with id \"%s\"; forget takes it out of recall. Its "
            "versions are kept.",
            id);
    answer_field(&answer, "id", id);
    answer_int(&answer, "version", version);
    answer_bool(&answer, "durable", field_bool(receipt, "durable"));
    answer_end(&answer, call);
}

static void put_asked(struct call *call, int code)
{
    const struct memferry_node *root = memferry_reply_root(call->reply);

    if (code == MEMFERRY_E_TIMEOUT) {
        tell(call, memferry_node_get(memferry_node_get(root, "data"), "receipt"), true);
    } else if (code == MEMFERRY_E_NOT_FOUND) {
        tool_error(call,
                   "remember: there is no memory \"%s\" to change; give it a content to make it.",
                   tool_text(call, "id"));
    } else if (code != MEMFERRY_OK) {
        tool_failed(call, code);
    } else {
        tell(call, root, false);
    }
}

static void put(struct call *call, bool is_new)
{
    struct json_writer params;

    json_writer_init(&params, MCP_ANSWER_MAX);
    write_params(call, &params, is_new);
    call_ask(call, "memory.put", &params, CALL_RETRY, put_asked);
    json_writer_deinit(&params);
}

static void get_asked(struct call *call, int code)
{
    if (code != MEMFERRY_OK && code != MEMFERRY_E_NOT_FOUND) {
        tool_failed(call, code);
        return;
    }
    put(call, code == MEMFERRY_E_NOT_FOUND);
}

static void remember(struct call *call)
{
    bool has_id = tool_text(call, "id") != NULL, has_content = tool_text(call, "content") != NULL;
    bool has_tags = given_tags(call) != NULL;
    struct json_writer params;

    if (!has_content && !has_id) {
        tool_error(call, "remember: give a content, or the id of a memory to change. Nothing was "
                         "done.");
        return;
    }
    if (!has_id || !has_content || has_tags || call->mcp->project[0] == '\0') {
        put(call, !has_id);
        return;
    }
    json_writer_init(&params, MCP_ANSWER_MAX);
    json_begin_object(&params);
    argument_pass(&params, call->arguments, "id", "id");
    json_end_object(&params);
    call_ask(call, "memory.get", &params, CALL_AGAIN, get_asked);
    json_writer_deinit(&params);
}

const struct tool tool_remember = {
    .name = "remember",
    .title = "Remember something",
    .description =
        "Store a memory that outlives this conversation, or a new version of one. It is on disk "
        "when the answer comes. Nothing is overwritten: every version is kept.",
    .arguments = arguments,
    .output = "{\"type\":\"object\",\"properties\":{"
              "\"message\":{\"type\":\"string\"},"
              "\"id\":{\"type\":\"string\"},"
              "\"version\":{\"type\":\"integer\"},"
              "\"durable\":{\"type\":\"boolean\"},"
              "\"backends\":{\"type\":\"object\",\"additionalProperties\":{\"type\":\"string\"}}},"
              "\"required\":[\"message\",\"id\",\"version\",\"durable\",\"backends\"]}",
    .run = remember,
};
