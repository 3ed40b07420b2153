/*
 * reply.c - the server's JSON, and what its errors mean for memories.
 *
 * The status never decides: tx/commit says 200 with errors, query/v2 says 202. So errors[] is read
 * always, and the status counts only when there is no such list (a proxy's answer, say).
 *
 * The verdicts:
 *  - listed codes are about a value in a row: REJECT;
 *  - a failure inside the statement, or of memory for it, may be a row's or the batch's: RETRY of
 *    the record, so that the lane finds the row and the others go on;
 *  - lock trouble: the same request may work at once (`again`);
 *  - all others are the backend's, which is how an unknown code can't cost a memory.
 */
#include "plugins/neo4j-http/neo4j.h"

#include <string.h>

enum {
    SHOWN_MESSAGE_BYTES = 240,
    SHOWN_CODE_BYTES = 120,
    RATE_LIMIT_MS = 5000, /* dbms.security.auth_lock_time's default */
};

enum trouble { TROUBLE_BACKEND = 0, TROUBLE_RATE_LIMIT, TROUBLE_AGAIN, TROUBLE_VALUE, TROUBLE_ROW };

struct meaning {
    const char *code;
    const char *message; /* how the message begins; NULL: any */
    enum trouble trouble;
};

/* The first that fits counts. */
static const struct meaning meanings[] = {
    {"Neo.ClientError.Security.AuthenticationRateLimit", NULL, TROUBLE_RATE_LIMIT},
    {"Neo.ClientError.Statement.TypeError", NULL, TROUBLE_VALUE},
    {"Neo.ClientError.Statement.ArgumentError", NULL, TROUBLE_VALUE},
    {"Neo.ClientError.Schema.ConstraintValidationFailed", NULL, TROUBLE_VALUE},
    {"Neo.ClientError.Schema.TokenNameError", NULL, TROUBLE_VALUE},
    {"Neo.ClientError.Schema.TokenLengthError", NULL, TROUBLE_VALUE},
    {"Neo.ClientError.Request.InvalidFormat", NULL, TROUBLE_VALUE},
    {"Neo.DatabaseError.Statement.ExecutionFailed", "Property value is too large to index",
     TROUBLE_VALUE},
    {"Neo.DatabaseError.Statement.ExecutionFailed", NULL, TROUBLE_ROW},
    {"Neo.DatabaseError.General.UnknownError", NULL, TROUBLE_ROW},
    {"Neo.TransientError.General.MemoryPoolOutOfMemoryError", NULL, TROUBLE_ROW},
    {"Neo.TransientError.General.TransactionMemoryLimit", NULL, TROUBLE_ROW},
    {"Neo.TransientError.General.TransactionOutOfMemoryError", NULL, TROUBLE_ROW},
    {"Neo.TransientError.General.OutOfMemoryError", NULL, TROUBLE_ROW},
    {"Neo.TransientError.Transaction.DeadlockDetected", NULL, TROUBLE_AGAIN},
    {"Neo.TransientError.Transaction.LockClientStopped", NULL, TROUBLE_AGAIN},
};

static enum trouble trouble_of(const char *code, const char *message)
{
    for (size_t i = 0; i < sizeof meanings / sizeof meanings[0]; i++) {
        const struct meaning *m = &meanings[i];
        if (strcmp(m->code, code) == 0 &&
            (m->message == NULL || strncmp(m->message, message, strlen(m->message)) == 0)) {
            return m->trouble;
        }
    }
    return TROUBLE_BACKEND;
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text == NULL ? "" : text;
}

static void judge_error(struct neo4j_reply *reply, const json_t *error, int64_t retry_after_ms,
                        size_t n, const char *target)
{
    const char *code = text_of(error, "code");
    const char *message = text_of(error, "message");
    char line[SHOWN_MESSAGE_BYTES], shown[SHOWN_CODE_BYTES];
    enum trouble trouble = trouble_of(code, message);

    show_text(line, sizeof line, message, strcspn(message, "\n"));
    code = show_text(shown, sizeof shown, code, strlen(code));
    switch (trouble) {
    case TROUBLE_VALUE:
        reply->failure = outcome_reject(blame_for(n), "%s: %s: %s", target, code, line);
        return;
    case TROUBLE_ROW:
        reply->failure = outcome_retry(blame_for(n), -1, "%s: %s: %s", target, code, line);
        return;
    case TROUBLE_AGAIN:
        reply->again = true;
        break;
    case TROUBLE_RATE_LIMIT:
        retry_after_ms = retry_after_ms > 0 ? retry_after_ms : RATE_LIMIT_MS;
        break;
    case TROUBLE_BACKEND:
        break;
    }
    reply->failure =
        outcome_retry(MEMFERRY_BLAME_BACKEND, retry_after_ms, "%s: %s: %s", target, code, line);
}

static json_t *rows_of(const json_t *root, enum neo4j_api api)
{
    if (api == NEO4J_API_TX) {
        return json_object_get(json_array_get(json_object_get(root, "results"), 0), "data");
    }
    return json_object_get(json_object_get(root, "data"), "values");
}

static void judge_status(struct neo4j_reply *reply, const struct http_reply *http, size_t n,
                         const char *target)
{
    reply->failure = http_verdict(http, n, target);
    if (reply->failure.verdict == MEMFERRY_DONE) {
        reply->failure = outcome_retry(MEMFERRY_BLAME_BACKEND, -1,
                                       "%s answered %ld, but not as Neo4j does; check url", target,
                                       http->status);
    }
}

/* What the root says, or else how the request ended. */
static bool judge(struct neo4j_reply *ret, const struct http_reply *http, size_t n,
                  const char *target)
{
    const json_t *errors = json_object_get(ret->root, "errors");
    if (json_array_size(errors) > 0) {
        judge_error(ret, json_array_get(errors, 0), http->retry_after_ms, n, target);
        return false;
    }
    ret->rows = rows_of(ret->root, ret->api);
    if (http->status < 200 || http->status > 299 || !json_is_array(ret->rows)) {
        judge_status(ret, http, n, target);
        return false;
    }
    return true;
}

bool neo4j_reply_read(struct neo4j_reply *ret, const struct http_reply *http, enum neo4j_api api,
                      size_t n, const char *target)
{
    *ret = (struct neo4j_reply){.api = api};
    if (http->failure == HTTP_ANSWERED && http->body != NULL) {
        ret->root = json_loadb(http->body, http->body_size, JSON_ALLOW_NUL, NULL);
    }
    return judge(ret, http, n, target);
}

bool neo4j_reply_of_bolt(struct neo4j_reply *ret, const struct bolt_request *request, size_t n,
                         const char *target)
{
    *ret = (struct neo4j_reply){.api = NEO4J_API_TX, .root = json_incref(request->root)};
    return judge(ret, &request->reply, n, target);
}

void neo4j_reply_deinit(struct neo4j_reply *reply)
{
    json_decref(reply->root);
    reply->root = reply->rows = NULL;
}

size_t neo4j_reply_count(const struct neo4j_reply *reply)
{
    return json_array_size(reply->rows);
}

const json_t *neo4j_reply_row(const struct neo4j_reply *reply, size_t i)
{
    const json_t *row = json_array_get(reply->rows, i);

    if (reply->api == NEO4J_API_TX) {
        row = json_object_get(row, "row");
    }
    return json_is_array(row) ? row : NULL;
}
