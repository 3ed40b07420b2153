/*
 * show.c - a memory as a page: its fields, an empty line, its content.
 *
 * Piped it has the same lines, with times in UTC and the content as it is, not wrapped.
 */
#include "client/cli/show.h"

#include "client/cli/text.h"
#include "client/cli/times.h"

#include <stdlib.h>
#include <string.h>

void show_tags(const struct memferry_node *tags, char *text, size_t size)
{
    size_t used = 0;

    text[0] = '\0';
    for (size_t i = 0; i < memferry_node_count(tags); i++) {
        const char *tag = memferry_node_string(memferry_node_at(tags, i), "?");
        int length = snprintf(text + used, size - used, "%s%s", i > 0 ? "," : "", tag);
        used += length > 0 ? (size_t)length : 0;
        if (used >= size) {
            return;
        }
    }
}

static void line_begin(struct cli *cli, const char *name)
{
    fprintf(cli->out, "%s%-10s%s", cli_dim(cli), name, cli_plain(cli));
}

static void show_text(struct cli *cli, const char *name, const char *text)
{
    if (text[0] != '\0') {
        line_begin(cli, name);
        text_print_line(cli->out, text, 0);
        fputc('\n', cli->out);
    }
}

static void show_time(struct cli *cli, const char *name, int64_t ms)
{
    char text[TIME_TEXT_SIZE];

    if (ms != 0) {
        show_text(cli, name, time_text(ms, cli->out_terminal, text));
    }
}

static void show_props(struct cli *cli, const struct memferry_node *props)
{
    for (size_t i = 0; i < memferry_node_count(props); i++) {
        const struct memferry_node *value = memferry_node_at(props, i);
        char *json = memferry_node_json(value);
        line_begin(cli, i == 0 ? "props" : "");
        text_print_line(cli->out, memferry_node_key(props, i), 0);
        fputs(" = ", cli->out);
        text_print_line(cli->out, json != NULL ? json : "?", 0);
        fputc('\n', cli->out);
        free(json);
    }
}

static void show_embedding(struct cli *cli, const struct memferry_node *memory)
{
    const struct memferry_node *vector = memferry_node_get(memory, "embedding");
    size_t bytes, floats = memferry_node_count(vector);

    if (memferry_node_binary(vector, &bytes) != NULL) {
        floats = bytes / sizeof(float);
    }
    line_begin(cli, "embedding");
    fputs(field_text(memory, "embedding_state"), cli->out);
    if (floats > 0) {
        fprintf(cli->out, ", %zu numbers", floats);
    }
    if (field_text(memory, "embedding_model")[0] != '\0') {
        fputs(", by ", cli->out);
        text_print_line(cli->out, field_text(memory, "embedding_model"), 0);
    }
    fputc('\n', cli->out);
}

void show_memory(struct cli *cli, const struct memferry_node *memory)
{
    char tags[512];

    show_tags(memferry_node_get(memory, "tags"), tags, sizeof tags);
    show_text(cli, "id", field_text(memory, "id"));
    show_text(cli, "kind", field_text(memory, "kind"));
    show_text(cli, "tags", tags);
    line_begin(cli, "version");
    fprintf(cli->out, "%lld\n", (long long)field_int(memory, "version"));
    show_time(cli, "created", field_int(memory, "created_ms"));
    show_time(cli, "updated", field_int(memory, "updated_ms"));
    show_time(cli, "deleted", field_int(memory, "deleted_ms"));
    show_text(cli, "session", field_text(memory, "session_id"));
    show_props(cli, memferry_node_get(memory, "props"));
    show_embedding(cli, memory);
    fputc('\n', cli->out);
    if (cli->out_terminal) {
        text_print_wrapped(cli->out, field_text(memory, "content"), cli->columns);
    } else {
        fprintf(cli->out, "%s\n", field_text(memory, "content"));
    }
}
