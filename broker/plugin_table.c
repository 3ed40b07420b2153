/*
 * plugin_table.c - is what a shared object exports a plugin of ours?
 *
 * Happy path: abi fits, size is sane, the fields that size covers are copied and the others are
 * NULL, then each field and each row of the options is checked.
 *
 * Failure modes: texts for the plugin's author, who made the mistake.
 */
#include "broker/plugin_private.h"

#include "broker/config_build.h"

#include <ctype.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* No plugin can do with less than its life-cycle. */
#define TABLE_SIZE_MIN offsetof(struct memferry_plugin, deliver)

struct check {
    const char *file;
    const struct config_place *place;
    struct error *err;
};

static int broken(const struct check *c, const char *what)
{
    return config_error(c->err, c->place, "plugin %s %s; get one that fits or mend it", c->file,
                        what);
}

static int broken_option(const struct check *c, const char *name, const char *what)
{
    char text[sizeof(struct error) + 100];

    snprintf(text, sizeof text, "has a bad option \"%.64s\": %s", name, what);
    return broken(c, text);
}

static int copy_table(struct memferry_plugin *ret, const struct memferry_plugin *exported,
                      const struct check *c)
{
    char text[120];

    if (exported->abi != MEMFERRY_PLUGIN_ABI) {
        snprintf(text, sizeof text, "is made for plugin ABI %u, this broker has %u", exported->abi,
                 MEMFERRY_PLUGIN_ABI);
        return broken(c, text);
    }
    if (exported->size < TABLE_SIZE_MIN || exported->size % _Alignof(struct memferry_plugin) != 0) {
        snprintf(text, sizeof text, "says its table has %u bytes, which cannot be", exported->size);
        return broken(c, text);
    }
    *ret = (struct memferry_plugin){0};
    memcpy(ret, exported, exported->size < sizeof *ret ? exported->size : sizeof *ret);
    return 0;
}

static int check_functions(const struct memferry_plugin *t, const struct check *c)
{
    if (t->open == NULL || t->close == NULL || t->probe == NULL) {
        return broken(c, "lacks open, close or probe");
    }
    if (t->deliver == NULL && t->embed == NULL && t->notify == NULL && t->fetch == NULL) {
        return broken(c, "can do nothing: it has neither deliver, embed, notify nor fetch");
    }
    return 0;
}

static bool is_option_name(const char *name)
{
    size_t size = strlen(name);

    return size >= 1 && size <= PLUGIN_OPTION_NAME_MAX &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == size;
}

static bool is_common_key(const char *name)
{
    return strcmp(name, "plugin") == 0 || strcmp(name, "max_age") == 0 ||
           strcmp(name, "wait_embedding") == 0;
}

bool plugin_is_variable_name(const char *text)
{
    if (text[0] == '\0' || isdigit((unsigned char)text[0])) {
        return false;
    }
    for (; *text != '\0'; text++) {
        if (!isalnum((unsigned char)*text) && *text != '_') {
            return false;
        }
    }
    return true;
}

/* The default must stand the same test as a configured text. */
static int check_default(const struct memferry_option *row, const struct check *c)
{
    struct plugin_option option = {.row = row};
    struct config_place nowhere = {0};
    struct error err;
    int result = 0;

    if (row->default_value == NULL) {
        return 0;
    }
    if (row->required) {
        return broken_option(c, row->name, "it is required and has a default");
    }
    if (row->type == MEMFERRY_OPTION_SECRET) {
        return plugin_is_variable_name(row->default_value)
                   ? 0
                   : broken_option(c, row->name, "its default is no name of a variable");
    }
    if (plugin_option_set(&option, row->default_value, &nowhere, &err) != 0) {
        result = broken_option(c, row->name, err.text);
    }
    plugin_option_deinit(&option);
    return result;
}

static int check_row(const struct memferry_option *row, const struct check *c)
{
    if (!is_option_name(row->name)) {
        return broken_option(c, row->name, "names are 1 to 40 of a-z, 0-9 and _");
    }
    if (is_common_key(row->name)) {
        return broken_option(c, row->name, "every backend has a key of that name already");
    }
    if (row->type < MEMFERRY_OPTION_STRING || row->type > MEMFERRY_OPTION_SECRET) {
        return broken_option(c, row->name, "its type is none");
    }
    if (strcmp(row->name, "batch") == 0 && row->type != MEMFERRY_OPTION_INT) {
        return broken_option(c, row->name, "batch must be an INT");
    }
    if (row->min > row->max) {
        return broken_option(c, row->name, "its min is above its max");
    }
    return check_default(row, c);
}

/* A secret NAME takes NAME_env and NAME_file for itself. */
static bool names_clash(const struct memferry_option *a, const struct memferry_option *b)
{
    size_t size = strlen(a->name);

    if (strcmp(a->name, b->name) == 0) {
        return true;
    }
    return a->type == MEMFERRY_OPTION_SECRET && strncmp(a->name, b->name, size) == 0 &&
           (strcmp(b->name + size, "_env") == 0 || strcmp(b->name + size, "_file") == 0);
}

static int check_options(const struct memferry_option *options, const struct check *c)
{
    for (size_t i = 0; options != NULL && options[i].name != NULL; i++) {
        if (i == PLUGIN_OPTIONS_MAX) {
            return broken(c, "has too many options, or no row without a name behind the last");
        }
        int result = check_row(&options[i], c);
        if (result != 0) {
            return result;
        }
        for (size_t j = 0; j < i; j++) {
            if (names_clash(&options[i], &options[j]) || names_clash(&options[j], &options[i])) {
                return broken_option(c, options[i].name, "another has that name");
            }
        }
    }
    return 0;
}

size_t plugin_table_option_count(const struct memferry_plugin *table)
{
    size_t count = 0;

    while (table->options != NULL && table->options[count].name != NULL) {
        count++;
    }
    return count;
}

int plugin_table_read(struct memferry_plugin *ret, const struct memferry_plugin *exported,
                      const char *file, const struct config_place *place, struct error *err)
{
    struct check c = {.file = file, .place = place, .err = err};
    int result = copy_table(ret, exported, &c);

    if (result != 0) {
        return result;
    }
    if (ret->name == NULL || !config_is_name(ret->name)) {
        return broken(&c, "has no proper name");
    }
    ret->version = ret->version != NULL ? ret->version : "";
    ret->summary = ret->summary != NULL ? ret->summary : "";
    result = check_functions(ret, &c);
    return result != 0 ? result : check_options(ret->options, &c);
}
