/*
 * vector_file.h - the vectors of all memories in one mapped file, to be compared with a query's.
 *
 * Happy path: the indexer's thread appends rows, commits their places to the text index and
 * publishes them; the search thread goes over what is published and keeps the best. Rows are
 * never changed but for their marks: a vector that is replaced gets a new row, and its old one is
 * marked dead. When too many are, the living are copied to a file of the next generation.
 *
 * Failure modes: a file that is cut, of another generation or with a row that is not as its sum
 * says is refused, and made anew from the store. A full disk is -ENOSPC before anything is mapped:
 * the blocks are there before they are written. A disk that cannot read, or a file that was cut
 * under our hands, is -EIO to whoever looked: see util/guarded_map.h.
 *
 *     header  4096 bytes: magic, dims, bytes of a row, generation, sum
 *     row     doc, vector_seq, model, marks, sum, and the floats, scaled to length 1
 *
 * One thread writes, any may look. What is mapped costs page cache only.
 */
#ifndef MEMFERRY_VECTOR_FILE_H
#define MEMFERRY_VECTOR_FILE_H

#include "broker/util/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum vector_mark {
    VECTOR_LIVE = 1,
    VECTOR_DELETED = 2 /* its memory is: found only when that is asked for */
};

struct vector_row {
    int64_t doc;         /* of the text index; > 0 */
    uint64_t vector_seq; /* of the store: which vector this is */
    uint64_t model;      /* vector_model_hash */
};

struct vector_file;

uint64_t vector_model_hash(const char *model, size_t size);

/* ---- the thread that writes ---- */

int vector_file_make(struct vector_file **ret, const char *path, uint32_t dims, uint64_t generation,
                     struct error *err);
/* `rows` are known to be in it. -EIO: make it anew. */
int vector_file_open(struct vector_file **ret, const char *path, uint32_t dims, uint64_t generation,
                     uint64_t rows, struct error *err);
struct vector_file *vector_file_close(struct vector_file *file);

/* Whether the row is there, whole and that vector. */
bool vector_file_has(const struct vector_file *file, uint64_t row, int64_t doc,
                     uint64_t vector_seq);
/* Appends a row that nobody sees yet. SEARCH_NO_ROW's likes in *ret_row: -1, when the vector is
 * zero, which is like nothing. */
int vector_file_append(struct vector_file *file, const struct vector_row *row, const float *vector,
                       bool deleted, int64_t *ret_row, struct error *err);
/* What was appended is seen; or it is as if it had not been. */
void vector_file_publish(struct vector_file *file);
void vector_file_forget(struct vector_file *file);
/* marks: of enum vector_mark; 0: dead, and its floats are wiped. */
int vector_file_mark(struct vector_file *file, uint64_t row, uint32_t marks, struct error *err);
uint32_t vector_file_marks(const struct vector_file *file, uint64_t row);

uint64_t vector_file_rows(const struct vector_file *file); /* dead ones too */
uint64_t vector_file_dead(const struct vector_file *file);
/* Copies what lives to a new file of that generation, in its place once vector_file_replace has
 * been called. moved is told of each. */
int vector_file_compact(struct vector_file *file, uint64_t generation,
                        int (*moved)(void *arg, const struct vector_row *row, int64_t to),
                        void *arg, struct vector_file **ret, struct error *err);
/* `file` takes over what `by` is, which is consumed. */
int vector_file_replace(struct vector_file *file, struct vector_file *by, struct error *err);

/* ---- any thread ---- */

struct vector_hit {
    int64_t doc;
    uint64_t vector_seq;
    float score; /* the cosine */
};

struct vector_query {
    const float *vector; /* scaled to length 1 */
    uint64_t model;
    uint32_t deleted_mask, deleted_marks; /* (marks & mask) must be these */
    const uint8_t *docs;                  /* a bit a document that may be found; NULL: all */
    size_t doc_count;                     /* bits */
};

/* The best `max` by falling score, compared with every row: exact. Sets ret and *ret_count. -EIO: a
 * row could not be read; make the file anew. */
int vector_file_top(struct vector_file *file, const struct vector_query *query, size_t max,
                    struct vector_hit *ret, size_t *ret_count, struct error *err);
uint32_t vector_file_dims(const struct vector_file *file);

#endif
