/* argument.c - see argument.h. */
#include "client/heavy/mcp/argument.h"

#include "client/cli/times.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXTS_SIZE_MAX 256

/* Models like to say null for what they leave out. */
static bool is_absent(const struct memferry_node *node)
{
    return memferry_node_kind(node) == MEMFERRY_NODE_NULL;
}

/* ---- the schema ---- */

static void field(struct json_writer *w, const char *key, const char *text)
{
    json_write_key(w, key);
    json_write_text(w, text);
}

static void bound(struct json_writer *w, const char *key, int64_t value)
{
    json_write_key(w, key);
    json_write_int(w, value);
}

static void write_choices(struct json_writer *w, const char *const *choices)
{
    json_write_key(w, "enum");
    json_begin_array(w);
    for (; *choices != NULL; choices++) {
        json_write_text(w, *choices);
    }
    json_end_array(w);
}

static void write_texts(struct json_writer *w, const struct argument *argument)
{
    json_write_key(w, "items");
    json_begin_object(w);
    field(w, "type", "string");
    bound(w, "minLength", 1);
    json_end_object(w);
    bound(w, "minItems", argument->min);
    bound(w, "maxItems", argument->max);
}

/* Lengths are counted in characters there and in bytes here: what passes there may be told here. */
static void write_property(struct json_writer *w, const struct argument *argument)
{
    static const char *const types[] = {"string",  "string", "integer",
                                        "boolean", "array",  "object"};

    json_write_key(w, argument->name);
    json_begin_object(w);
    field(w, "type", types[argument->type]);
    field(w, "description", argument->description);
    if (argument->choices != NULL) {
        write_choices(w, argument->choices);
    } else if (argument->type == ARGUMENT_TEXT) {
        bound(w, "minLength", argument->min);
        bound(w, "maxLength", argument->max);
    } else if (argument->type == ARGUMENT_INT) {
        bound(w, "minimum", argument->min);
        bound(w, "maximum", argument->max);
    } else if (argument->type == ARGUMENT_TEXTS) {
        write_texts(w, argument);
    }
    json_end_object(w);
}

void argument_write_schema(struct json_writer *w, const struct argument *table)
{
    bool some_required = false;

    json_begin_object(w);
    field(w, "type", "object");
    json_write_key(w, "properties");
    json_begin_object(w);
    for (const struct argument *at = table; at->name != NULL; at++) {
        write_property(w, at);
        some_required = some_required || at->is_required;
    }
    json_end_object(w);
    if (some_required) {
        json_write_key(w, "required");
        json_begin_array(w);
        for (const struct argument *at = table; at->name != NULL; at++) {
            if (at->is_required) {
                json_write_text(w, at->name);
            }
        }
        json_end_array(w);
    }
    json_write_key(w, "additionalProperties");
    json_write_bool(w, false);
    json_end_object(w);
}

/* ---- the checks: each writes what is wrong, and says whether something is ---- */

static bool wrong_choice(const struct argument *argument, const char *value, char *text,
                         size_t size)
{
    size_t used = 0;

    for (const char *const *choice = argument->choices; *choice != NULL; choice++) {
        if (strcmp(*choice, value) == 0) {
            return false;
        }
    }
    used += (size_t)snprintf(text, size, "%s is one of", argument->name);
    for (const char *const *choice = argument->choices; *choice != NULL && used < size; choice++) {
        used += (size_t)snprintf(text + used, size - used, " %s", *choice);
    }
    return true;
}

static bool wrong_text(const struct argument *argument, const struct memferry_node *node,
                       char *text, size_t size)
{
    const char *value = memferry_node_string(node, NULL);

    if (value == NULL) {
        snprintf(text, size, "%s is a string", argument->name);
        return true;
    }
    if (argument->choices != NULL) {
        return wrong_choice(argument, value, text, size);
    }
    int64_t length = (int64_t)strlen(value);
    if (length < argument->min || length > argument->max) {
        snprintf(text, size, "%s has %" PRId64 " to %" PRId64 " bytes, not %" PRId64,
                 argument->name, argument->min, argument->max, length);
        return true;
    }
    return false;
}

static bool is_time(const char *value)
{
    size_t digits = strspn(value, "0123456789");
    int64_t unused;

    return (value[digits] != '\0' && duration_parse(value, &unused)) ||
           (digits == 4 && strlen(value) < TIME_TEXT_SIZE);
}

static bool wrong_time(const struct argument *argument, const struct memferry_node *node,
                       char *text, size_t size)
{
    const char *value = memferry_node_string(node, NULL);

    if (value != NULL && is_time(value)) {
        return false;
    }
    snprintf(text, size, "%s is a time: 2h (two hours ago), 7d, or 2026-01-31T08:00:00Z",
             argument->name);
    return true;
}

