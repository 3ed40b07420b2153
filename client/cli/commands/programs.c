/* programs.c - "For programs and their makers" of the table of commands: the protocol, webhooks and
 * plugins. */
#include "client/cli/commands.h"

static const struct option webhook_options[] = {
    {"secret-env", "NAME", "variable that holds the secret (default MEMORY_WEBHOOK_TOKEN)"},
    {"secret-file", "FILE", "file that holds it; of both options two may be given"},
    {"signature-header", "NAME", "for the hash of the body (default X-Signature-256)"},
    {"id", "ID", "sign: the webhook-id; without it a new one"},
    {"timestamp", "SECONDS", "sign: as of that time since 1970, not now"},
    {"header", "NAME:VALUE", "verify: a header that came; may be repeated"},
    {"headers", "FILE", "verify: all that came, a line each"},
    {"now", "SECONDS", "verify: as if it were that time"},
    {NULL, NULL, NULL}};

static const struct option plugin_options[] = {
    {"kind", "KIND", "new: sink (the default), embedder or alerts"},
    {"option", "NAME=VALUE", "check: an option as in the config; may be repeated"},
    {"place", "NAME", "check: the option that is a server's address, http://HOST:PORT/..."},
    {"limit", "TIME", "check: how long a cancelled call may take to end (default 2s)"},
    {"verbose", NULL, "check: what the plugin logs goes to stderr"},
    {NULL, NULL, NULL}};

const struct command programs_commands[] = {
    {.name = "call",
     .synopsis = "METHOD [JSON | -]",
     .summary = "Call any method of the protocol",
     .examples = "  memferry call stats\n"
                 "  memferry call memory.get '{\"id\":\"tea\"}'\n",
     .run = command_call},
    {.name = "webhook",
     .synopsis = "sign FILE | verify FILE [OPTIONS]",
     .summary = "Sign a webhook's body, or verify a request, to try out a receiver",
     .text = "Sign prints the headers of a request with that body. Verify says valid, or what is\n"
             "wrong with the request: its signature, its time or its headers. FILE - is stdin.\n",
     .examples = "  memferry webhook sign body.json | curl -H @- --data-binary @body.json URL\n"
                 "  memferry webhook verify --headers headers.txt body.json\n"
                 "  memferry webhook verify --header \"X-Signature-256: sha256=...\" body.json\n",
     .options = webhook_options,
     .never_starts = true,
     .run = command_heavy},
    {.name = "plugin",
     .synopsis = "new NAME [DIR] [--kind KIND] | check FILE.so [--option NAME=VALUE]...",
     .summary = "Make a plugin of your own, or hold one to its contract",
     .text =
         "New writes the source of a plugin that works, with a Makefile. Check loads a plugin as\n"
         "the broker does, and hands it all that a broker may, and faults: give options of a\n"
         "place for trying out, for it gets odd memories. Each point is ok, FAILED or not done.\n",
     .examples = "  memferry plugin new postcard\n"
                 "  memferry plugin check --option path=/tmp/cards.txt ./postcard.so\n",
     .options = plugin_options,
     .never_starts = true,
     .run = command_heavy},
    {.name = NULL}};
