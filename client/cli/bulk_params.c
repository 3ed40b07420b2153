/*
 * bulk_params.c - one line of NDJSON as a request.
 *
 * What is missing is put in front of the line's own fields; these stay as they are, to the byte.
 * Fails on what is no JSON object, and on fields that are not a line's to say.
 */
#include "client/cli/bulk.h"
#include "client/cli/json.h"

#include <string.h>

/* What this command says itself, or what would stall the pipeline. */
static const char *field_refused(const struct memferry_node *memory)
{
    static const char *const refused[] = {"retry", "wait", "timeout_ms"};

    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        if (memferry_node_get(memory, refused[i]) != NULL) {
            return refused[i];
        }
    }
    return NULL;
}

static void add_missing(struct json *json, const struct memferry_node *memory, const char *session)
{
    char id[40];

    if (memferry_node_get(memory, "id") == NULL) {
        memferry_make_id(id, sizeof id);
        json_field_text(json, "id", id);
    }
    if (memferry_node_get(memory, "event_id") == NULL) {
        memferry_make_id(id, sizeof id);
        json_field_text(json, "event_id", id);
    }
    if (session != NULL && memferry_node_get(memory, "session_id") == NULL) {
        json_field_text(json, "session_id", session);
    }
}

char *bulk_params(struct memferry *m, const char *line, const char *session, char *problem,
                  size_t problem_size)
{
    struct memferry_reply *reply;
    struct json json;

    if (memferry_parse_json(m, line, &reply) != MEMFERRY_OK) {
        snprintf(problem, problem_size, "%s", memferry_error(m));
        return NULL;
    }
    const struct memferry_node *memory = memferry_reply_root(reply);
    if (memferry_node_kind(memory) != MEMFERRY_NODE_MAP) {
        snprintf(problem, problem_size, "not a JSON object such as {\"content\":\"Tea at four\"}");
        memferry_reply_free(reply);
        return NULL;
    }
    const char *refused = field_refused(memory);
    if (refused != NULL) {
        snprintf(problem, problem_size, "%s does not go with a file of memories; remove it",
                 refused);
        memferry_reply_free(reply);
        return NULL;
    }
    json_open(&json);
    add_missing(&json, memory, session);
    json_append_fields(&json, line);
    memferry_reply_free(reply);
    if (json_close(&json) == NULL) {
        snprintf(problem, problem_size, "out of memory");
        json_free(&json);
    }
    return json.text; /* now the caller's */
}
