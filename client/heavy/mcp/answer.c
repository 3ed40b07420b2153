/* answer.c - see tool.h. */
#include "client/heavy/mcp/tool.h"

#include "client/wire/utf8.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

const char *tool_text(const struct call *call, const char *name)
{
    return memferry_node_string(memferry_node_get(call->arguments, name), NULL);
}

int64_t tool_int(const struct call *call, const char *name, int64_t fallback)
{
    return memferry_node_int(memferry_node_get(call->arguments, name), fallback);
}

bool tool_bool(const struct call *call, const char *name)
{
    return memferry_node_bool(memferry_node_get(call->arguments, name), false);
}

/* ---- building ---- */

bool answer_begin(struct answer *answer, struct call *call)
{
    *answer = (struct answer){0};
    answer->out = open_memstream(&answer->text, &answer->size);
    if (answer->out == NULL) {
        call_error(call, RPC_INTERNAL, "out of memory for the answer");
        return false;
    }
    json_writer_init(&answer->w, MCP_ANSWER_MAX);
    json_begin_object(&answer->w);
    return true;
}

bool answer_asked(struct answer *answer, struct call *call, int code)
{
    if (code != MEMFERRY_OK) {
        tool_failed(call, code);
        return false;
    }
    return answer_begin(answer, call);
}

void answer_field(struct answer *answer, const char *key, const char *text)
{
    if (text[0] != '\0') {
        json_write_key(&answer->w, key);
        json_write_text(&answer->w, text);
    }
}

void answer_int(struct answer *answer, const char *key, int64_t value)
{
    json_write_key(&answer->w, key);
    json_write_int(&answer->w, value);
}

void answer_bool(struct answer *answer, const char *key, bool value)
{
    json_write_key(&answer->w, key);
    json_write_bool(&answer->w, value);
}

void answer_message(struct answer *answer, const char *format, ...)
{
    char text[1024];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    text[utf8_whole(text, strlen(text))] = '\0';
    answer_field(answer, "message", text);
    answer->has_message = true;
}

/* ---- sending ---- */

static void send_text(struct call *call, const char *text, const char *structured, bool is_error)
{
    struct json_writer *w = &call->out;

    call_result_begin(call);
    json_write_key(w, "content");
    json_begin_array(w);
    json_begin_object(w);
    json_write_key(w, "type");
    json_write_text(w, "text");
    json_write_key(w, "text");
    json_write_text(w, text);
    json_end_object(w);
    json_end_array(w);
    if (structured != NULL && call->revision >= REVISION_2025_06_18) {
        json_write_key(w, "structuredContent");
        json_write_raw(w, structured, strlen(structured));
    }
    json_write_key(w, "isError");
    json_write_bool(w, is_error);
    call_result_end(call);
}

void answer_end(struct answer *answer, struct call *call)
{
    const char *structured = NULL;
    bool good = !ferror(answer->out);

    good = fclose(answer->out) == 0 && good;
    if (good) {
        while (answer->size > 0 && answer->text[answer->size - 1] == '\n') {
            answer->text[--answer->size] = '\0';
        }
        if (!answer->has_message) {
            answer_field(answer, "message", answer->text);
        }
        json_end_object(&answer->w);
        structured = json_writer_text(&answer->w, NULL);
    }
    if (structured != NULL) {
        send_text(call, answer->text, structured, false);
    } else {
        call_error(call, RPC_INTERNAL, "no memory for the answer, or it is too large");
    }
    json_writer_deinit(&answer->w);
    free(answer->text);
}

/* ---- errors ---- */

void tool_error(struct call *call, const char *format, ...)
{
    char text[2048];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    text[utf8_whole(text, strlen(text))] = '\0';
    send_text(call, text, NULL, true);
}

/* What can be done, in the words of these tools. */
static const char *advice(int code)
{
    switch (code) {
    case MEMFERRY_E_NOT_FOUND:
        return "Use recall to find the id.";
    case MEMFERRY_E_CONFLICT:
        return "Somebody else has changed it: recall it, merge, and try again.";
    case MEMFERRY_E_BUSY:
    case MEMFERRY_E_DEADLINE:
        return "Try again in a moment; if it was a change, look first whether it happened.";
    case MEMFERRY_E_UNCERTAIN:
    case MEMFERRY_E_PROTOCOL:
        return "Look with recall or history whether it happened, before you repeat it.";
    case MEMFERRY_E_STORAGE_FULL:
        return "Nothing was changed: the disk is full. Tell the user to make room.";
    case MEMFERRY_E_STORAGE_FAILED:
        return "The disk failed: tell the user to see memferryd's log.";
    case MEMFERRY_E_CONNECT:
    case MEMFERRY_E_UNTRUSTED:
        return "Nothing was changed. Tell the user; `memferry status` says more.";
    case MEMFERRY_E_METHOD:
        return "memferryd is of another version than this server: tell the user to restart it.";
    default:
        return "";
    }
}

void tool_failed(struct call *call, int code)
{
    char why[600];

    snprintf(why, sizeof why, "%s", call_why(call));
    if (why[0] == '\0') {
        snprintf(why, sizeof why, "%s", memferry_strerror(code));
    }
    const char *more = advice(code);
    tool_error(call, "%s: %s%s%s", call->tool->name, why, more[0] != '\0' ? ". " : "", more);
}
