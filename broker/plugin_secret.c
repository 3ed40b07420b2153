/*
 * plugin_secret.c - a secret from a file that nobody else can read.
 *
 * Happy path: open, look at what was opened, read it, drop one final newline.
 *
 * Failure modes: the file is not there, belongs to someone else, is open to others, is empty, or is
 * too long to be a secret. No text holds a byte of it, and no buffer is freed with it inside.
 */
#include "broker/plugin_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECRET_SIZE_MAX ((size_t)64 * 1024)

void plugin_secret_free(char *secret, size_t size)
{
    if (secret != NULL) {
        explicit_bzero(secret, size);
        free(secret);
    }
}

/* Root may let its group read: that is how systemd hands out credentials. */
static int check(int fd, const char *path, struct error *err)
{
    struct stat st;

    if (fstat(fd, &st) != 0) {
        return error_set_errno(err, -errno, "cannot look at the secret's file %s", path);
    }
    if (!S_ISREG(st.st_mode)) {
        return error_set(err, -EINVAL, "the secret's file %s is no regular file", path);
    }
    if (st.st_uid != geteuid() && st.st_uid != 0) {
        return error_set(err, -EPERM, "the secret's file %s belongs to user %u; make it your own",
                         path, (unsigned)st.st_uid);
    }
    mode_t forbidden = st.st_uid == 0 && geteuid() != 0 ? 037 : 077;
    if ((st.st_mode & forbidden) != 0) {
        return error_set(err, -EPERM,
                         "the secret's file %s is open to other users (mode %04o); chmod 600 %s",
                         path, (unsigned)(st.st_mode & 07777), path);
    }
    return 0;
}

/* Fills buffer, which holds SECRET_SIZE_MAX + 1 bytes; the size or a negative errno. */
static ssize_t read_all(int fd, char *buffer)
{
    size_t size = 0;

    while (size <= SECRET_SIZE_MAX) {
        ssize_t got = read(fd, buffer + size, SECRET_SIZE_MAX + 1 - size);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return -errno;
        }
        if (got == 0) {
            break;
        }
        size += (size_t)got;
    }
    return (ssize_t)size;
}

static int read_secret(int fd, char *buffer, size_t *ret_size, const char *path, struct error *err)
{
    int result = check(fd, path, err);

    if (result != 0) {
        return result;
    }
    ssize_t got = read_all(fd, buffer);
    if (got < 0) {
        return error_set_errno(err, (int)got, "cannot read the secret's file %s", path);
    }
    size_t size = (size_t)got;
    if (size > SECRET_SIZE_MAX) {
        return error_set(err, -EINVAL, "%s is over %zu bytes; that is no secret", path,
                         SECRET_SIZE_MAX);
    }
    if (size > 0 && buffer[size - 1] == '\n') {
        size--;
    }
    if (size == 0) {
        return error_set(err, -EINVAL, "the secret's file %s is empty; write the secret into it",
                         path);
    }
    buffer[size] = '\0';
    *ret_size = size;
    return 0;
}

/* A copy of its own size; the buffer is wiped. */
static int copy_out(char **ret, const char *buffer, size_t size, struct error *err)
{
    char *copy = malloc(size + 1);

    if (copy == NULL) {
        return error_set(err, -ENOMEM, "out of memory");
    }
    memcpy(copy, buffer, size + 1);
    *ret = copy;
    return 0;
}

int plugin_secret_read_file(char **ret, size_t *ret_size, const char *path, struct error *err)
{
    char *buffer = malloc(SECRET_SIZE_MAX + 1);
    int fd, result;

    *ret = NULL;
    if (buffer == NULL) {
        return error_set(err, -ENOMEM, "out of memory");
    }
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        result = error_set_errno(err, -errno, "cannot open the secret's file %s", path);
    } else {
        result = read_secret(fd, buffer, ret_size, path, err);
        close(fd);
    }
    if (result == 0) {
        result = copy_out(ret, buffer, *ret_size, err);
    }
    plugin_secret_free(buffer, SECRET_SIZE_MAX + 1);
    return result;
}
