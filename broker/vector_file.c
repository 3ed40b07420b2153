/* vector_file.c - see vector_file.h. */
#include "broker/vector_file_internal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#define GROW_ROWS 64u /* at least, and a quarter of what there is */
#define ROW_ALIGN 32u

static const char magic[8] = "mfvec01";

uint64_t vector_model_hash(const char *model, size_t size)
{
    return XXH3_64bits(model, size);
}

static size_t offset_of(const struct vector_file *file, uint64_t row)
{
    return VECTOR_HEADER_BYTES + (size_t)row * file->row_bytes;
}

const struct vector_row_head *vector_head(const struct vector_file *file, uint64_t row)
{
    return (const struct vector_row_head *)(const void *)(guarded_map_bytes(file->map) +
                                                          offset_of(file, row));
}

const float *vector_floats(const struct vector_row_head *head)
{
    return (const float *)(const void *)(head + 1);
}

static uint32_t sum_of(const struct vector_file *file, const struct vector_row_head *head)
{
    XXH64_hash_t floats = XXH3_64bits(vector_floats(head), file->dims * sizeof(float));

    return (uint32_t)XXH3_64bits_withSeed(head, offsetof(struct vector_row_head, marks), floats);
}

int vector_failed(const struct vector_file *file, const char *verb, int number, struct error *err)
{
    return error_set_errno(err, -number, "cannot %s %s", verb, file->path);
}

int vector_check_map(const struct vector_file *file, struct error *err)
{
    return guarded_map_is_broken(file->map) ? vector_failed(file, "read", EIO, err) : 0;
}

/* ---- make, open, close ---- */

static struct vector_file *file_new(const char *path, uint32_t dims, uint64_t generation)
{
    struct vector_file *file = calloc(1, sizeof *file);

    if (file == NULL) {
        return NULL;
    }
    file->fd = -1;
    file->dims = dims;
    file->generation = generation;
    file->dot = vector_dot_best();
    file->row_bytes = (sizeof(struct vector_row_head) + dims * sizeof(float) + ROW_ALIGN - 1) /
                      ROW_ALIGN * ROW_ALIGN;
    file->path = strdup(path);
    file->row = calloc(1, file->row_bytes);
    pthread_rwlock_init(&file->lock, NULL);
    if (file->path == NULL || file->row == NULL) {
        return vector_file_close(file);
    }
    return file;
}

void vector_unmap(struct vector_file *file)
{
    file->map = guarded_map_free(file->map);
}

struct vector_file *vector_file_close(struct vector_file *file)
{
    if (file != NULL) {
        vector_unmap(file);
        if (file->fd >= 0) {
            close(file->fd);
        }
        pthread_rwlock_destroy(&file->lock);
        free(file->row);
        free(file->path);
        free(file);
    }
    return NULL;
}

/* Maps that many rows, with blocks of the disk behind them. */
static int reserve(struct vector_file *file, uint64_t rows, struct error *err)
{
    size_t size = offset_of(file, rows);
    int r = posix_fallocate(file->fd, 0, (off_t)size);

    if (r != 0) {
        return vector_failed(file, "enlarge", r, err);
    }
    struct guarded_map *map;
    r = guarded_map_new(&map, file->fd, size);
    if (r < 0) {
        return vector_failed(file, "map", -r, err);
    }
    pthread_rwlock_wrlock(&file->lock);
    vector_unmap(file);
    file->map = map;
    file->capacity = rows;
    pthread_rwlock_unlock(&file->lock);
    return 0;
}

static int write_all(struct vector_file *file, const void *data, size_t size, size_t offset,
                     struct error *err)
{
    const char *at = data;

    while (size > 0) {
        ssize_t n = pwrite(file->fd, at, size, (off_t)offset);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return vector_failed(file, "write", errno, err);
        }
        at += n;
        size -= (size_t)n;
        offset += (size_t)n;
    }
    return 0;
}

static struct vector_header header_of(const struct vector_file *file)
{
    struct vector_header header = {
        .dims = file->dims, .row_bytes = (uint32_t)file->row_bytes, .generation = file->generation};

    memcpy(header.magic, magic, sizeof magic);
    header.sum = XXH3_64bits(&header, offsetof(struct vector_header, sum));
    return header;
}

static int out_of_memory(const char *path, struct error *err)
{
    return error_set(err, -ENOMEM, "out of memory while opening %s", path);
}

int vector_file_make(struct vector_file **ret, const char *path, uint32_t dims, uint64_t generation,
                     struct error *err)
{
    struct vector_file *file = file_new(path, dims, generation);
    int r = 0;

    *ret = NULL;
    if (file == NULL) {
        return out_of_memory(path, err);
    }
    unlink(path);
    file->fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (file->fd < 0) {
        r = vector_failed(file, "make", errno, err);
    }
    if (r == 0) {
        struct vector_header header = header_of(file);
        r = write_all(file, &header, sizeof header, 0, err);
    }
    if (r == 0) {
        r = reserve(file, GROW_ROWS, err);
    }
    if (r != 0) {
        vector_file_close(file);
        return r;
    }
    *ret = file;
    return 0;
}

