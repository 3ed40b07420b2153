/* http_internal.h - what http.c (the exchange) and http_transfer.c (one request) share. */
#ifndef MEMFERRY_PLUGINS_HTTP_INTERNAL_H
#define MEMFERRY_PLUGINS_HTTP_INTERNAL_H

#include "plugins/common/http.h"
#include "plugins/common/mask.h"

#include <curl/curl.h>

/* One request on its way. Kept, with its curl handle, from one request to the next. */
struct http_transfer {
    struct http_client *client;
    CURL *easy;
    struct curl_slist *headers;
    struct http_request *request; /* NULL: idle */
    size_t capacity;              /* of the reply's body */
    size_t header_bytes;
    bool too_large, out_of_memory;
    char message[CURL_ERROR_SIZE];
};

enum { HTTP_SETTINGS_STRINGS = 6 };

struct http_client {
    struct http_settings settings; /* its strings are the copies */
    char *copies[HTTP_SETTINGS_STRINGS];
    size_t copy_count;
    char *target;
    bool direct;      /* loopback: no proxy */
    struct mask mask; /* of what servers say when they refuse us */
    CURLM *multi;
    struct http_transfer transfers[HTTP_CONNECTIONS_MAX];
};

/* What the client itself sends to log in, at the server and at proxies. 0 or -ENOMEM. */
int http_hide_logins(struct http_client *client);
/* -EINVAL: a login would go over the network for all to read, and the config doesn't allow it. */
int http_check_login(const struct http_client *client, struct memferry_reason *why);

int http_transfer_init(struct http_transfer *transfer, struct http_client *client);
void http_transfer_deinit(struct http_transfer *transfer);
/* Makes the handle ready to be added to the multi handle. -ENOMEM. */
int http_transfer_prepare(struct http_transfer *transfer, struct http_request *request);
/* Fills the reply by how curl ended, and tells the request's owner; the transfer is idle
 * afterwards. */
void http_transfer_finish(struct http_transfer *transfer, CURLcode result);
/* Leaves the reply alone and tells nobody: makes the transfer idle, and returns its request. */
struct http_request *http_transfer_release(struct http_transfer *transfer);

/* "http://host:port" of a URL, to be freed; NULL: it is none, or there is no memory. */
char *http_url_target(const char *text);
/* The reply is filled: tells the request's owner. */
void http_request_finished(struct http_request *request);

void http_reply_fail(struct http_reply *reply, enum http_failure failure, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
