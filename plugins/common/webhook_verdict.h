/*
 * webhook_verdict.h - what a webhook's answer means: verdict.h, and what receivers of webhooks mean
 * by some statuses (docs/webhooks.md has the table).
 *
 *   200, "n8n is starting up"    nobody has it: BACKEND's
 *   401 403 404 405    the secret, or the workflow: BACKEND's, and the reason says what to look at
 *   409                it holds a newer state: DONE, superseded
 *   410                gone for good: GONE
 *   other 4xx          the record's REJECT, with the answer's first line
 */
#ifndef MEMFERRY_PLUGINS_WEBHOOK_VERDICT_H
#define MEMFERRY_PLUGINS_WEBHOOK_VERDICT_H

#include "plugins/common/verdict.h"

/* The outcome of the one thing that was in the request. Cuts the reply's body to what it shows. */
struct memferry_outcome webhook_verdict(struct http_reply *reply, const char *target);

#endif
