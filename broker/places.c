/* places.c - decides where socket, state and plugins are. Fails without memory or a home. */
#include "broker/places.h"

#include "broker/util/paths.h"
#include "broker/version.h"

#include <stdlib.h>

static int find_socket(struct places *places, const struct options *options,
                       const struct config *config, struct error *err)
{
    const char *given = options->socket != NULL ? options->socket : config->socket;

    return given != NULL ? paths_expand(&places->socket, given, err)
                         : paths_socket(&places->socket, err);
}

static int find_state_dir(struct places *places, const struct options *options,
                          const struct config *config, struct error *err)
{
    const char *given = options->state_dir != NULL ? options->state_dir : config->state_dir;

    return given != NULL ? paths_expand(&places->state_dir, given, err)
                         : paths_state_dir(&places->state_dir, err);
}

static int find_plugin_dir(struct places *places, const struct options *options, struct error *err)
{
    return options->plugin_dir != NULL
               ? paths_expand(&places->plugin_dir, options->plugin_dir, err)
               : paths_plugin_dir(&places->plugin_dir, MEMFERRY_PLUGIN_DIR, err);
}

int places_find(struct places *ret, const struct options *options, const struct config *config,
                struct error *err)
{
    *ret = (struct places){0};
    int r = find_socket(ret, options, config, err);
    if (r == 0) {
        r = find_state_dir(ret, options, config, err);
    }
    if (r == 0) {
        r = find_plugin_dir(ret, options, err);
    }
    if (r == 0) {
        r = paths_join(&ret->journal_dir, ret->state_dir, "journal", err);
    }
    if (r == 0) {
        r = paths_join(&ret->store_file, ret->state_dir, "memferry.db", err);
    }
    if (r == 0) {
        r = paths_join(&ret->index_file, ret->state_dir, "search.db", err);
    }
    if (r == 0) {
        r = paths_join(&ret->vector_file, ret->state_dir, "vectors.idx", err);
    }
    return r;
}

void places_deinit(struct places *places)
{
    free(places->socket);
    free(places->state_dir);
    free(places->plugin_dir);
    free(places->journal_dir);
    free(places->store_file);
    free(places->index_file);
    free(places->vector_file);
    *places = (struct places){0};
}
