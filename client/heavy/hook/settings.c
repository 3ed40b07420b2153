/* settings.c - see settings.h. What others have put there is not looked at further than needed. */
#include "client/heavy/hook/settings.h"

#include "client/cli/json.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TIMEOUT_S 5 /* the host's bound; ours are far below it */

static const struct {
    const char *event, *matcher;
} entries[] = {
    {"SessionStart", NULL},
    {"UserPromptSubmit", NULL},
    {"PreToolUse", "Bash|mcp__.*"}, /* the tools that may run a statement */
    {"SessionEnd", NULL},
};

static_assert(sizeof entries / sizeof entries[0] == SETTINGS_EVENTS, "told by doctor, too");

/* ---- what is there ---- */

bool settings_is_ours(const char *command)
{
    static const char *const ends[] = {"memferry hook", "memferry' hook"};

    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        size_t size = strlen(command), end = strlen(ends[i]);
        if (size >= end && strcmp(command + size - end, ends[i]) == 0 &&
            (size == end || command[size - end - 1] == '/')) {
            return true;
        }
    }
    return false;
}

/* The command of a hook; NULL: none, or none of ours. The caller's. */
static char *our_command(const struct json_text *text, struct json_place hook)
{
    struct json_place value;
    char *command =
        json_text_member(text, hook, "command", &value) ? json_text_string(text, value) : NULL;

    if (command != NULL && !settings_is_ours(command)) {
        free(command);
        return NULL;
    }
    return command;
}

static bool group_has(const struct json_text *text, struct json_place group, const char *command)
{
    struct json_place hooks, hook;
    bool has = false;

    if (!json_text_member(text, group, "hooks", &hooks)) {
        return false;
    }
    for (size_t i = 0; !has && json_text_child(text, hooks, i, &hook); i++) {
        char *ours = our_command(text, hook);
        has = ours != NULL && strcmp(ours, command) == 0;
        free(ours);
    }
    return has;
}

static bool event_has(const struct json_text *text, struct json_place event, const char *command)
{
    struct json_place group;

    for (size_t i = 0; json_text_child(text, event, i, &group); i++) {
        if (group_has(text, group, command)) {
            return true;
        }
    }
    return false;
}

const char *settings_check(const struct json_text *text)
{
    struct json_place root = json_text_root(text), hooks, event;

    if (json_text_kind(text, root) != '{') {
        return "it is no JSON object";
    }
    if (!json_text_member(text, root, "hooks", &hooks)) {
        return NULL;
    }
    if (json_text_kind(text, hooks) != '{') {
        return "its \"hooks\" are no object";
    }
    for (size_t i = 0; i < sizeof entries / sizeof entries[0]; i++) {
        if (json_text_member(text, hooks, entries[i].event, &event) &&
            json_text_kind(text, event) != '[') {
            return "an event of its \"hooks\" is no list";
        }
    }
    return NULL;
}

/* ---- out ---- */

/* True: one was ours. */
static bool remove_from_list(struct json_text *text, struct json_place list)
{
    size_t count = json_text_count(text, list);
    struct json_place hook;
    bool removed = false;

    for (size_t i = count; i > 0; i--) { /* from behind: places before it stay good */
        if (json_text_child(text, list, i - 1, &hook)) {
            char *ours = our_command(text, hook);
            if (ours != NULL) {
                size_t before = text->size;
                json_text_remove(text, list, i - 1);
                list.end -= before - text->size;
                removed = true;
            }
            free(ours);
        }
    }
    return removed;
}

static bool is_empty(const struct json_text *text, struct json_place container)
{
    return json_text_count(text, container) == 0;
}

/* A group whose only hook was ours goes with it. */
static bool remove_from_group(struct json_text *text, struct json_place event, size_t i)
{
    struct json_place group, hooks;

    if (!json_text_child(text, event, i, &group) ||
        !json_text_member(text, group, "hooks", &hooks) || json_text_kind(text, hooks) != '[' ||
        !remove_from_list(text, hooks)) {
        return false;
    }
    return true;
}

static bool hooks_of(const struct json_text *text, struct json_place *ret)
{
    return json_text_member(text, json_text_root(text), "hooks", ret) &&
           json_text_kind(text, *ret) == '{';
}

/* Of the i-th event. Places are found anew after each change. */
static bool event_of(const struct json_text *text, size_t i, struct json_place *ret)
{
    struct json_place hooks, member;

    if (!hooks_of(text, &hooks) || !json_text_child(text, hooks, i, &member)) {
        return false;
    }
    size_t key = member.start + 1;
    while (text->bytes[key] != '"') {
        key += text->bytes[key] == '\\' ? 2 : 1;
    }
    size_t value = key + 1 + strspn(text->bytes + key + 1, " \t\r\n:");
    *ret = (struct json_place){value, member.end};
    return true;
}

