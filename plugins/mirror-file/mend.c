/*
 * mend.c - the end of a file that a crash may have left in the middle of a line.
 *
 * Happy path: the last byte is a newline, or there is none at all.
 *
 * Behind the last newline may lie a torn line, which was never confirmed and is cut off; or a whole
 * line that lost only its newline (an editor does that), which gets it back. A file that does not
 * begin as ours do is refused before anything in it is changed.
 */
#include "mirror.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOOK_BACK 4096 /* bytes read at once when looking for the last newline */

static int read_at(int fd, off_t offset, char *bytes, size_t size)
{
    ssize_t got = pread(fd, bytes, size, offset);

    return got < 0 ? -errno : (size_t)got == size ? 0 : -EIO;
}

/* Where the last whole line ends: behind the last newline before `size`. */
static int last_line_end(int fd, off_t size, off_t *ret_end)
{
    char buffer[LOOK_BACK];

    while (size > 0) {
        size_t want = size < LOOK_BACK ? (size_t)size : LOOK_BACK;
        int result = read_at(fd, size - (off_t)want, buffer, want);
        if (result != 0) {
            return result;
        }
        size -= (off_t)want;
        const char *newline = memrchr(buffer, '\n', want);
        if (newline != NULL) {
            *ret_end = size + (newline - buffer) + 1;
            return 0;
        }
    }
    *ret_end = 0;
    return 0;
}

/* As far as it goes: a first line may be torn in its first bytes. */
static int check_start(int fd, off_t size)
{
    char start[sizeof LINE_START - 1];
    size_t want = size < (off_t)sizeof start ? (size_t)size : sizeof start;
    int result = read_at(fd, 0, start, want);

    return result != 0 ? result : memcmp(start, LINE_START, want) == 0 ? 0 : -EMEDIUMTYPE;
}

/* 0: what lies from `offset` to `end` is a whole line; -EBADMSG: it is torn. */
static int check_line(int fd, off_t offset, off_t end)
{
    struct line *line = NULL;
    size_t size = (size_t)(end - offset);

    if (size > LINE_SIZE_MAX) {
        return -EBADMSG;
    }
    char *text = malloc(size);
    int result = text == NULL ? -ENOMEM : read_at(fd, offset, text, size);
    if (result == 0) {
        result = line_read(&line, text, size);
    }
    line_free(line);
    free(text);
    return result;
}

static int end_line(struct file *file, off_t size)
{
    if (write(file->fd, "\n", 1) != 1 || fsync(file->fd) != 0) {
        return errno != 0 ? -errno : -EIO;
    }
    file->size = size + 1;
    return 0;
}

static int cut(struct file *file, off_t end)
{
    if (ftruncate(file->fd, end) != 0 || fsync(file->fd) != 0) {
        return -errno;
    }
    file->size = end;
    return 0;
}

int file_mend(struct file *file, off_t size, off_t *ret_cut)
{
    off_t end = 0;
    int result = check_start(file->fd, size);

    *ret_cut = 0;
    if (result == 0) {
        result = last_line_end(file->fd, size, &end);
    }
    if (result != 0) {
        return result;
    }
    if (end == size) {
        file->size = size;
        return 0;
    }
    result = check_line(file->fd, end, size);
    if (result == 0) {
        return end_line(file, size);
    }
    if (result != -EBADMSG) {
        return result;
    }
    *ret_cut = size - end;
    return cut(file, end);
}
