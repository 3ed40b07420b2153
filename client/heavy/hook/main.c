/*
 * main.c - memferry hook install and remove: our hooks into an agent's settings, and out again.
 *
 * Happy path: read the file, change its text, show what changes, ask, write. Failure modes: the
 * file is no JSON, or has something else where hooks belong: told, and nothing is done; nobody can
 * be asked and there is no --yes: the same.
 */
#include "client/cli/cmd_undo.h"
#include "client/cli/diff.h"
#include "client/cli/json.h"
#include "client/heavy/heavy.h"
#include "client/heavy/hook/settings.h"
#include "client/heavy/hook/settings_file.h"
#include "client/heavy/program.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONTEXT_LINES 3

/* ---- the command that is put there ---- */

/* By its name where that is found, else by where it lies beside us. */
static void command_name(char command[PATH_MAX + 16])
{
    char path[PATH_MAX];

    if (!program_in_path("memferry", path) && program_beside("memferry", "../cli", path) &&
        strchr(path, '\'') == NULL) {
        snprintf(command, PATH_MAX + 16, "'%s' hook", path);
    } else {
        strcpy(command, "memferry hook");
    }
}

/* ---- showing ---- */

static bool is_near(const struct diff *diff, size_t i)
{
    size_t from = i > CONTEXT_LINES ? i - CONTEXT_LINES : 0;

    for (size_t k = from; k < diff->count && k <= i + CONTEXT_LINES; k++) {
        if (diff->lines[k].kind != DIFF_SAME) {
            return true;
        }
    }
    return false;
}

static int show(struct cli *cli, const char *path, const char *before, const char *after)
{
    struct diff diff;
    bool gap = false;

    if (diff_make(&diff, before, after) < 0) {
        diff_free(&diff);
        return cli_fail(cli, EXIT_INTERNAL, "out of memory");
    }
    fprintf(cli->out, "%s%s%s\n", cli_bold(cli), path, cli_plain(cli));
    for (size_t i = 0; i < diff.count; i++) {
        const struct diff_line *line = &diff.lines[i];
        if (!is_near(&diff, i)) {
            gap = true;
            continue;
        }
        fputs(gap ? "  ...\n" : "", cli->out);
        gap = false;
        fprintf(cli->out, "%c %.*s\n", (char)line->kind, (int)line->size, line->text);
    }
    diff_free(&diff);
    fflush(cli->out);
    return EXIT_OK;
}

/* ---- doing ---- */

static int tell(struct cli *cli, const char *path, bool changed, bool written)
{
    struct json json;

    if (!cli->json) {
        if (!cli->quiet && !changed) {
            fprintf(cli->out, "%s is as it should be: nothing to do\n", path);
        } else if (!cli->quiet && written) {
            fprintf(cli->out, "written; agents that start from now on see it\n");
        }
        return EXIT_OK;
    }
    json_open(&json);
    json_field_text(&json, "settings", path);
    json_field_bool(&json, "changed", changed);
    json_field_bool(&json, "written", written);
    return cli_print_object(cli, &json);
}

/* Asks, or has been told. */
static int may_write(struct cli *cli, const struct args *args, bool *ret)
{
    *ret = args_has(args, "yes");
    if (*ret || args_has(args, "dry-run")) {
        *ret = *ret && !args_has(args, "dry-run");
        return EXIT_OK;
    }
    if (!isatty(fileno(cli->in))) {
        return cli_usage(cli, "nothing was done: nobody can be asked here; say --yes to do it");
    }
    fputs("Write this?", cli->err);
    *ret = cli_asked(cli);
    return EXIT_OK;
}

static int finish(struct cli *cli, const struct args *args, const struct settings_file *file,
                  const struct json_text *text)
{
    bool changed = text->size != file->size || memcmp(text->bytes, file->bytes, text->size) != 0;
    bool writes = false;
    int exit_code = EXIT_OK;

    if (changed && !cli->json) {
        exit_code = show(cli, file->path, file->exists ? file->bytes : "", text->bytes);
    }
    if (changed && exit_code == EXIT_OK) {
        exit_code = may_write(cli, args, &writes);
    }
    if (writes && exit_code == EXIT_OK) {
        exit_code = settings_file_write(cli, file, text->bytes, text->size);
    }
    return exit_code == EXIT_OK ? tell(cli, file->path, changed, writes) : exit_code;
}

/* It must be JSON, for what edits it trusts in that; and be so afterwards. */
static int check_json(struct cli *cli, const char *path, const char *bytes)
{
    struct memferry_reply *reply = NULL;
    int code = memferry_parse_json(cli->m, bytes, &reply);

    memferry_reply_free(reply);
    return code == MEMFERRY_OK ? EXIT_OK
                               : cli_fail(cli, EXIT_DATA, "%s is not JSON: %s; nothing was done",
                                          path, memferry_error(cli->m));
}

static int change(struct cli *cli, const struct args *args, const struct settings_file *file,
                  struct json_text *text, bool installs)
{
    char command[PATH_MAX + 16];
    const char *wrong = settings_check(text);

    if (wrong != NULL) {
        return cli_fail(cli, EXIT_DATA, "%s: %s; nothing was done", file->path, wrong);
    }
    command_name(command);
    if (!installs) {
        settings_remove(text);
    } else if (settings_install(text, command) < 0) {
        return cli_fail(cli, EXIT_INTERNAL, "out of memory");
    }
    int exit_code = check_json(cli, file->path, text->bytes);
    return exit_code == EXIT_OK ? finish(cli, args, file, text) : exit_code;
}

static int run(struct cli *cli, const struct args *args)
{
    const char *verb = args_word(args, 0);
    struct settings_file file = {0};
    struct json_text text = {0};
    bool installs = verb != NULL && strcmp(verb, "install") == 0;
    bool removes = verb != NULL && strcmp(verb, "remove") == 0;

    if (args->word_count != 1 || (!installs && !removes)) {
        return cli_usage(cli, "hook reads stdin, or takes one word: install or remove");
    }
    int exit_code = cli_open(cli);
    if (exit_code == EXIT_OK) {
        exit_code = settings_file_read(cli, args, &file);
    }
    if (exit_code == EXIT_OK) {
        exit_code = check_json(cli, file.path, file.bytes);
    }
    if (exit_code == EXIT_OK) {
        json_text_init(&text, strdup(file.bytes), file.size);
        exit_code = text.bytes != NULL ? change(cli, args, &file, &text, installs)
                                       : cli_fail(cli, EXIT_INTERNAL, "out of memory");
    }
    json_text_free(&text);
    settings_file_free(&file);
    return exit_code;
}

int main(int argc, char **argv)
{
    return heavy_main(argc, argv, "hook", run);
}
