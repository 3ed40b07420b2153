/*
 * config_settings.c - the table of all settings that are no backend's, and the setter of each.
 */
#include "broker/config_build.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#define DIMS_MAX         16384
#define PEERS_MAX        1024
#define SEGMENT_MIN      (INT64_C(1) << 20)
#define SEGMENT_MAX      (INT64_C(1) << 30)
#define GATHER_US_MAX    10000
#define SESSION_IDLE_MIN 1000
#define SESSION_IDLE_MAX (INT64_C(365) * 24 * 3600 * 1000)
#define GUARD_COUNT_MAX  100000 /* events that the guard remembers: guard_rate.h */
#define GUARD_LEAST_MAX  1000000000
#define GUARD_WINDOW_MIN 1000
#define GUARD_WINDOW_MAX (INT64_C(24) * 3600 * 1000)

static int set_socket(struct config *c, const struct config_place *place, const char *key,
                      const char *value, struct error *err)
{
    return config_set_path(&c->socket, place, key, value, err);
}

static int set_state_dir(struct config *c, const struct config_place *place, const char *key,
                         const char *value, struct error *err)
{
    return config_set_path(&c->state_dir, place, key, value, err);
}

static int set_dims(struct config *c, const struct config_place *place, const char *key,
                    const char *value, struct error *err)
{
    return config_set_uint32(&c->dims, place, key, value, 1, DIMS_MAX, err);
}

static int set_allow_purge(struct config *c, const struct config_place *place, const char *key,
                           const char *value, struct error *err)
{
    return config_set_bool(&c->allow_purge, place, key, value, err);
}

static int set_max_peers(struct config *c, const struct config_place *place, const char *key,
                         const char *value, struct error *err)
{
    return config_set_uint32(&c->max_peers, place, key, value, 1, PEERS_MAX, err);
}

/* (uid_t)-1 is no user: the kernel's "leave alone". */
static int find_user(const char *name, uid_t *ret)
{
    struct passwd entry, *found = NULL;
    char buffer[4096];
    int64_t number;

    if (config_parse_int(name, &number) == 0) {
        *ret = (uid_t)number;
        return number >= 0 && number < UINT32_MAX ? 0 : -EINVAL;
    }
    if (getpwnam_r(name, &entry, buffer, sizeof buffer, &found) != 0 || found == NULL) {
        return -EINVAL;
    }
    *ret = found->pw_uid;
    return 0;
}

static int add_user(struct config *c, const struct config_place *place, const char *key,
                    const char *name, struct error *err)
{
    uid_t user;

    if (find_user(name, &user) != 0) {
        return config_bad_value(err, place, key, name,
                                "give names or numbers of this machine's users");
    }
    if (c->user_count == CONFIG_USERS_MAX) {
        return config_error(err, place, "too many users; at most %d fit", CONFIG_USERS_MAX);
    }
    uid_t *users = reallocarray(c->users, c->user_count + 1, sizeof *users);
    if (users == NULL) {
        return error_set(err, -ENOMEM, "out of memory");
    }
    users[c->user_count++] = user;
    c->users = users;
    return 0;
}

static int set_users(struct config *c, const struct config_place *place, const char *key,
                     const char *value, struct error *err)
{
    char *list = strdup(value), *rest = list;
    int result = 0;

    if (list == NULL) {
        return error_set(err, -ENOMEM, "out of memory");
    }
    for (char *name; result == 0 && (name = strsep(&rest, ", \t")) != NULL;) {
        result = name[0] == '\0' ? 0 : add_user(c, place, key, name, err);
    }
    free(list);
    return result;
}

static int set_segment_size(struct config *c, const struct config_place *place, const char *key,
                            const char *value, struct error *err)
{
    int64_t bytes;

    if (config_parse_size(value, &bytes) != 0 || bytes < SEGMENT_MIN || bytes > SEGMENT_MAX ||
        bytes % 4096 != 0) {
        return config_bad_value(err, place, key, value, "give a size from 1M to 1G, such as 16M");
    }
    c->segment_bytes = (uint64_t)bytes;
    return 0;
}

static int set_gather_us(struct config *c, const struct config_place *place, const char *key,
                         const char *value, struct error *err)
{
    return config_set_uint32(&c->gather_us, place, key, value, 0, GATHER_US_MAX, err);
}

static int set_keep_segments(struct config *c, const struct config_place *place, const char *key,
                             const char *value, struct error *err)
{
    return config_set_bool(&c->keep_segments, place, key, value, err);
}

static int set_session_idle(struct config *c, const struct config_place *place, const char *key,
                            const char *value, struct error *err)
{
    int64_t idle_ms;

    if (config_parse_duration(value, &idle_ms) != 0 || idle_ms < SESSION_IDLE_MIN ||
        idle_ms > SESSION_IDLE_MAX) {
        return config_bad_value(err, place, key, value,
                                "give a time from 1s to 365 days, such as 30m");
    }
    c->session_idle_ms = idle_ms;
    return 0;
}

