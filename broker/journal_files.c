/*
 * journal_files.c - finds the segments in the directory and tells which hold events that count.
 *
 * Happy path: each header is good; by generation the files are in the order of their events, and
 * those that end before the newest header's first_seq are free.
 *
 * Failure modes: what the disk cannot read is refused, for it may be whole tomorrow. A file whose
 * two header copies are both bad is taken by the generation of its groups; one without any is
 * renamed to NAME.bad. Two journals in one directory, a newer format, or a lone segment whose
 * header is lost, are for a person to decide: refused.
 */
#include "broker/journal_recovery.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEAD_BYTES (SEGMENT_HEADER_BYTES + SEGMENT_BLOCK) /* with the first group's head */

struct listing {
    struct journal_files *files;
    struct segment_queue good, bad; /* bad: the header is lost */
    int dir_fd;
    const char *dir;
    struct log *log; /* NULL: change nothing */
    struct error *err;
};

static bool has_suffix(const char *name, const char *suffix)
{
    size_t size = strlen(name), tail = strlen(suffix);

    return size > tail && strcmp(name + size - tail, suffix) == 0;
}

int journal_refuse_unreadable(const char *dir, const char *name, struct error *err)
{
    return error_set(err, -EIO,
                     "the disk cannot read a part of %s/%s that may hold events with a receipt: "
                     "check the disk, and start again when it can be read; to go on without that "
                     "part, put a copy in its place (dd conv=noerror,sync bs=4096)",
                     dir, name);
}

static bool is_zero(const uint8_t *bytes, size_t size)
{
    return size == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0);
}

/* Reads up to size bytes of a file into a new buffer, of which the rest is zero. */
static int read_file(struct listing *list, const char *name, size_t size, uint8_t **ret_bytes,
                     size_t *ret_size)
{
    uint8_t *bytes = disk_alloc(size);
    int fd, r;

    if (bytes == NULL) {
        return error_set_errno(list->err, -ENOMEM, "cannot read %s/%s", list->dir, name);
    }
    memset(bytes, 0, size);
    r = disk_open(&journal_disk_real, list->dir_fd, name, O_RDONLY, &fd);
    if (r == 0) {
        r = disk_read(fd, bytes, size, ret_size);
        close(fd);
    }
    if (r < 0) {
        free(bytes);
        return error_set_errno(list->err, r, "cannot read %s/%s", list->dir, name);
    }
    *ret_bytes = bytes;
    return 0;
}

/* Inserts by generation; -EEXIST when there is one already. Consumes the file only with 0. */
static int insert_by_generation(struct segment_queue *queue, struct segment_file *file)
{
    struct segment_file **at = &queue->head;

    while (*at != NULL && (*at)->header.generation < file->header.generation) {
        at = &(*at)->next;
    }
    if (*at != NULL && (*at)->header.generation == file->header.generation) {
        return -EEXIST;
    }
    file->next = *at;
    *at = file;
    if (file->next == NULL) {
        queue->tail = file;
    }
    queue->count++;
    return 0;
}

/* Consumes the file. */
static int add_good(struct listing *list, struct segment_file *file)
{
    struct journal_files *files = list->files;
    int r = 0;

    if (list->good.count > 0 &&
        memcmp(files->origin, file->header.origin, sizeof files->origin) != 0) {
        r = error_set(list->err, -EINVAL,
                      "%s/%s belongs to another journal than %s beside it; move the files that do "
                      "not belong here away",
                      list->dir, file->name, list->good.head->name);
    } else if (insert_by_generation(&list->good, file) < 0) {
        r = error_set(list->err, -EINVAL,
                      "%s/%s is a copy of a segment beside it (generation %" PRIu64
                      "); move one of them away",
                      list->dir, file->name, file->header.generation);
    }
    if (r < 0) {
        free(file);
        return r;
    }
    memcpy(files->origin, file->header.origin, sizeof files->origin);
    if (files->stamp_us < file->header.base_stamp_us) {
        files->stamp_us = file->header.base_stamp_us;
    }
    return 0;
}

/* Puts the file where its first blocks say. Consumes it. */
static int classify(struct listing *list, struct segment_file *file, const uint8_t *bytes)
{
    switch (segment_header_decode(bytes, &file->header)) {
    case SEGMENT_KIND_GOOD:
        return add_good(list, file);
    case SEGMENT_KIND_BLANK:
        if (is_zero(bytes + SEGMENT_HEADER_BYTES, SEGMENT_BLOCK)) {
            segment_queue_push(&list->files->blank, file);
            return 0;
        }
        break; /* a header that became zeros */
    case SEGMENT_KIND_NEWER: {
        int r =
            error_set(list->err, -ENOTSUP,
                      "%s/%s was written by a newer memferry; install that, or move the journal "
                      "away",
                      list->dir, file->name);
        free(file);
        return r;
    }
    case SEGMENT_KIND_BAD:
        break;
    }
    if (disk_is_unreadable(bytes, 0, HEAD_BYTES)) {
        int r = journal_refuse_unreadable(list->dir, file->name, list->err);
        free(file);
        return r;
    }
    segment_queue_push(&list->bad, file);
    return 0;
}

