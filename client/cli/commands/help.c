/* help.c - "This command" of the table of commands: what it says of itself. */
#include "client/cli/commands.h"

const struct command help_commands[] = {{.name = "version",
                                         .synopsis = "",
                                         .summary = "Show the version of this command",
                                         .run = command_version},
                                        {.name = "help",
                                         .synopsis = "[COMMAND]",
                                         .summary = "Show this, or the help of a command",
                                         .run = command_help},
                                        {.name = NULL}};
