/* systemd.c - socket activation, readiness and the watchdog, by the documented environment alone.
 */
#include "broker/systemd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define LISTEN_FDS_START 3
#define STATE_MAX        512

static long environment_number(const char *name)
{
    const char *text = getenv(name);
    char *end;

    if (text == NULL || *text == '\0') {
        return -1;
    }
    long number = strtol(text, &end, 10);
    return *end == '\0' ? number : -1;
}

static int socket_option(int fd, int option)
{
    int value = 0;
    socklen_t size = sizeof value;

    if (getsockopt(fd, SOL_SOCKET, option, &value, &size) < 0) {
        return -1;
    }
    return value;
}

static int check_listening(int fd, struct error *err)
{
    if (socket_option(fd, SO_DOMAIN) != AF_UNIX || socket_option(fd, SO_TYPE) != SOCK_STREAM ||
        socket_option(fd, SO_ACCEPTCONN) != 1) {
        return error_set(err, -EINVAL,
                         "the socket passed by the service manager is no listening Unix stream "
                         "socket; use ListenStream= with a path");
    }
    return 0;
}

int systemd_listen_fd(int *ret_fd, struct error *err)
{
    long count = environment_number("LISTEN_FDS");

    *ret_fd = -1;
    if (environment_number("LISTEN_PID") != (long)getpid() || count <= 0) {
        return 0;
    }
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    if (count != 1) {
        return error_set(err, -EINVAL,
                         "the service manager passed %ld sockets, memferryd takes one; leave one "
                         "ListenStream= in the socket unit",
                         count);
    }
    int r = check_listening(LISTEN_FDS_START, err);
    if (r < 0) {
        return r;
    }
    fcntl(LISTEN_FDS_START, F_SETFD, FD_CLOEXEC);
    *ret_fd = LISTEN_FDS_START;
    return 0;
}

void systemd_notify(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (path == NULL || (path[0] != '/' && path[0] != '@') ||
        strlen(path) >= sizeof address.sun_path) {
        return;
    }
    memcpy(address.sun_path, path, strlen(path));
    if (path[0] == '@') {
        address.sun_path[0] = '\0';
    }
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return;
    }
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
    sendto(fd, state, strlen(state), MSG_NOSIGNAL | MSG_DONTWAIT, (const struct sockaddr *)&address,
           size);
    close(fd);
}

void systemd_notifyf(const char *format, ...)
{
    char state[STATE_MAX];
    va_list args;

    va_start(args, format);
    vsnprintf(state, sizeof state, format, args);
    va_end(args);
    systemd_notify(state);
}

int64_t systemd_watchdog_ms(void)
{
    long pid = environment_number("WATCHDOG_PID"), usec = environment_number("WATCHDOG_USEC");

    return usec <= 0 || (pid > 0 && pid != (long)getpid()) ? 0 : (int64_t)usec / 1000;
}
