/*
 * metrics.c - memferry metrics: the broker's figures as Prometheus' text format.
 *
 * Happy path: one look, written to stdout; or with --textfile to FILE.tmp, which then takes FILE's
 * name, so that node_exporter never reads half of it.
 *
 * Failure modes: where there is no broker, memferry_up 0 is written all the same, and a warning
 * says why: that is a figure, too. A file that can't be written is an error, and the old one stays.
 */
#include "client/heavy/heavy.h"
#include "client/heavy/metrics_text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int cannot_write(struct cli *cli, const char *path)
{
    return cli_fail(cli, EXIT_CANNOT_CREATE, "cannot write %.500s: %s", path, strerror(errno));
}

/* Others read it, whatever the umask. */
static FILE *part_open(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);

    if (fd < 0 || fchmod(fd, 0644) < 0) {
        if (fd >= 0) {
            close(fd);
        }
        return NULL;
    }
    return fdopen(fd, "w");
}

static int write_file(struct cli *cli, const char *path, const struct look *look)
{
    char part[PATH_MAX];

    if (snprintf(part, sizeof part, "%s.tmp", path) >= (int)sizeof part) {
        errno = ENAMETOOLONG;
        return cannot_write(cli, path);
    }
    FILE *file = part_open(part);
    if (file == NULL) {
        return cannot_write(cli, part);
    }
    metrics_write(file, look);
    bool good = fflush(file) == 0 && !ferror(file);
    good = fclose(file) == 0 && good;
    if (!good || rename(part, path) < 0) {
        int exit_code = cannot_write(cli, path);
        unlink(part);
        return exit_code;
    }
    return EXIT_OK;
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
