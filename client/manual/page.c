/* page.c - memferry.1, in the man macros. */
#include "client/cli/commands.h"
#include "client/cli/help.h"
#include "client/cli/version.h"
#include "client/manual/manual.h"

#include <string.h>

/* Text for roff: nothing in it is a request or an escape. */
static void put_text(FILE *out, const char *text)
{
    bool line_begins = true;

    for (; *text != '\0'; text++) {
        if (line_begins && (*text == '.' || *text == '\'')) {
            fputs("\\&", out);
        }
        if (*text == '\\') {
            fputs("\\e", out);
        } else if (*text == '-') {
            fputs("\\-", out);
        } else {
            fputc(*text, out);
        }
        line_begins = *text == '\n';
    }
}

static void put_block(FILE *out, const char *text)
{
    fputs(".EX\n", out);
    put_text(out, text);
    fputs(".EE\n", out);
}

static void put_options(FILE *out, const struct option *options)
{
    for (; options != NULL && options->name != NULL; options++) {
        const char *value = options->value;
        fputs(".TP\n.B \\-\\-", out);
        put_text(out, options->name);
        if (value != NULL) {
            fputs(value[0] == '[' ? "\\fR\\fI" : "\\fR \\fI", out);
            put_text(out, value);
            fputs("\\fR", out);
        }
        fputc('\n', out);
        put_text(out, options->help);
        fputc('\n', out);
    }
}

static void put_command(FILE *out, const struct command *command)
{
    fputs(".SS memferry ", out);
    put_text(out, command->name);
    if (command->synopsis[0] != '\0') {
        fputc(' ', out);
        put_text(out, command->synopsis);
    }
    fputc('\n', out);
    put_text(out, command->summary);
    fputs(".\n", out);
    if (command->text != NULL) {
        put_text(out, command->text);
    }
    put_options(out, command->options);
    if (command->examples != NULL) {
        fputs(".PP\n", out);
        put_block(out, command->examples);
    }
}

void manual_page(FILE *out)
{
    fprintf(out,
            ".TH MEMFERRY 1 \"%s\" \"memferry %s\" \"memferry\"\n"
            ".SH NAME\nmemferry \\- hand memories to memferryd, and ask for them\n"
            ".SH SYNOPSIS\n.B memferry\n[\\fIOPTIONS\\fR] \\fICOMMAND\\fR ...\n"
            ".SH DESCRIPTION\n"
            "memferry carries an agent's memories to the broker,\n.BR memferryd (8),\n"
            "which has them on disk before it answers, and asks it for them.\n"
            "When no broker runs it starts one.\n"
            ".SH OPTIONS\nThese go with every command.\n",
            MEMFERRY_CLI_RELEASED, MEMFERRY_CLI_VERSION);
    put_options(out, global_options);
    for (const struct command_group *group = command_groups; group->title != NULL; group++) {
        fprintf(out, ".SH \"%s\"\n", group->title);
        for (const struct command *command = group->commands; command->name != NULL; command++) {
            put_command(out, command);
        }
    }
    fputs(".SH \"EXIT STATUS\"\n", out);
    put_block(out, help_exit_codes);
    fputs(".SH ENVIRONMENT\n", out);
    put_block(out, help_environment);
    fputs(".SH \"SEE ALSO\"\n.BR memferryd (8),\n.BR memferry.conf (5),\n"
          ".BR memferry\\-plugin (3)\n",
          out);
}
