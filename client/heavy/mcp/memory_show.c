/* memory_show.c - see memory_show.h. Times are in UTC. */
#include "client/heavy/mcp/memory_show.h"

#include "client/cli/times.h"
#include "client/wire/utf8.h"

#include <stdlib.h>
#include <string.h>

#define PROPS_SHOWN_MAX 400 /* bytes, in the text */

struct part memory_part(const struct memferry_node *memory, size_t from, size_t max)
{
    const char *content = field_text(memory, "content");
    struct part part = {.from = from, .all = strlen(content)};

    if (part.from >= part.all) {
        part.from = part.all;
        return part;
    }
    while (part.from < part.all && ((unsigned char)content[part.from] & 0xc0) == 0x80) {
        part.from++;
    }
    size_t left = part.all - part.from;
    part.size = left <= max ? left : utf8_whole(content + part.from, max);
    return part;
}

/* ---- text ---- */

static void print_tags(FILE *out, const struct memferry_node *tags)
{
    for (size_t i = 0; i < memferry_node_count(tags); i++) {
        fprintf(out, "%s%s", i == 0 ? ", tags: " : " ",
                memferry_node_string(memferry_node_at(tags, i), ""));
    }
}

static void print_props(FILE *out, const struct memferry_node *props)
{
    char *json = memferry_node_count(props) > 0 ? memferry_node_json(props) : NULL;

    if (json == NULL) {
        return;
    }
    size_t size = strlen(json);
    size_t shown = size <= PROPS_SHOWN_MAX ? size : utf8_whole(json, PROPS_SHOWN_MAX);
    fprintf(out, "props: %.*s%s\n", (int)shown, json, shown < size ? "…" : "");
    free(json);
}

void memory_print(FILE *out, const struct memferry_node *memory, const struct part *part)
{
    const char *content = field_text(memory, "content"), *snippet = field_text(memory, "snippet");
    char time[TIME_TEXT_SIZE];
    bool is_cut = part->from > 0 || part->from + part->size < part->all;

    fprintf(out, "[%s] %s, version %lld, changed %s", field_text(memory, "id"),
            field_text(memory, "kind"), (long long)field_int(memory, "version"),
            time_text(field_int(memory, "updated_ms"), false, time));
    print_tags(out, memferry_node_get(memory, "tags"));
    if (field_int(memory, "deleted_ms") != 0) {
        fprintf(out, ", DELETED %s", time_text(field_int(memory, "deleted_ms"), false, time));
    }
    fputc('\n', out);
    print_props(out, memferry_node_get(memory, "props"));
    if (is_cut && snippet[0] != '\0') {
        fprintf(out, "match: %s\n", snippet);
    }
    fwrite(content + part->from, 1, part->size, out);
    fputc('\n', out);
    if (is_cut) {
        fprintf(out, "(bytes %zu to %zu of %zu)\n", part->from, part->from + part->size, part->all);
    }
}

/* ---- fields ---- */

static void write_text(struct json_writer *w, const char *key, const char *text)
{
    if (text[0] != '\0') {
        json_write_key(w, key);
        json_write_text(w, text);
    }
}

static void write_time(struct json_writer *w, const char *key, int64_t ms)
{
    char time[TIME_TEXT_SIZE];

    if (ms != 0) {
        write_text(w, key, time_text(ms, false, time));
    }
}

static void write_size(struct json_writer *w, const char *key, size_t size)
{
    json_write_key(w, key);
    json_write_uint(w, size);
}

static void write_node(struct json_writer *w, const struct memferry_node *memory, const char *key)
{
    const struct memferry_node *node = memferry_node_get(memory, key);

    if (memferry_node_kind(node) != MEMFERRY_NODE_NULL) {
        json_write_key(w, key);
        argument_write_node(w, node);
    }
}

static void write_content(struct json_writer *w, const char *content, const struct part *part)
{
    bool is_cut = part->from > 0 || part->from + part->size < part->all;

    json_write_key(w, "content");
    json_write_string(w, content + part->from, part->size);
    write_size(w, "content_bytes", part->all);
    if (part->from > 0) {
        write_size(w, "content_from", part->from);
    }
    json_write_key(w, "content_is_cut");
    json_write_bool(w, is_cut);
}

void memory_write(struct json_writer *w, const struct memferry_node *memory,
                  const struct part *part)
{
    json_begin_object(w);
    write_text(w, "id", field_text(memory, "id"));
    json_write_key(w, "version");
    json_write_int(w, field_int(memory, "version"));
    write_text(w, "kind", field_text(memory, "kind"));
    write_node(w, memory, "tags");
    write_node(w, memory, "props");
    write_time(w, "created", field_int(memory, "created_ms"));
    write_time(w, "updated", field_int(memory, "updated_ms"));
    write_time(w, "deleted", field_int(memory, "deleted_ms"));
    write_text(w, "session_id", field_text(memory, "session_id"));
    write_content(w, field_text(memory, "content"), part);
    write_node(w, memory, "score");
    write_text(w, "match", field_text(memory, "snippet"));
    json_end_object(w);
}
