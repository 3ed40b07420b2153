/*
 * config.h - memferry.conf: read, checked, or refused with the line that is wrong.
 *
 * Every setting has a default, and no file at all is a good config. Unknown sections and keys are
 * errors. A backend's own options are kept as text with their lines, for the plugin loader to check
 * against the plugin's table.
 */
#ifndef MEMFERRY_CONFIG_H
#define MEMFERRY_CONFIG_H

#include "broker/util/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define CONFIG_BACKENDS_MAX 64
#define CONFIG_OPTIONS_MAX  128 /* of one backend */
#define CONFIG_USERS_MAX    64

struct config_option {
    char *key, *value;
    unsigned line;
};

/* [backend "name"]: what every backend has, and the plugin's own options. */
struct config_backend {
    char *name;   /* 1 to 64 bytes of [A-Za-z0-9._-], the first no dot */
    char *plugin; /* a name, or an absolute path */
    unsigned line;
    uint32_t batch;      /* memories to a delivery; 0: the plugin's own option or 100 */
    unsigned batch_line; /* 0: not set */
    int64_t max_age_ms;  /* a memory deferred for longer becomes a dead letter; 0: never */
    int64_t wait_embedding_ms;
    struct config_option *options;
    size_t option_count;
};

/* [guard]. A count or percent of 0 turns the rule off ("rapid_delete = off"). */
struct config_guard {
    uint32_t rapid_delete_count; /* rapid_delete = 10 in 60s */
    int64_t rapid_delete_window_ms;
    uint32_t bulk_change_percent; /* bulk_change = 50% in 60s */
    int64_t bulk_change_window_ms;
    uint32_t bulk_change_least; /* bulk_change_least = 10: of fewer memories it says nothing */
    bool schema_change, mass_statement; /* yes */
};

struct config {
    char *file; /* where it came from; NULL: no file */
    /* [broker]: keys are named as the fields */
    char *socket;    /* NULL: the default */
    char *state_dir; /* NULL: the default */
    uint32_t dims;   /* 768 */
    bool allow_purge;
    uid_t *users; /* besides our own uid; in the file by name or number */
    size_t user_count;
    uint32_t max_peers; /* 1000, at most 1024 with what is ours */
    /* [journal]: segment_size, gather_us, keep_segments */
    uint64_t segment_bytes; /* 16 MiB; 1 MiB to 1 GiB */
    uint32_t gather_us;     /* 40; 0 to 10000 */
    bool keep_segments;
    /* [session]: idle */
    int64_t session_idle_ms; /* 30 minutes; 1 s to 365 days */
    /* [history]: keep = 90d, or a count of versions; both 0: all */
    int64_t history_keep_ms;
    uint32_t history_keep_count;
    struct config_guard guard;
    struct config_backend *backends;
    size_t backend_count;
};

/* file NULL: $MEMFERRY_CONFIG, else $XDG_CONFIG_HOME/memferry/memferry.conf if it is there, else
 * defaults. A file that was named must exist. On failure err holds "FILE:LINE: …". Not to be called
 * beside a setenv. */
int config_load(struct config **ret, const char *file, struct error *err);
struct config *config_free(struct config *config);

/* Whether a lane made for one would be the same made for the other; lines don't count. */
bool config_same_backend(const struct config_backend *a, const struct config_backend *b);
bool config_same_guard(const struct config_guard *a, const struct config_guard *b);
/* Whether they differ in what is in force only after a restart. */
bool config_needs_restart(const struct config *a, const struct config *b);

/* "30s", "10m" → ms; "16M" → bytes; "yes" → true. -EINVAL, and *ret left alone. Shared with the
 * plugin loader. */
int config_parse_duration(const char *text, int64_t *ret_ms);
int config_parse_size(const char *text, int64_t *ret_bytes);
int config_parse_bool(const char *text, bool *ret);
int config_parse_int(const char *text, int64_t *ret);

#endif
