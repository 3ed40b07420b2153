/*
 * log.h - one line of text per thing worth knowing, to stderr, with a level and a stable message
 * id.
 *
 * Under systemd (JOURNAL_STREAM names our stderr) a line begins with "<level>", which journald
 * reads; elsewhere with the time. An id such as "journal-full" is part of the interface: operators
 * search for it, documents explain it, it never changes its meaning.
 *
 * Any thread may log: a line is one write(2). Logging never fails and never blocks on anything but
 * stderr. A text is one line: control characters become spaces.
 *
 * A log in a file of its own is bounded: when it holds file_bytes it becomes NAME.1, in the place
 * of what that was, and NAME begins anew.
 */
#ifndef MEMFERRY_UTIL_LOG_H
#define MEMFERRY_UTIL_LOG_H

#include <stdint.h>

#define LOG_FILE_BYTES (8u << 20)

enum log_level {
    LOG_LEVEL_ERROR = 3,
    LOG_LEVEL_WARNING = 4,
    LOG_LEVEL_INFO = 6,
    LOG_LEVEL_DEBUG = 7
};

struct log {
    int fd;
    _Atomic int level; /* what is above it is dropped */
    int journald;      /* 1: lines begin with <level> */
    const char *file;  /* NULL: fd is somebody else's, and not bounded */
    uint64_t file_bytes;
    _Atomic uint64_t written; /* to the file, so far */
};

void log_init(struct log *log, int fd, enum log_level level);

/* From now on to this file, in the place of fd (and of stdout, where that is the same as fd). The
 * path is borrowed for good. A negative errno: it cannot be opened, and all stays as it was. */
int log_to_file(struct log *log, const char *path, uint64_t file_bytes);

/* error, warning, info, debug; -EINVAL otherwise. */
int log_level_parse(const char *text, enum log_level *ret_level);

void log_write(struct log *log, enum log_level level, const char *id, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
