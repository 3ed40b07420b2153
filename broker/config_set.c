/* config_set.c - a text becomes a value of a type within its bounds, or a message that says both.
 */
#include "broker/config_build.h"

#include "broker/util/paths.h"
#include "broker/util/suggest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int config_set_int(int64_t *ret, const struct config_place *place, const char *key,
                   const char *value, int64_t min, int64_t max, struct error *err)
{
    int64_t number = 0;
    char allowed[100];

    if (config_parse_int(value, &number) != 0 || number < min || number > max) {
        snprintf(allowed, sizeof allowed, "give a whole number from %lld to %lld", (long long)min,
                 (long long)max);
        return config_bad_value(err, place, key, value, allowed);
    }
    *ret = number;
    return 0;
}

int config_set_uint32(uint32_t *ret, const struct config_place *place, const char *key,
                      const char *value, uint32_t min, uint32_t max, struct error *err)
{
    int64_t number = 0;
    int result = config_set_int(&number, place, key, value, min, max, err);

    if (result == 0) {
        *ret = (uint32_t)number;
    }
    return result;
}

int config_set_duration(int64_t *ret_ms, const struct config_place *place, const char *key,
                        const char *value, int64_t max_ms, struct error *err)
{
    int64_t ms;
    char allowed[100];

    if (config_parse_duration(value, &ms) != 0 || ms > max_ms) {
        snprintf(allowed, sizeof allowed,
                 "give a time such as 500ms, 30s, 10m or 2h, at most %llds",
                 (long long)(max_ms / 1000));
        return config_bad_value(err, place, key, value, allowed);
    }
    *ret_ms = ms;
    return 0;
}

int config_set_bool(bool *ret, const struct config_place *place, const char *key, const char *value,
                    struct error *err)
{
    return config_parse_bool(value, ret) == 0
               ? 0
               : config_bad_value(err, place, key, value, "give yes or no");
}

int config_set_text(char **ret, const char *value, struct error *err)
{
    char *text = strdup(value);

    if (text == NULL) {
        return error_set(err, -ENOMEM, "out of memory");
    }
    free(*ret);
    *ret = text;
    return 0;
}

int config_set_path(char **ret, const struct config_place *place, const char *key,
                    const char *value, struct error *err)
{
    char *path;

    if (value[0] != '/' && strncmp(value, "~/", 2) != 0) {
        return config_bad_value(err, place, key, value,
                                "give a path that begins with / or with ~/");
    }
    int result = paths_expand(&path, value, err);
    if (result == 0) {
        free(*ret);
        *ret = path;
    }
    return result;
}

static const char *nearest(const char *typed, const char *const *names, size_t count)
{
    const char *found = NULL;
    size_t best = SIZE_MAX;

    for (size_t i = 0; i < count; i++) {
        if (suggest_is_better(typed, names[i], &best)) {
            found = names[i];
        }
    }
    return found;
}

int config_unknown_key(struct error *err, const struct config_place *place, const char *where,
                       const char *key, const char *const *names, size_t count)
{
    const char *near = nearest(key, names, count);
    char list[300] = "";
    size_t size = 0;

    if (near != NULL) {
        return config_error(err, place, "unknown key \"%s\" in %s; did you mean \"%s\"?", key,
                            where, near);
    }
    for (size_t i = 0; i < count && size < sizeof list - 1; i++) {
        int added = snprintf(list + size, sizeof list - size, "%s%s", i == 0 ? "" : ", ", names[i]);
        size += added < 0 ? 0 : (size_t)added;
    }
    return config_error(err, place, "unknown key \"%s\" in %s; it may have %s", key, where, list);
}
