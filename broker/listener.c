/* listener.c - binds or inherits the socket, accepts, and lets in only who may come in. */
#include "broker/listener.h"

#include "broker/systemd.h"
#include "broker/util/container.h"
#include "broker/util/paths.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG          1024
#define REFUSED_EVERY_MS 60000
#define ACCEPT_RETRY_MS  200
#define ACCEPTS_A_TURN   64 /* the others' requests come in between */

static int fill_address(const char *path, struct sockaddr_un *ret_address, struct error *err)
{
    *ret_address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof ret_address->sun_path) {
        return error_set(err, -ENAMETOOLONG,
                         "the socket path %s is longer than the %zu bytes that the system allows; "
                         "set a shorter one by --socket or [broker] socket",
                         path, sizeof ret_address->sun_path - 1);
    }
    memcpy(ret_address->sun_path, path, strlen(path));
    return 0;
}

/* A socket file that nobody listens on is left from a crash. */
static int remove_dead_socket(const struct sockaddr_un *address, struct error *err)
{
    struct stat status;

    if (lstat(address->sun_path, &status) < 0) {
        return 0;
    }
    if (!S_ISSOCK(status.st_mode)) {
        return error_set(err, -EEXIST,
                         "%s is there and is no socket; remove it or use another path",
                         address->sun_path);
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return error_set_errno(err, -errno, "cannot make a socket");
    }
    int r = connect(fd, (const struct sockaddr *)address, sizeof *address);
    int answer = errno;
    close(fd);
    if (r == 0 || answer == EAGAIN) {
        return error_set(err, -EADDRINUSE,
                         "another broker listens on %s; stop it, or use another --socket",
                         address->sun_path);
    }
    if (unlink(address->sun_path) < 0) {
        return error_set_errno(err, -errno, "cannot remove the dead socket %s", address->sun_path);
    }
    return 0;
}

static int ensure_directory(const char *path, struct error *err)
{
    char directory[sizeof((struct sockaddr_un *)0)->sun_path];
    const char *slash = strrchr(path, '/');

    if (slash == NULL || slash == path) {
        return error_set(err, -EINVAL, "the socket path %s needs a directory of its own", path);
    }
    memcpy(directory, path, (size_t)(slash - path));
    directory[slash - path] = '\0';
    return paths_ensure_private_dir(directory, err);
}

/* Binds with a umask that leaves no moment in which the socket is open to others. */
static int bind_private(int fd, const struct sockaddr_un *address, struct error *err)
{
    mode_t old = umask(0177);
    int r = bind(fd, (const struct sockaddr *)address, sizeof *address) < 0 ? -errno : 0;

    umask(old);
    if (r < 0) {
        return error_set_errno(err, r, "cannot bind the socket %s", address->sun_path);
    }
    return 0;
}

static int make_socket(const char *path, int *ret_fd, struct error *err)
{
    struct sockaddr_un address;
    int r = fill_address(path, &address, err);

    if (r == 0) {
        r = ensure_directory(path, err);
    }
    if (r == 0) {
        r = remove_dead_socket(&address, err);
    }
    if (r != 0) {
        return r;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return error_set_errno(err, -errno, "cannot make a socket");
    }
    r = bind_private(fd, &address, err);
    if (r < 0) {
        close(fd);
        return r;
    }
    *ret_fd = fd;
    return 0;
}

int listener_open(struct listener *listener, uv_loop_t *loop, const char *path, struct peers *peers,
                  struct log *log, struct error *err)
{
    int fd = -1;

    *listener = (struct listener){.peers = peers, .log = log};
    int r = systemd_listen_fd(&fd, err);
    if (r < 0) {
        return r;
    }
    if (fd < 0) {
        r = make_socket(path, &fd, err);
        if (r < 0) {
            return r;
        }
        listener->path = strdup(path);
    }
    listener->fd = fd;
    r = uv_poll_init(loop, &listener->poll, fd);
    if (r < 0) {
        close(fd);
        return error_set_errno(err, r, "cannot use the socket %s", path);
    }
    uv_timer_init(loop, &listener->retry_timer);
    listener->open = true;
    return 0;
}

