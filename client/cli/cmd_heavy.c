/*
 * cmd_heavy.c - verbs that are programs of their own, memferry-VERB, so that this command stays
 * small and starts fast.
 *
 * Happy path: the command line was checked here, by the table that help shows; the program takes
 * this process's place and reads it again.
 *
 * Failure modes: it is not installed, or can't be executed: told with the places that were tried.
 */
#include "client/cli/commands.h"
#include "client/cli/version.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* From this command's directory: of the build tree, and of an installation that was moved. */
static const char *const places[] = {"../heavy", "../libexec/memferry"};

static void free_argv(char **argv)
{
    for (size_t i = 0; argv != NULL && argv[i] != NULL; i++) {
        free(argv[i]);
    }
    free(argv);
}

/* False: out of memory. */
__attribute__((format(printf, 3, 4))) static bool add(char **argv, size_t *count,
                                                      const char *format, ...)
{
    va_list args;

    va_start(args, format);
    int size = vasprintf(&argv[*count], format, args);
    va_end(args);
    if (size < 0) {
        argv[*count] = NULL;
        return false;
    }
    ++*count;
    return true;
}

static bool add_option(char **argv, size_t *count, const struct given *given)
{
    return given->value == NULL ? add(argv, count, "--%s", given->option->name)
                                : add(argv, count, "--%s=%s", given->option->name, given->value);
}

/* What the program is run with: options as one word each, then "--" and the words. The
 * global ones are given again: they may have stood before the verb. NULL: out of memory. */
static char **make_argv(const struct cli *cli, const struct args *args, const char *program)
{
    char **argv = calloc(args->given_count + args->word_count + 8, sizeof(char *));
    size_t count = 0;
    bool good = argv != NULL && add(argv, &count, "%s", program) &&
                (!cli->json || add(argv, &count, "--json")) &&
                (!cli->quiet || add(argv, &count, "--quiet")) &&
                (!cli->no_start || add(argv, &count, "--no-start")) &&
                (cli->socket == NULL || add(argv, &count, "--socket=%s", cli->socket)) &&
                (cli->timeout_ms == 0 || add(argv, &count, "--timeout=%dms", cli->timeout_ms));

    for (size_t i = 0; good && i < args->given_count; i++) {
        good = add_option(argv, &count, &args->given[i]);
    }
    good = good && add(argv, &count, "--");
    for (size_t i = 0; good && i < args->word_count; i++) {
        good = add(argv, &count, "%s", args->words[i]);
    }
    if (!good) {
        free_argv(argv);
        return NULL;
    }
    return argv;
}

/* Returns only if it is not there, or can't be run: the errno. */
static int try_place(const char *directory, const char *program, char **argv)
{
    char path[PATH_MAX];
    int size = snprintf(path, sizeof path, "%s/%s", directory, program);

    if (size < 0 || (size_t)size >= sizeof path) {
        return ENAMETOOLONG;
    }
    execv(path, argv);
    return errno;
}

static int try_places(const char *program, char **argv)
{
    char self[PATH_MAX], directory[PATH_MAX];
    ssize_t size = readlink("/proc/self/exe", self, sizeof self - 1);
    int error = ENOENT;

    self[size > 0 ? size : 0] = '\0';
    char *slash = strrchr(self, '/');
    for (size_t i = 0; slash != NULL && error == ENOENT && i < sizeof places / sizeof places[0];
         i++) {
        int length =
            snprintf(directory, sizeof directory, "%.*s/%s", (int)(slash - self), self, places[i]);
        error = length < (int)sizeof directory ? try_place(directory, program, argv) : ENAMETOOLONG;
    }
    return error == ENOENT ? try_place(MEMFERRY_CLI_LIBEXEC, program, argv) : error;
}

int command_heavy(struct cli *cli, const struct args *args)
{
    char program[64];

    snprintf(program, sizeof program, "memferry-%s", cli->command->name);
    char **argv = make_argv(cli, args, program);
    if (argv == NULL) {
        return cli_fail(cli, EXIT_INTERNAL, "out of memory");
    }
    fflush(NULL);
    int error = try_places(program, argv);
    free_argv(argv);
    if (error == ENOENT) {
        return cli_fail(
            cli, EXIT_INTERNAL,
            "%s is not installed; it belongs into %s, or into ../libexec/memferry beside "
            "this command",
            program, MEMFERRY_CLI_LIBEXEC);
    }
    return cli_fail(cli, EXIT_INTERNAL, "%s cannot be run: %s", program, strerror(error));
}
