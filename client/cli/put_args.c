/*
 * put_args.c - content from words or stdin, tags, and properties with their types.
 *
 * Fails on a property without a name, JSON that is none or not of a property's kinds, content over
 * CONTENT_MAX or with a NUL, and for want of memory.
 */
#include "client/cli/put_args.h"

#include "client/cli/property.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int no_memory(struct cli *cli)
{
    return cli_fail(cli, EXIT_INTERNAL, "out of memory");
}

char *stream_read(struct cli *cli, FILE *stream, size_t max)
{
    char *text = malloc(max + 2);

    if (text == NULL) {
        no_memory(cli);
        return NULL;
    }
    size_t size = fread(text, 1, max + 1, stream);
    text[size] = '\0';
    if (ferror(stream)) {
        cli_fail(cli, EXIT_IO, "cannot read stdin: %s", strerror(errno));
    } else if (size > max) {
        cli_fail(cli, EXIT_DATA, "stdin holds more than %zu bytes, which is the most", max);
    } else if (strlen(text) != size) {
        cli_fail(cli, EXIT_DATA, "stdin holds a NUL byte; a memory is text");
    } else {
        return text;
    }
    free(text);
    return NULL;
}

/* The words with a space between each. */
static char *words_join(const struct args *args)
{
    size_t size = 1;

    for (size_t i = 0; i < args->word_count; i++) {
        size += strlen(args->words[i]) + 1;
    }
    char *text = malloc(size), *end = text;
    for (size_t i = 0; text != NULL && i < args->word_count; i++) {
        end = stpcpy(end, i > 0 ? " " : "");
        end = stpcpy(end, args->words[i]);
    }
    return text;
}

static int read_content(struct put_args *input, struct cli *cli, const struct args *args)
{
    if (args->word_count == 0) {
        return EXIT_OK;
    }
    if (args->word_count == 1 && strcmp(args->words[0], "-") == 0) {
        input->content = stream_read(cli, cli->in, CONTENT_MAX);
        if (input->content == NULL) {
            return EXIT_DATA;
        }
        /* The line end that echo adds is not part of the memory. */
        size_t size = strlen(input->content);
        input->content[size > 0 && input->content[size - 1] == '\n' ? size - 1 : size] = '\0';
    } else {
        input->content = words_join(args);
    }
    input->put.content = input->content;
    return input->content != NULL ? EXIT_OK : no_memory(cli);
}

/* The value behind := . */
static int read_exact(struct put_args *input, struct cli *cli, size_t i, const char *json)
{
    struct memferry_property *property = &input->props[i];

    if (memferry_parse_json(cli->m, json, &input->values[i]) != MEMFERRY_OK) {
        return cli_fail(cli, EXIT_DATA, "--prop %.60s:= is %s", property->name,
                        memferry_error(cli->m));
    }
    const struct memferry_node *value = memferry_reply_root(input->values[i]);
    property->type = memferry_node_kind(value);
    switch (property->type) {
    case MEMFERRY_NODE_BOOL:
        property->as.boolean = memferry_node_bool(value, false);
        return EXIT_OK;
    case MEMFERRY_NODE_INT:
        property->as.integer = memferry_node_int(value, 0);
        return EXIT_OK;
    case MEMFERRY_NODE_FLOAT:
        property->as.floating = memferry_node_float(value, 0);
        return EXIT_OK;
    case MEMFERRY_NODE_STRING:
        property->as.string = memferry_node_string(value, "");
        return EXIT_OK;
    case MEMFERRY_NODE_LIST:
        property->as.list_json = input->lists[i] = memferry_node_json(value);
        return input->lists[i] != NULL ? EXIT_OK : no_memory(cli);
    case MEMFERRY_NODE_NULL:
        return EXIT_OK;
    default:
        return cli_fail(cli, EXIT_DATA,
                        "--prop %.60s:= is an object; a property is null, a bool, a number, a "
                        "string, or a list of one of those",
                        property->name);
    }
}

static int read_property(struct put_args *input, struct cli *cli, size_t i, const char *text)
{
    const char *equals = strchr(text, '=');
    bool exact = equals != NULL && equals > text && equals[-1] == ':';

    if (equals == NULL || equals == text + exact) {
        return cli_usage(cli, "--prop %.60s is neither name=value nor name:=JSON", text);
    }
    input->names[i] = strndup(text, (size_t)(equals - text - exact));
    if (input->names[i] == NULL) {
        return no_memory(cli);
    }
    input->props[i].name = input->names[i];
    input->put.prop_count = i + 1;
    if (exact) {
        return read_exact(input, cli, i, equals + 1);
    }
    property_value(&input->props[i], equals + 1);
    return EXIT_OK;
}

static int read_properties(struct put_args *input, struct cli *cli, const struct args *args)
{
    size_t room = args->given_count + 1;

    input->props = calloc(room, sizeof *input->props);
    input->names = calloc(room, sizeof *input->names);
    input->values = calloc(room, sizeof(struct memferry_reply *));
    input->lists = calloc(room, sizeof *input->lists);
    if (input->props == NULL || input->names == NULL || input->values == NULL ||
        input->lists == NULL) {
        return no_memory(cli);
    }
    input->put.props = input->props;
    const char *text;
    for (size_t i = 0; (text = args_nth(args, "prop", i)) != NULL; i++) {
        int exit_code = read_property(input, cli, i, text);
        if (exit_code != EXIT_OK) {
            return exit_code;
        }
    }
    return EXIT_OK;
}

static int read_tags(struct put_args *input, struct cli *cli, const struct args *args)
{
    if (!args_has(args, "tag")) {
        return EXIT_OK;
    }
    input->tags = calloc(args->given_count + 1, sizeof *input->tags);
    if (input->tags == NULL) {
        return no_memory(cli);
    }
    const char *tag;
    while ((tag = args_nth(args, "tag", input->put.tag_count)) != NULL) {
        input->tags[input->put.tag_count++] = tag;
    }
    input->put.tags = input->tags;
    return EXIT_OK;
}

static int read_expected(struct put_args *input, struct cli *cli, const struct args *args)
{
    const char *text = args_value(args, "expect");

    if (text == NULL) {
        return EXIT_OK;
    }
    input->put.has_expected_version = true;
    if (!number_parse(text, 0, UINT64_MAX, &input->put.expected_version)) {
        return cli_usage(cli, "--expect %.40s is no version; 0 means that it must not exist", text);
    }
    return EXIT_OK;
}

int put_args_read(struct put_args *input, struct cli *cli, const struct args *args)
{
    *input = (struct put_args){.put = {.size = sizeof input->put}};
    input->put.id = args_value(args, "id");
    input->put.kind = args_value(args, "kind");
    input->put.session_id = args_value(args, "session");
    input->put.wait = args_has(args, "wait") ? MEMFERRY_WAIT_DELIVERED : MEMFERRY_WAIT_DURABLE;
    input->put.timeout_ms = cli->timeout_ms;
    int exit_code = read_expected(input, cli, args);
    if (exit_code == EXIT_OK) {
        exit_code = read_tags(input, cli, args);
    }
    if (exit_code == EXIT_OK) {
        exit_code = read_properties(input, cli, args);
    }
    return exit_code == EXIT_OK ? read_content(input, cli, args) : exit_code;
}

void put_args_free(struct put_args *input)
{
    for (size_t i = 0; i < input->put.prop_count; i++) {
        free(input->names[i]);
        free(input->lists[i]);
        memferry_reply_free(input->values[i]);
    }
    free(input->names);
    free(input->lists);
    free(input->values);
    free(input->props);
    free(input->tags);
    free(input->content);
}
