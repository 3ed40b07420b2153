/*
 * n8n.h - what the files of this plugin share: the instance, and the bodies of its requests.
 *
 *   n8n-webhook.c   options, open, close, probe, the exported table
 *   deliver.c       memories to the webhook, several side by side
 *   body.c          a memory as the JSON that is sent, and the id of what is sent
 */
#ifndef MEMFERRY_PLUGINS_N8N_H
#define MEMFERRY_PLUGINS_N8N_H

#include "plugins/common/json_writer.h"
#include "plugins/common/webhook_client.h"
#include "plugins/common/webhook_event.h"

struct n8n_slot;

struct n8n {
    const struct memferry_host *host;
    struct webhook_client *client;
    size_t connections;
    bool embedding;         /* send vectors along */
    struct n8n_slot *slots; /* one for each request that runs */
};

/* ---- body.c ---- */

/* The id of this state of a memory, the same each time it is sent. 0 or -EIO. */
int body_state_id(char ret[WEBHOOK_EVENT_ID_SIZE], const struct memferry_memory *memory);

/* Starts with an empty writer. */
void body_write_memory(struct json_writer *w, const char *id, const struct memferry_memory *memory,
                       bool with_embedding);

/* ---- deliver.c ---- */

/* What a request holds while it runs. */
struct n8n_slot {
    struct json_writer writer;
    struct webhook_head head;
    bool used;
};

void n8n_deliver(void *self, const struct memferry_memory *memories, size_t n,
                 struct memferry_outcome *outcomes);

#endif
