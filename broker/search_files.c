/* search_files.c - see search_files.h. */
#include "broker/search_files.h"

#include "broker/reader_search.h"
#include "broker/util/clock.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEAD_MIN 1000 /* rows, before it is worth copying the rest */

void search_files_init(struct search_files *files, const char *index_path, const char *vector_path,
                       const char *origin, uint32_t dims)
{
    *files = (struct search_files){
        .index_path = index_path, .vector_path = vector_path, .origin = origin, .dims = dims};
    pthread_rwlock_init(&files->lock, NULL);
}

void search_files_deinit(struct search_files *files)
{
    search_files_close(files);
    pthread_rwlock_destroy(&files->lock);
}

static void set_vectors(struct search_files *files, struct vector_file *vectors)
{
    pthread_rwlock_wrlock(&files->lock);
    struct vector_file *before = files->vectors;
    files->vectors = vectors;
    pthread_rwlock_unlock(&files->lock);
    vector_file_close(before);
}

void search_files_close(struct search_files *files)
{
    set_vectors(files, NULL);
    files->index = search_index_close(files->index);
}

void search_files_discard(struct search_files *files)
{
    set_vectors(files, NULL);
    unlink(files->vector_path);
    files->index = search_index_close(files->index);
    search_index_remove_files(files->index_path);
}

uint64_t search_files_cursor(const struct search_files *files)
{
    return search_index_cursor(files->index);
}

/* ---- open ---- */

struct reconciling {
    struct vector_file *vectors;
    uint8_t *named; /* a bit a row: a document has it */
    struct error *err;
};

static int reconcile_doc(void *arg, const struct search_doc *doc, const char *memory_id)
{
    struct reconciling *it = arg;
    uint64_t row = (uint64_t)doc->row;
    uint32_t marks = VECTOR_LIVE | (doc->deleted ? VECTOR_DELETED : 0);

    (void)memory_id;
    if (!vector_file_has(it->vectors, row, doc->doc, doc->vector_seq)) {
        return error_set(it->err, -EIO, "row %llu of the vectors is damaged",
                         (unsigned long long)row);
    }
    it->named[row / 8] |= (uint8_t)(1u << (row % 8));
    return vector_file_mark(it->vectors, row, marks, it->err);
}

static int bury_unnamed(struct reconciling *it)
{
    int r = 0;

    for (uint64_t row = 0; r == 0 && row < vector_file_rows(it->vectors); row++) {
        if ((it->named[row / 8] >> (row % 8) & 1) == 0) {
            r = vector_file_mark(it->vectors, row, 0, it->err);
        }
    }
    return r;
}

/* Holds each row to what the index says of it. */
static int reconcile(struct search_files *files, struct vector_file *vectors, struct error *err)
{
    struct reconciling it = {.vectors = vectors, .err = err};

    it.named = calloc(vector_file_rows(vectors) / 8 + 1, 1);
    if (it.named == NULL) {
        return error_set(err, -ENOMEM, "out of memory while opening %s", files->vector_path);
    }
    int r = search_index_each(files->index, true, 0, INT64_MAX, reconcile_doc, &it, err);
    if (r == 0) {
        r = bury_unnamed(&it);
    }
    free(it.named);
    return r;
}

static int open_vectors(struct search_files *files, struct error *err)
{
    struct vector_file *vectors;
    uint64_t rows;

    int r = search_index_rows(files->index, &rows, err);
    if (r == 0) {
        r = vector_file_open(&vectors, files->vector_path, files->dims,
                             search_index_generation(files->index), rows, err);
    }
    if (r != 0) {
        return r;
    }
    r = reconcile(files, vectors, err);
    if (r != 0) {
        vector_file_close(vectors);
        return r;
    }
    set_vectors(files, vectors);
    return 0;
}

static int make_vectors(struct search_files *files, struct error *err)
{
    uint64_t generation = (uint64_t)clock_wall_us();
    struct vector_file *vectors;

    int r = vector_file_make(&vectors, files->vector_path, files->dims, generation, err);
    if (r != 0) {
        return r;
    }
    r = search_index_begin(files->index, err);
    if (r == 0) {
        r = search_index_reset_rows(files->index, generation, err);
    }
    if (r == 0) {
        r = search_index_commit(files->index, 0, err);
    }
    if (r != 0) {
        search_index_rollback(files->index);
        vector_file_close(vectors);
        return r;
    }
    set_vectors(files, vectors);
    return 0;
}

static int open_both(struct search_files *files, uint64_t applied_seq, bool *ret_fresh,
                     struct error *err)
{
    int r = search_index_open(&files->index, files->index_path, files->origin, ret_fresh, err);

    if (r != 0) {
        return r;
    }
    if (*ret_fresh) {
        return make_vectors(files, err);
    }
    if (search_index_cursor(files->index) > applied_seq) {
        return error_set(err, -EIO, "%s is ahead of the store", files->index_path);
    }
    return open_vectors(files, err);
}

int search_files_open(struct search_files *files, uint64_t applied_seq, bool *ret_fresh,
                      struct error *err)
{
    int r = open_both(files, applied_seq, ret_fresh, err);

    if (r == -EIO && !*ret_fresh) {
        const struct error why = *err;
        search_files_discard(files);
        r = open_both(files, applied_seq, ret_fresh, err);
        *err = r == 0 ? why : *err;
    }
    if (r != 0) {
        search_files_close(files);
    }
    return r;
}

