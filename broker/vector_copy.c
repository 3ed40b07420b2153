/* vector_copy.c - the living rows of a file of vectors, copied to one that takes its place. */
#include "broker/vector_file_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int copy_living(struct vector_file *from, struct vector_file *to,
                       int (*moved)(void *, const struct vector_row *, int64_t), void *arg,
                       struct error *err)
{
    int r = 0;

    for (uint64_t i = 0; r == 0 && i < from->written; i++) {
        const struct vector_row_head *head = vector_head(from, i);
        if (head->marks == 0) {
            continue;
        }
        memcpy(to->row, head, to->row_bytes);
        r = vector_write_row(to, err);
        if (r == 0) {
            const struct vector_row row = {
                .doc = head->doc, .vector_seq = head->vector_seq, .model = head->model};
            r = moved(arg, &row, (int64_t)to->written - 1);
        }
    }
    return r == 0 ? vector_check_map(from, err) : r; /* what could not be read was taken for dead */
}

int vector_file_compact(struct vector_file *file, uint64_t generation,
                        int (*moved)(void *, const struct vector_row *, int64_t), void *arg,
                        struct vector_file **ret, struct error *err)
{
    char path[4096];

    *ret = NULL;
    if ((size_t)snprintf(path, sizeof path, "%s.new", file->path) >= sizeof path) {
        return error_set(err, -ENAMETOOLONG, "the path of %s is too long", file->path);
    }
    int r = vector_file_make(ret, path, file->dims, generation, err);
    if (r == 0) {
        r = copy_living(file, *ret, moved, arg, err);
    }
    if (r != 0) {
        *ret = vector_file_close(*ret);
        unlink(path);
    }
    return r;
}

int vector_file_replace(struct vector_file *file, struct vector_file *by, struct error *err)
{
    if (rename(by->path, file->path) < 0) {
        int number = errno;
        vector_file_close(by);
        return vector_failed(file, "replace", number, err);
    }
    pthread_rwlock_wrlock(&file->lock);
    vector_unmap(file);
    close(file->fd);
    file->fd = by->fd;
    file->map = by->map;
    file->capacity = by->capacity;
    file->generation = by->generation;
    file->written = file->published = by->written;
    file->dead = 0;
    pthread_rwlock_unlock(&file->lock);
    by->fd = -1;
    by->map = NULL;
    vector_file_close(by);
    return 0;
}
