/* webhook_client.c - see webhook_client.h. The secrets' bytes are the host's, borrowed until close.
 */
#include "plugins/common/webhook_client.h"

#include "plugins/common/http_settings.h"
#include "plugins/common/webhook_event.h"
#include "plugins/common/webhook_verdict.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* An answer says what went wrong in a line or two. */
#define REPLY_MAX ((size_t)1 << 20)

enum { PING_MAX = 256 };

struct webhook_client {
    const struct memferry_host *host;
    struct webhook_signer *signer;
    struct http_client *http;
    char *url;
    char *bearer; /* a header line; NULL: none */
};

static int out_of_memory(struct memferry_reason *why)
{
    snprintf(why->text, sizeof why->text, "out of memory");
    return -ENOMEM;
}

/* A secret that may be absent: NULL and 0 without one, a negative errno if it can't be read. */
static int optional_secret(const struct memferry_host *host, const char *name, const char **ret,
                           struct memferry_reason *why)
{
    size_t size;

    *ret = NULL;
    if (host->option(host, name) == NULL) {
        return 0;
    }
    *ret = host->secret(host, name, &size, why);
    return *ret == NULL ? -EACCES : 0;
}

static int add_secret(struct webhook_client *client, const char *name, const char *secret,
                      size_t size, struct memferry_reason *why)
{
    struct memferry_reason flaw;
    int r = webhook_signer_add(client->signer, secret, size, &flaw);

    if (r < 0) {
        snprintf(why->text, sizeof why->text, "%s: %.400s", name, flaw.text);
        return r;
    }
    return http_client_hide(client->http, secret, size) < 0 ? out_of_memory(why) : 0;
}

static int make_signer(struct webhook_client *client, const struct memferry_host *host,
                       struct memferry_reason *why)
{
    const char *second;
    size_t size;
    int r = webhook_signer_new(&client->signer, host->option(host, "signature_header"), why);

    if (r < 0) {
        return r;
    }
    const char *secret = host->secret(host, "secret", &size, why);
    if (secret == NULL) {
        return -EACCES;
    }
    r = add_secret(client, "secret", secret, size, why);
    if (r == 0) {
        r = optional_secret(host, "second_secret", &second, why);
    }
    if (r == 0 && second != NULL) {
        r = add_secret(client, "second_secret", second, strlen(second), why);
    }
    return r;
}

static int make_bearer(struct webhook_client *client, const char *token,
                       struct memferry_reason *why)
{
    if (token[strcspn(token, "\r\n")] != '\0') {
        snprintf(why->text, sizeof why->text, "token: it has more than one line");
        return -EINVAL;
    }
    if (asprintf(&client->bearer, "Authorization: Bearer %s", token) < 0) {
        client->bearer = NULL;
        return out_of_memory(why);
    }
    return http_client_hide(client->http, token, strlen(token)) < 0 ? out_of_memory(why) : 0;
}

/* How we log in: by token, by user and password, or not at all. */
struct login {
    const char *token, *user, *password;
};

/* At most one way: both would be the same header. */
static int read_login(const struct memferry_host *host, struct login *login,
                      struct memferry_reason *why)
{
    const char *user = host->option(host, "user");
    int r = optional_secret(host, "token", &login->token, why);

    if (r == 0) {
        r = optional_secret(host, "password", &login->password, why);
    }
    if (r < 0) {
        return r;
    }
    login->user = user != NULL && user[0] != '\0' ? user : NULL;
    if ((login->token != NULL && login->user != NULL) ||
        (login->password != NULL) != (login->user != NULL)) {
        snprintf(why->text, sizeof why->text,
                 "user: it goes with a password, and a token goes without either");
        return -EINVAL;
    }
    return 0;
}

static int make_http(struct webhook_client *client, const struct memferry_host *host,
                     const char *url, size_t connections, const struct login *login,
                     struct memferry_reason *why)
{
    struct http_settings settings = http_settings_read(host);

    client->url = strdup(url);
    if (client->url == NULL) {
        return out_of_memory(why);
    }
    settings.url = url;
    settings.user = login->user;
    settings.password = login->password;
    settings.logs_in = login->token != NULL;
    settings.connections = connections;
    settings.reply_max = REPLY_MAX;
    return http_client_new(&client->http, &settings, why);
}

