/*
 * backends_plugin.c - what a config asks for, held against what its plugins can do.
 *
 * Happy path: each [backend …] has a plugin that loads, and carries one thing: memories, contents
 * or alerts. Failure modes: texts with the config's file and line.
 */
#include "broker/backends_plugin.h"

#include "broker/event_embed.h"
#include "broker/lane_feed.h"

#include <errno.h>
#include <string.h>

/* What it names goes with every vector. */
static int check_model(const struct config *config, const struct config_backend *wanted,
                       const struct plugin *plugin, struct error *err)
{
    const char *model = plugin_option_text(plugin, "model");

    if (model == NULL ||
        !event_embed_model_is_valid((struct event_text){.data = model, .size = strlen(model)})) {
        return error_set(err, -EINVAL,
                         "%s:%u: backend %s makes vectors, so its option model must name what "
                         "makes them: 1 to %d bytes, and not \"%s\"",
                         config->file, wanted->line, wanted->name, EMBEDDING_MODEL_MAX,
                         EMBEDDING_MODEL_CALLER);
    }
    return 0;
}

static int plugin_kind(const struct config *config, const struct config_backend *wanted,
                       const struct plugin *plugin, enum lane_kind *ret_kind, struct error *err)
{
    const struct lane_feed *feed = lane_feed_of(plugin_table(plugin));

    if (feed == NULL) {
        return error_set(err, -EINVAL,
                         "%s:%u: plugin %s takes no memories, makes no vectors and tells no alerts "
                         "(it has none of deliver, embed and notify), or does more than one of "
                         "these; a backend does one: take the section out",
                         config->file, wanted->line, wanted->plugin);
    }
    *ret_kind = feed->kind;
    return feed->kind == LANE_EMBEDDER ? check_model(config, wanted, plugin, err) : 0;
}

int backend_load_plugin(const struct backends_options *options, const struct config *config,
                        const struct config_backend *wanted, struct log *log,
                        struct plugin **ret_plugin, enum lane_kind *ret_kind, struct error *err)
{
    const struct plugin_context context = {.plugin_dir = options->plugin_dir,
                                           .config_file = config->file,
                                           .state_dir = options->state_dir,
                                           .origin = options->origin,
                                           .dims = options->dims,
                                           .log = log};
    int r = plugin_load(ret_plugin, wanted, &context, err);

    if (r != 0) {
        return r;
    }
    r = plugin_kind(config, wanted, *ret_plugin, ret_kind, err);
    if (r != 0) {
        *ret_plugin = plugin_unload(*ret_plugin);
    }
    return r;
}

int backends_check_count(const struct config *config, struct error *err)
{
    if (config->backend_count > BACKENDS_MAX) {
        return error_set(err, -EINVAL, "%s: %zu backends, more than the %d allowed", config->file,
                         config->backend_count, BACKENDS_MAX);
    }
    return 0;
}

/* Vectors of two models can't be compared, so there is one embedder. */
int backends_check_embedders(const struct config *config, const struct backend_kinds *kinds,
                             struct error *err)
{
    const struct config_backend *first = NULL;

    for (size_t i = 0; i < config->backend_count; i++) {
        const struct config_backend *wanted = &config->backends[i];
        if (kinds->items[i] == LANE_EMBEDDER && first != NULL) {
            return error_set(err, -EINVAL,
                             "%s:%u: backend %s makes vectors, and so does %s (line %u); a broker "
                             "has one embedder: take one of the sections out",
                             config->file, wanted->line, wanted->name, first->name, first->line);
        }
        first = kinds->items[i] == LANE_EMBEDDER ? wanted : first;
    }
    return 0;
}

int backends_check(const struct backends_options *options, const struct config *config,
                   struct backend_kinds *ret_kinds, struct log *log, struct error *err)
{
    int r = backends_check_count(config, err);

    for (size_t i = 0; r == 0 && i < config->backend_count; i++) {
        struct plugin *plugin = NULL;
        r = backend_load_plugin(options, config, &config->backends[i], log, &plugin,
                                &ret_kinds->items[i], err);
        plugin_unload(plugin);
    }
    return r == 0 ? backends_check_embedders(config, ret_kinds, err) : r;
}