/* "10 in 60s" */
static int parse_rate(const char *text, int64_t *ret_count, int64_t *ret_window_ms)
{
    const char *in = strstr(text, " in ");
    char count[32] = "";

    if (in == NULL || (size_t)(in - text) >= sizeof count) {
        return -EINVAL;
    }
    memcpy(count, text, (size_t)(in - text));
    int64_t window_ms;
    if (config_parse_int(count, ret_count) != 0 || config_parse_duration(in + 4, &window_ms) != 0) {
        return -EINVAL;
    }
    *ret_window_ms = window_ms;
    return *ret_count >= 1 && *ret_count <= GUARD_COUNT_MAX && window_ms >= GUARD_WINDOW_MIN &&
                   window_ms <= GUARD_WINDOW_MAX
               ? 0
               : -EINVAL;
}

static int set_rapid_delete(struct config *c, const struct config_place *place, const char *key,
                            const char *value, struct error *err)
{
    int64_t count = 0, window_ms = c->guard.rapid_delete_window_ms;

    if (strcmp(value, "off") != 0 && parse_rate(value, &count, &window_ms) != 0) {
        return config_bad_value(
            err, place, key, value,
            "give a count and a time of at least 1s, such as 10 in 60s, or off");
    }
    c->guard.rapid_delete_count = (uint32_t)count;
    c->guard.rapid_delete_window_ms = window_ms;
    return 0;
}

static int parse_percent(const char *text, int64_t *ret)
{
    char number[8] = "";
    size_t size = strlen(text);

    if (size < 2 || size > sizeof number || text[size - 1] != '%') {
        return -EINVAL;
    }
    memcpy(number, text, size - 1);
    return config_parse_int(number, ret) == 0 && *ret >= 1 && *ret <= 100 ? 0 : -EINVAL;
}

/* "50%", "50% in 60s" */
static int parse_share(const char *text, int64_t *ret_percent, int64_t *ret_window_ms)
{
    const char *in = strstr(text, " in ");
    size_t size = in == NULL ? strlen(text) : (size_t)(in - text);
    int64_t window_ms = *ret_window_ms;
    char percent[32] = "";

    if (size >= sizeof percent || (in != NULL && config_parse_duration(in + 4, &window_ms) != 0)) {
        return -EINVAL;
    }
    memcpy(percent, text, size); /* the rest is zeros */
    percent[size] = '\0';
    *ret_window_ms = window_ms;
    return window_ms >= GUARD_WINDOW_MIN && window_ms <= GUARD_WINDOW_MAX
               ? parse_percent(percent, ret_percent)
               : -EINVAL;
}

static int set_bulk_change(struct config *c, const struct config_place *place, const char *key,
                           const char *value, struct error *err)
{
    int64_t percent = 0, window_ms = c->guard.bulk_change_window_ms;

    if (strcmp(value, "off") != 0 && parse_share(value, &percent, &window_ms) != 0) {
        return config_bad_value(err, place, key, value,
                                "give a share from 1% to 100%, such as 50% or 50% in 60s, or off");
    }
    c->guard.bulk_change_percent = (uint32_t)percent;
    c->guard.bulk_change_window_ms = window_ms;
    return 0;
}

static int set_bulk_change_least(struct config *c, const struct config_place *place,
                                 const char *key, const char *value, struct error *err)
{
    return config_set_uint32(&c->guard.bulk_change_least, place, key, value, 1, GUARD_LEAST_MAX,
                             err);
}

static int set_schema_change(struct config *c, const struct config_place *place, const char *key,
                             const char *value, struct error *err)
{
    return config_set_bool(&c->guard.schema_change, place, key, value, err);
}

static int set_mass_statement(struct config *c, const struct config_place *place, const char *key,
                              const char *value, struct error *err)
{
    return config_set_bool(&c->guard.mass_statement, place, key, value, err);
}

const struct config_setting config_settings[CONFIG_SETTING_COUNT] = {
    {"broker", "socket", set_socket},
    {"broker", "state_dir", set_state_dir},
    {"broker", "dims", set_dims},
    {"broker", "allow_purge", set_allow_purge},
    {"broker", "users", set_users},
    {"broker", "max_peers", set_max_peers},
    {"journal", "segment_size", set_segment_size},
    {"journal", "gather_us", set_gather_us},
    {"journal", "keep_segments", set_keep_segments},
    {"session", "idle", set_session_idle},
    {"history", "keep", config_set_history_keep},
    {"guard", "rapid_delete", set_rapid_delete},
    {"guard", "bulk_change", set_bulk_change},
    {"guard", "bulk_change_least", set_bulk_change_least},
    {"guard", "schema_change", set_schema_change},
    {"guard", "mass_statement", set_mass_statement},
};
