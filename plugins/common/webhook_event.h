/*
 * webhook_event.h - what every webhook's body begins with: `event`, with an id and what happened.
 */
#ifndef MEMFERRY_PLUGINS_WEBHOOK_EVENT_H
#define MEMFERRY_PLUGINS_WEBHOOK_EVENT_H

#include "plugins/common/json_writer.h"

enum {
    WEBHOOK_EVENT_BYTES = 16,                               /* that an id is made of */
    WEBHOOK_EVENT_ID_SIZE = 4 + 2 * WEBHOOK_EVENT_BYTES + 1 /* "msg_", hex digits, NUL */
};

/* An id of these bytes, such as the first of a digest: the same each time. */
void webhook_event_id(char ret[WEBHOOK_EVENT_ID_SIZE],
                      const unsigned char bytes[WEBHOOK_EVENT_BYTES]);
/* An id like no other. 0 or -EIO. */
int webhook_event_new_id(char ret[WEBHOOK_EVENT_ID_SIZE]);

/* Begins the body, and `event` in it: both are open for more. */
void webhook_event_begin(struct json_writer *w, const char *id, const char *op);

#endif
