/* webhook_event.c - see webhook_event.h. */
#include "plugins/common/webhook_event.h"

#include "plugins/common/memory_json.h"

#include <errno.h>
#include <openssl/rand.h>
#include <stdio.h>

void webhook_event_id(char ret[WEBHOOK_EVENT_ID_SIZE],
                      const unsigned char bytes[WEBHOOK_EVENT_BYTES])
{
    char *at = ret + sprintf(ret, "msg_");

    for (size_t i = 0; i < WEBHOOK_EVENT_BYTES; i++) {
        at += sprintf(at, "%02x", bytes[i]);
    }
}

int webhook_event_new_id(char ret[WEBHOOK_EVENT_ID_SIZE])
{
    unsigned char bytes[WEBHOOK_EVENT_BYTES];

    if (RAND_bytes(bytes, sizeof bytes) != 1) {
        return -EIO;
    }
    webhook_event_id(ret, bytes);
    return 0;
}

void webhook_event_begin(struct json_writer *w, const char *id, const char *op)
{
    json_begin_object(w);
    json_write_key(w, "event");
    json_begin_object(w);
    json_field_text(w, "id", id);
    json_field_text(w, "op", op);
}
