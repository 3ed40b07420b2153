/* json_text.c - see json_text.h. */
#include "client/heavy/hook/json_text.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UNIT_DEFAULT 2 /* spaces a level */

void json_text_init(struct json_text *text, char *bytes, size_t size)
{
    *text = (struct json_text){.bytes = bytes, .size = size};
}

void json_text_free(struct json_text *text)
{
    free(text->bytes);
    *text = (struct json_text){0};
}

/* ---- finding ---- */

static bool is_space(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

static size_t skip_space(const struct json_text *text, size_t at)
{
    while (at < text->size && is_space(text->bytes[at])) {
        at++;
    }
    return at;
}

/* Behind the string that begins at `at`. */
static size_t skip_string(const struct json_text *text, size_t at)
{
    for (at++; at < text->size && text->bytes[at] != '"'; at++) {
        at += text->bytes[at] == '\\';
    }
    return at < text->size ? at + 1 : text->size;
}

/* Behind the value that begins at `at`. */
static size_t skip_value(const struct json_text *text, size_t at)
{
    size_t depth = 0;

    do {
        if (at >= text->size) {
            return text->size;
        }
        char byte = text->bytes[at];
        if (byte == '"') {
            at = skip_string(text, at);
            continue;
        }
        depth += byte == '{' || byte == '[';
        depth -= (byte == '}' || byte == ']') && depth > 0;
        at++;
        if (depth == 0 && strchr("{[}]", byte) == NULL) { /* a word or a number */
            at += strcspn(text->bytes + at, " \t\r\n,]}");
        }
    } while (depth > 0);
    return at;
}

struct json_place json_text_root(const struct json_text *text)
{
    size_t start = skip_space(text, 0);

    return (struct json_place){start, skip_value(text, start)};
}

char json_text_kind(const struct json_text *text, struct json_place value)
{
    return text->bytes[value.start]; /* a NUL stands behind the last */
}

/* From the start of a child (or the end of the container) to the end of that child; the value of a
 * member begins at *ret_value. False: there is no further child. */
static bool next_child(const struct json_text *text, struct json_place container, size_t *at,
                       struct json_place *ret, size_t *ret_value)
{
    bool is_object = json_text_kind(text, container) == '{';

    *at = skip_space(text, *at);
    if (*at < container.end && text->bytes[*at] == ',') {
        *at = skip_space(text, *at + 1);
    }
    if (*at + 1 >= container.end) {
        return false;
    }
    ret->start = *ret_value = *at;
    if (is_object) {
        *ret_value = skip_space(text, skip_string(text, *at));
        *ret_value = skip_space(text, *ret_value + 1); /* the colon */
    }
    *at = ret->end = skip_value(text, *ret_value);
    return true;
}

bool json_text_child(const struct json_text *text, struct json_place container, size_t i,
                     struct json_place *ret)
{
    size_t at = container.start + 1, unused;

    while (next_child(text, container, &at, ret, &unused)) {
        if (i-- == 0) {
            return true;
        }
    }
    return false;
}

size_t json_text_count(const struct json_text *text, struct json_place container)
{
    struct json_place unused;
    size_t count = 0;

    while (json_text_child(text, container, count, &unused)) {
        count++;
    }
    return count;
}

bool json_text_member(const struct json_text *text, struct json_place object, const char *key,
                      struct json_place *ret)
{
    size_t at = object.start + 1, value, size = strlen(key);
    struct json_place child;

    if (json_text_kind(text, object) != '{') {
        return false;
    }
    while (next_child(text, object, &at, &child, &value)) {
        const char *name = text->bytes + child.start + 1;
        if (strncmp(name, key, size) == 0 && name[size] == '"') {
            *ret = (struct json_place){value, child.end};
            return true;
        }
    }
    return false;
}

char *json_text_string(const struct json_text *text, struct json_place value)
{
    if (json_text_kind(text, value) != '"') {
        return NULL;
    }
    char *string = malloc(value.end - value.start), *to = string;
    for (size_t at = value.start + 1; string != NULL && at + 1 < value.end; at++) {
        if (text->bytes[at] == '\\' && strchr("\"\\/", text->bytes[++at]) == NULL) {
            free(string);
            return NULL;
        }
        *to++ = text->bytes[at];
    }
    if (string != NULL) {
        *to = '\0';
    }
    return string;
}

/* ---- changing ---- */

/* Puts `size` bytes in the place of what is there. */
static int replace(struct json_text *text, size_t start, size_t end, const char *bytes, size_t size)
{
    size_t all = text->size - (end - start) + size;
    char *changed = malloc(all + 1);

    if (changed == NULL) {
        return -ENOMEM;
    }
    memcpy(changed, text->bytes, start);
    memcpy(changed + start, bytes, size);
    memcpy(changed + start + size, text->bytes + end, text->size - end);
    changed[all] = '\0';
    free(text->bytes);
    text->bytes = changed;
    text->size = all;
    return 0;
}

/* The white space that the line of `at` begins with. False: something else stands before it. */
static bool indent_of(const struct json_text *text, size_t at, struct json_place *ret)
{
    size_t start = at;

    while (start > 0 && (text->bytes[start - 1] == ' ' || text->bytes[start - 1] == '\t')) {
        start--;
    }
    *ret = (struct json_place){start, at};
    return start == 0 || text->bytes[start - 1] == '\n';
}

/* The indent of the line that holds `at`. */
static struct json_place line_indent(const struct json_text *text, size_t at)
{
    size_t start = at, end;

    while (start > 0 && text->bytes[start - 1] != '\n') {
        start--;
    }
    end = start;
    while (text->bytes[end] == ' ' || text->bytes[end] == '\t') {
        end++;
    }
    return (struct json_place){start, end};
}

/* What one level is indented by: as the first member of the root is. */
static struct json_place unit_of(const struct json_text *text)
{
    struct json_place child, indent;

    if (json_text_child(text, json_text_root(text), 0, &child) &&
        indent_of(text, child.start, &indent) && indent.end > indent.start) {
        return indent;
    }
    return (struct json_place){0, 0};
}

struct lines {
    const struct json_text *text;
    struct json_place indent, unit; /* of the siblings, and of a level */
    bool deeper;                    /* the indent is the container's: one level more */
};

static void put_unit(FILE *out, const struct lines *lines)
{
    size_t size = lines->unit.end - lines->unit.start;

    if (size == 0) {
        fprintf(out, "%*s", UNIT_DEFAULT, "");
    } else {
        fwrite(lines->text->bytes + lines->unit.start, 1, size, out);
    }
}

static void put_indent(FILE *out, const struct lines *lines, size_t levels)
{
    fwrite(lines->text->bytes + lines->indent.start, 1, lines->indent.end - lines->indent.start,
           out);
    for (size_t i = 0; i < levels + lines->deeper; i++) {
        put_unit(out, lines);
    }
}

/* The child's lines, each with the indent of the place and its own levels. */
static void put_child(FILE *out, const struct lines *lines, const char *child)
{
    while (*child != '\0') {
        size_t spaces = strspn(child, " "), size = strcspn(child, "\n");
        put_indent(out, lines, spaces / UNIT_DEFAULT);
        fwrite(child + spaces, 1, size - spaces, out);
        child += size;
        if (*child == '\n') {
            fputc('\n', out);
            child++;
        }
    }
}

/* Behind the last child: what closes the container stays where it is. */
static void put_behind(FILE *out, const struct json_text *text, struct json_place container,
                       struct json_place last, const char *child)
{
    struct lines lines = {.text = text, .unit = unit_of(text)};

    if (!indent_of(text, last.start, &lines.indent)) {
        lines.indent = line_indent(text, container.start);
        lines.deeper = true;
    }
    fputs(",\n", out);
    put_child(out, &lines, child);
}

/* All that is in the container. */
static void put_within(FILE *out, const struct json_text *text, struct json_place container,
                       const char *child)
{
    struct lines lines = {.text = text, .unit = unit_of(text), .deeper = true};

    lines.indent = line_indent(text, container.start);
    fputc('\n', out);
    put_child(out, &lines, child);
    fputc('\n', out);
    lines.deeper = false;
    put_indent(out, &lines, 0);
}

int json_text_append(struct json_text *text, struct json_place container, const char *child)
{
    size_t count = json_text_count(text, container), size;
    struct json_place last, at = {container.start + 1, container.end - 1};
    char *bytes = NULL;
    FILE *out = open_memstream(&bytes, &size);

    if (out == NULL) {
        return -ENOMEM;
    }
    if (count > 0 && json_text_child(text, container, count - 1, &last)) {
        at = (struct json_place){last.end, last.end};
        put_behind(out, text, container, last, child);
    } else {
        put_within(out, text, container, child);
    }
    int r = fclose(out) == 0 ? replace(text, at.start, at.end, bytes, size) : -ENOMEM;
    free(bytes);
    return r;
}

void json_text_remove(struct json_text *text, struct json_place container, size_t i)
{
    struct json_place child, neighbour;

    if (!json_text_child(text, container, i, &child)) {
        return;
    }
    size_t start = child.start, end = child.end;
    if (json_text_child(text, container, i + 1, &neighbour)) {
        end = neighbour.start;
    } else if (i > 0 && json_text_child(text, container, i - 1, &neighbour)) {
        start = neighbour.end;
    } else { /* the only one: what is left is empty */
        start = container.start + 1;
        end = container.end - 1;
    }
    memmove(text->bytes + start, text->bytes + end, text->size - end + 1);
    text->size -= end - start;
}
