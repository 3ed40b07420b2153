/*
 * cmd_export.c - memferry export: every memory as a line of JSON, in the order of ids.
 *
 * Happy path: pages are written as they come, to FILE.part, which is synced and becomes FILE when
 * it is whole. Without a file they go to stdout.
 *
 * Failure modes: whatever cuts it short leaves FILE.part; --resume cuts a half line off its end and
 * goes on behind the last id. What is changed meanwhile is as it was when its page was read.
 *
 * A line has all that makes the memory the same elsewhere: its version and embedding_state belong
 * to the broker that has it, and are left out.
 */
#include "client/cli/commands.h"

#include "client/cli/json.h"
#include "client/cli/lines.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE_LIMIT 1000

struct export
{
    struct cli *cli;
    FILE *out;
    const char *path; /* NULL: stdout */
    char part[PATH_MAX];
    char *after; /* place of the next page; owned; NULL: the start */
    unsigned long long count;
};

/* ---- lines ---- */

static bool is_left_out(const char *name)
{
    return strcmp(name, "version") == 0 || strcmp(name, "embedding_state") == 0;
}

static int write_memory(struct export *export, const struct memferry_node *memory)
{
    struct json json;
    bool good = true;

    json_open(&json);
    for (size_t i = 0; good && i < memferry_node_count(memory); i++) {
        const char *name = memferry_node_key(memory, i);
        if (!is_left_out(name)) {
            char *value = memferry_node_json(memferry_node_at(memory, i));
            good = value != NULL;
            json_field_raw(&json, name, value);
            free(value);
        }
    }
    const char *text = json_close(&json);
    int exit_code = EXIT_OK;
    if (!good || text == NULL) {
        exit_code = cli_fail(export->cli, EXIT_INTERNAL, "out of memory");
    } else if (fprintf(export->out, "%s\n", text) < 0) {
        exit_code = cli_fail(export->cli, EXIT_CANNOT_CREATE, "cannot write %s: %s",
                             export->path != NULL ? export->part : "the output", strerror(errno));
    }
    json_free(&json);
    export->count += exit_code == EXIT_OK;
    return exit_code;
}

/* ---- pages ---- */

static int read_page(struct export *export, struct memferry_reply **ret)
{
    struct json json;

    *ret = NULL;
    json_open(&json);
    json_field_text(&json, "order", "id");
    json_field_text(&json, "deleted", "any");
    json_field_bool(&json, "embedding", true);
    json_field_int(&json, "limit", PAGE_LIMIT);
    if (export->after != NULL) {
        json_field_text(&json, "after", export->after);
    }
    const char *params = json_close(&json);
    int exit_code = params == NULL ? cli_fail(export->cli, EXIT_INTERNAL, "out of memory")
                                   : cli_call(export->cli, "export", "memory.list", params, ret);
    json_free(&json);
    return exit_code;
}

static int write_page(struct export *export, const struct memferry_node *page)
{
    const struct memferry_node *memories = memferry_node_get(page, "memories");
    const char *next = memferry_node_string(memferry_node_get(page, "next"), NULL);
    int exit_code = EXIT_OK;

    for (size_t i = 0; exit_code == EXIT_OK && i < memferry_node_count(memories); i++) {
        exit_code = write_memory(export, memferry_node_at(memories, i));
    }
    free(export->after);
    export->after = next != NULL ? strdup(next) : NULL;
    if (exit_code == EXIT_OK && next != NULL && export->after == NULL) {
        exit_code = cli_fail(export->cli, EXIT_INTERNAL, "out of memory");
    }
    return exit_code;
}

static int write_pages(struct export *export)
{
    struct memferry_reply *reply;
    int exit_code;

    do {
        exit_code = read_page(export, &reply);
        if (exit_code == EXIT_OK) {
            exit_code = write_page(export, memferry_reply_root(reply));
        }
        memferry_reply_free(reply);
    } while (exit_code == EXIT_OK && export->after != NULL);
    return exit_code;
}

/* ---- the file ---- */

static int fail_file(struct export *export, const char *verb)
{
    return cli_fail(export->cli, errno == ENOSPC ? EXIT_CANNOT_CREATE : EXIT_DATA,
                    "cannot %s %s: %s", verb, export->part, strerror(errno));
}

