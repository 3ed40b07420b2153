/* commands.c - the table of commands, by groups: everything help and the parser know. */
#include "client/cli/commands.h"

#include "client/cli/suggest.h"

#include <string.h>

const struct option global_options[] = {
    {"socket", "PATH", "where the broker listens"},
    {"json", NULL, "results as JSON, one object a line, and errors too"},
    {"timeout", "TIME", "wait for an answer as long as this: 500ms, 30s, 5m (default 30s)"},
    {"no-start", NULL, "do not start a broker when none runs"},
    {"quiet", NULL, "print nothing but what was asked for, and errors"},
    {"help", NULL, "show the help of the command"},
    {NULL, NULL, NULL}};

const struct command_group command_groups[] = {{"Memories", memories_commands},
                                               {"Versions", versions_commands},
                                               {"Sessions", sessions_commands},
                                               {"The broker and its backends", backends_commands},
                                               {"Alerts", alerts_commands},
                                               {"For agents", agents_commands},
                                               {"Files", files_commands},
                                               {"For operators", operators_commands},
                                               {"For programs and their makers", programs_commands},
                                               {"This command", help_commands},
                                               {NULL, NULL}};

const struct command *command_at(size_t i)
{
    for (const struct command_group *group = command_groups; group->title != NULL; group++) {
        for (const struct command *command = group->commands; command->name != NULL; command++) {
            if (i-- == 0) {
                return command;
            }
        }
    }
    return NULL;
}

const struct command *command_find(const char *name)
{
    const struct command *command;

    for (size_t i = 0; (command = command_at(i)) != NULL; i++) {
        if (strcmp(command->name, name) == 0) {
            return command;
        }
    }
    return NULL;
}

const char *command_suggest(const char *name)
{
    struct suggestion nearest = suggestion_begin(name);
    const struct command *command;

    for (size_t i = 0; (command = command_at(i)) != NULL; i++) {
        suggestion_try(&nearest, command->name);
    }
    return suggestion_end(&nearest);
}
