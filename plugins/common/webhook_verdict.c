/* webhook_verdict.c - the table of webhook_verdict.h. Pure: no I/O, cannot fail. */
#include "plugins/common/webhook_verdict.h"

#include <string.h>

/* What to do about an answer that every request would get. NULL: not one of those. */
static const char *trouble_of(long status)
{
    switch (status) {
    case 401:
        return "it does not take the signature or the login; is its secret the one that this "
               "backend has, and is its clock right?";
    case 403:
        return "it knows us and does not let us; look at what it allows";
    case 404:
        return "nobody takes webhooks at that address; is the workflow active, and is url its "
               "production URL?";
    case 405:
        return "that address takes no POST; is url that of the webhook?";
    default:
        return NULL;
    }
}

/* JSON over several lines is one thing, of which all spaces are one; of other text the first line
 * counts. */
static void keep_first_line(struct http_reply *reply)
{
    size_t start = strspn(reply->body, " \t\r\n"), size = 0;
    bool json = reply->body[start] == '{' || reply->body[start] == '[';

    for (size_t i = start; i < reply->body_size && reply->body[i] != '\0'; i++) {
        if (!json && reply->body[i] == '\n') {
            break;
        }
        if (strchr(" \t\r\n", reply->body[i]) == NULL) {
            reply->body[size++] = reply->body[i];
        } else if (size > 0 && reply->body[size - 1] != ' ') {
            reply->body[size++] = ' ';
        }
    }
    reply->body[size] = '\0';
    reply->body_size = size;
}

/* Until its database is ready n8n answers 200 and this to everything, and keeps nothing of it. */
static bool is_starting(const struct http_reply *reply)
{
    static const char words[] = "n8n is starting up";

    return reply->status == 200 && reply->body != NULL &&
           strncmp(reply->body, words, sizeof words - 1) == 0;
}

struct memferry_outcome webhook_verdict(struct http_reply *reply, const char *target)
{
    if (reply->failure != HTTP_ANSWERED) {
        return http_verdict(reply, 1, target);
    }
    if (is_starting(reply)) {
        return outcome_retry(MEMFERRY_BLAME_BACKEND, -1, "%s answered that n8n is starting up",
                             target);
    }
    if (reply->status == 409) {
        struct memferry_outcome outcome = outcome_done();
        outcome.superseded = true;
        return outcome;
    }
    if (reply->status == 410) {
        return outcome_retry(MEMFERRY_BLAME_GONE, -1, "%s answered 410: it is gone for good",
                             target);
    }
    const char *trouble = trouble_of(reply->status);
    if (trouble != NULL) {
        return outcome_retry(MEMFERRY_BLAME_BACKEND, reply->retry_after_ms, "%s answered %ld: %s",
                             target, reply->status, trouble);
    }
    if (reply->status >= 400 && reply->body != NULL) {
        keep_first_line(reply);
    }
    return http_verdict(reply, 1, target);
}
