/* vector_file_internal.h - the file of vectors from inside: vector_*.c alone. */
#ifndef MEMFERRY_VECTOR_FILE_INTERNAL_H
#define MEMFERRY_VECTOR_FILE_INTERNAL_H

#include "broker/util/guarded_map.h"
#include "broker/vector_dot.h"
#include "broker/vector_file.h"

#include <pthread.h>

#define VECTOR_HEADER_BYTES 4096

struct vector_header {
    char magic[8];
    uint32_t dims, row_bytes;
    uint64_t generation;
    uint64_t sum; /* of what stands before it */
};

struct vector_row_head {
    int64_t doc;
    uint64_t vector_seq, model;
    uint32_t marks, sum; /* sum: of what is not marks */
};

struct vector_file {
    char *path;
    int fd;
    uint32_t dims;
    size_t row_bytes;
    uint64_t generation;
    vector_dot_fn *dot;
    uint8_t *row;     /* where one is made */
    uint64_t written; /* rows, published or not */
    uint64_t dead;
    /* The lock guards where the file is mapped, and how much of it may be looked at. */
    pthread_rwlock_t lock;
    struct guarded_map *map; /* a disk that fails breaks it, and nothing else */
    uint64_t capacity;       /* rows that are mapped */
    uint64_t published;      /* rows */
};

const struct vector_row_head *vector_head(const struct vector_file *file, uint64_t row);
const float *vector_floats(const struct vector_row_head *head);
/* Appends file->row. */
int vector_write_row(struct vector_file *file, struct error *err);
void vector_unmap(struct vector_file *file);
/* -EIO, with a text, when something that was looked at could not be read. */
int vector_check_map(const struct vector_file *file, struct error *err);
/* -errno with a text. */
int vector_failed(const struct vector_file *file, const char *verb, int number, struct error *err);

#endif
