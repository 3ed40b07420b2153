/*
 * metrics.c - memferry metrics: the broker's figures as Prometheus' text format.
 *
 * Happy path: one look, written to stdout; or with --textfile in one step to FILE, so that
 * node_exporter never reads half of it.
 *
 * Failure modes: where there is no broker, memferry_up 0 is written all the same, and a warning
 * says why: that is a figure, too. A file that can't be written is an error, and the old one stays.
 */
#include "client/heavy/file_put.h"
#include "client/heavy/heavy.h"
#include "client/heavy/metrics_text.h"

#include <stdlib.h>
#include <string.h>

/* Others read it. */
static int write_file(struct cli *cli, const char *path, const struct look *look)
{
    char *bytes = NULL;
    size_t size = 0;
    FILE *text = open_memstream(&bytes, &size);

    if (text != NULL) {
        metrics_write(text, look);
    }
    int exit_code = text != NULL && fclose(text) == 0
                        ? file_put(cli, path, 0644, bytes, size)
                        : cli_fail(cli, EXIT_INTERNAL, "out of memory");
    free(bytes);
    return exit_code;
}

static bool ends_in_prom(const char *path)
{
    size_t size = strlen(path);

    return size > 5 && strcmp(path + size - 5, ".prom") == 0;
}

static int run(struct cli *cli, const struct args *args)
{
    const char *path = args_value(args, "textfile");
    int exit_code = EXIT_OK;
    struct look look;

    if (args->word_count > 0) {
        return cli_usage(cli, "metrics takes no words");
    }
    if (cli->json) {
        return cli_usage(cli, "metrics has one format; memferry status --json has the figures");
    }
    if (path != NULL && !ends_in_prom(path)) {
        return cli_usage(cli,
                         "--textfile %.200s does not end in .prom: node_exporter would not "
                         "read it",
                         path);
    }
    bool up = look_take(cli, &look);
    if (!up) {
        cli_warn(cli, "%s", cli->m != NULL ? memferry_error(cli->m) : "out of memory");
    }
    if (path != NULL) {
        exit_code = write_file(cli, path, up ? &look : NULL);
    } else {
        metrics_write(cli->out, up ? &look : NULL);
    }
    look_free(&look);
    return exit_code;
}

int main(int argc, char **argv)
{
    return heavy_main(argc, argv, "metrics", run);
}