static bool is_allowed(const struct listener *listener, uid_t uid)
{
    if (uid == geteuid()) {
        return true;
    }
    for (size_t i = 0; i < listener->user_count; i++) {
        if (listener->users[i] == uid) {
            return true;
        }
    }
    return false;
}

static void log_refused(struct listener *listener, const struct ucred *who)
{
    uint64_t now_ms = uv_now(listener->poll.loop);

    listener->refused++;
    if (listener->refused_logged_ms != 0 &&
        now_ms - listener->refused_logged_ms < REFUSED_EVERY_MS) {
        return;
    }
    listener->refused_logged_ms = now_ms;
    log_write(listener->log, LOG_LEVEL_WARNING, "peer-refused",
              "refused a connection of uid %u (pid %d), %llu in all; [broker] users lists who may",
              (unsigned)who->uid, (int)who->pid, (unsigned long long)listener->refused);
}

/* There are so many connections that even saying so properly would cost one. */
static void turn_away(int fd)
{
    static const char text[] =
        "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32001,\"name\":\"busy\","
        "\"message\":\"the broker has too many connections; try again later\","
        "\"data\":{\"retry_after_ms\":1000}}}\n";

    send(fd, text, sizeof text - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    close(fd);
}

static void admit(struct listener *listener, int fd)
{
    struct peers *peers = listener->peers;
    struct ucred who;
    socklen_t size = sizeof who;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) < 0) {
        close(fd);
    } else if (!is_allowed(listener, who.uid)) {
        log_refused(listener, &who);
        close(fd);
    } else if (peers->count >= peers->max && peers->refused_count >= PEERS_REFUSED_MAX) {
        turn_away(fd);
    } else {
        peers_add(peers, fd, who.uid, who.pid);
    }
}

/* Out of descriptors: wait for connections to close instead of spinning on the ready socket. */
static void retry_cb(uv_timer_t *timer)
{
    struct listener *listener = container_of(timer, struct listener, retry_timer);
    struct error err;

    listener_start(listener, &err);
}

static void pause_accepting(struct listener *listener, int r)
{
    log_write(listener->log, LOG_LEVEL_WARNING, "accept-failed",
              "cannot accept connections: %s; trying again in %d ms", strerrordesc_np(-r),
              ACCEPT_RETRY_MS);
    uv_poll_stop(&listener->poll);
    uv_timer_start(&listener->retry_timer, retry_cb, ACCEPT_RETRY_MS, 0);
}

static void ready_cb(uv_poll_t *poll, int status, int events)
{
    struct listener *listener = container_of(poll, struct listener, poll);

    (void)status;
    (void)events;
    for (unsigned i = 0; i < ACCEPTS_A_TURN; i++) {
        int fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0) {
            admit(listener, fd);
        } else if (errno == EAGAIN) {
            return;
        } else if (errno != EINTR && errno != ECONNABORTED) {
            pause_accepting(listener, -errno);
            return;
        }
    }
}

/* Whom a client takes for the server is who called listen last: a socket that the service manager
 * listens on stays the manager's, which every user trusts, whatever user we are. */
int listener_start(struct listener *listener, struct error *err)
{
    if (listener->path != NULL && listen(listener->fd, BACKLOG) < 0) {
        return error_set_errno(err, -errno, "cannot listen on the socket");
    }
    uv_poll_start(&listener->poll, UV_READABLE, ready_cb);
    return 0;
}

void listener_allow(struct listener *listener, const uid_t *users, size_t count)
{
    listener->users = users;
    listener->user_count = count;
}

static void poll_closed_cb(uv_handle_t *handle)
{
    struct listener *listener = container_of(handle, struct listener, poll);

    close(listener->fd);
    listener->fd = -1;
}

void listener_close(struct listener *listener)
{
    if (!listener->open) {
        return;
    }
    listener->open = false;
    uv_poll_stop(&listener->poll);
    uv_close((uv_handle_t *)&listener->retry_timer, NULL);
    uv_close((uv_handle_t *)&listener->poll, poll_closed_cb);
    if (listener->path != NULL) {
        unlink(listener->path);
        free(listener->path);
        listener->path = NULL;
    }
}