static int check(struct vector_file *file, uint64_t rows, struct error *err)
{
    struct vector_header wanted = header_of(file), found;
    struct stat stat;

    if (pread(file->fd, &found, sizeof found, 0) != sizeof found ||
        memcmp(&found, &wanted, sizeof found) != 0) {
        return error_set(err, -EIO, "%s is damaged, or does not belong to the text index",
                         file->path);
    }
    if (fstat(file->fd, &stat) < 0) {
        return vector_failed(file, "look at", errno, err);
    }
    if ((uint64_t)stat.st_size < offset_of(file, rows)) {
        return error_set(err, -EIO, "%s is cut short", file->path);
    }
    return 0;
}

static int count_dead(struct vector_file *file, struct error *err)
{
    for (uint64_t row = 0; row < file->written; row++) {
        file->dead += vector_head(file, row)->marks == 0;
    }
    return vector_check_map(file, err);
}

int vector_file_open(struct vector_file **ret, const char *path, uint32_t dims, uint64_t generation,
                     uint64_t rows, struct error *err)
{
    struct vector_file *file = file_new(path, dims, generation);

    *ret = NULL;
    if (file == NULL) {
        return out_of_memory(path, err);
    }
    file->fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    int r =
        file->fd < 0 ? error_set_errno(err, -EIO, "cannot open %s", path) : check(file, rows, err);
    if (r == 0) {
        r = reserve(file, rows + GROW_ROWS, err);
    }
    if (r == 0) {
        file->written = file->published = rows;
        r = count_dead(file, err);
    }
    if (r != 0) {
        vector_file_close(file);
        return r;
    }
    *ret = file;
    return 0;
}

/* ---- rows ---- */

bool vector_file_has(const struct vector_file *file, uint64_t row, int64_t doc, uint64_t vector_seq)
{
    if (row >= file->written) {
        return false;
    }
    const struct vector_row_head *head = vector_head(file, row);
    return head->doc == doc && head->vector_seq == vector_seq && (head->marks & VECTOR_LIVE) != 0 &&
           head->sum == sum_of(file, head);
}

int vector_write_row(struct vector_file *file, struct error *err)
{
    int r = 0;

    if (file->written == file->capacity) {
        uint64_t more = file->capacity / 4;
        r = reserve(file, file->capacity + (more > GROW_ROWS ? more : GROW_ROWS), err);
    }
    if (r == 0) {
        r = write_all(file, file->row, file->row_bytes, offset_of(file, file->written), err);
    }
    file->written += r == 0;
    return r;
}

int vector_file_append(struct vector_file *file, const struct vector_row *row, const float *vector,
                       bool deleted, int64_t *ret_row, struct error *err)
{
    struct vector_row_head *head = (struct vector_row_head *)(void *)file->row;

    *ret_row = -1;
    if (!vector_normalize(vector, file->dims, (float *)(void *)(head + 1))) {
        return 0;
    }
    *head = (struct vector_row_head){.doc = row->doc,
                                     .vector_seq = row->vector_seq,
                                     .model = row->model,
                                     .marks = VECTOR_LIVE | (deleted ? VECTOR_DELETED : 0)};
    head->sum = sum_of(file, head);
    int r = vector_write_row(file, err);
    if (r == 0) {
        *ret_row = (int64_t)file->written - 1;
    }
    return r;
}

void vector_file_publish(struct vector_file *file)
{
    pthread_rwlock_wrlock(&file->lock);
    file->published = file->written;
    pthread_rwlock_unlock(&file->lock);
}

void vector_file_forget(struct vector_file *file)
{
    file->written = file->published;
}

uint32_t vector_file_marks(const struct vector_file *file, uint64_t row)
{
    return vector_head(file, row)->marks;
}

/* A vector tells much of its content: none stays behind a memory that was purged. */
static int wipe(struct vector_file *file, uint64_t row, struct error *err)
{
    size_t size = file->row_bytes - sizeof(struct vector_row_head);

    memset(file->row, 0, size);
    return write_all(file, file->row, size, offset_of(file, row) + sizeof(struct vector_row_head),
                     err);
}

int vector_file_mark(struct vector_file *file, uint64_t row, uint32_t marks, struct error *err)
{
    assert(row < file->written);
    uint32_t before = vector_file_marks(file, row);
    int r = vector_check_map(file, err);
    if (r != 0 || before == marks) {
        return r;
    }
    r = write_all(file, &marks, sizeof marks,
                  offset_of(file, row) + offsetof(struct vector_row_head, marks), err);
    if (r == 0 && marks == 0) {
        r = wipe(file, row, err);
    }
    if (r == 0) {
        file->dead += (marks == 0);
        file->dead -= (before == 0);
    }
    return r;
}

uint64_t vector_file_rows(const struct vector_file *file)
{
    return file->written;
}

uint64_t vector_file_dead(const struct vector_file *file)
{
    return file->dead;
}

uint32_t vector_file_dims(const struct vector_file *file)
{
    return file->dims;
}
