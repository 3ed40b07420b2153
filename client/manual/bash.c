/* bash.c - completions for bash: commands, their verbs and options, and files where they go. */
#include "client/cli/commands.h"
#include "client/manual/manual.h"

static void put_words(FILE *out, const struct command *command)
{
    const char *verb;
    size_t size;

    for (size_t i = 0; (verb = manual_verb(command->synopsis, i, &size)) != NULL; i++) {
        fprintf(out, "%s%.*s", i > 0 ? " " : "", (int)size, verb);
    }
}

static void put_options(FILE *out, const struct option *options)
{
    for (; options != NULL && options->name != NULL; options++) {
        fprintf(out, " --%s", options->name);
    }
}

/* Options whose value is a file, as a pattern of case; values of others are not completed. */
static void put_values(FILE *out, const struct option *options, bool files)
{
    for (; options != NULL && options->name != NULL; options++) {
        if (options->value != NULL && options->value[0] != '[' &&
            manual_is_file(options->value) == files) {
            fprintf(out, "|--%s", options->name);
        }
    }
}

static void put_value_case(FILE *out, bool files)
{
    const struct command *command;

    fputs("    '-'", out);
    put_values(out, global_options, files);
    for (size_t i = 0; (command = command_at(i)) != NULL; i++) {
        put_values(out, command->options, files);
    }
    fprintf(out, ") %sreturn ;;\n",
            files ? "mapfile -t COMPREPLY < <(compgen -f -- \"$word\"); " : "");
}

static void put_commands(FILE *out)
{
    const struct command *command;

    for (size_t i = 0; (command = command_at(i)) != NULL; i++) {
        fprintf(out, "%s%s", i == 0 ? "" : " ", command->name);
    }
}

static void put_command(FILE *out, const struct command *command)
{
    fprintf(out, "    %s) verbs='", command->name);
    put_words(out, command);
    fputs("' options+='", out);
    put_options(out, command->options);
    fprintf(out, "'%s ;;\n", manual_is_file(command->synopsis) ? " files=yes" : "");
}

void manual_bash(FILE *out)
{
    const struct command *command;

    fputs("# bash completion of memferry, made from its table of commands.\n"
          "_memferry() {\n"
          "  local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}\n"
          "  local command='' verbs='' files='' i options='",
          out);
    put_options(out, global_options);
    fputs("' commands='", out);
    put_commands(out);
    fputs("'\n  COMPREPLY=()\n"
          "  case $previous in\n",
          out);
    put_value_case(out, true);
    put_value_case(out, false);
    fputs("  esac\n"
          "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
          "    case ${COMP_WORDS[i]} in\n"
          "      --socket|--timeout) ((i++)) ;;\n"
          "      -*) ;;\n"
          "      *) command=${COMP_WORDS[i]}; break ;;\n"
          "    esac\n"
          "  done\n"
          "  case $command in\n"
          "    ''|help) verbs=$commands ;;\n",
          out);
    for (size_t i = 0; (command = command_at(i)) != NULL; i++) {
        put_command(out, command);
    }
    fputs("  esac\n"
          "  case $word in\n"
          "    -*) mapfile -t COMPREPLY < <(compgen -W \"$options\" -- \"$word\") ;;\n"
          "    *) mapfile -t COMPREPLY < <(compgen -W \"$verbs\" -- \"$word\"\n"
          "         [[ -z $files ]] || compgen -f -- \"$word\") ;;\n"
          "  esac\n"
          "}\n"
          "complete -o filenames -F _memferry memferry\n",
          out);
}
