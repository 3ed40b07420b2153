/*
 * server.c - see server.h.
 *
 * Happy path: GET /?token=… sets the cookie and leads to GET /, the page, whose scripts POST
 * /call/METHOD with the parameters as JSON.
 *
 * Failure modes, each answered with a sentence: another Host or Origin, or no cookie: 403; an
 * unknown path: 404; a call that is not for the page: 404; too large: 413.
 */
#include "client/heavy/ui/server.h"

#include "client/cli/times.h"
#include "client/heavy/ui/assets.h"
#include "client/heavy/ui/call.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS_MAX 32

struct server {
    struct memferry *m;
    struct MHD_Daemon *daemon;
    struct access access;
    _Atomic int64_t used_ms; /* monotonic */
};

/* Of one request: its body so far. */
struct body {
    size_t size;
    bool too_large;
    char bytes[CALL_PARAMS_MAX + 1];
};

static const char *header(struct MHD_Connection *connection, const char *name)
{
    return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

/* ---- answers ---- */

/* The page may load what comes from here and nothing else, and nobody may frame it. */
static void add_headers(struct MHD_Response *response, const char *type)
{
    MHD_add_response_header(response, "Content-Type", type);
    MHD_add_response_header(response, "Cache-Control", "no-store");
    MHD_add_response_header(response, "Content-Security-Policy",
                            "default-src 'none'; script-src 'self'; style-src 'self'; "
                            "connect-src 'self'; img-src 'self'; base-uri 'none'; "
                            "form-action 'none'; frame-ancestors 'none'");
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    MHD_add_response_header(response, "Referrer-Policy", "no-referrer");
    MHD_add_response_header(response, "Cross-Origin-Resource-Policy", "same-origin");
    MHD_add_response_header(response, "Cross-Origin-Opener-Policy", "same-origin");
}

static enum MHD_Result answer(struct MHD_Connection *connection, unsigned status, const char *type,
                              struct MHD_Response *response)
{
    if (response == NULL) {
        return MHD_NO;
    }
    add_headers(response, type);
    enum MHD_Result result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result answer_text(struct MHD_Connection *connection, unsigned status,
                                   const char *text)
{
    return answer(connection, status, "text/plain; charset=utf-8",
                  MHD_create_response_from_buffer(strlen(text), (void *)(uintptr_t)text,
                                                  MHD_RESPMEM_PERSISTENT));
}

static enum MHD_Result answer_asset(struct MHD_Connection *connection, const struct asset *asset)
{
    return answer(connection, MHD_HTTP_OK, asset->type,
                  MHD_create_response_from_buffer(asset->size, (void *)(uintptr_t)asset->bytes,
                                                  MHD_RESPMEM_PERSISTENT));
}

/* With the cookie, to the page without the token in its address. */
static enum MHD_Result answer_welcome(struct server *server, struct MHD_Connection *connection)
{
    char cookie[128];
    struct MHD_Response *response =
        MHD_create_response_from_buffer(0, (void *)(uintptr_t) "", MHD_RESPMEM_PERSISTENT);

    if (response == NULL) {
        return MHD_NO;
    }
    access_set_cookie(&server->access, cookie, sizeof cookie);
    MHD_add_response_header(response, "Set-Cookie", cookie);
    MHD_add_response_header(response, "Location", "/");
    return answer(connection, MHD_HTTP_SEE_OTHER, "text/plain; charset=utf-8", response);
}

/* ---- requests ---- */

static const struct asset *find_asset(const char *path)
{
    for (const struct asset *asset = assets; asset->path != NULL; asset++) {
        if (strcmp(asset->path, path) == 0) {
            return asset;
        }
    }
    return NULL;
}

static enum MHD_Result get(struct server *server, struct MHD_Connection *connection,
                           const char *path)
{
    const char *token = MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, "token");

    if (strcmp(path, "/") == 0 && access_take_token(&server->access, token)) {
        return answer_welcome(server, connection);
    }
    if (!access_has_cookie(&server->access, header(connection, "Cookie"))) {
        return answer_text(connection, MHD_HTTP_FORBIDDEN,
                           "This link was used before, or belongs to another run. A new one is "
                           "printed by: memferry ui\n");
    }
    const struct asset *asset = find_asset(path);
    return asset != NULL ? answer_asset(connection, asset)
                         : answer_text(connection, MHD_HTTP_NOT_FOUND, "There is no such page.\n");
}

static enum MHD_Result call(struct server *server, struct MHD_Connection *connection,
                            const char *method, const struct body *body)
{
    if (!call_is_allowed(method)) {
        return answer_text(connection, MHD_HTTP_NOT_FOUND, "The page may not make this call.\n");
    }
    struct call_answer told = call_broker(server->m, method, body->size > 0 ? body->bytes : NULL);
    if (told.json == NULL) {
        return MHD_NO;
    }
    return answer(
        connection, told.status, "application/json",
        MHD_create_response_from_buffer(strlen(told.json), told.json, MHD_RESPMEM_MUST_FREE));
}

static enum MHD_Result post(struct server *server, struct MHD_Connection *connection,
                            const char *path, const struct body *body)
{
    static const char calls[] = "/call/";

    if (!access_is_our_origin(&server->access, header(connection, "Origin")) ||
        !access_has_cookie(&server->access, header(connection, "Cookie"))) {
        return answer_text(connection, MHD_HTTP_FORBIDDEN, "Only the page itself may ask.\n");
    }
    if (body->too_large) {
        return answer_text(connection, MHD_HTTP_CONTENT_TOO_LARGE, "That is too much.\n");
    }
    if (strncmp(path, calls, strlen(calls)) != 0) {
        return answer_text(connection, MHD_HTTP_NOT_FOUND, "There is nothing to call.\n");
    }
    server->used_ms = monotonic_ms();
    return call(server, connection, path + strlen(calls), body);
}

static void gather(struct body *body, const char *data, size_t *size)
{
    if (*size > CALL_PARAMS_MAX - body->size) {
        body->too_large = true;
    } else {
        memcpy(body->bytes + body->size, data, *size);
        body->size += *size;
    }
    *size = 0;
}

/* Comes once with the head, again with each piece of the body, and at its end. */
static enum MHD_Result handle(void *arg, struct MHD_Connection *connection, const char *path,
                              const char *method, const char *version, const char *data,
                              size_t *size, void **request)
{
    struct server *server = arg;
    struct body *body = *request;

    (void)version;
    if (body == NULL) {
        *request = calloc(1, sizeof(struct body));
        return *request != NULL ? MHD_YES : MHD_NO;
    }
    if (*size > 0) {
        gather(body, data, size);
        return MHD_YES;
    }
    if (!access_is_our_host(&server->access, header(connection, "Host"))) {
        return answer_text(connection, MHD_HTTP_FORBIDDEN,
                           "This is not the address of the page.\n");
    }
    if (strcmp(method, "GET") == 0) {
        return get(server, connection, path);
    }
    if (strcmp(method, "POST") == 0) {
        return post(server, connection, path, body);
    }
    return answer_text(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "Only GET and POST.\n");
}

static void end_request(void *arg, struct MHD_Connection *connection, void **request,
                        enum MHD_RequestTerminationCode how)
{
    (void)arg, (void)connection, (void)how;
    free(*request);
    *request = NULL;
}

/* ---- life ---- */

/* A socket of ours, so that the port is known before anybody can come. A descriptor, or a negative
 * errno. */
static int listen_on(uint16_t port, uint16_t *ret_port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1;

    if (fd < 0) {
        return -errno;
    }
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
        bind(fd, (struct sockaddr *)&address, size) != 0 || listen(fd, CONNECTIONS_MAX) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) != 0) {
        int result = -errno;
        close(fd);
        return result;
    }
    *ret_port = ntohs(address.sin_port);
    return fd;
}