/* True: something of the event was ours. */
static bool remove_from_event(struct json_text *text, size_t i)
{
    struct json_place event, group, hooks;
    bool removed = false;

    if (!event_of(text, i, &event) || json_text_kind(text, event) != '[') {
        return false;
    }
    for (size_t k = json_text_count(text, event); k > 0; k--) {
        if (event_of(text, i, &event) && remove_from_group(text, event, k - 1)) {
            removed = true;
            event_of(text, i, &event);
            if (json_text_child(text, event, k - 1, &group) &&
                json_text_member(text, group, "hooks", &hooks) && is_empty(text, hooks)) {
                json_text_remove(text, event, k - 1);
            }
        }
    }
    return removed;
}

static size_t member_index(const struct json_text *text, struct json_place object,
                           struct json_place value)
{
    struct json_place child;
    size_t i = 0;

    while (json_text_child(text, object, i, &child) && child.end != value.end) {
        i++;
    }
    return i;
}

void settings_remove(struct json_text *text)
{
    struct json_place hooks, event;
    bool removed = false;

    if (!hooks_of(text, &hooks)) {
        return;
    }
    for (size_t i = json_text_count(text, hooks); i > 0; i--) {
        if (remove_from_event(text, i - 1)) {
            removed = true;
            if (event_of(text, i - 1, &event) && is_empty(text, event) && hooks_of(text, &hooks)) {
                json_text_remove(text, hooks, i - 1);
            }
        }
    }
    if (removed && hooks_of(text, &hooks) && is_empty(text, hooks)) {
        struct json_place root = json_text_root(text);
        json_text_remove(text, root, member_index(text, root, hooks));
    }
}

/* ---- in ---- */

/* The command as a JSON string; the caller's. */
static char *quoted(const char *command)
{
    struct json json;
    char *string = NULL;

    json_open(&json);
    json_field_text(&json, "", command);
    const char *text = json_close(&json); /* {"":"…"} */
    if (text != NULL) {
        string = strndup(text + 4, strlen(text) - 5);
    }
    json_free(&json);
    return string;
}

static int append_group(struct json_text *text, struct json_place event, const char *matcher,
                        const char *command)
{
    char *string = quoted(command), *group = NULL;

    if (string == NULL ||
        asprintf(&group,
                 "{\n%s%s%s"
                 "  \"hooks\": [\n"
                 "    {\n"
                 "      \"type\": \"command\",\n"
                 "      \"command\": %s,\n"
                 "      \"timeout\": %d\n"
                 "    }\n"
                 "  ]\n"
                 "}",
                 matcher != NULL ? "  \"matcher\": \"" : "", matcher != NULL ? matcher : "",
                 matcher != NULL ? "\",\n" : "", string, TIMEOUT_S) < 0) {
        free(string);
        return -ENOMEM;
    }
    int r = json_text_append(text, event, group);
    free(group);
    free(string);
    return r;
}

/* The value of a member, which is made if there is none. */
static int member_make(struct json_text *text, struct json_place object, const char *key,
                       const char *empty, struct json_place *ret)
{
    char child[64];

    if (json_text_member(text, object, key, ret)) {
        return 0;
    }
    snprintf(child, sizeof child, "\"%s\": %s", key, empty);
    size_t before = text->size;
    int r = json_text_append(text, object, child);
    if (r < 0) {
        return r;
    }
    object.end += text->size - before;
    json_text_member(text, object, key, ret);
    return 0;
}

static int install_one(struct json_text *text, size_t i, const char *command)
{
    struct json_place hooks, event;
    int r = member_make(text, json_text_root(text), "hooks", "{}", &hooks);

    if (r == 0) {
        r = member_make(text, hooks, entries[i].event, "[]", &event);
    }
    if (r < 0 || event_has(text, event, command)) {
        return r;
    }
    return append_group(text, event, entries[i].matcher, command);
}

static bool has_all(const struct json_text *text, const char *command)
{
    struct json_place hooks, event;

    for (size_t i = 0; i < sizeof entries / sizeof entries[0]; i++) {
        if (!hooks_of(text, &hooks) || !json_text_member(text, hooks, entries[i].event, &event) ||
            !event_has(text, event, command)) {
            return false;
        }
    }
    return true;
}

int settings_install(struct json_text *text, const char *command)
{
    int r = 0;

    if (has_all(text, command)) {
        return 0;
    }
    settings_remove(text);
    for (size_t i = 0; r == 0 && i < sizeof entries / sizeof entries[0]; i++) {
        r = install_one(text, i, command);
    }
    return r;
}
