/*
 * call.c - see call.h.
 *
 * Failure modes: the broker refuses: 422 with its error; it is away or does not answer in time: 503
 * with a sentence for a person. A broker that was started anew is found with the next call.
 */
#include "client/heavy/ui/call.h"

#include "client/cli/json.h"

#include <string.h>

static const char *const allowed[] = {"alert.ack",      "alert.list",  "backend.list",
                                      "health",         "hello",       "memory.get",
                                      "memory.history", "memory.list", "memory.restore",
                                      "memory.search",  "session.get", "session.list",
                                      "stats",          NULL};

bool call_is_allowed(const char *method)
{
    for (size_t i = 0; allowed[i] != NULL; i++) {
        if (strcmp(allowed[i], method) == 0) {
            return true;
        }
    }
    return false;
}

/* {"message": text}; the caller frees it. */
static char *message_json(const char *text)
{
    struct json json;

    json_open(&json);
    json_field_text(&json, "message", text);
    const char *closed = json_close(&json);
    char *copy = closed != NULL ? strdup(closed) : NULL;
    json_free(&json);
    return copy;
}

struct call_answer call_broker(struct memferry *m, const char *method, const char *params)
{
    struct memferry_reply *reply = NULL;
    int result = memferry_call(m, method, params, &reply);
    struct call_answer answer = {.status = result == MEMFERRY_OK ? 200 : reply != NULL ? 422 : 503};

    answer.json = reply != NULL ? memferry_node_json(memferry_reply_root(reply))
                                : message_json(memferry_error(m));
    memferry_reply_free(reply);
    return answer;
}
