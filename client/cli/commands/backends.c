/* backends.c - "The broker and its backends" of the table of commands: how far memories have come.
 */
#include "client/cli/commands.h"

static const struct option verify_options[] = {
    {"repair", NULL, "send again what is missing, older, changed or deleted there"},
    {NULL, NULL, NULL}};

static const struct option dead_options[] = {{"backend", "NAME", "only of this backend"},
                                             {"all", NULL, "every one (retry and drop)"},
                                             {NULL, NULL, NULL}};

static const struct option recover_options[] = {
    {"from", "BACKEND", "whose memories to bring back"},
    {"merge", NULL, "though there are memories here"},
    {"abandon", NULL, "give up a recovery that was stopped"},
    {NULL, NULL, NULL}};

const struct command backends_commands[] = {
    {.name = "status",
     .synopsis = "",
     .summary = "Show how the broker and its backends are",
     .examples = "  memferry status\n"
                 "  memferry status --json\n",
     .never_starts = true,
     .run = command_status},
    {.name = "backends",
     .synopsis = "[list] | pause NAME | resume NAME | probe [NAME...] | forget NAME",
     .summary = "List backends, or tell one to do something",
     .text =
         "A paused backend gets nothing until it is resumed, and loses nothing. Probe asks each\n"
         "backend, or those named: is it reachable, does it let us in, is it set up? Forget drops\n"
         "what is known of a backend that has left the config.\n",
     .examples = "  memferry backends\n"
                 "  memferry backends probe\n"
                 "  memferry backends pause graph\n",
     .run = command_backends},
    {.name = "flush",
     .synopsis = "[NAME...]",
     .summary = "Wait until backends have everything",
     .examples = "  memferry flush\n"
                 "  memferry flush graph --timeout 5m\n",
     .run = command_flush},
    {.name = "verify",
     .synopsis = "BACKEND [--repair]",
     .summary = "Compare what a backend has with what is here",
     .text =
         "Says what is missing there, older, newer, changed behind our back, deleted, or not\n"
         "ours. Repair sends again what sending can mend. Exits with 2 when something differs.\n",
     .examples = "  memferry verify graph\n"
                 "  memferry verify graph --repair\n",
     .options = verify_options,
     .run = command_verify},
    {.name = "dead",
     .synopsis = "[list] | retry ID... | drop ID... | retry --all | drop --all",
     .summary = "List what a backend refuses, try it again, or give it up",
     .text = "Drop gives up the delivery, never the memory.\n",
     .examples = "  memferry dead\n"
                 "  memferry dead retry tea --backend graph\n"
                 "  memferry dead drop --all --backend graph\n",
     .options = dead_options,
     .run = command_dead},
    {.name = "recover",
     .synopsis = "--from BACKEND [--merge] | --abandon",
     .summary = "Get back what a backend holds, after a disk was lost",
     .text =
         "Into an empty journal; with --merge into any: what is newer of each memory wins. Until\n"
         "all is here and verified, writes are answered busy and nothing is delivered. One that\n"
         "was stopped goes on where it was. Abandon lets all go on with what has come.\n",
     .examples = "  memferry recover --from graph\n"
                 "  memferry recover --from mirror --merge\n",
     .options = recover_options,
     .run = command_recover},
    {.name = NULL}};
