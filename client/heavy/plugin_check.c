/*
 * plugin_check.c - memferry plugin check FILE.so: holds a plugin to its contract.
 *
 * Happy path: each check says ok, with a word on what it saw. Failure modes: a check FAILED, with
 * why and what to do; or was not done, with what it needs. The exit code tells of the first.
 */
#include "client/heavy/plugin_check.h"

#include "client/cli/json.h"
#include "client/heavy/plugin_bench.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define LIMIT_MS     2000
#define SECRET_LEAST 4 /* a shorter one is in every text */

struct counts {
    unsigned ok, failed, not_done;
};

/* ---- options ---- */

/* What NAME_env names must never be told. */
static void note_secret(struct bench *bench, const struct config_option *option)
{
    size_t size = strlen(option->key);
    const char *value =
        size > 4 && strcmp(option->key + size - 4, "_env") == 0 ? getenv(option->value) : NULL;

    if (value != NULL && strlen(value) >= SECRET_LEAST && bench->secret_count < BENCH_SECRETS) {
        bench->secrets[bench->secret_count++] = value;
    }
}

static int read_option(struct cli *cli, struct bench *bench, const char *text)
{
    const char *equals = strchr(text, '=');

    if (equals == NULL || equals == text) {
        return cli_usage(cli, "--option %.80s is not NAME=VALUE", text);
    }
    if (bench->option_count == CONFIG_OPTIONS_MAX) {
        return cli_usage(cli, "more than %d options", CONFIG_OPTIONS_MAX);
    }
    struct config_option *option = &bench->options[bench->option_count++];
    option->key = strndup(text, (size_t)(equals - text));
    option->value = strdup(equals + 1);
    if (option->key == NULL || option->value == NULL) {
        return cli_fail(cli, EXIT_INTERNAL, "out of memory");
    }
    note_secret(bench, option);
    return EXIT_OK;
}

static int read_options(struct cli *cli, const struct args *args, struct bench *bench)
{
    const char *limit = args_value(args, "limit");
    int exit_code = EXIT_OK;

    bench->limit_ms = LIMIT_MS;
    bench->place_option = args_value(args, "place");
    bench->verbose = args_has(args, "verbose");
    if (args->word_count != 2) {
        return cli_usage(cli, "plugin check wants one FILE.so");
    }
    if (limit != NULL && (config_parse_duration(limit, &bench->limit_ms) != 0 ||
                          bench->limit_ms < 1 || bench->limit_ms > BENCH_CHECK_MS / 2)) {
        return cli_usage(cli, "--limit %.40s is no time such as 500ms or 2s", limit);
    }
    for (size_t i = 0; exit_code == EXIT_OK && args_nth(args, "option", i) != NULL; i++) {
        exit_code = read_option(cli, bench, args_nth(args, "option", i));
    }
    return exit_code;
}

/* ---- the report ---- */

static void print_json(struct cli *cli, const struct check *check, const char *result,
                       const char *text)
{
    struct json json;

    json_open(&json);
    json_field_text(&json, "check", check->name);
    json_field_text(&json, "result", result);
    if (text[0] != '\0') {
        json_field_text(&json, "detail", text);
    }
    cli_print_object(cli, &json);
}

static void print_finding(struct cli *cli, const struct check *check,
                          const struct bench_finding *finding, struct counts *counts)
{
    bool failed = finding->verdict == BENCH_FAILED, ok = finding->verdict == BENCH_OK;

    counts->ok += ok;
    counts->failed += failed;
    counts->not_done += !ok && !failed;
    if (cli->json) {
        print_json(cli, check, ok ? "ok" : failed ? "failed" : "not_done", finding->text);
    } else if (!cli->quiet || failed) {
        fprintf(cli->out, "%s%-8s%s %s%s%s\n", failed ? cli_red(cli) : "",
                ok       ? "ok"
                : failed ? "FAILED"
                         : "not done",
                failed ? cli_plain(cli) : "", check->name, finding->text[0] != '\0' ? ": " : "",
                finding->text);
    }
    fflush(cli->out);
}

static void run_all(struct cli *cli, struct bench *bench, struct counts *counts)
{
    const struct check *const lists[] = {contract_checks, calls_checks, faults_checks,
                                         leaks_checks};

    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        for (const struct check *check = lists[i]; check->name != NULL; check++) {
            bench_run(bench, check);
            print_finding(cli, check, bench->finding, counts);
            if (check == contract_checks && bench->finding->verdict == BENCH_FAILED) {
                return; /* without it there is nothing to look at */
            }
        }
    }
}

static int check_file(struct cli *cli, struct bench *bench)
{
    struct counts counts = {0};

    bench->finding = mmap(NULL, sizeof *bench->finding, PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (bench->finding == MAP_FAILED) {
        return cli_fail(cli, EXIT_INTERNAL, "out of memory");
    }
    signal(SIGPIPE, SIG_IGN); /* as in the broker */
    run_all(cli, bench, &counts);
    munmap(bench->finding, sizeof *bench->finding);
    if (!cli->json && !cli->quiet) {
        fprintf(cli->out, "%u ok, %u FAILED, %u not done\n", counts.ok, counts.failed,
                counts.not_done);
    }
    return counts.failed > 0 ? EXIT_DATA : EXIT_OK;
}

int plugin_check(struct cli *cli, const struct args *args)
{
    struct config_option options[CONFIG_OPTIONS_MAX] = {{0}};
    struct bench bench = {.options = options};
    int exit_code = read_options(cli, args, &bench);

    char *file = exit_code == EXIT_OK ? realpath(args_word(args, 1), NULL) : NULL;
    if (exit_code == EXIT_OK && file == NULL) {
        exit_code =
            cli_fail(cli, EXIT_DATA, "cannot find %s: %s", args_word(args, 1), strerror(errno));
    }
    bench.file = file;
    if (exit_code == EXIT_OK) {
        exit_code = check_file(cli, &bench);
    }
    for (size_t i = 0; i < bench.option_count; i++) {
        free(options[i].key);
        free(options[i].value);
    }
    free(file);
    return exit_code;
}
