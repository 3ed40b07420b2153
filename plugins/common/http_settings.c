/* http_settings.c - reads the options that every HTTP plugin has. Cannot fail: they are checked. */
#include "plugins/common/http_settings.h"

struct http_settings http_settings_read(const struct memferry_host *host)
{
    return (struct http_settings){
        .host = host,
        .url = host->option(host, "url"),
        .ca_file = host->option(host, "ca_file"),
        .client_cert = host->option(host, "client_cert"),
        .plain_http = host->option_int(host, "plain_http") != 0,
        .client_key = host->option(host, "client_key"),
        .connect_timeout_ms = (long)host->option_int(host, "connect_timeout"),
        .timeout_ms = (long)host->option_int(host, "timeout"),
        .connections = 1,
        .request_max = HTTP_BODY_DEFAULT_MAX,
        .reply_max = HTTP_BODY_DEFAULT_MAX,
    };
}
