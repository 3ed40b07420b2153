/*
 * told.c - the file `told` in the backend's directory: a line for each telling, the last of an
 * alert counts.
 *
 *     HASH COUNT SINKS AT_MS
 *
 * Happy path: read once at open; a line is appended and synced for each change; when the file has
 * many more lines than there are alerts it is written anew beside itself, synced and renamed.
 *
 * Failure modes: a line that is torn or none of ours is passed over. What cannot be written is
 * logged, and held in memory: after a crash it is told once more, which is harmless.
 */
#include "plugins/alert-notify/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LINES_MAX = 2 * TOLD_MAX, LINE_MAX_BYTES = 128 };

struct told {
    const struct memferry_host *host;
    char *path;
    int fd; /* -1: it could not be opened */
    size_t lines;
    bool failed; /* that it cannot be written was logged */
    struct told_entry entries[TOLD_MAX];
    size_t count;
};

/* ---- entries ---- */

static struct told_entry *find(const struct told *told, const uint8_t hash[TOLD_HASH])
{
    for (size_t i = 0; i < told->count; i++) {
        if (memcmp(told->entries[i].hash, hash, TOLD_HASH) == 0) {
            return (struct told_entry *)(uintptr_t)&told->entries[i];
        }
    }
    return NULL;
}

/* A place for a new one: that of the oldest when there is none left. */
static struct told_entry *place_for(struct told *told)
{
    struct told_entry *oldest = &told->entries[0];

    if (told->count < TOLD_MAX) {
        return &told->entries[told->count++];
    }
    for (size_t i = 1; i < told->count; i++) {
        oldest = told->entries[i].at_ms < oldest->at_ms ? &told->entries[i] : oldest;
    }
    return oldest;
}

static void set(struct told *told, const struct told_entry *entry)
{
    struct told_entry *old = find(told, entry->hash);

    *(old != NULL ? old : place_for(told)) = *entry;
}

const struct told_entry *told_find(const struct told *told, const uint8_t hash[TOLD_HASH])
{
    return find(told, hash);
}

size_t told_since(const struct told *told, int64_t since_ms, int64_t *ret_oldest_ms)
{
    size_t count = 0;

    *ret_oldest_ms = INT64_MAX;
    for (size_t i = 0; i < told->count; i++) {
        int64_t at_ms = told->entries[i].at_ms;
        if (at_ms >= since_ms) {
            count++;
            *ret_oldest_ms = at_ms < *ret_oldest_ms ? at_ms : *ret_oldest_ms;
        }
    }
    return count;
}

/* ---- lines ---- */

static int format_line(char line[LINE_MAX_BYTES], const struct told_entry *entry)
{
    char *at = line;

    for (size_t i = 0; i < TOLD_HASH; i++) {
        at += sprintf(at, "%02x", entry->hash[i]);
    }
    return (int)(at - line) + sprintf(at, " %" PRIu64 " %" PRIu32 " %" PRId64 "\n", entry->count,
                                      entry->sinks, entry->at_ms);
}

static bool parse_line(const char *line, struct told_entry *ret)
{
    for (size_t i = 0; i < TOLD_HASH; i++) {
        unsigned byte;
        int size = 0;
        if (sscanf(line + 2 * i, "%2x%n", &byte, &size) != 1 || size != 2) {
            return false;
        }
        ret->hash[i] = (uint8_t)byte;
    }
    int size = 0;
    return sscanf(line + (size_t)2 * TOLD_HASH, " %" SCNu64 " %" SCNu32 " %" SCNd64 "%n",
                  &ret->count, &ret->sinks, &ret->at_ms, &size) == 3 &&
           line[2 * TOLD_HASH + size] == '\n';
}

static void read_lines(struct told *told)
{
    FILE *file = fopen(told->path, "re");
    char line[LINE_MAX_BYTES];
    struct told_entry entry;

    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        told->lines++;
        if (parse_line(line, &entry)) {
            set(told, &entry);
        }
    }
    if (file != NULL) {
        fclose(file);
    }
}

/* ---- the file ---- */

static void note_failure(struct told *told, int code)
{
    if (!told->failed) {
        told->host->log(told->host, MEMFERRY_LOG_WARNING,
                        "cannot write %s (%s): alerts may be told twice", told->path,
                        strerrordesc_np(code));
    }
    told->failed = true;
}

static int write_all(int fd, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t written = write(fd, bytes, size);
        if (written < 0 && errno != EINTR) {
            return errno;
        }
        bytes += written > 0 ? written : 0;
        size -= written > 0 ? (size_t)written : 0;
    }
    return 0;
}

static int write_entries(const struct told *told, int fd)
{
    char line[LINE_MAX_BYTES];
    int code = 0;

    for (size_t i = 0; code == 0 && i < told->count; i++) {
        int size = format_line(line, &told->entries[i]);
        code = write_all(fd, line, (size_t)size);
    }
    return code == 0 && fdatasync(fd) < 0 ? errno : code;
}

/* Writes all anew, and goes on with that file. */
static int write_anew(struct told *told)
{
    char *fresh = NULL;

    if (asprintf(&fresh, "%s.new", told->path) < 0) {
        return ENOMEM;
    }
    int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    int code = fd < 0 ? errno : write_entries(told, fd);
    if (code == 0 && rename(fresh, told->path) < 0) {
        code = errno;
    }
    free(fresh);
    if (code != 0) {
        if (fd >= 0) {
            close(fd);
        }
        return code;
    }
    if (told->fd >= 0) {
        close(told->fd);
    }
    told->fd = fd;
    told->lines = told->count;
    return 0;
}

static int append(struct told *told, const struct told_entry *entry)
{
    char line[LINE_MAX_BYTES];
    int size = format_line(line, entry);

    if (told->fd < 0 || told->lines >= LINES_MAX) {
        return write_anew(told);
    }
    int code = write_all(told->fd, line, (size_t)size);
    if (code == 0 && fdatasync(told->fd) < 0) {
        code = errno;
    }
    told->lines++;
    if (code != 0) { /* a torn line would spoil the next: begin anew */
        close(told->fd);
        told->fd = -1;
    }
    return code;
}

void told_put(struct told *told, const struct told_entry *entry)
{
    set(told, entry);
    int code = append(told, entry);
    if (code != 0) {
        note_failure(told, code);
    } else {
        told->failed = false;
    }
}

int told_open(struct told **ret, const struct memferry_host *host)
{
    struct told *told = calloc(1, sizeof *told);

    *ret = NULL;
    if (told == NULL) {
        return -ENOMEM;
    }
    told->host = host;
    told->fd = -1; /* the first line writes all anew: what was torn is gone then */
    if (asprintf(&told->path, "%s/told", host->state_dir) < 0) {
        told->path = NULL;
        told_close(told);
        return -ENOMEM;
    }
    read_lines(told);
    *ret = told;
    return 0;
}

struct told *told_close(struct told *told)
{
    if (told != NULL) {
        if (told->fd >= 0) {
            close(told->fd);
        }
        free(told->path);
        free(told);
    }
    return NULL;
}
