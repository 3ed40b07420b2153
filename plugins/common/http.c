/*
 * http.c - the client and its exchange: curl's multi handle driven to the end inside one call.
 *
 * Happy path: as many requests as there are connections are started; each that ends makes room for
 * the next; poll waits for sockets and for the host's wake descriptor together.
 *
 * Failure modes: a request that can't start has its reply filled and the others go on. When the
 * host cancels, what is running is dropped and what is waiting never starts.
 */
#include "plugins/common/http_internal.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    POLL_MAX_MS = 1000, /* curl's own timers are shorter; this one is for cancelled() alone */
    RETRY_AFTER_MAX_S = 24 * 60 * 60,
};

/* `place` is host:port. A name may begin with 127., too. */
static bool is_loopback(const char *place)
{
    return strncmp(place, "localhost:", 10) == 0 || strncmp(place, "[::1]:", 6) == 0 ||
           (strncmp(place, "127.", 4) == 0 && place[strspn(place, "0123456789.")] == ':');
}

/* The part of a URL, NULL without one; freed by curl_free. */
static char *url_part(CURLU *url, CURLUPart part)
{
    char *text = NULL;

    return curl_url_get(url, part, &text, CURLU_DEFAULT_PORT) == CURLUE_OK ? text : NULL;
}

static CURLU *parse_url(const char *text)
{
    CURLU *url = curl_url();

    if (url != NULL && curl_url_set(url, CURLUPART_URL, text, 0) != CURLUE_OK) {
        curl_url_cleanup(url);
        return NULL;
    }
    return url;
}

static const char *url_trouble(CURLU *url)
{
    const char *trouble = NULL;
    char *scheme = url_part(url, CURLUPART_SCHEME);
    char *password = url_part(url, CURLUPART_PASSWORD);

    if (scheme == NULL || (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0)) {
        trouble = "it must begin with http:// or https://";
    } else if (password != NULL) {
        trouble = "it holds a password; use the password options, which read it from the "
                  "environment or a file";
    }
    curl_free(scheme);
    curl_free(password);
    return trouble;
}

int http_check_url(const char *url, struct memferry_reason *why)
{
    CURLU *parsed = parse_url(url);
    const char *trouble =
        parsed == NULL ? "it is not a URL such as http://127.0.0.1:7474" : url_trouble(parsed);

    curl_url_cleanup(parsed);
    if (trouble != NULL) {
        snprintf(why->text, sizeof why->text, "url: %s", trouble);
        return -EINVAL;
    }
    return 0;
}

int64_t http_parse_retry_after(const char *text, int64_t now_s)
{
    char *end;

    while (*text == ' ' || *text == '\t') {
        text++;
    }
    errno = 0;
    long long delay_s = strtoll(text, &end, 10);
    bool number = end != text && end[strspn(end, " \t\r\n")] == '\0';
    if (!number) {
        time_t at = curl_getdate(text, NULL);
        if (at < 0) {
            return -1;
        }
        delay_s = at > now_s ? (long long)at - now_s : 0;
    }
    if (delay_s < 0) {
        return -1;
    }
    return (delay_s < RETRY_AFTER_MAX_S ? delay_s : RETRY_AFTER_MAX_S) * 1000;
}

char *http_url_target(const char *text)
{
    CURLU *url = parse_url(text);
    char *target = NULL;

    if (url == NULL) {
        return NULL;
    }
    char *scheme = url_part(url, CURLUPART_SCHEME);
    char *host = url_part(url, CURLUPART_HOST);
    char *port = url_part(url, CURLUPART_PORT);
    if (scheme != NULL && host != NULL && port != NULL &&
        asprintf(&target, "%s://%s:%s", scheme, host, port) < 0) {
        target = NULL;
    }
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    curl_url_cleanup(url);
    return target;
}

static int set_target(struct http_client *client, const char *url)
{
    client->target = http_url_target(url);
    if (client->target == NULL) {
        return -ENOMEM; /* the URL was checked */
    }
    client->direct = is_loopback(strstr(client->target, "://") + strlen("://"));
    return 0;
}

