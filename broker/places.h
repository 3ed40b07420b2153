/* places.h - the files of one broker, by options, config, environment and default, in that order.
 */
#ifndef MEMFERRY_PLACES_H
#define MEMFERRY_PLACES_H

#include "broker/config.h"
#include "broker/options.h"
#include "broker/util/error.h"

struct places {
    char *socket, *state_dir, *plugin_dir;
    char *journal_dir, *store_file; /* in state_dir, as … */
    char *index_file, *vector_file; /* … are those of search */
};

/* Fills all of it; places_deinit frees it, half-filled too. */
int places_find(struct places *ret, const struct options *options, const struct config *config,
                struct error *err);
void places_deinit(struct places *places);

#endif
