/* help.c - memferry help: made from the table of commands. */
#include "client/cli/help.h"

#include "client/cli/commands.h"

#include <string.h>

#define NAME_COLUMNS 23

const char help_exit_codes[] =
    "  0 done   1 not found   2 conflict with another version   64 usage   65 bad input\n"
    "  69 no broker   70 internal   73 disk full   74 input or output, or the connection\n"
    "  broke   75 busy or not in time: try again   76 protocol   77 forbidden\n"
    "  health and doctor have a verdict: 0, 1 or 2, as their help says\n";

const char help_environment[] =
    "  MEMFERRY_SOCKET        where the broker listens\n"
    "  MEMFERRY_SESSION_ID    the session that puts belong to, in place of the file's\n"
    "  MEMFERRY_SESSION_FILE  where the session in force stands (~/.claude-session-id)\n"
    "  MEMFERRY_SESSION_IDLE  how long it may be idle (30m)\n"
    "  MEMFERRY_NO_START=1    as --no-start\n"
    "  NO_COLOR               no colours\n";

static void print_options(struct cli *cli, const struct option *options)
{
    for (; options != NULL && options->name != NULL; options++) {
        bool optional = options->value != NULL && options->value[0] == '[';
        char text[64];
        snprintf(text, sizeof text, "--%s%s%s", options->name,
                 options->value != NULL && !optional ? " " : "",
                 options->value != NULL ? options->value : "");
        /* One that is longer has a line of its own. */
        fprintf(cli->out, "  %-*s%s%*s%s\n", NAME_COLUMNS, text,
                strlen(text) < NAME_COLUMNS ? "" : "\n",
                strlen(text) < NAME_COLUMNS ? 0 : NAME_COLUMNS + 2, "", options->help);
    }
}

static void title(struct cli *cli, const char *text)
{
    fprintf(cli->out, "\n%s%s%s\n", cli_bold(cli), text, cli_plain(cli));
}

static int help_all(struct cli *cli)
{
    fputs("memferry carries an agent's memories to memferryd, and asks for them.\n\n"
          "  memferry [--socket PATH] [--json] COMMAND ...\n",
          cli->out);
    for (const struct command_group *group = command_groups; group->title != NULL; group++) {
        title(cli, group->title);
        for (const struct command *command = group->commands; command->name != NULL; command++) {
            fprintf(cli->out, "  %-*s%s\n", NAME_COLUMNS, command->name, command->summary);
        }
    }
    title(cli, "Options of every command");
    print_options(cli, global_options);
    title(cli, "Examples");
    fputs("  memferry put \"Tea is at four\" --tag habits\n"
          "  memferry list --tag habits\n"
          "  memferry help put\n",
          cli->out);
    title(cli, "Exit codes");
    fputs(help_exit_codes, cli->out);
    title(cli, "Environment");
    fputs(help_environment, cli->out);
    return EXIT_OK;
}

static int help_one(struct cli *cli, const struct command *command)
{
    fprintf(cli->out, "%s\n\n  memferry %s%s%s\n", command->summary, command->name,
            command->synopsis[0] != '\0' ? " " : "", command->synopsis);
    if (command->text != NULL) {
        fprintf(cli->out, "\n%s", command->text);
    }
    if (command->options != NULL && command->options[0].name != NULL) {
        title(cli, "Options");
        print_options(cli, command->options);
    }
    title(cli, "Options of every command");
    print_options(cli, global_options);
    if (command->examples != NULL) {
        title(cli, "Examples");
        fputs(command->examples, cli->out);
    }
    return EXIT_OK;
}

int command_help(struct cli *cli, const struct args *args)
{
    const char *name = args_word(args, 0);

    if (name == NULL) {
        return help_all(cli);
    }
    const struct command *command = command_find(name);
    if (command == NULL) {
        cli->command = NULL; /* the help of help is no help here */
        const char *meant = command_suggest(name);
        return cli_usage(cli, "there is no command %.60s%s%s%s", name,
                         meant != NULL ? "; did you mean " : "", meant != NULL ? meant : "",
                         meant != NULL ? "?" : "");
    }
    return help_one(cli, command);
}