/* The place behind the last whole line. */
static int take_place(struct export *export, const char *line)
{
    struct memferry_reply *reply = NULL;
    const char *id = NULL;

    if (memferry_parse_json(export->cli->m, line, &reply) == MEMFERRY_OK) {
        id = memferry_node_string(memferry_node_get(memferry_reply_root(reply), "id"), NULL);
    }
    if (id != NULL && asprintf(&export->after, "i%s", id) < 0) {
        export->after = NULL;
    }
    memferry_reply_free(reply);
    return export->after != NULL
               ? EXIT_OK
               : cli_fail(export->cli, EXIT_DATA, "%s holds a line that is no memory: remove it",
                          export->part);
}

/* Reads what is there, and stands behind its last whole line. */
static int find_place(struct export *export)
{
    struct line_reader lines;
    long whole = 0;
    int exit_code = EXIT_OK;

    lines_init(&lines, export->out);
    lines.max = SIZE_MAX;
    while (exit_code == EXIT_OK && lines_next(&lines) == LINE_GOOD) {
        long at = ftell(export->out);
        if (at < 1 || fseek(export->out, at - 1, SEEK_SET) != 0 ||
            getc(export->out) != '\n') { /* half a line */
            break;
        }
        free(export->after);
        export->after = NULL;
        exit_code = take_place(export, lines.text);
        export->count++;
        whole = at;
    }
    lines_deinit(&lines);
    if (exit_code == EXIT_OK &&
        (ftruncate(fileno(export->out), whole) < 0 || fseek(export->out, whole, SEEK_SET) != 0)) {
        exit_code = fail_file(export, "cut");
    }
    return exit_code;
}

static int open_part(struct export *export, bool resume)
{
    int flags = O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
    struct stat status;

    if (snprintf(export->part, sizeof export->part, "%s.part", export->path) >=
        (int)sizeof export->part) {
        return cli_usage(export->cli, "the name of the file is too long");
    }
    int fd = open(export->part, flags, 0600);
    if (fd >= 0 && (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode) ||
                    status.st_uid != geteuid() || status.st_nlink != 1)) {
        close(fd);
        return cli_fail(export->cli, EXIT_CANNOT_CREATE,
                        "%s is there and is not ours alone; remove it, or name another file",
                        export->part);
    }
    if (fd >= 0 && (fchmod(fd, 0600) < 0 || (!resume && ftruncate(fd, 0) < 0))) {
        close(fd);
        fd = -1;
    }
    export->out = fd < 0 ? NULL : fdopen(fd, "r+");
    if (export->out == NULL) {
        int exit_code = fail_file(export, "open");
        if (fd >= 0) {
            close(fd);
        }
        return exit_code;
    }
    return resume ? find_place(export) : EXIT_OK;
}

static bool is_directory(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

/* On disk, under its own name. */
static int finish_file(struct export *export)
{
    if (fflush(export->out) != 0 || fsync(fileno(export->out)) < 0) {
        return fail_file(export, "write");
    }
    if (rename(export->part, export->path) < 0) {
        return fail_file(export, "rename");
    }
    if (!export->cli->quiet) {
        fprintf(export->cli->err, "%llu %s in %s\n", export->count,
                export->count == 1 ? "memory is" : "memories are", export->path);
    }
    return EXIT_OK;
}

static int export_to_file(struct export *export, bool resume)
{
    int exit_code = open_part(export, resume);

    if (exit_code == EXIT_OK) {
        exit_code = write_pages(export);
        if (exit_code != EXIT_OK && fflush(export->out) == 0 && !export->cli->quiet) {
            fprintf(export->cli->err,
                    "memferry: what there is so far is in %s; --resume goes on with it\n",
                    export->part);
        }
    }
    if (exit_code == EXIT_OK) {
        exit_code = finish_file(export);
    }
    if (export->out != NULL) {
        fclose(export->out);
    }
    return exit_code;
}

int command_export(struct cli *cli, const struct args *args)
{
    struct export export = {.cli = cli, .out = cli->out, .path = args_word(args, 0)};
    bool resume = args_has(args, "resume");

    if (args->word_count > 1) {
        return cli_usage(cli, "export takes one file");
    }
    if (export.path != NULL && strcmp(export.path, "-") == 0) {
        export.path = NULL;
    }
    if (resume && export.path == NULL) {
        return cli_usage(cli, "--resume goes with a file");
    }
    if (export.path != NULL && is_directory(export.path)) {
        return cli_fail(cli, EXIT_DATA, "%s is a directory: name a file", export.path);
    }
    int exit_code = cli_connect(cli);
    if (exit_code == EXIT_OK) {
        exit_code = export.path != NULL ? export_to_file(&export, resume) : write_pages(&export);
    }
    free(export.after);
    return exit_code;
}
