/* memories.c - "Memories" of the table of commands: what agents and people do all day. */
#include "client/cli/commands.h"

static const struct option put_options[] = {
    {"id", "ID", "of the memory; without it a new one is made"},
    {"kind", "KIND", "such as fact, decision or episode (default note)"},
    {"tag", "TAG", "may be repeated; the tags given replace those there are"},
    {"prop", "NAME=VALUE", "may be repeated; true, 12 and 1.5 keep their type"},
    {"session", "UUID", "that it belongs to (default: the one in force; see memferry session)"},
    {"expect", "VERSION", "fail unless it has this version; 0: it must not exist"},
    {"wait", NULL, "until every backend has it, at most --timeout"},
    {"from-json", "FILE", "put each line of FILE (- is stdin), a JSON object each"},
    {NULL, NULL, NULL}};

static const struct option get_options[] = {{"version", "N", "as it was at that version"},
                                            {"content", NULL, "only its content"},
                                            {NULL, NULL, NULL}};

/* Which memories: of list and search. */
/* clang-format off */
#define MEMORY_FILTERS \
    {"kind", "KIND", "only of this kind"}, \
    {"tag", "TAG", "only with this tag"}, \
    {"session", "UUID", "only of this session"}, \
    {"since", "TIME", "changed since then: 2h (ago), or 2026-01-31T08:00:00Z"}, \
    {"until", "TIME", "changed until then"}, \
    {"deleted", "[=only]", "deleted ones too, or only them"}
/* clang-format on */

static const struct option list_options[] = {MEMORY_FILTERS,
                                             {"limit", "N", "at most this many (default 50)"},
                                             {"after", "PLACE", "go on where another list ended"},
                                             {"all", NULL, "every one, page by page"},
                                             {NULL, NULL, NULL}};

static const struct option search_options[] = {{"mode", "MODE", "auto (default), text or semantic"},
                                               {"limit", "N", "at most this many (default 10)"},
                                               MEMORY_FILTERS,
                                               {NULL, NULL, NULL}};

static const struct option delete_options[] = {{"reason", "TEXT", "why; it is kept in the history"},
                                               {NULL, NULL, NULL}};

static const struct option ui_options[] = {
    {"port", "N", "where to listen on 127.0.0.1 (default: one that is free)"}, {NULL, NULL, NULL}};

const struct command memories_commands[] = {
    {.name = "put",
     .synopsis = "[OPTIONS] CONTENT... | - | --from-json FILE",
     .summary = "Store a memory, or change one",
     .text =
         "Returns when the memory is on disk, and prints its id. What is not given stays as it\n"
         "is; NAME:=JSON sets a property exactly, and NAME:=null removes it.\n",
     .examples = "  memferry put Tea is at four\n"
                 "  memferry put --id tea --kind fact --tag habits --prop sugar=2 \"Tea is at "
                 "four\"\n"
                 "  memferry put --id tea --prop sugar:=null\n"
                 "  git log -1 | memferry put --kind episode -\n"
                 "  memferry put --from-json memories.ndjson\n",
     .options = put_options,
     .run = command_put},
    {.name = "get",
     .synopsis = "ID [--version N]",
     .summary = "Show a memory",
     .examples = "  memferry get tea\n"
                 "  memferry get tea --version 12\n"
                 "  memferry get tea --json\n",
     .options = get_options,
     .run = command_get},
    {.name = "list",
     .synopsis = "[OPTIONS]",
     .summary = "List memories, the newest first",
     .examples = "  memferry list --kind decision --since 7d\n"
                 "  memferry list --deleted=only\n"
                 "  memferry list --all --json > memories.ndjson\n",
     .options = list_options,
     .run = command_list},
    {.name = "search",
     .synopsis = "[OPTIONS] QUERY...",
     .summary = "Find memories by words, and by meaning where there is an embedder",
     .text = "The best match first. \"a phrase\" stands as it is, word* is a beginning; where not\n"
             "every word is found, words that begin alike and memories with some of them follow.\n",
     .examples = "  memferry search release deadline\n"
                 "  memferry search '\"at four\"' --kind fact\n"
                 "  memferry search 'dead*' --since 7d --json\n",
     .options = search_options,
     .run = command_search},
    {.name = "delete",
     .synopsis = "ID... [--reason TEXT]",
     .summary = "Delete memories; their history stays",
     .examples = "  memferry delete tea --reason \"coffee now\"\n",
     .options = delete_options,
     .run = command_delete},
    {.name = "ui",
     .synopsis = "[--port N]",
     .summary = "Show memories, sessions, backends and alerts in a browser",
     .text = "Prints a link that opens once; nobody else on this machine or elsewhere gets in. It\n"
             "ends by Ctrl-C, or when nobody has looked for an hour.\n",
     .examples = "  memferry ui\n",
     .options = ui_options,
     .run = command_heavy},
    {.name = NULL}};