/* Replaces a string by a copy of ours, or by NULL. */
static int copy_text(struct http_client *client, const char **text)
{
    if (*text == NULL) {
        return 0;
    }
    assert(client->copy_count < HTTP_SETTINGS_STRINGS);
    char *copy = strdup(*text);
    *text = copy;
    client->copies[client->copy_count++] = copy;
    return copy == NULL ? -ENOMEM : 0;
}

static int copy_settings(struct http_client *client, const struct http_settings *from)
{
    struct http_settings *to = &client->settings;
    int r = 0;

    *to = *from;
    r |= copy_text(client, &to->url);
    r |= copy_text(client, &to->user);
    r |= copy_text(client, &to->password);
    r |= copy_text(client, &to->ca_file);
    r |= copy_text(client, &to->client_cert);
    r |= copy_text(client, &to->client_key);
    return r == 0 ? 0 : -ENOMEM;
}

/* The password is one of them. */
static void free_copies(struct http_client *client)
{
    for (size_t i = 0; i < client->copy_count; i++) {
        if (client->copies[i] != NULL) {
            explicit_bzero(client->copies[i], strlen(client->copies[i]));
        }
        free(client->copies[i]);
    }
}

static int client_init(struct http_client *client, const struct http_settings *settings,
                       struct memferry_reason *why)
{
    int r = copy_settings(client, settings);

    snprintf(why->text, sizeof why->text, "no memory for an HTTP client");
    if (r < 0 || (r = set_target(client, settings->url)) < 0 ||
        (r = http_check_login(client, why)) < 0 || (r = http_hide_logins(client)) < 0) {
        return r;
    }
    client->multi = curl_multi_init();
    if (client->multi == NULL) {
        return -ENOMEM;
    }
    curl_multi_setopt(client->multi, CURLMOPT_MAXCONNECTS, (long)settings->connections);
    for (size_t i = 0; i < settings->connections && r == 0; i++) {
        r = http_transfer_init(&client->transfers[i], client);
    }
    return r;
}

int http_client_new(struct http_client **ret, const struct http_settings *settings,
                    struct memferry_reason *why)
{
    assert(settings->connections >= 1 && settings->connections <= HTTP_CONNECTIONS_MAX);
    int r = http_check_url(settings->url, why);
    if (r < 0) {
        return r;
    }
    /* Counted and, since 7.84, safe to call from several threads. */
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        snprintf(why->text, sizeof why->text, "libcurl can't be initialised");
        return -ENOMEM;
    }
    struct http_client *client = calloc(1, sizeof *client);
    r = client == NULL ? -ENOMEM : client_init(client, settings, why);
    if (r < 0) {
        if (client == NULL) {
            snprintf(why->text, sizeof why->text, "no memory for an HTTP client");
            curl_global_cleanup();
        }
        http_client_free(client);
        return r;
    }
    *ret = client;
    return 0;
}

struct http_client *http_client_free(struct http_client *client)
{
    if (client == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < client->settings.connections; i++) {
        http_transfer_deinit(&client->transfers[i]);
    }
    if (client->multi != NULL) {
        curl_multi_cleanup(client->multi);
    }
    free_copies(client);
    mask_deinit(&client->mask);
    free(client->target);
    free(client);
    curl_global_cleanup();
    return NULL;
}

const char *http_client_target(const struct http_client *client)
{
    return client->target;
}

int http_client_hide(struct http_client *client, const char *secret, size_t size)
{
    return mask_add(&client->mask, secret, size);
}

/* One call of http_exchange. */
struct exchange {
    struct http_client *client;
    struct http_request *requests;
    size_t n;
    size_t next; /* the first that was not started */
    size_t running;
};

void http_request_finished(struct http_request *request)
{
    if (request->finished != NULL) {
        request->finished(request);
    }
}

