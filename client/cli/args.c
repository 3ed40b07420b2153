/*
 * args.c - sorts a command line into options and words.
 *
 * Fails, with a text for people, on an option nobody has (with the nearest one), on a value that is
 * missing or too much, and for want of memory.
 */
#include "client/cli/args.h"

#include "client/cli/suggest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct option *table_find(const struct option *table, const char *name, size_t size)
{
    for (; table != NULL && table->name != NULL; table++) {
        if (strlen(table->name) == size && memcmp(table->name, name, size) == 0) {
            return table;
        }
    }
    return NULL;
}

static bool unknown_option(struct args *args, const char *name, const struct option *global,
                           const struct option *own)
{
    struct suggestion nearest = suggestion_begin(name);

    for (size_t i = 0; own != NULL && own[i].name != NULL; i++) {
        suggestion_try(&nearest, own[i].name);
    }
    for (size_t i = 0; global != NULL && global[i].name != NULL; i++) {
        suggestion_try(&nearest, global[i].name);
    }
    const char *meant = suggestion_end(&nearest);
    snprintf(args->problem, sizeof args->problem, "unknown option --%.60s%s%s%s", name,
             meant != NULL ? "; did you mean --" : "", meant != NULL ? meant : "",
             meant != NULL ? "?" : "");
    return false;
}

static bool option_is_flag(const struct option *option)
{
    return option->value == NULL || option->value[0] == '[';
}

/* Takes "--name…" at argv[*i], and its value. */
static bool take_option(struct args *args, int argc, const char *const *argv, int *i,
                        const struct option *global, const struct option *own)
{
    const char *name = argv[*i] + 2, *equals = strchr(name, '=');
    size_t size = equals != NULL ? (size_t)(equals - name) : strlen(name);
    const struct option *option = table_find(own, name, size);

    if (option == NULL) {
        option = table_find(global, name, size);
    }
    if (option == NULL) {
        return unknown_option(args, name, global, own);
    }
    const char *value = equals != NULL ? equals + 1 : NULL;
    if (value != NULL && option->value == NULL) {
        snprintf(args->problem, sizeof args->problem, "--%s takes no value", option->name);
        return false;
    }
    if (value == NULL && !option_is_flag(option)) {
        if (*i + 1 >= argc) {
            snprintf(args->problem, sizeof args->problem, "--%s needs a value: --%s %s",
                     option->name, option->name, option->value);
            return false;
        }
        value = argv[++*i];
    }
    args->given[args->given_count++] = (struct given){option, value};
    return true;
}

static bool take_short(struct args *args, const char *argument, const struct option *global)
{
    const struct option *option = NULL;

    if (strcmp(argument, "-h") == 0) {
        option = table_find(global, "help", strlen("help"));
    }
    if (option == NULL) {
        snprintf(args->problem, sizeof args->problem,
                 "unknown option %.60s; a word that begins with a dash goes behind --", argument);
        return false;
    }
    args->given[args->given_count++] = (struct given){option, NULL};
    return true;
}

bool args_parse(struct args *args, int argc, const char *const *argv, const struct option *global,
                const struct option *own, bool first_word_only)
{
    bool words_only = false;
    int i;

    *args = (struct args){.given = calloc((size_t)argc + 1, sizeof(struct given)),
                          .words = calloc((size_t)argc + 1, sizeof(char *))};
    if (args->given == NULL || args->words == NULL) {
        snprintf(args->problem, sizeof args->problem, "out of memory");
        return false;
    }
    for (i = 0; i < argc && !(first_word_only && args->word_count > 0); i++) {
        bool good = true;
        if (words_only || argv[i][0] != '-' || argv[i][1] == '\0') {
            args->words[args->word_count++] = argv[i];
        } else if (strcmp(argv[i], "--") == 0) {
            words_only = true;
        } else if (argv[i][1] == '-') {
            good = take_option(args, argc, argv, &i, global, own);
        } else {
            good = take_short(args, argv[i], global);
        }
        if (!good) {
            return false;
        }
    }
    args->used = (size_t)i;
    return true;
}

void args_free(struct args *args)
{
    free(args->given);
    free(args->words);
    args->given = NULL;
    args->words = NULL;
}

bool args_has(const struct args *args, const char *name)
{
    for (size_t i = 0; i < args->given_count; i++) {
        if (strcmp(args->given[i].option->name, name) == 0) {
            return true;
        }
    }
    return false;
}

const char *args_value(const struct args *args, const char *name)
{
    const char *value = NULL;

    for (size_t i = 0; i < args->given_count; i++) {
        if (strcmp(args->given[i].option->name, name) == 0) {
            value = args->given[i].value;
        }
    }
    return value;
}

const char *args_nth(const struct args *args, const char *name, size_t n)
{
    for (size_t i = 0; i < args->given_count; i++) {
        if (strcmp(args->given[i].option->name, name) == 0 && n-- == 0) {
            return args->given[i].value;
        }
    }
    return NULL;
}

const char *args_word(const struct args *args, size_t i)
{
    return i < args->word_count ? args->words[i] : NULL;
}

bool number_parse(const char *text, uint64_t least, uint64_t most, uint64_t *ret)
{
    char *end;

    if (text[0] < (least > 0 ? '1' : '0') || text[0] > '9') {
        return false;
    }
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (*end != '\0' || errno != 0 || number < least || number > most) {
        return false;
    }
    *ret = number;
    return true;
}
