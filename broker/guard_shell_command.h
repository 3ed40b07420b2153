/* guard_shell_command.h - one command of a shell that is looked at. */
#ifndef MEMFERRY_GUARD_SHELL_COMMAND_H
#define MEMFERRY_GUARD_SHELL_COMMAND_H

#include "broker/guard_shell.h"

struct command {
    const struct shell_words *words; /* the first is its name */
    unsigned depth;
    struct guard_finding *finding;
    struct shell_effect effect;
};

const struct shell_word *command_word(const struct command *command, size_t i);
/* One of its words has this flag, or is this long option. */
bool command_has(const struct command *command, char flag, const char *option, size_t least);

/* ---- guard_shell_remove.c ---- */

/* By its name: what removes, wipes or destroys. */
void command_judge_removal(struct command *command, const struct shell_word *name);

#endif
