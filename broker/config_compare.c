/*
 * config_compare.c - what a reload means: which backends stay, whether the guard begins anew, and
 * what only a restart changes.
 */
#include "broker/config.h"

#include <string.h>

static bool same_text(const char *a, const char *b)
{
    return (a == NULL || b == NULL) ? a == b : strcmp(a, b) == 0;
}

bool config_same_backend(const struct config_backend *a, const struct config_backend *b)
{
    if (!same_text(a->name, b->name) || !same_text(a->plugin, b->plugin) || a->batch != b->batch ||
        a->max_age_ms != b->max_age_ms || a->wait_embedding_ms != b->wait_embedding_ms ||
        a->option_count != b->option_count) {
        return false;
    }
    for (size_t i = 0; i < a->option_count; i++) {
        if (!same_text(a->options[i].key, b->options[i].key) ||
            !same_text(a->options[i].value, b->options[i].value)) {
            return false;
        }
    }
    return true;
}

bool config_same_guard(const struct config_guard *a, const struct config_guard *b)
{
    return a->rapid_delete_count == b->rapid_delete_count &&
           a->rapid_delete_window_ms == b->rapid_delete_window_ms &&
           a->bulk_change_percent == b->bulk_change_percent &&
           a->bulk_change_window_ms == b->bulk_change_window_ms &&
           a->bulk_change_least == b->bulk_change_least && a->schema_change == b->schema_change &&
           a->mass_statement == b->mass_statement;
}

bool config_needs_restart(const struct config *a, const struct config *b)
{
    return !same_text(a->socket, b->socket) || !same_text(a->state_dir, b->state_dir) ||
           a->dims != b->dims || a->max_peers != b->max_peers ||
           a->segment_bytes != b->segment_bytes || a->gather_us != b->gather_us ||
           a->keep_segments != b->keep_segments;
}
