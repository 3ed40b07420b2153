/* agents.c - "For agents" of the table of commands: what their hosts run. */
#include "client/cli/commands.h"

static const struct option hook_options[] = {
    {"agent", "NAME", "who the session is of (default claude)"},
    {"user", NULL, "install, remove: the user's settings (default)"},
    {"project", NULL, "install, remove: .claude/settings.json here"},
    {"settings", "FILE", "install, remove: another file"},
    {"dry-run", NULL, "install, remove: only show the change"},
    {"yes", NULL, "install, remove: do not ask"},
    {NULL, NULL, NULL}};

static const struct option mcp_options[] = {
    {"session", "UUID", "that memories belong to (default: the one in force)"},
    {"project", "NAME",
     "new memories get the tag project:NAME (default: by directory; \"\": none)"},
    {NULL, NULL, NULL}};

const struct command agents_commands[] = {
    {.name = "hook",
     .synopsis = "[--agent NAME] | install | remove",
     .summary = "Serve an agent's hooks: sessions, recent memories, the guard",
     .text = "Reads what the agent's host tells, on stdin: begins and ends sessions, gives recent\n"
             "memories as context, tells the guard of statements. It waits for nothing and always\n"
             "exits with 0. Install puts it into the settings of Claude Code and shows the change\n"
             "first; remove takes out the same.\n",
     .examples = "  memferry hook install --dry-run\n"
                 "  memferry hook install --project\n"
                 "  memferry hook remove --yes\n",
     .options = hook_options,
     .run = command_hook},
    {.name = "mcp",
     .synopsis = "[--session UUID] [--project NAME]",
     .summary = "Serve tools to an agent: the Model Context Protocol on stdin and stdout",
     .text = "For an agent's settings, not for a terminal. It has the tools remember, recall,\n"
             "forget, history, undo, session and status, and memories as resources.\n",
     .examples = "  claude mcp add memferry -- memferry mcp\n",
     .options = mcp_options,
     .run = command_heavy},
    {.name = NULL}};