static bool wrong_int(const struct argument *argument, const struct memferry_node *node, char *text,
                      size_t size)
{
    int64_t value = memferry_node_int(node, INT64_MIN);

    if (value >= argument->min && value <= argument->max) {
        return false;
    }
    snprintf(text, size, "%s is a whole number from %" PRId64 " to %" PRId64, argument->name,
             argument->min, argument->max);
    return true;
}

static bool wrong_texts(const struct argument *argument, const struct memferry_node *node,
                        char *text, size_t size)
{
    size_t count = memferry_node_count(node);
    bool good = memferry_node_kind(node) == MEMFERRY_NODE_LIST && (int64_t)count >= argument->min &&
                (int64_t)count <= argument->max;

    for (size_t i = 0; good && i < count; i++) {
        const char *value = memferry_node_string(memferry_node_at(node, i), "");
        good = value[0] != '\0' && strlen(value) <= TEXTS_SIZE_MAX;
    }
    if (good) {
        return false;
    }
    snprintf(text, size, "%s is a list of %" PRId64 " to %" PRId64 " strings of 1 to %d bytes",
             argument->name, argument->min, argument->max, TEXTS_SIZE_MAX);
    return true;
}

static bool wrong(const struct argument *argument, const struct memferry_node *node, char *text,
                  size_t size)
{
    switch (argument->type) {
    case ARGUMENT_TEXT:
        return wrong_text(argument, node, text, size);
    case ARGUMENT_TIME:
        return wrong_time(argument, node, text, size);
    case ARGUMENT_INT:
        return wrong_int(argument, node, text, size);
    case ARGUMENT_TEXTS:
        return wrong_texts(argument, node, text, size);
    case ARGUMENT_BOOL:
        snprintf(text, size, "%s is true or false", argument->name);
        return memferry_node_kind(node) != MEMFERRY_NODE_BOOL;
    case ARGUMENT_OBJECT:
        snprintf(text, size, "%s is an object of names and values", argument->name);
        return memferry_node_kind(node) != MEMFERRY_NODE_MAP;
    }
    return false;
}

static const struct argument *find(const struct argument *table, const char *name)
{
    for (; table->name != NULL; table++) {
        if (strcmp(table->name, name) == 0) {
            return table;
        }
    }
    return NULL;
}

static void tell_unknown(const struct argument *table, const char *name, char *text, size_t size)
{
    size_t used = (size_t)snprintf(text, size, "there is no argument %.60s; there are", name);

    if (table->name == NULL) {
        snprintf(text, size, "there is no argument %.60s; this tool takes none", name);
    }
    for (; table->name != NULL && used < size; table++) {
        used += (size_t)snprintf(text + used, size - used, " %s", table->name);
    }
}

void argument_check(const struct argument *table, const struct memferry_node *given, char *text,
                    size_t size)
{
    for (size_t i = 0; i < memferry_node_count(given); i++) {
        const char *name = memferry_node_key(given, i);
        const struct argument *argument = find(table, name);
        if (argument == NULL) {
            tell_unknown(table, name, text, size);
            return;
        }
        const struct memferry_node *value = memferry_node_at(given, i);
        if (!is_absent(value) && wrong(argument, value, text, size)) {
            return;
        }
    }
    for (; table->name != NULL; table++) {
        if (table->is_required && is_absent(memferry_node_get(given, table->name))) {
            snprintf(text, size, "%s is missing: %s", table->name, table->description);
            return;
        }
    }
    text[0] = '\0';
}

/* ---- into a request ---- */

void argument_write_node(struct json_writer *w, const struct memferry_node *node)
{
    char *json = memferry_node_json(node);

    if (json == NULL) {
        json_write_null(w);
        w->status = w->status == 0 ? -ENOMEM : w->status;
        return;
    }
    json_write_raw(w, json, strlen(json));
    free(json);
}

void argument_pass(struct json_writer *w, const struct memferry_node *given, const char *name,
                   const char *as)
{
    const struct memferry_node *node = memferry_node_get(given, name);

    if (!is_absent(node)) {
        json_write_key(w, as);
        argument_write_node(w, node);
    }
}

void argument_pass_time(struct json_writer *w, const struct memferry_node *given, const char *name,
                        const char *as)
{
    const char *value = memferry_node_string(memferry_node_get(given, name), NULL);
    int64_t ms;

    if (value == NULL) {
        return;
    }
    json_write_key(w, as);
    if (duration_parse(value, &ms)) {
        json_write_int(w, time_now_ms() - ms);
    } else {
        json_write_text(w, value);
    }
}
