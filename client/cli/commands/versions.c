/* versions.c - "Versions" of the table of commands: looking back, and bringing back. */
#include "client/cli/commands.h"

static const struct option restore_options[] = {
    {"version", "N", "that version (default: the last one that is not deleted)"},
    {"dry-run", NULL, "only show what would be done"},
    {"reason", "TEXT", "why; it is kept in the history"},
    {NULL, NULL, NULL}};

static const struct option undo_options[] = {
    {"session", "UUID", "what this session has changed"},
    {"since", "TIME", "all that was changed since: 2h (ago), or 2026-01-31T08:00:00Z"},
    {"kind", "KIND", "with --since: only of this kind"},
    {"tag", "TAG", "with --since: only with this tag"},
    {"force", NULL, "what another session has changed since, too"},
    {"dry-run", NULL, "only show what would be done"},
    {"yes", NULL, "do not ask"},
    {"reason", "TEXT", "why; it is kept in the history"},
    {NULL, NULL, NULL}};

static const struct option purge_options[] = {
    {"yes", NULL, "do not ask"},
    {"reason", "TEXT", "why; it is kept with the tombstone"},
    {NULL, NULL, NULL}};

const struct command versions_commands[] = {
    {.name = "history",
     .synopsis = "ID",
     .summary = "List the versions of a memory, the newest first",
     .examples = "  memferry history tea\n",
     .run = command_history},
    {.name = "diff",
     .synopsis = "ID [VERSION [VERSION]]",
     .summary = "Show what changed between two versions of a memory",
     .text = "Without versions the last two are compared; with one, that with the newest.\n",
     .examples = "  memferry diff tea\n"
                 "  memferry diff tea 12\n"
                 "  memferry diff tea 12 40\n",
     .run = command_diff},
    {.name = "restore",
     .synopsis = "ID... [--version N]",
     .summary = "Bring memories back, by id",
     .text =
         "The last version that is not deleted, or the given one, is written as a new version;\n"
         "no version is changed or lost.\n",
     .examples = "  memferry restore tea coffee\n"
                 "  memferry restore tea --version 12\n",
     .options = restore_options,
     .run = command_restore},
    {.name = "undo",
     .synopsis = "ALERT | --session UUID | --since TIME [--dry-run] [--yes]",
     .summary = "Undo what an alert tells of, what a session did, or all since a time",
     .text = "Shows what would be done and asks. What another session has changed since is left\n"
             "alone, unless --force is given; what was made since stays. No version is lost: an\n"
             "undo can be undone.\n",
     .examples = "  memferry undo --session 5f0c7a52-8f8b-4a41-9f6f-0a4b6e3f1c11 --dry-run\n"
                 "  memferry undo --since 10m --kind decision\n"
                 "  memferry undo --since 2026-01-31T08:00:00Z --yes\n",
     .options = undo_options,
     .run = command_undo},
    {.name = "purge",
     .synopsis = "ID... [--yes]",
     .summary = "Remove memories with all their versions, for good",
     .text = "Refused unless the broker's config allows it ([broker] allow_purge = yes). What a\n"
             "delete removes can be brought back; this can not. Each purge is an alert.\n",
     .examples = "  memferry purge tea --reason \"held a password\"\n",
     .options = purge_options,
     .run = command_purge},
    {.name = NULL}};
