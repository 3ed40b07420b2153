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
 */
#ifndef MEMFERRY_UTIL_LOG_H
#define MEMFERRY_UTIL_LOG_H

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
};

void log_init(struct log *log, int fd, enum log_level level);

/* error, warning, info, debug; -EINVAL otherwise. */
int log_level_parse(const char *text, enum log_level *ret_level);

void log_write(struct log *log, enum log_level level, const char *id, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
