/* http_settings.h - from a backend's options (http_options.inc and url) to an HTTP client. */
#ifndef MEMFERRY_PLUGINS_HTTP_SETTINGS_H
#define MEMFERRY_PLUGINS_HTTP_SETTINGS_H

#include "plugins/common/http.h"

/* The settings as configured; strings are borrowed from the host. Left to the caller: user,
 * password. Bodies are limited to HTTP_BODY_DEFAULT_MAX, connections to 1. */
#define HTTP_BODY_DEFAULT_MAX ((size_t)64 << 20)
struct http_settings http_settings_read(const struct memferry_host *host);

#endif
