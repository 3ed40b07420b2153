/* plugin_trust.h - who could have put a file there, or could put another in its place. */
#ifndef MEMFERRY_PLUGIN_TRUST_H
#define MEMFERRY_PLUGIN_TRUST_H

#include "broker/config_place.h"
#include "broker/util/error.h"

/* Looks at the regular file `real`, a path without links, at its directory, and at every one above.
 * 0, or a text that says which of them others could change. */
int plugin_trust_file(const char *real, const struct config_place *place, struct error *err);
/* A directory and all above. */
int plugin_trust_directory(const char *real, const struct config_place *place, struct error *err);

#endif
