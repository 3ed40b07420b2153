/*
 * config_build.h - the parts of config.c: what each section may hold, and how it gets into the
 * struct.
 */
#ifndef MEMFERRY_CONFIG_BUILD_H
#define MEMFERRY_CONFIG_BUILD_H

#include "broker/config.h"
#include "broker/config_place.h"

/* A setting of a section without a name. */
struct config_setting {
    const char *section, *key;
    int (*set)(struct config *, const struct config_place *, const char *key, const char *value,
               struct error *);
};

#define CONFIG_SETTING_COUNT 16
extern const struct config_setting config_settings[CONFIG_SETTING_COUNT];

/* The lines at which one backend's common keys were set. 0: not yet. */
struct config_backend_lines {
    unsigned plugin, batch, max_age, wait_embedding;
};

/* Adds an entry to the backend: one of the common keys, or an option of its plugin. */
int config_backend_set(struct config_backend *backend, struct config_backend_lines *lines,
                       const struct config_place *place, const char *key, const char *value,
                       struct error *err);

/* Whether this may be the name of a backend or plugin: 1 to 64 bytes of [A-Za-z0-9._-], not
 * beginning with a dot. */
bool config_is_name(const char *text);

/* Frees what it holds, not itself. */
void config_backend_deinit(struct config_backend *backend);

/* Values with their messages. */
int config_set_int(int64_t *ret, const struct config_place *place, const char *key,
                   const char *value, int64_t min, int64_t max, struct error *err);
int config_set_uint32(uint32_t *ret, const struct config_place *place, const char *key,
                      const char *value, uint32_t min, uint32_t max, struct error *err);
int config_set_duration(int64_t *ret_ms, const struct config_place *place, const char *key,
                        const char *value, int64_t max_ms, struct error *err);
int config_set_bool(bool *ret, const struct config_place *place, const char *key, const char *value,
                    struct error *err);
/* Absolute, or from home by "~/". Frees what was there. */
int config_set_path(char **ret, const struct config_place *place, const char *key,
                    const char *value, struct error *err);
int config_set_text(char **ret, const char *value, struct error *err);

/* config_history.c */
int config_set_history_keep(struct config *c, const struct config_place *place, const char *key,
                            const char *value, struct error *err);

/* Refuses `key` where it is no known one, with the nearest of the names, or all of them. `where` is
 * such as "[broker]". */
int config_unknown_key(struct error *err, const struct config_place *place, const char *where,
                       const char *key, const char *const *names, size_t count);

#endif
