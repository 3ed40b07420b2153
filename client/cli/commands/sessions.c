/* sessions.c - "Sessions" of the table of commands: whose memories they are. */
#include "client/cli/commands.h"

static const struct option session_options[] = {
    {"agent", "NAME", "who it is (begin, run), or only of this one (list)"},
    {"pid", "N", "the process that it ends with (begin)"},
    {"reason", "TEXT", "why; it is kept (end)"},
    {"peek", NULL, "only look: begin none, and use none (current)"},
    {"active", NULL, "only those that have not ended (list)"},
    {"limit", "N", "at most this many (list; default 100)"},
    {"after", "PLACE", "go on where another list ended (list)"},
    {NULL, NULL, NULL}};

const struct command sessions_commands[] = {
    {.name = "session",
     .synopsis = "[list] | current | begin | end [ID] | run -- CMD...",
     .summary = "Show, begin or end sessions, or run a command in one",
     .text =
         "The session in force stands in ~/.claude-session-id, without a broker too. Current\n"
         "prints it, and begins one if there is none, or if it was idle for 30 minutes. Run gives\n"
         "CMD a session of its own, in MEMFERRY_SESSION_ID, which ends when CMD does.\n",
     .examples = "  memferry session current\n"
                 "  memferry session begin --agent claude --pid $$\n"
                 "  memferry session run -- claude --resume\n"
                 "  memferry session list --active\n",
     .options = session_options,
     .run = command_session},
    {.name = NULL}};
