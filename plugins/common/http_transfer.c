/*
 * http_transfer.c - one request: its curl options, its bounded reply, and what its end means.
 *
 * The callbacks end a transfer by refusing bytes: over the reply's limit, or without memory.
 */
#include "plugins/common/http_internal.h"

#include "plugins/common/buffer.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

enum {
    HEADER_BYTES_MAX = 64 * 1024, /* of one reply, all headers */
    UPLOAD_BUFFER_BYTES = 512 * 1024,
};

void http_reply_fail(struct http_reply *reply, enum http_failure failure, const char *format, ...)
{
    va_list args;

    http_reply_deinit(reply);
    reply->failure = failure;
    va_start(args, format);
    vsnprintf(reply->detail, sizeof reply->detail, format, args);
    va_end(args);
}

void http_reply_deinit(struct http_reply *reply)
{
    free(reply->body);
    memset(reply, 0, sizeof *reply);
    reply->retry_after_ms = -1;
}

static size_t body_cb(char *data, size_t unit, size_t count, void *arg)
{
    struct http_transfer *transfer = arg;
    struct http_reply *reply = &transfer->request->reply;
    size_t size = unit * count;

    if (size > transfer->client->settings.reply_max - reply->body_size) {
        transfer->too_large = true;
        return 0;
    }
    if (!buffer_reserve(&reply->body, &transfer->capacity, reply->body_size + size + 1)) {
        transfer->out_of_memory = true;
        return 0;
    }
    memcpy(reply->body + reply->body_size, data, size);
    reply->body_size += size;
    reply->body[reply->body_size] = '\0';
    return size;
}

/* Copies the value of a header line that has this name. */
static bool header_value(const char *line, size_t size, const char *name, char *value,
                         size_t value_size)
{
    size_t name_size = strlen(name);

    if (size <= name_size || line[name_size] != ':' || strncasecmp(line, name, name_size) != 0) {
        return false;
    }
    line += name_size + 1;
    size -= name_size + 1;
    if (size >= value_size) {
        return false;
    }
    memcpy(value, line, size);
    value[size] = '\0';
    return true;
}

static size_t header_cb(char *line, size_t unit, size_t count, void *arg)
{
    struct http_transfer *transfer = arg;
    size_t size = unit * count;
    char value[128];

    transfer->header_bytes += size;
    if (transfer->header_bytes > HEADER_BYTES_MAX) {
        transfer->too_large = true;
        return 0;
    }
    if (header_value(line, size, "Retry-After", value, sizeof value)) {
        transfer->request->reply.retry_after_ms =
            http_parse_retry_after(value, (int64_t)time(NULL));
    }
    return size;
}

/* What holds for every request of the client. */
static void set_fixed_options(struct http_transfer *transfer)
{
    const struct http_settings *s = &transfer->client->settings;
    CURL *easy = transfer->easy;

    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    if (s->ca_file != NULL) {
        curl_easy_setopt(easy, CURLOPT_CAINFO, s->ca_file);
    }
    curl_easy_setopt(easy, CURLOPT_SSLCERT, s->client_cert);
    curl_easy_setopt(easy, CURLOPT_SSLKEY, s->client_key);
    if (s->user != NULL) {
        curl_easy_setopt(easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
        curl_easy_setopt(easy, CURLOPT_USERNAME, s->user);
        curl_easy_setopt(easy, CURLOPT_PASSWORD, s->password == NULL ? "" : s->password);
    }
    if (transfer->client->direct) {
        curl_easy_setopt(easy, CURLOPT_PROXY, "");
    }
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, s->connect_timeout_ms);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, s->timeout_ms);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, (long)UPLOAD_BUFFER_BYTES);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "memferry/" MEMFERRY_VERSION);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->message);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, body_cb);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, header_cb);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer);
}

int http_transfer_init(struct http_transfer *transfer, struct http_client *client)
{
    transfer->client = client;
    transfer->easy = curl_easy_init();
    if (transfer->easy == NULL) {
        return -ENOMEM;
    }
    set_fixed_options(transfer);
    return 0;
}

/* A login may be among them. */
static void free_headers(struct http_transfer *transfer)
{
    for (struct curl_slist *header = transfer->headers; header != NULL; header = header->next) {
        explicit_bzero(header->data, strlen(header->data));
    }
    curl_slist_free_all(transfer->headers);
    transfer->headers = NULL;
}

