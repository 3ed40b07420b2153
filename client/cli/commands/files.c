/* files.c - "Files" of the table of commands: memories in and out of this machine. */
#include "client/cli/commands.h"

static const struct option export_options[] = {
    {"resume", NULL, "go on with an export to FILE that was cut short"}, {NULL, NULL, NULL}};

static const struct option backup_options[] = {{"force", NULL, "replace what has that name"},
                                               {NULL, NULL, NULL}};

const struct command files_commands[] = {
    {.name = "export",
     .synopsis = "[FILE] [--resume]",
     .summary = "Write every memory to a file, a line of JSON each, deleted ones too",
     .text =
         "In the order of ids, with all that makes a memory the same elsewhere; not its history.\n"
         "FILE is there when it is whole; until then it is FILE.part, and --resume goes on with\n"
         "that.\n",
     .examples = "  memferry export memories.ndjson\n"
                 "  memferry export | gzip > memories.ndjson.gz\n",
     .options = export_options,
     .run = command_export},
    {.name = "import",
     .synopsis = "FILE | -",
     .summary = "Take memories from an export, with their times and their order",
     .text =
         "Of a memory that is here already the newer state stays. What is replaced is kept in the\n"
         "history. An import may be run again.\n",
     .examples = "  memferry import memories.ndjson\n",
     .run = command_import},
    {.name = "backup",
     .synopsis = "FILE [--force]",
     .summary = "Copy everything, with its history, to one file",
     .text =
         "The broker writes it while it works. FILE is there when it is whole and was read back.\n"
         "memferryd --check-journal FILE verifies it, memferryd --from-backup FILE goes on from\n"
         "it.\n",
     .examples = "  memferry backup /media/stick/memferry-$(date +%F).db\n",
     .options = backup_options,
     .run = command_backup},
    {.name = NULL}};
