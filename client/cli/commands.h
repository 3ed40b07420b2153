/*
 * commands.h - every command, in the order help shows them. The table is in commands/, a file for
 * each group.
 */
#ifndef MEMFERRY_CLI_COMMANDS_H
#define MEMFERRY_CLI_COMMANDS_H

#include "client/cli/cli.h"

struct command_group {
    const char *title;              /* NULL ends the groups */
    const struct command *commands; /* ends with a name of NULL */
};

extern const struct command_group command_groups[];
extern const struct command memories_commands[], versions_commands[], sessions_commands[],
    backends_commands[], alerts_commands[], agents_commands[], files_commands[],
    operators_commands[], programs_commands[], help_commands[];
extern const struct option global_options[];

/* The i-th of all groups; NULL: there are no more. */
const struct command *command_at(size_t i);
const struct command *command_find(const char *name);
/* The one that was probably meant, or NULL. */
const char *command_suggest(const char *name);

int command_put(struct cli *cli, const struct args *args);
int command_get(struct cli *cli, const struct args *args);
int command_search(struct cli *cli, const struct args *args);
int command_list(struct cli *cli, const struct args *args);
int command_history(struct cli *cli, const struct args *args);
int command_delete(struct cli *cli, const struct args *args);
int command_diff(struct cli *cli, const struct args *args);
int command_restore(struct cli *cli, const struct args *args);
int command_undo(struct cli *cli, const struct args *args);
int command_purge(struct cli *cli, const struct args *args);
int command_session(struct cli *cli, const struct args *args);
int command_status(struct cli *cli, const struct args *args);
int command_backends(struct cli *cli, const struct args *args);
int command_flush(struct cli *cli, const struct args *args);
int command_recover(struct cli *cli, const struct args *args);
int command_verify(struct cli *cli, const struct args *args);
int command_backup(struct cli *cli, const struct args *args);
int command_export(struct cli *cli, const struct args *args);
int command_import(struct cli *cli, const struct args *args);
int command_alert(struct cli *cli, const struct args *args);
int command_guard(struct cli *cli, const struct args *args);
int command_dead(struct cli *cli, const struct args *args);
int command_call(struct cli *cli, const struct args *args);
int command_hook(struct cli *cli, const struct args *args);
int command_heavy(struct cli *cli, const struct args *args); /* see cmd_heavy.c */
int command_version(struct cli *cli, const struct args *args);
int command_help(struct cli *cli, const struct args *args);

#endif