void http_transfer_deinit(struct http_transfer *transfer)
{
    if (transfer->easy != NULL) {
        curl_easy_cleanup(transfer->easy);
    }
    free_headers(transfer);
    memset(transfer, 0, sizeof *transfer);
}

static int add_header(struct http_transfer *transfer, const char *line)
{
    struct curl_slist *longer = curl_slist_append(transfer->headers, line);

    if (longer == NULL) {
        return -ENOMEM;
    }
    transfer->headers = longer;
    return 0;
}

static int set_headers(struct http_transfer *transfer, const char *const *lines)
{
    /* No "Expect: 100-continue": it costs a round trip, and a second with servers that ignore it.
     */
    int r = add_header(transfer, "Expect:");

    for (size_t i = 0; r == 0 && lines != NULL && lines[i] != NULL; i++) {
        r = add_header(transfer, lines[i]);
    }
    return r;
}

int http_transfer_prepare(struct http_transfer *transfer, struct http_request *request)
{
    CURL *easy = transfer->easy;

    transfer->request = request;
    transfer->capacity = 0;
    transfer->header_bytes = 0;
    transfer->too_large = transfer->out_of_memory = false;
    transfer->message[0] = '\0';
    if (set_headers(transfer, request->headers) < 0 ||
        curl_easy_setopt(easy, CURLOPT_URL, request->url) != CURLE_OK) {
        return -ENOMEM;
    }
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, transfer->headers);
    if (request->body != NULL) {
        curl_easy_setopt(easy, CURLOPT_POST, 1L);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->body);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_size);
    } else {
        curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
    }
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
    return 0;
}

static enum http_failure failure_of(const struct http_transfer *transfer, CURLcode result)
{
    long connected = 0;

    if (transfer->too_large) {
        return HTTP_REPLY_TOO_LARGE;
    }
    switch (result) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
    case CURLE_PROXY:
        return HTTP_UNREACHABLE;
    case CURLE_OPERATION_TIMEDOUT:
        curl_easy_getinfo(transfer->easy, CURLINFO_PRETRANSFER_TIME_T, &connected);
        return connected == 0 ? HTTP_UNREACHABLE : HTTP_TIMED_OUT;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
        return HTTP_TLS;
    case CURLE_OUT_OF_MEMORY:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_FAILED_INIT:
    case CURLE_URL_MALFORMAT:
        return HTTP_LOCAL;
    default:
        return transfer->out_of_memory ? HTTP_LOCAL : HTTP_BROKEN;
    }
}

static void fill_failure(struct http_transfer *transfer, CURLcode result)
{
    enum http_failure failure = failure_of(transfer, result);
    const char *target = transfer->client->target;
    struct http_reply *reply = &transfer->request->reply;

    if (failure == HTTP_REPLY_TOO_LARGE) {
        http_reply_fail(reply, failure, "the reply of %s is over %zu bytes", target,
                        transfer->client->settings.reply_max);
    } else if (transfer->out_of_memory) {
        http_reply_fail(reply, failure, "out of memory for the reply of %s", target);
    } else {
        http_reply_fail(reply, failure, "%s: %s", target,
                        transfer->message[0] != '\0' ? transfer->message
                                                     : curl_easy_strerror(result));
    }
}

/* Where a redirect leads: of its URL what may be shown. */
static void note_redirect(struct http_transfer *transfer)
{
    struct http_reply *reply = &transfer->request->reply;
    char *url = NULL;

    curl_easy_getinfo(transfer->easy, CURLINFO_REDIRECT_URL, &url);
    char *target = url == NULL ? NULL : http_url_target(url);
    if (target != NULL) {
        snprintf(reply->redirect, sizeof reply->redirect, "%s", target);
    }
    free(target);
}

struct http_request *http_transfer_release(struct http_transfer *transfer)
{
    struct http_request *request = transfer->request;

    curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER, NULL);
    free_headers(transfer);
    transfer->request = NULL;
    return request;
}

void http_transfer_finish(struct http_transfer *transfer, CURLcode result)
{
    struct http_request *request = transfer->request;

    if (result == CURLE_OK) {
        curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &request->reply.status);
        note_redirect(transfer);
        if (request->reply.body != NULL &&
            (request->reply.status < 200 || request->reply.status > 299)) {
            mask_text(&transfer->client->mask, request->reply.body, request->reply.body_size);
        }
    } else {
        fill_failure(transfer, result);
    }
    http_transfer_release(transfer);
    http_request_finished(request);
}
