/*
 * address.c - where the socket is, and whether what lies there can be trusted.
 *
 * The default places are checked as the design says: a directory that is no link, our own and
 * 0700. A socket that was named, by the caller or in $MEMFERRY_SOCKET, may lie anywhere; there the
 * socket's owner and, once connected, the server's uid are what counts (connection.c), since nobody
 * else can pretend to that.
 */
#include "client/connection.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int memferry_default_socket(char *buffer, size_t size)
{
    const char *named = secure_getenv("MEMFERRY_SOCKET");
    const char *runtime = secure_getenv("XDG_RUNTIME_DIR");
    int length;

    if (named != NULL && named[0] != '\0') {
        length = snprintf(buffer, size, "%s", named);
    } else if (runtime != NULL && runtime[0] == '/') {
        length = snprintf(buffer, size, "%s/memferry/memferry.sock", runtime);
    } else {
        length = snprintf(buffer, size, "/tmp/memferry-%u/memferry.sock", (unsigned)geteuid());
    }
    return length < 0 || (size_t)length >= size ? MEMFERRY_E_INVALID : length;
}

bool address_uid_trusted(uint32_t uid)
{
    return uid == geteuid() || uid == 0;
}

static int check_failed(struct memferry *m, const char *path)
{
    if (errno == ENOENT || errno == ENOTDIR) {
        return client_error(m, MEMFERRY_E_CONNECT,
                            "no broker listens at %s: there is no such socket; start memferryd",
                            m->socket);
    }
    return client_error(m, MEMFERRY_E_CONNECT, "cannot look at %s: %s; check its permissions", path,
                        strerror(errno));
}

static int check_directory(struct memferry *m)
{
    char directory[CLIENT_ADDRESS_SIZE];
    struct stat status;
    const char *slash = strrchr(m->socket, '/');

    snprintf(directory, sizeof directory, "%.*s", (int)(slash - m->socket), m->socket);
    if (lstat(directory, &status) < 0) {
        return check_failed(m, directory);
    }
    if (!S_ISDIR(status.st_mode)) {
        return client_error(m, MEMFERRY_E_UNTRUSTED,
                            "%s is not a directory but something else, maybe a link: the socket in "
                            "it is not trusted; remove it, or name a socket with MEMFERRY_SOCKET",
                            directory);
    }
    if (status.st_uid != geteuid()) {
        return client_error(m, MEMFERRY_E_UNTRUSTED,
                            "%s belongs to user %u, not to you: the socket in it is not trusted; "
                            "name another socket with MEMFERRY_SOCKET",
                            directory, (unsigned)status.st_uid);
    }
    if ((status.st_mode & 07777) != 0700) {
        return client_error(m, MEMFERRY_E_UNTRUSTED,
                            "%s has mode %04o, not 0700: others may have put the socket there; "
                            "check it, then chmod 700 %s",
                            directory, (unsigned)status.st_mode & 07777, directory);
    }
    return MEMFERRY_OK;
}

static int check_socket(struct memferry *m)
{
    struct stat status;

    if (stat(m->socket, &status) < 0) {
        return check_failed(m, m->socket);
    }
    if (!S_ISSOCK(status.st_mode)) {
        return client_error(m, MEMFERRY_E_UNTRUSTED,
                            "%s is not a socket; remove it or name another", m->socket);
    }
    if (!address_uid_trusted(status.st_uid)) {
        return client_error(m, MEMFERRY_E_UNTRUSTED,
                            "the socket %s belongs to user %u, not to you or root: it is not "
                            "trusted; name another with MEMFERRY_SOCKET",
                            m->socket, (unsigned)status.st_uid);
    }
    return MEMFERRY_OK;
}

int address_check(struct memferry *m)
{
    if (m->socket == NULL) {
        return client_error(m, MEMFERRY_E_INVALID,
                            "the socket's path is over %d bytes; name a shorter one with "
                            "MEMFERRY_SOCKET",
                            CLIENT_ADDRESS_SIZE - 1);
    }
    if (!m->socket_named) {
        int rc = check_directory(m);
        if (rc != MEMFERRY_OK) {
            return rc;
        }
    }
    return check_socket(m);
}