/* ---- put ---- */

static void mark_later(struct search_files *files, int64_t row, uint32_t marks)
{
    assert(files->mark_count < 2 * SEARCH_BATCH_MAX);
    files->marks[files->mark_count++] = (struct search_mark){.row = (uint64_t)row, .marks = marks};
}

static int add_vector(struct search_files *files, const struct memferry_memory *memory,
                      uint64_t vector_seq, const struct search_doc *doc, struct error *err)
{
    const struct vector_row row = {
        .doc = doc->doc,
        .vector_seq = vector_seq,
        .model = vector_model_hash(memory->embedding_model.data, memory->embedding_model.size)};
    int64_t at;

    int r = vector_file_append(files->vectors, &row, memory->embedding, memory->deleted_ms != 0,
                               &at, err);
    return r != 0 ? r
                  : search_index_set_row(files->index, doc->doc, at < 0 ? SEARCH_NO_ROW : at,
                                         at < 0 ? 0 : vector_seq, err);
}

static int put_vector(struct search_files *files, const struct memferry_memory *memory,
                      uint64_t vector_seq, const struct search_doc *doc, struct error *err)
{
    bool has = memory->embedding != NULL && memory->dims == files->dims;

    if (doc->row != SEARCH_NO_ROW && has && doc->vector_seq == vector_seq) {
        mark_later(files, doc->row, VECTOR_LIVE | (memory->deleted_ms != 0 ? VECTOR_DELETED : 0));
        return 0;
    }
    if (doc->row != SEARCH_NO_ROW) {
        mark_later(files, doc->row, 0);
    }
    if (has) {
        return add_vector(files, memory, vector_seq, doc, err);
    }
    return doc->row == SEARCH_NO_ROW
               ? 0
               : search_index_set_row(files->index, doc->doc, SEARCH_NO_ROW, 0, err);
}

static int put_all(struct search_files *files, const struct reader_batch *batch, struct error *err)
{
    const struct memferry_memory *memories = reader_batch_memories(batch);
    const struct reader_batch_item *items = reader_batch_items(batch);
    int r = 0;

    for (size_t i = 0; r == 0 && i < reader_batch_count(batch); i++) {
        struct search_doc doc;
        r = search_index_put(files->index, &memories[i], &doc, err);
        if (r == 0) {
            r = put_vector(files, &memories[i], items[i].vector_seq, &doc, err);
        }
    }
    return r;
}

static int make_marks(struct search_files *files, struct error *err)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < files->mark_count; i++) {
        r = vector_file_mark(files->vectors, files->marks[i].row, files->marks[i].marks, err);
    }
    return r;
}

int search_files_put(struct search_files *files, const struct reader_batch *batch,
                     struct error *err)
{
    files->mark_count = 0;
    int r = search_index_begin(files->index, err);
    if (r == 0) {
        r = put_all(files, batch, err);
    }
    if (r == 0) {
        r = search_index_commit(files->index, reader_batch_cursor(batch), err);
    }
    if (r != 0) {
        search_index_rollback(files->index);
        vector_file_forget(files->vectors);
        return r;
    }
    vector_file_publish(files->vectors);
    return make_marks(files, err);
}

/* ---- tidy ---- */

struct moving {
    const struct search_files *files;
    struct search_index *index;
    struct error *err;
};

static int moved(void *arg, const struct vector_row *row, int64_t to)
{
    const struct moving *moving = arg;

    if (atomic_load(&moving->files->hurry)) {
        return error_set(moving->err, -ECANCELED, "the copy of the vectors is left for later");
    }
    return search_index_set_row(moving->index, row->doc, to, row->vector_seq, moving->err);
}

static int copy_vectors(struct search_files *files, struct vector_file **ret, struct error *err)
{
    struct moving moving = {.files = files, .index = files->index, .err = err};
    uint64_t generation = search_index_generation(files->index) + 1;

    int r = search_index_reset_rows(files->index, generation, err);
    return r == 0 ? vector_file_compact(files->vectors, generation, moved, &moving, ret, err) : r;
}

static int tidy_vectors(struct search_files *files, struct error *err)
{
    uint64_t dead = vector_file_dead(files->vectors);
    struct vector_file *copy = NULL;

    if (dead < DEAD_MIN || dead * 4 < vector_file_rows(files->vectors)) {
        return 0;
    }
    int r = search_index_begin(files->index, err);
    if (r == 0) {
        r = copy_vectors(files, &copy, err);
    }
    if (r == 0) {
        r = search_index_commit(files->index, search_index_cursor(files->index), err);
    }
    if (r != 0) {
        search_index_rollback(files->index);
        vector_file_close(copy);
        return r;
    }
    return vector_file_replace(files->vectors, copy, err);
}

int search_files_tidy(struct search_files *files, struct error *err)
{
    int r = search_index_must_forget(files->index) ? search_index_forget(files->index, err) : 0;

    return r == 0 ? tidy_vectors(files, err) : r;
}

/* ---- any thread ---- */

int search_files_top(struct search_files *files, const struct vector_query *query, size_t max,
                     struct vector_hit *ret, size_t *ret_count, struct error *err)
{
    *ret_count = 0;
    pthread_rwlock_rdlock(&files->lock);
    int r = files->vectors != NULL
                ? vector_file_top(files->vectors, query, max, ret, ret_count, err)
                : 0;
    pthread_rwlock_unlock(&files->lock);
    return r;
}
