/* tool.h - what a tool is, and how it answers. */
#ifndef MEMFERRY_MCP_TOOL_H
#define MEMFERRY_MCP_TOOL_H

#include "client/heavy/mcp/argument.h"
#include "client/heavy/mcp/call.h"

#define TOOL_ID_MAX      256
#define TOOL_KIND_MAX    64
#define TOOL_TAG_MAX     256
#define TOOL_SESSION_MAX 64
#define TOOL_REASON_MAX  1000

struct tool {
    const char *name, *title, *description;
    const struct argument *arguments; /* ends with a NULL name */
    const char *output;               /* a JSON schema: of what `structuredContent` is */
    bool is_read_only, is_destructive, is_idempotent;
    void (*run)(struct call *call); /* arguments were checked; ends with an answer */
};

extern const struct tool tool_remember, tool_recall, tool_forget, tool_history, tool_undo,
    tool_session, tool_status;

/* A text argument, or NULL. */
const char *tool_text(const struct call *call, const char *name);
int64_t tool_int(const struct call *call, const char *name, int64_t fallback);
bool tool_bool(const struct call *call, const char *name);

/*
 * An answer: text for the model, and the same as fields, which revisions from 2025-06-18 on carry.
 * Clients show the one or the other, so either says all there is to know.
 */
struct answer {
    char *text;
    size_t size;
    FILE *out;            /* the text */
    struct json_writer w; /* the fields, within an object */
    bool has_message;     /* a field "message" was written: else the text is it */
};

/* False: out of memory; the call was answered. */
bool answer_begin(struct answer *answer, struct call *call);
/* The same, of what the broker was asked for: false, and told, when that failed. */
bool answer_asked(struct answer *answer, struct call *call, int code);
/* A field that is text; nothing when it is "". */
void answer_field(struct answer *answer, const char *key, const char *text);
void answer_int(struct answer *answer, const char *key, int64_t value);
void answer_bool(struct answer *answer, const char *key, bool value);
/* A message that is not the whole text. */
void answer_message(struct answer *answer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Ends the call. */
void answer_end(struct answer *answer, struct call *call);

/* An answer that is an error which the model can do something about. Ends the call. */
void tool_error(struct call *call, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* What the broker or the library said, with what can be done about it. Ends the call. */
void tool_failed(struct call *call, int code);

#endif
