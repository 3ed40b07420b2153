/*
 * plugin_value.c - one option's text, checked by its row: type, then bounds.
 *
 * Failure modes: a bad value, told with what is allowed; no memory.
 */
#include "broker/plugin_private.h"

#include "broker/config_build.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct kind {
    int (*parse)(const char *, int64_t *);
    const char *what;
    const char *unit; /* of the bounds */
};

static int parse_bool(const char *text, int64_t *ret)
{
    bool value = false;
    int result = config_parse_bool(text, &value);

    *ret = value;
    return result;
}

static struct kind kind_of(enum memferry_option_type type)
{
    switch (type) {
    case MEMFERRY_OPTION_INT:
        return (struct kind){config_parse_int, "a whole number", ""};
    case MEMFERRY_OPTION_BOOL:
        return (struct kind){parse_bool, "yes or no", ""};
    case MEMFERRY_OPTION_DURATION:
        return (struct kind){config_parse_duration, "a time such as 500ms, 30s or 10m", "ms"};
    case MEMFERRY_OPTION_SIZE:
        return (struct kind){config_parse_size, "a size such as 64K or 16M", " bytes"};
    default:
        return (struct kind){0};
    }
}

static int set_number(struct plugin_option *option, const struct kind *kind, const char *text,
                      const struct config_place *place, struct error *err)
{
    const struct memferry_option *row = option->row;
    bool bounded = (row->min != 0 || row->max != 0) && row->type != MEMFERRY_OPTION_BOOL;
    int64_t number = 0;
    char allowed[200];

    if (kind->parse(text, &number) != 0 || (bounded && (number < row->min || number > row->max))) {
        int size = snprintf(allowed, sizeof allowed, "give %s", kind->what);
        if (bounded) {
            snprintf(allowed + size, sizeof allowed - (size_t)size, " from %lld to %lld%s",
                     (long long)row->min, (long long)row->max, kind->unit);
        }
        return config_bad_value(err, place, row->name, text, allowed);
    }
    option->number = number;
    return config_set_text(&option->text, text, err);
}

int plugin_option_set(struct plugin_option *option, const char *text,
                      const struct config_place *place, struct error *err)
{
    struct kind kind = kind_of(option->row->type);

    if (kind.parse != NULL) {
        return set_number(option, &kind, text, place, err);
    }
    if (option->row->type == MEMFERRY_OPTION_PATH) {
        return config_set_path(&option->text, place, option->row->name, text, err);
    }
    return config_set_text(&option->text, text, err);
}

void plugin_option_deinit(struct plugin_option *option)
{
    free(option->text);
    free(option->secret_env);
    free(option->secret_file);
    plugin_secret_free(option->secret, option->secret != NULL ? strlen(option->secret) : 0);
}
