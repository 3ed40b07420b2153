/*
 * http.h - the HTTP client of the in-tree plugins: blocking calls, several requests side by side.
 *
 * Happy path: http_client_new once in open(); http_exchange with one or many requests, as often as
 * needed; http_client_free in close(). Connections are kept from one exchange to the next.
 *
 * Failure modes: each request ends on its own, in its reply. Whatever keeps a reply from coming
 * whole is one of enum http_failure with a sentence in `detail`; a reply that came, whatever its
 * status, is HTTP_ANSWERED. verdict.h says what either means for memories. An exchange ends early,
 * with HTTP_CANCELLED for what was not finished, when the host cancels.
 *
 * It follows no redirect, checks certificates, speaks TLS 1.2 or later, raises no signal and takes
 * the proxy from the environment, save for loopback addresses, which a proxy can't reach. No text
 * it makes holds a URL's path, query or user, which may be secrets; and in what a server says with
 * any status but 2xx, what it got from us to log in is masked (mask.h).
 */
#ifndef MEMFERRY_PLUGINS_HTTP_H
#define MEMFERRY_PLUGINS_HTTP_H

#include <memferry/plugin.h>

#define HTTP_CONNECTIONS_MAX 64

struct http_settings {
    const struct memferry_host *host; /* for its cancellation; NULL: none */
    const char *url;                  /* where all requests go: scheme, host and port count */
    const char *user, *password;      /* basic authentication; NULL: none */
    bool logs_in;                     /* by a header of the caller's */
    bool plain_http;                  /* a login may go unencrypted to another machine */
    const char *ca_file;              /* NULL: the system's */
    const char *client_cert, *client_key;
    long connect_timeout_ms, timeout_ms; /* the latter from start to the reply's last byte */
    size_t connections;                  /* at most this many at once, 1 to HTTP_CONNECTIONS_MAX */
    size_t request_max, reply_max;       /* bytes of a body */
};

enum http_failure {
    HTTP_ANSWERED = 0,      /* status and body are there */
    HTTP_UNREACHABLE,       /* no such host, no route, refused, connect timed out */
    HTTP_TIMED_OUT,         /* connected, no whole reply in time */
    HTTP_BROKEN,            /* the connection ended before the reply did, or it was no HTTP */
    HTTP_TLS,               /* certificate or handshake */
    HTTP_REQUEST_TOO_LARGE, /* over request_max: not sent */
    HTTP_REPLY_TOO_LARGE,
    HTTP_CANCELLED,
    HTTP_LOCAL /* our side: memory, an unreadable certificate file */
};

struct http_reply {
    enum http_failure failure;
    long status;
    char *body; /* with a NUL behind it; NULL when empty */
    size_t body_size;
    int64_t retry_after_ms; /* of Retry-After; -1 without */
    char redirect[128];     /* of a redirect: "http://host:port" of where it leads, or "" */
    char detail[256];       /* after a failure: what happened, to whom */
};

struct http_request {
    const char *method;
    const char *url;
    const char *const *headers; /* "Name: value", ends with NULL; NULL: none */
    const char *body;           /* borrowed; NULL: none */
    size_t body_size;
    struct http_reply reply; /* all zero before the first exchange */

    /*
     * Both may be NULL. `prepare` is called when the request's turn has come: it fills in headers
     * and body, so that of many requests only those that run hold a body, and each is signed at the
     * time it goes. It returns 0, or a negative errno: -EMSGSIZE is HTTP_REQUEST_TOO_LARGE,
     * -ECANCELED is HTTP_CANCELLED, all else HTTP_LOCAL. After it returned 0, `finished` is called
     * once, when the reply is filled. At most settings.connections requests are between the two.
     */
    int (*prepare)(struct http_request *request);
    void (*finished)(struct http_request *request);
    void *arg; /* theirs */
};

struct http_client;

/* Returns 0, or a negative errno with why filled. The settings' strings are copied. */
int http_client_new(struct http_client **ret, const struct http_settings *settings,
                    struct memferry_reason *why);
struct http_client *http_client_free(struct http_client *client); /* NULL is fine; returns NULL */

/* "http://host:port": what may be shown of where it talks to. */
const char *http_client_target(const struct http_client *client);

/* Masks these bytes, too, where a server sends them back: a secret in a header of the plugin's own.
 * 0 or -ENOMEM. */
int http_client_hide(struct http_client *client, const char *secret, size_t size);

/* Fills each request's reply. Replies are freed by http_reply_deinit. */
void http_exchange(struct http_client *client, struct http_request *requests, size_t n);

void http_reply_deinit(struct http_reply *reply);

/* Is it http or https, with a host, and without a password? -EINVAL with why filled. */
int http_check_url(const char *url, struct memferry_reason *why);

/* "120" or an HTTP date, as a delay from now_s; -1: neither. At most a day. */
int64_t http_parse_retry_after(const char *text, int64_t now_s);

#endif