static int add_segment(struct listing *list, const char *name)
{
    struct segment_file *file = calloc(1, sizeof *file);
    struct stat stat;
    uint8_t *bytes;
    size_t size;
    int r;

    if (file == NULL || fstatat(list->dir_fd, name, &stat, AT_SYMLINK_NOFOLLOW) < 0) {
        r = file == NULL ? -ENOMEM : -errno;
        free(file);
        return error_set_errno(list->err, r, "cannot look at %s/%s", list->dir, name);
    }
    if (!S_ISREG(stat.st_mode) || stat.st_size > (off_t)JOURNAL_SEGMENT_BYTES_MAX) {
        free(file);
        return error_set(list->err, -EINVAL, "%s/%s is no segment of a journal; move it away",
                         list->dir, name);
    }
    assert(strlen(name) < sizeof file->name); /* add_entry refuses longer ones */
    memcpy(file->name, name, strlen(name) + 1);
    file->bytes = (uint64_t)stat.st_size;
    r = read_file(list, name, HEAD_BYTES, &bytes, &size);
    if (r < 0) {
        free(file);
        return r;
    }
    r = classify(list, file, bytes);
    free(bytes);
    return r;
}

static int add_entry(struct listing *list, const char *name)
{
    uint64_t number;

    if (has_suffix(name, ".tmp")) {
        if (list->log != NULL) {
            unlinkat(list->dir_fd, name, 0);
        }
        return 0;
    }
    if (!has_suffix(name, ".seg")) {
        return 0;
    }
    if (strlen(name) >= JOURNAL_NAME_MAX - 8) {
        return error_set(list->err, -EINVAL, "%s/%s is no segment of a journal; move it away",
                         list->dir, name);
    }
    number = strtoull(name, NULL, 10);
    if (number >= list->files->next_name && number < UINT64_MAX) {
        list->files->next_name = number + 1;
    }
    return add_segment(list, name);
}

static int read_dir(struct listing *list)
{
    int fd = openat(list->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *entry;
    int r = 0;

    if (stream == NULL) {
        r = error_set_errno(list->err, -errno, "cannot read the directory %s", list->dir);
        if (fd >= 0) {
            close(fd);
        }
        return r;
    }
    while (r == 0 && (errno = 0, entry = readdir(stream)) != NULL) {
        r = add_entry(list, entry->d_name);
    }
    if (r == 0 && errno != 0) {
        r = error_set_errno(list->err, -errno, "cannot read the directory %s", list->dir);
    }
    closedir(stream);
    return r;
}

/* A header that is lost and nothing behind it that is ours: out of the way, never overwritten. */
static void move_away(struct listing *list, struct segment_file *file)
{
    char name[JOURNAL_NAME_MAX + 8];

    if (list->log != NULL) {
        snprintf(name, sizeof name, "%s.bad", file->name);
        if (renameat(list->dir_fd, file->name, list->dir_fd, name) == 0) {
            (void)disk_sync_dir(list->dir_fd);
        }
        log_write(list->log, LOG_LEVEL_WARNING, "journal-unreadable",
                  "%s/%s has neither a header nor events that can be read; renamed to %s",
                  list->dir, file->name, name);
    }
    free(file);
}

/* Consumes the file. */
static int resolve_bad(struct listing *list, struct segment_file *file)
{
    uint8_t *bytes;
    size_t size = 0;
    int r =
        read_file(list, file->name, file->bytes > 0 ? file->bytes : SEGMENT_BLOCK, &bytes, &size);

    if (r < 0) {
        free(file);
        return r;
    }
    bool unused = size >= SEGMENT_HEADER_BYTES &&
                  is_zero(bytes + SEGMENT_HEADER_BYTES, size - SEGMENT_HEADER_BYTES);
    bool ours = list->good.count > 0 &&
                segment_find_generation(bytes, size, list->files->origin, &file->header);
    bool unreadable = disk_is_unreadable(bytes, 0, size);
    free(bytes);
    if (unreadable && !ours) {
        r = journal_refuse_unreadable(list->dir, file->name, list->err);
        free(file);
    } else if (unused) {
        segment_queue_push(&list->files->blank, file); /* the write of its header was cut short */
    } else if (list->good.count == 0) {
        r = error_set(list->err, -EBADMSG,
                      "the header of %s/%s cannot be read, and no other segment tells whose it is; "
                      "move it away to start without what it holds",
                      list->dir, file->name);
        free(file);
    } else if (!ours || insert_by_generation(&list->good, file) < 0) {
        move_away(list, file);
    } else if (list->log != NULL) {
        log_write(list->log, LOG_LEVEL_WARNING, "journal-header",
                  "the header of %s/%s cannot be read; its events were found without it", list->dir,
                  file->name);
    }
    return r;
}

/* Everything that ends before the first seq of the newest header was given up before that was
 * written. */
static void split_freed(struct listing *list)
{
    struct journal_files *files = list->files;
    uint64_t first_seq = list->good.tail != NULL ? list->good.tail->header.first_seq : 0;
    struct segment_file *file;

    while ((file = segment_queue_pop(&list->good)) != NULL) {
        const struct segment_file *next = list->good.head;
        bool freed = files->held.count == 0 && next != NULL && next->header.base_seq != 0 &&
                     next->header.base_seq <= first_seq;
        files->generation = file->header.generation;
        segment_queue_push(freed ? &files->freed : &files->held, file);
    }
}

int journal_files_list(struct journal_files *ret_files, int dir_fd, const char *dir,
                       struct log *log, struct error *err)
{
    struct listing list = {
        .files = ret_files, .dir_fd = dir_fd, .dir = dir, .log = log, .err = err};
    struct segment_file *file;
    int r;

    *ret_files = (struct journal_files){.next_name = 1};
    r = read_dir(&list);
    while ((file = segment_queue_pop(&list.bad)) != NULL) {
        if (r == 0) {
            r = resolve_bad(&list, file);
        } else {
            free(file);
        }
    }
    split_freed(&list);
    ret_files->fresh = ret_files->held.count == 0;
    if (r < 0) {
        segment_queue_clear(&ret_files->held);
        segment_queue_clear(&ret_files->freed);
        segment_queue_clear(&ret_files->blank);
    }
    return r;
}
