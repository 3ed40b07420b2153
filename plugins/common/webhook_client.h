/*
 * webhook_client.h - sends signed webhooks: http.h and webhook.h by the options of a backend
 * (webhook_options.inc).
 *
 * Happy path: webhook_client_new in open(); for one request webhook_client_post. For several side
 * by side: http_exchange on webhook_client_http, each request made ready in its turn (`prepare`,
 * see http.h) by webhook_client_sign, each reply judged by webhook_client_outcome.
 *
 * Failure modes: new fails by an option or a secret. A reply's outcome is as docs/webhooks.md
 * promises; what a receiver sends back of our secrets is masked (http.h).
 */
#ifndef MEMFERRY_PLUGINS_WEBHOOK_CLIENT_H
#define MEMFERRY_PLUGINS_WEBHOOK_CLIENT_H

#include "plugins/common/http.h"
#include "plugins/common/webhook.h"

struct webhook_client;

/* url: where everything goes. Returns 0, or a negative errno with why filled. */
int webhook_client_new(struct webhook_client **ret, const struct memferry_host *host,
                       const char *url, size_t connections, struct memferry_reason *why);
struct webhook_client *webhook_client_free(struct webhook_client *client); /* NULL is fine */

struct http_client *webhook_client_http(struct webhook_client *client);

/* The headers of one request. Do not move it while it is used. */
struct webhook_head {
    struct webhook_headers signature;
    const char *lines[WEBHOOK_LINES + 3]; /* with content type and authorization; ends with NULL */
};

/* Signs `body` as of now and fills in the request: method, url, headers, body. All is borrowed
 * until the request is finished. 0, or a negative errno. */
int webhook_client_sign(struct webhook_client *client, struct webhook_head *head, const char *id,
                        const char *body, size_t size, struct http_request *request);

/* What the reply means for the one memory or alert that was in the request. */
struct memferry_outcome webhook_client_outcome(struct webhook_client *client,
                                               struct http_reply *reply);

/* One request, to its end. */
struct memferry_outcome webhook_client_post(struct webhook_client *client, const char *id,
                                            const char *body, size_t size);

/*
 * A signed ping, which holds nothing but its event: for probe(). 0 with `why` telling what
 * answered, -ENOLINK when it is gone for good, or another negative errno with `why`. Who refuses it
 * as a bad record (400, 422 …) takes our signature and knows no pings: that is good enough.
 */
int webhook_client_ping(struct webhook_client *client, struct memferry_reason *why);

#endif
