/*
 * log.c - one line, one write.
 *
 * Happy path: the text is formatted into a buffer on the stack behind its head (a "<level>" for
 * journald, else time and level), made one line of clean text, and written at once, so lines of two
 * threads never mix (a pipe keeps writes up to PIPE_BUF whole, which LINE_SIZE_MAX respects).
 *
 * In a file of its own, the line that fills it makes the next one begin a new file.
 *
 * Failure modes: a text too long is cut at a whole character and ends in "..."; a stderr that is
 * closed or full loses the line. Neither is told to anyone: there is nobody left to tell.
 */
#include "broker/util/log.h"

#include "broker/util/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LINE_SIZE_MAX 2048 /* with its newline; below PIPE_BUF */

static const struct {
    enum log_level level;
    const char *name;
} levels[] = {
    {LOG_LEVEL_ERROR, "error"},
    {LOG_LEVEL_WARNING, "warning"},
    {LOG_LEVEL_INFO, "info"},
    {LOG_LEVEL_DEBUG, "debug"},
};

#define LEVEL_COUNT (sizeof levels / sizeof levels[0])

/* JOURNAL_STREAM is "device:inode" of the stream systemd gave us; it may be inherited by a process
 * whose stderr went elsewhere, so it must match. */
static bool is_journal_stream(int fd)
{
    const char *stream = getenv("JOURNAL_STREAM");
    unsigned long long device, inode;
    struct stat st;

    if (stream == NULL || sscanf(stream, "%llu:%llu", &device, &inode) != 2) {
        return false;
    }
    return fstat(fd, &st) == 0 && st.st_dev == (dev_t)device && st.st_ino == (ino_t)inode;
}

void log_init(struct log *log, int fd, enum log_level level)
{
    log->fd = fd;
    log->level = (int)level;
    log->journald = is_journal_stream(fd);
    log->file = NULL;
    log->file_bytes = 0;
    log->written = 0;
}

/* ---- a file of its own ---- */

static bool is_at(int fd, const char *path)
{
    struct stat ours, there;

    return fstat(fd, &ours) == 0 && stat(path, &there) == 0 && ours.st_dev == there.st_dev &&
           ours.st_ino == there.st_ino;
}

/* A descriptor, or a negative errno: a pipe is not waited for, and what is another's, or has
 * another name too, is not written. */
static int file_open(const char *path)
{
    int fd = open(
        path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK, 0600);
    struct stat st;

    if (fd < 0) {
        return -errno;
    }
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_uid != geteuid() || st.st_nlink > 1) {
        close(fd);
        return -EPERM;
    }
    return fd;
}

/* Puts the file in the place of fd; stdout follows where it goes to the same place as fd did. */
static int file_take(struct log *log, const char *path)
{
    struct stat now, out;
    int fd = file_open(path);

    if (fd < 0) {
        return fd;
    }
    bool with_stdout = fstat(log->fd, &now) == 0 && fstat(STDOUT_FILENO, &out) == 0 &&
                       now.st_dev == out.st_dev && now.st_ino == out.st_ino;
    int r = dup2(fd, log->fd) < 0 ? -errno : 0;
    if (r == 0 && with_stdout && dup2(fd, STDOUT_FILENO) < 0) {
        r = -errno;
    }
    log->written = fstat(fd, &now) == 0 ? (uint64_t)now.st_size : 0;
    close(fd);
    return r;
}

/* By the one thread whose line filled it; what others write meanwhile stands in either file. Where
 * it cannot be renamed it is emptied: it stays bounded. */
static void file_turn(struct log *log)
{
    char old[PATH_MAX];
    int length = snprintf(old, sizeof old, "%s.1", log->file);

    log->written = 0;
    /* Another broker that starts on the same file may have done so just now. */
    if (is_at(log->fd, log->file) && (length >= (int)sizeof old || rename(log->file, old) < 0) &&
        ftruncate(log->fd, 0) < 0) {
        return;
    }
    (void)file_take(log, log->file); /* it goes on in the old one where that fails */
}

static void file_count(struct log *log, size_t size)
{
    uint64_t before = atomic_fetch_add(&log->written, size);

    if (before < log->file_bytes && before + size >= log->file_bytes) {
        file_turn(log);
    }
}

int log_to_file(struct log *log, const char *path, uint64_t file_bytes)
{
    int r = file_take(log, path);

    if (r == 0) {
        log->journald = 0;
        log->file = path;
        log->file_bytes = file_bytes;
        if (log->written >= file_bytes) {
            file_turn(log);
        }
    }
    return r;
}

int log_level_parse(const char *text, enum log_level *ret_level)
{
    for (size_t i = 0; i < LEVEL_COUNT; i++) {
        if (strcmp(text, levels[i].name) == 0) {
            *ret_level = levels[i].level;
            return 0;
        }
    }
    return -EINVAL;
}

static const char *level_name(enum log_level level)
{
    for (size_t i = 0; i < LEVEL_COUNT; i++) {
        if (levels[i].level == level) {
            return levels[i].name;
        }
    }
    return "info";
}

static size_t head_write(const struct log *log, enum log_level level, const char *id, char *line,
                         size_t size)
{
    int length;

    if (log->journald) {
        length = snprintf(line, size, "<%d>%s: ", (int)level, id);
    } else {
        int64_t now_ms = clock_wall_ms();
        time_t now = (time_t)(now_ms / 1000);
        struct tm parts;
        char stamp[32];

        gmtime_r(&now, &parts);
        strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &parts);
        length = snprintf(line, size, "%s.%03dZ %-7s %s: ", stamp, (int)(now_ms % 1000),
                          level_name(level), id);
    }
    return length < 0 ? 0 : (size_t)length < size ? (size_t)length : size - 1;
}

static void make_one_line(char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c < 0x20 || c == 0x7f) {
            text[i] = ' ';
        }
    }
}

/* Ends a text of `length` bytes that went on in "...", on a whole character. */
static size_t mark_as_cut(char *line, size_t length)
{
    size_t end = length - 3;

    while (end > 0 && ((unsigned char)line[end] & 0xc0) == 0x80) {
        end--;
    }
    memset(line + end, '.', 3);
    return end + 3;
}

static void write_line(int fd, const char *line, size_t size)
{
    int saved_errno = errno; /* logging may stand between a failure and who reads its errno */
    ssize_t written;

    do {
        written = write(fd, line, size);
    } while (written < 0 && errno == EINTR);
    errno = saved_errno;
}

void log_write(struct log *log, enum log_level level, const char *id, const char *format, ...)
{
    char line[LINE_SIZE_MAX];
    va_list args;

    if ((int)level > log->level) {
        return;
    }
    size_t start = head_write(log, level, id, line, sizeof line - 1);
    size_t room = sizeof line - 1 - start; /* with a NUL; the newline has its own byte */
    va_start(args, format);
    int length = vsnprintf(line + start, room, format, args);
    va_end(args);

    size_t end = start + (length < 0 ? 0 : (size_t)length);
    if (end > start + room - 1) {
        end = mark_as_cut(line, start + room - 1);
    }
    make_one_line(line, end);
    line[end] = '\n';
    write_line(log->fd, line, end + 1);
    if (log->file != NULL) {
        int saved_errno = errno;
        file_count(log, end + 1);
        errno = saved_errno;
    }
}
