/*
 * n8n-webhook.c - the plugin's table: options, open, close, probe.
 *
 * Happy path: open reads options and secrets and makes the client; probe sends a ping, which a
 * receiver answers like any request of ours, and stores nothing for. docs/webhooks.md is the
 * contract with receivers.
 *
 * Failure modes: open fails by its options and secrets only.
 */
#include "plugins/n8n-webhook/n8n.h"

#include "plugins/common/http_settings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct memferry_option options[] = {
    {.name = "url",
     .type = MEMFERRY_OPTION_STRING,
     .required = true,
     .help = "Where to POST, such as http://127.0.0.1:5678/webhook/memory-sync"},
    {.name = "embedding",
     .type = MEMFERRY_OPTION_BOOL,
     .default_value = "yes",
     .help = "Send the vector along"},
    {.name = "batch",
     .type = MEMFERRY_OPTION_INT,
     .default_value = "50",
     .min = 1,
     .max = 1000,
     .help = "Memories to a delivery, a request each"},
    {.name = "connections",
     .type = MEMFERRY_OPTION_INT,
     .default_value = "4",
     .min = 1,
     .max = HTTP_CONNECTIONS_MAX,
     .help = "Requests that run side by side"},
#include "plugins/common/http_options.inc"
#include "plugins/common/webhook_options.inc"
    {.name = NULL},
};

static int make_slots(struct n8n *n8n, struct memferry_reason *why)
{
    n8n->slots = calloc(n8n->connections, sizeof *n8n->slots);
    if (n8n->slots == NULL) {
        snprintf(why->text, sizeof why->text, "out of memory");
        return -ENOMEM;
    }
    for (size_t i = 0; i < n8n->connections; i++) {
        json_writer_init(&n8n->slots[i].writer, HTTP_BODY_DEFAULT_MAX);
    }
    return 0;
}

static int n8n_init(struct n8n *n8n, struct memferry_reason *why)
{
    const struct memferry_host *host = n8n->host;

    n8n->connections = (size_t)host->option_int(host, "connections");
    n8n->embedding = host->option_int(host, "embedding") != 0;
    int r = make_slots(n8n, why);
    return r < 0 ? r
                 : webhook_client_new(&n8n->client, host, host->option(host, "url"),
                                      n8n->connections, why);
}

static void n8n_close(void *self)
{
    struct n8n *n8n = self;

    webhook_client_free(n8n->client);
    for (size_t i = 0; n8n->slots != NULL && i < n8n->connections; i++) {
        json_writer_deinit(&n8n->slots[i].writer);
    }
    free(n8n->slots);
    free(n8n);
}

static int n8n_open(const struct memferry_host *host, void **self)
{
    struct memferry_reason why = {.text = "out of memory"};
    struct n8n *n8n = calloc(1, sizeof *n8n);
    int r = -ENOMEM;

    if (n8n != NULL) {
        n8n->host = host;
        r = n8n_init(n8n, &why);
    }
    if (r < 0) {
        host->log(host, MEMFERRY_LOG_ERROR, "%s", why.text);
        if (n8n != NULL) {
            n8n_close(n8n);
        }
        return r;
    }
    *self = n8n;
    return 0;
}

static int n8n_probe(void *self, struct memferry_reason *why)
{
    struct n8n *n8n = self;

    return webhook_client_ping(n8n->client, why);
}

__attribute__((visibility("default"))) extern const struct memferry_plugin memferry_plugin;

const struct memferry_plugin memferry_plugin = {
    .abi = MEMFERRY_PLUGIN_ABI,
    .size = sizeof(struct memferry_plugin),
    .name = "n8n-webhook",
    .version = MEMFERRY_VERSION,
    .summary = "Each memory as a signed webhook, to n8n or any other receiver",
    .options = options,
    .open = n8n_open,
    .close = n8n_close,
    .probe = n8n_probe,
    .deliver = n8n_deliver,
};
