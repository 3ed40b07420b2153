/*
 * cmd_import.c - memferry import: memories from NDJSON, as export writes it, with the order they
 * had.
 *
 * Happy path: lines are gathered into calls of memory.import, one after the other. Failure modes: a
 * line that is wrong is told with its number and the rest goes on; anything else ends it, and the
 * same import may simply be run again: what is there already is `unchanged`.
 */
#include "client/cli/commands.h"
#include "client/cli/json.h"
#include "client/cli/lines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BATCH_LINES 200
#define BATCH_BYTES ((size_t)1 << 20)
#define LINE_BYTES  ((size_t)16 << 20) /* a memory of 4 MiB may be more as JSON */

struct import {
    struct cli *cli;
    struct line_reader lines;
    int64_t imported, unchanged, older, refused;
    /* the batch: "[" and its memories, each with a comma between */
    char *text;
    size_t size, capacity, count;
    unsigned long numbers[BATCH_LINES]; /* of their lines */
};

static bool append(struct import *import, const char *text, size_t size)
{
    if (import->capacity - import->size < size + 1) {
        size_t capacity = import->capacity * 2 + size + 4096;
        char *more = realloc(import->text, capacity);
        if (more == NULL) {
            return false;
        }
        import->text = more;
        import->capacity = capacity;
    }
    memcpy(import->text + import->size, text, size);
    import->size += size;
    import->text[import->size] = '\0';
    return true;
}

static void refuse(struct import *import, unsigned long line, const char *why)
{
    import->refused++;
    cli_fail(import->cli, EXIT_DATA, "line %lu: %s", line, why);
}

/* ---- a batch ---- */

static void count_reply(struct import *import, const struct memferry_node *reply)
{
    const struct memferry_node *refused = memferry_node_get(reply, "refused");

    import->imported += field_int(reply, "imported");
    import->unchanged += field_int(reply, "unchanged");
    import->older += field_int(reply, "older");
    for (size_t i = 0; i < memferry_node_count(refused); i++) {
        const struct memferry_node *one = memferry_node_at(refused, i);
        size_t index = (size_t)field_int(one, "index");
        refuse(import, index < import->count ? import->numbers[index] : 0,
               field_text(one, "message"));
    }
}

static int send_batch(struct import *import)
{
    struct memferry_reply *reply = NULL;
    struct json json;

    if (import->count == 0) {
        return EXIT_OK;
    }
    json_open(&json);
    if (append(import, "]", 1)) {
        json_field_raw(&json, "memories", import->text);
    }
    const char *params = json_close(&json);
    int exit_code = params == NULL
                        ? cli_fail(import->cli, EXIT_INTERNAL, "out of memory")
                        : cli_call(import->cli, "import", "memory.import", params, &reply);
    if (exit_code == EXIT_OK) {
        count_reply(import, memferry_reply_root(reply));
    }
    memferry_reply_free(reply);
    json_free(&json);
    /* One that is over a frame's limit is alone in its batch. */
    if (exit_code == EXIT_DATA && import->count == 1) {
        refuse(import, import->numbers[0], "it was not taken, as told above");
        exit_code = EXIT_OK;
    }
    import->size = import->count = 0;
    return exit_code;
}

/* A line that is no JSON is told by itself, and never spoils a batch. */
static int add_line(struct import *import)
{
    const char *line = import->lines.text;
    struct memferry_reply *reply = NULL;
    int exit_code = EXIT_OK;

    int code = memferry_parse_json(import->cli->m, line, &reply);
    bool is_map =
        code == MEMFERRY_OK && memferry_node_kind(memferry_reply_root(reply)) == MEMFERRY_NODE_MAP;
    memferry_reply_free(reply);
    if (!is_map) {
        refuse(import, import->lines.number,
               code == MEMFERRY_OK ? "it is no JSON object" : memferry_error(import->cli->m));
        return EXIT_OK;
    }
    if (import->count == BATCH_LINES || import->size + import->lines.size > BATCH_BYTES) {
        exit_code = send_batch(import);
    }
    if (exit_code == EXIT_OK && (!append(import, import->count == 0 ? "[" : ",", 1) ||
                                 !append(import, line, import->lines.size))) {
        exit_code = cli_fail(import->cli, EXIT_INTERNAL, "out of memory");
    }
    import->numbers[import->count++] = import->lines.number;
    return exit_code;
}

static int read_lines(struct import *import)
{
    int exit_code = EXIT_OK;

    while (exit_code == EXIT_OK) {
        switch (lines_next(&import->lines)) {
        case LINE_GOOD:
            exit_code = add_line(import);
            break;
        case LINE_END:
            return send_batch(import);
        case LINE_TOO_LONG:
            refuse(import, import->lines.number, "it is longer than 16 MiB");
            break;
        case LINE_HAS_NUL:
            refuse(import, import->lines.number, "it holds a NUL byte");
            break;
        case LINE_FAILED:
            return cli_fail(import->cli, EXIT_IO, "cannot read: %s", strerror(errno));
        }
    }
    return exit_code;
}

static void print_counts(struct import *import)
{
    struct json json;

    if (!import->cli->json) {
        if (!import->cli->quiet) {
            fprintf(import->cli->err,
                    "%lld imported, %lld here already, %lld older than what is here, %lld "
                    "refused\n",
                    (long long)import->imported, (long long)import->unchanged,
                    (long long)import->older, (long long)import->refused);
        }
        return;
    }
    json_open(&json);
    json_field_int(&json, "imported", import->imported);
    json_field_int(&json, "unchanged", import->unchanged);
    json_field_int(&json, "older", import->older);
    json_field_int(&json, "refused", import->refused);
    const char *text = json_close(&json);
    fprintf(import->cli->out, "%s\n", text != NULL ? text : "{}");
    json_free(&json);
}

static int import_stream(struct cli *cli, FILE *stream)
{
    struct import *import = calloc(1, sizeof *import);

    if (import == NULL) {
        return cli_fail(cli, EXIT_INTERNAL, "out of memory");
    }
    import->cli = cli;
    lines_init(&import->lines, stream);
    import->lines.max = LINE_BYTES;
    int exit_code = read_lines(import);
    print_counts(import);
    if (exit_code == EXIT_OK && import->refused > 0) {
        exit_code = EXIT_DATA;
    }
    lines_deinit(&import->lines);
    free(import->text);
    free(import);
    return exit_code;
}

int command_import(struct cli *cli, const struct args *args)
{
    const char *path = args_word(args, 0);

    if (args->word_count != 1) {
        return cli_usage(cli, "import takes one file, or - for stdin");
    }
    FILE *stream = strcmp(path, "-") == 0 ? cli->in : fopen(path, "re");
    if (stream == NULL) {
        return cli_fail(cli, EXIT_DATA, "cannot open %s: %s", path, strerror(errno));
    }
    int exit_code = cli_connect(cli);
    if (exit_code == EXIT_OK) {
        exit_code = import_stream(cli, stream);
    }
    if (stream != cli->in) {
        fclose(stream);
    }
    return exit_code;
}