/* Fills the reply of a request that could not be prepared. */
static void fail_prepare(struct http_client *client, struct http_request *request, int r)
{
    if (r == -EMSGSIZE) {
        http_reply_fail(&request->reply, HTTP_REQUEST_TOO_LARGE,
                        "a request for %s is over the limit of %zu bytes", client->target,
                        client->settings.request_max);
    } else if (r == -ECANCELED) {
        http_reply_fail(&request->reply, HTTP_CANCELLED, "%s: not sent", client->target);
    } else {
        http_reply_fail(&request->reply, HTTP_LOCAL, "a request for %s can't be made: %s",
                        client->target, strerror(-r));
    }
}

static void start(struct exchange *x, struct http_transfer *transfer, struct http_request *request)
{
    struct http_client *client = x->client;

    http_reply_deinit(&request->reply);
    int r = request->prepare == NULL ? 0 : request->prepare(request);
    if (r < 0) {
        fail_prepare(client, request, r);
        return;
    }
    if (request->body_size > client->settings.request_max) {
        fail_prepare(client, request, -EMSGSIZE);
        http_request_finished(request);
        return;
    }
    if (http_transfer_prepare(transfer, request) < 0 ||
        curl_multi_add_handle(client->multi, transfer->easy) != CURLM_OK) {
        http_transfer_finish(transfer, CURLE_OUT_OF_MEMORY);
        return;
    }
    x->running++;
}

/* Fills the idle transfers from what is waiting. */
static void start_waiting(struct exchange *x)
{
    for (size_t i = 0; i < x->client->settings.connections; i++) {
        struct http_transfer *transfer = &x->client->transfers[i];
        while (transfer->request == NULL && x->next < x->n) {
            start(x, transfer, &x->requests[x->next++]);
        }
    }
}

static void collect_finished(struct exchange *x)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(x->client->multi, &left)) != NULL) {
        struct http_transfer *transfer = NULL;
        CURLcode result = message->data.result;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&transfer);
        curl_multi_remove_handle(x->client->multi, transfer->easy);
        http_transfer_finish(transfer, result);
        x->running--;
    }
}

/* Ends everything at once, for one reason. */
static void abandon(struct exchange *x, enum http_failure failure, const char *what)
{
    struct http_client *client = x->client;

    for (size_t i = 0; i < client->settings.connections; i++) {
        struct http_transfer *transfer = &client->transfers[i];
        if (transfer->request != NULL) {
            curl_multi_remove_handle(client->multi, transfer->easy);
            struct http_request *request = http_transfer_release(transfer);
            http_reply_fail(&request->reply, failure, "%s: %s", client->target, what);
            http_request_finished(request);
        }
    }
    while (x->next < x->n) {
        http_reply_fail(&x->requests[x->next++].reply, failure, "%s: %s", client->target, what);
    }
    x->running = 0;
}

static bool is_cancelled(const struct http_client *client)
{
    const struct memferry_host *host = client->settings.host;

    return host != NULL && host->cancelled != NULL && host->cancelled(host);
}

/* Waits until a socket or the wake descriptor has something. */
static bool wait_for_progress(struct http_client *client)
{
    const struct memferry_host *host = client->settings.host;
    struct curl_waitfd wake = {.fd = host == NULL ? -1 : host->wake_fd, .events = CURL_WAIT_POLLIN};
    unsigned extra = wake.fd < 0 ? 0 : 1;

    return curl_multi_poll(client->multi, &wake, extra, POLL_MAX_MS, NULL) == CURLM_OK;
}

void http_exchange(struct http_client *client, struct http_request *requests, size_t n)
{
    struct exchange x = {.client = client, .requests = requests, .n = n};
    int still_running;

    while (x.next < n || x.running > 0) {
        if (is_cancelled(client)) {
            abandon(&x, HTTP_CANCELLED, "the broker is ending the call");
            return;
        }
        start_waiting(&x);
        if (curl_multi_perform(client->multi, &still_running) != CURLM_OK) {
            abandon(&x, HTTP_LOCAL, "curl_multi_perform failed");
            return;
        }
        collect_finished(&x);
        if (x.running > 0 && (size_t)still_running == x.running && !wait_for_progress(client)) {
            abandon(&x, HTTP_LOCAL, "poll failed");
            return;
        }
    }
}
