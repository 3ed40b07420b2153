/* fish.c - completions for fish, with what help says of each command and option. */
#include "client/cli/commands.h"
#include "client/manual/manual.h"

static void put_text(FILE *out, const char *text)
{
    fputc('\'', out);
    for (; *text != '\0'; text++) {
        if (*text == '\'' || *text == '\\') {
            fputc('\\', out);
        }
        fputc(*text, out);
    }
    fputc('\'', out);
}

static void put_options(FILE *out, const struct option *options, const char *command)
{
    for (; options != NULL && options->name != NULL; options++) {
        const char *value = options->value;
        fputs("complete -c memferry", out);
        if (command != NULL) {
            fprintf(out, " -n '__fish_seen_subcommand_from %s'", command);
        }
        fprintf(out, " -l %s%s -d ", options->name,
                value == NULL || value[0] == '[' ? ""
                : manual_is_file(value)          ? " -rF"
                                                 : " -x");
        put_text(out, options->help);
        fputc('\n', out);
    }
}

static void put_verbs(FILE *out, const struct command *command)
{
    const char *verb;
    size_t size;

    for (size_t i = 0; (verb = manual_verb(command->synopsis, i, &size)) != NULL; i++) {
        fprintf(out, "complete -c memferry -n '__fish_seen_subcommand_from %s' -a %.*s\n",
                command->name, (int)size, verb);
    }
    if (manual_is_file(command->synopsis)) {
        fprintf(out, "complete -c memferry -n '__fish_seen_subcommand_from %s' -F\n",
                command->name);
    }
}

static void put_command(FILE *out, const struct command *command)
{
    fprintf(out,
            "complete -c memferry -n '__memferry_is_first; or __memferry_is_of_help' -a %s -d ",
            command->name);
    put_text(out, command->summary);
    fputc('\n', out);
    put_verbs(out, command);
    put_options(out, command->options, command->name);
}

void manual_fish(FILE *out)
{
    const struct command *command;

    fputs("# fish completion of memferry, made from its table of commands.\n"
          "function __memferry_is_first\n  not __fish_seen_subcommand_from",
          out);
    for (size_t i = 0; (command = command_at(i)) != NULL; i++) {
        fprintf(out, " %s", command->name);
    }
    fputs("\nend\n"
          "function __memferry_is_of_help\n"
          "  test (count (commandline -opc)) -eq 2; and __fish_seen_subcommand_from help\n"
          "end\n"
          "complete -c memferry -f\n",
          out);
    put_options(out, global_options, NULL);
    for (size_t i = 0; (command = command_at(i)) != NULL; i++) {
        put_command(out, command);
    }
}