static int client_init(struct webhook_client *client, const struct memferry_host *host,
                       const char *url, size_t connections, struct memferry_reason *why)
{
    struct login login = {.token = NULL};
    int r = read_login(host, &login, why);

    client->host = host;
    if (r == 0) {
        r = make_http(client, host, url, connections, &login, why);
    }
    if (r == 0 && login.token != NULL) {
        r = make_bearer(client, login.token, why);
    }
    return r < 0 ? r : make_signer(client, host, why);
}

int webhook_client_new(struct webhook_client **ret, const struct memferry_host *host,
                       const char *url, size_t connections, struct memferry_reason *why)
{
    struct webhook_client *client = calloc(1, sizeof *client);
    int r = client == NULL ? out_of_memory(why) : client_init(client, host, url, connections, why);

    *ret = r < 0 ? webhook_client_free(client) : client;
    return r;
}

static void wipe(char *text)
{
    if (text != NULL) {
        explicit_bzero(text, strlen(text));
    }
    free(text);
}

struct webhook_client *webhook_client_free(struct webhook_client *client)
{
    if (client == NULL) {
        return NULL;
    }
    webhook_signer_free(client->signer);
    http_client_free(client->http);
    wipe(client->bearer);
    free(client->url);
    free(client);
    return NULL;
}

struct http_client *webhook_client_http(struct webhook_client *client)
{
    return client->http;
}

int webhook_client_sign(struct webhook_client *client, struct webhook_head *head, const char *id,
                        const char *body, size_t size, struct http_request *request)
{
    size_t count = 0;
    int r = webhook_sign(client->signer, id, (int64_t)time(NULL), body, size, &head->signature);

    if (r < 0) {
        return r;
    }
    head->lines[count++] = "Content-Type: application/json";
    if (client->bearer != NULL) {
        head->lines[count++] = client->bearer;
    }
    for (size_t i = 0; head->signature.lines[i] != NULL; i++) {
        head->lines[count++] = head->signature.lines[i];
    }
    head->lines[count] = NULL;
    request->method = "POST";
    request->url = client->url;
    request->headers = head->lines;
    request->body = body;
    request->body_size = size;
    return 0;
}

struct memferry_outcome webhook_client_outcome(struct webhook_client *client,
                                               struct http_reply *reply)
{
    return webhook_verdict(reply, http_client_target(client->http));
}

struct memferry_outcome webhook_client_post(struct webhook_client *client, const char *id,
                                            const char *body, size_t size)
{
    struct webhook_head head;
    struct http_request request = {.method = NULL};
    int r = webhook_client_sign(client, &head, id, body, size, &request);

    if (r < 0) {
        return outcome_retry(MEMFERRY_BLAME_BACKEND, -1, "a request for %s can't be signed: %s",
                             http_client_target(client->http), strerror(-r));
    }
    http_exchange(client->http, &request, 1);
    struct memferry_outcome outcome = webhook_client_outcome(client, &request.reply);
    http_reply_deinit(&request.reply);
    return outcome;
}

static struct memferry_outcome send_ping(struct webhook_client *client)
{
    char id[WEBHOOK_EVENT_ID_SIZE];
    struct json_writer w;
    size_t size = 0;

    if (webhook_event_new_id(id) < 0) {
        return outcome_retry(MEMFERRY_BLAME_BACKEND, -1, "OpenSSL has no random bytes");
    }
    json_writer_init(&w, PING_MAX);
    webhook_event_begin(&w, id, "ping");
    json_end_object(&w);
    json_end_object(&w);
    const char *body = json_writer_text(&w, &size);
    struct memferry_outcome outcome =
        body != NULL ? webhook_client_post(client, id, body, size)
                     : outcome_retry(MEMFERRY_BLAME_BACKEND, -1, "out of memory");
    json_writer_deinit(&w);
    return outcome;
}

int webhook_client_ping(struct webhook_client *client, struct memferry_reason *why)
{
    struct memferry_outcome outcome = send_ping(client);

    if (outcome.verdict == MEMFERRY_RETRY) {
        return probe_failure(client->host, &outcome, why);
    }
    if (outcome.verdict == MEMFERRY_REJECT) {
        snprintf(why->text, sizeof why->text, "it takes the signature and knows no pings: %.380s",
                 outcome.reason.text);
    } else {
        snprintf(why->text, sizeof why->text, "it takes the signature and answers pings");
    }
    return 0;
}