/* Takes fd over when it succeeds. */
static int start_daemon(struct server *server, int fd)
{
    server->daemon =
        MHD_start_daemon(MHD_USE_AUTO | MHD_USE_INTERNAL_POLLING_THREAD, 0, NULL, NULL, handle,
                         server, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
                         (unsigned)CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT, 30u,
                         MHD_OPTION_NOTIFY_COMPLETED, end_request, NULL, MHD_OPTION_END);
    return server->daemon != NULL ? 0 : -EIO;
}

int server_start(struct server **ret, struct memferry *m, uint16_t port)
{
    struct server *server = calloc(1, sizeof *server);

    if (server == NULL) {
        return -ENOMEM;
    }
    server->m = m;
    server->used_ms = monotonic_ms();
    int fd = listen_on(port, &port);
    int result = fd < 0 ? fd : access_init(&server->access, port);
    if (result == 0) {
        result = start_daemon(server, fd);
    }
    if (result != 0) {
        if (fd >= 0) {
            close(fd);
        }
        free(server);
        return result;
    }
    *ret = server;
    return 0;
}

struct server *server_stop(struct server *server)
{
    if (server != NULL) {
        MHD_stop_daemon(server->daemon);
        free(server);
    }
    return NULL;
}

int server_link(const struct server *server, char *buffer, size_t size)
{
    return snprintf(buffer, size, "http://127.0.0.1:%u/?token=%s", (unsigned)server->access.port,
                    server->access.token);
}

int64_t server_idle_ms(const struct server *server)
{
    return monotonic_ms() - server->used_ms;
}
