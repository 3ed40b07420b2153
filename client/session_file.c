/*
 * session_file.c - looks at the session file, and says what it is.
 *
 * Happy path: one open, fstat, read. The file is never followed, written or waited for as something
 * else than a regular file of our own: a link, a pipe or another user's file is refused.
 *
 * What is read is a UUID, with white space around it as others may write it; the beginning of one,
 * by somebody who writes it this moment or was killed while he did; or something else, which is
 * somebody's and refused with a text.
 */
#include "client/connection.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define READ_MAX       128 /* an id, and more white space than anybody writes */
#define PARTIAL_PAUSE  10  /* ms between two looks */
#define BLANKS         " \t\r\n"
#define UUID_SIZE      (SESSION_UUID_SIZE - 1)
#define NSEC_OF_MS     1000000L
#define PARTIAL_ROUNDS (SESSION_PARTIAL_WAIT_MS / PARTIAL_PAUSE)

static int refuse(struct memferry *m, const char *what)
{
    return client_error(m, MEMFERRY_E_SESSION,
                        "the session file %s %s; it was left as it is: move it away, or name "
                        "another with MEMFERRY_SESSION_FILE",
                        m->session.path, what);
}

int64_t session_age_ms(const struct stat *status)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)(now.tv_sec - status->st_mtim.tv_sec) * 1000 +
           (now.tv_nsec - status->st_mtim.tv_nsec) / NSEC_OF_MS;
}

/* ---- what stands in it ---- */

/* How many bytes of text are as in a UUID. */
static size_t uuid_prefix(const char *text, size_t size)
{
    size_t i = 0;

    while (i < size && i < UUID_SIZE) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? text[i] != '-' : !isxdigit((unsigned char)text[i])) {
            break;
        }
        i++;
    }
    return i;
}

bool session_is_uuid(const char *text)
{
    return strlen(text) == UUID_SIZE && uuid_prefix(text, UUID_SIZE) == UUID_SIZE;
}

/* A crash of the machine may leave zeros where something was written. */
static bool all_zeros(const char *text, size_t size)
{
    while (size > 0 && text[size - 1] == '\0') {
        size--;
    }
    return size == 0;
}

/* strchr finds a NUL, too, in whatever text. */
static bool is_blank(char c)
{
    return c != '\0' && strchr(BLANKS, c) != NULL;
}

static int read_text(struct memferry *m, const char *text, size_t size, struct session_look *look)
{
    size_t start = 0, end = size;

    if (all_zeros(text, size)) {
        look->found = SESSION_PARTIAL;
        return MEMFERRY_OK;
    }
    while (start < end && is_blank(text[start])) {
        start++;
    }
    while (end > start && is_blank(text[end - 1])) {
        end--;
    }
    size_t known = uuid_prefix(text + start, end - start);
    if (size > READ_MAX || start + known < end) {
        return refuse(m, "holds something else than a UUID");
    }
    if (known < UUID_SIZE) {
        look->found = SESSION_PARTIAL;
        return MEMFERRY_OK;
    }
    memcpy(look->id, text + start, UUID_SIZE);
    look->id[UUID_SIZE] = '\0';
    look->found = session_age_ms(&look->status) > m->session.idle_ms ? SESSION_IDLE : SESSION_LIVE;
    return MEMFERRY_OK;
}

/* ---- the file ---- */

static int look_at(struct memferry *m, int fd, struct session_look *look)
{
    char text[READ_MAX + 1];

    if (fstat(fd, &look->status) < 0) {
        return client_error(m, MEMFERRY_E_SESSION, "cannot look at the session file %s: %s",
                            m->session.path, strerror(errno));
    }
    if (!S_ISREG(look->status.st_mode)) {
        return refuse(m, "is no regular file");
    }
    if (look->status.st_uid != geteuid()) {
        return refuse(m, "belongs to another user");
    }
    ssize_t size = pread(fd, text, sizeof text, 0);
    if (size < 0) {
        return client_error(m, MEMFERRY_E_SESSION, "cannot read the session file %s: %s",
                            m->session.path, strerror(errno));
    }
    return read_text(m, text, (size_t)size, look);
}

static int open_failed(struct memferry *m, struct session_look *look)
{
    if (errno == ENOENT) {
        look->found = SESSION_NONE;
        return MEMFERRY_OK;
    }
    if (errno == ELOOP) {
        return refuse(m, "is a symbolic link, which is not followed");
    }
    return client_error(m, MEMFERRY_E_SESSION, "cannot open the session file %s: %s",
                        m->session.path, strerror(errno));
}

int session_look(struct memferry *m, struct session_look *ret)
{
    int fd = open(m->session.path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

    *ret = (struct session_look){0};
    if (fd < 0) {
        return open_failed(m, ret);
    }
    int rc = look_at(m, fd, ret);
    close(fd);
    return rc;
}

int session_look_settled(struct memferry *m, struct session_look *ret)
{
    static const struct timespec pause = {.tv_nsec = PARTIAL_PAUSE * NSEC_OF_MS};
    int rc = session_look(m, ret);

    for (unsigned i = 0; i < PARTIAL_ROUNDS; i++) {
        if (rc != MEMFERRY_OK || ret->found != SESSION_PARTIAL ||
            session_age_ms(&ret->status) > SESSION_PARTIAL_OLD_MS) {
            break;
        }
        nanosleep(&pause, NULL);
        rc = session_look(m, ret);
    }
    return rc;
}

void session_touch(const struct memferry *m)
{
    utimensat(AT_FDCWD, m->session.path, NULL, AT_SYMLINK_NOFOLLOW);
}
