/* alerts.c - "Alerts" of the table of commands: what needs a look. */
#include "client/cli/commands.h"

static const struct option alert_options[] = {
    {"rule", "RULE", "only of this rule, such as rapid-delete"},
    {"session", "UUID", "only of this session"},
    {"since", "TIME", "that went on since then: 2h (ago), or 2026-01-31T08:00:00Z"},
    {"until", "TIME", "that went on until then"},
    {"acked", "[=only]", "those that were acked too, or only them"},
    {"limit", "N", "at most this many"},
    {"all", NULL, "every one that is open (ack)"},
    {NULL, NULL, NULL}};

static const struct option guard_options[] = {
    {"language", "LANGUAGE", "sql, cypher, shell or auto (default auto)"},
    {"source", "TEXT", "who saw it, such as the name of a hook"},
    {"session", "UUID", "whose statement it is (default the session in force)"},
    {NULL, NULL, NULL}};

const struct command alerts_commands[] = {
    {.name = "alert",
     .synopsis = "[list] | ack ID... | ack --all",
     .summary = "Show what needs a look, or say that somebody looks at it",
     .text = "The last one comes first, each with the command that undoes it. An alert that was\n"
             "acked and goes on is open again.\n",
     .examples = "  memferry alert\n"
                 "  memferry alert --acked --since 7d\n"
                 "  memferry alert ack backend-gone/flow\n",
     .options = alert_options,
     .run = command_alert},
    {.name = "guard",
     .synopsis = "observe STATEMENT | observe - | test FILE",
     .summary = "Tell the guard of a statement, or ask what it would say",
     .text =
         "Observe keeps the statement, with its secrets masked, and says which alerts it raises.\n"
         "Test judges each line of a file, and keeps nothing.\n",
     .examples = "  memferry guard observe --source hook \"psql -c 'DROP TABLE users'\"\n"
                 "  memferry guard observe --language cypher - < statement\n"
                 "  memferry guard test ~/.bash_history\n",
     .options = guard_options,
     .run = command_guard},
    {.name = NULL}};
