/* zsh.c - completions for zsh, with what help says of each command and option. */
#include "client/cli/commands.h"
#include "client/manual/manual.h"

/* Text within single quotes, where _arguments and _describe read `stop` as their own sign. */
static void put_text(FILE *out, const char *text, const char *stops)
{
    for (; *text != '\0'; text++) {
        if (*text == '\'') {
            fputs("'\\''", out);
            continue;
        }
        for (const char *stop = stops; *stop != '\0'; stop++) {
            if (*text == *stop) {
                fputc('\\', out);
            }
        }
        fputc(*text, out);
    }
}

static void put_option(FILE *out, const struct option *option)
{
    const char *value = option->value;

    fprintf(out, "      '*--%s%s[", option->name,
            value == NULL     ? ""
            : value[0] == '[' ? "=-"
                              : "=");
    put_text(out, option->help, "[]\\");
    fputc(']', out);
    if (value != NULL) {
        fprintf(out, "%s:", value[0] == '[' ? ":" : "");
        put_text(out, value[0] == '[' ? "value" : value, ":\\");
        fputs(manual_is_file(value) ? ":_files" : ": ", out);
    }
    fputs("'\n", out);
}

static void put_options(FILE *out, const struct option *options)
{
    for (; options != NULL && options->name != NULL; options++) {
        put_option(out, options);
    }
}

static void put_words(FILE *out, const struct command *command)
{
    const char *verb;
    size_t size;

    if (manual_verb(command->synopsis, 0, &size) != NULL) {
        fputs("      '1:verb:(", out);
        for (size_t i = 0; (verb = manual_verb(command->synopsis, i, &size)) != NULL; i++) {
            fprintf(out, "%s%.*s", i > 0 ? " " : "", (int)size, verb);
        }
        fputs(")'\n", out);
    }
    fputs(manual_is_file(command->synopsis) ? "      '*:file:_files'\n" : "      '*: : '\n", out);
}

static void put_commands(FILE *out)
{
    const struct command *command;

    fputs("  commands=(\n", out);
    for (size_t i = 0; (command = command_at(i)) != NULL; i++) {
        fprintf(out, "    '%s:", command->name);
        put_text(out, command->summary, "\\");
        fputs("'\n", out);
    }
    fputs("  )\n", out);
}

static void put_globals(FILE *out)
{
    fputs("  globals=(\n", out);
    put_options(out, global_options);
    fputs("  )\n", out);
}

void manual_zsh(FILE *out)
{
    const struct command *command;

    fputs("#compdef memferry\n"
          "# zsh completion of memferry, made from its table of commands.\n"
          "_memferry() {\n"
          "  local curcontext=$curcontext state line\n"
          "  local -a commands globals own\n",
          out);
    put_commands(out);
    put_globals(out);
    fputs("  _arguments -C $globals '1: :->command' '*:: :->words' && return\n"
          "  if [[ $state == command ]]; then\n"
          "    _describe command commands\n"
          "    return\n"
          "  fi\n"
          "  case $line[1] in\n"
          "    help) _describe command commands; return ;;\n",
          out);
    for (size_t i = 0; (command = command_at(i)) != NULL; i++) {
        fprintf(out, "    %s) own=(\n", command->name);
        put_options(out, command->options);
        put_words(out, command);
        fputs("    ) ;;\n", out);
    }
    fputs("  esac\n"
          "  _arguments $globals $own\n"
          "}\n"
          "_memferry \"$@\"\n",
          out);
}
