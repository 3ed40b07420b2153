/*
 * search_files.h - the text index and the vectors beside it, as one: search.db and vectors.idx.
 *
 * Happy path: a batch's texts go to the index and its vectors to the file; the index commits with
 * the cursor, and then the rows are published and old ones marked dead.
 *
 * Failure modes: a crash anywhere leaves rows that nothing names (marked dead at the next start) or
 * the cursor where it was (the batch is put in once more). Vectors are not synced: receipts need
 * the disk more. What a power failure has taken is found at the next start, where each row is held
 * to its sum; and what does not fit together is thrown away, both of it, and made anew from the
 * store.
 *
 * One thread fills; search_files_top is for any.
 */
#ifndef MEMFERRY_SEARCH_FILES_H
#define MEMFERRY_SEARCH_FILES_H

#include "broker/reader.h"
#include "broker/search_index.h"
#include "broker/vector_file.h"

#include <pthread.h>
#include <stdatomic.h>

#define SEARCH_BATCH_MAX 1000

struct search_mark {
    uint64_t row;
    uint32_t marks;
};

struct search_files {
    const char *index_path, *vector_path, *origin; /* borrowed */
    uint32_t dims;
    struct search_index *index; /* NULL: not open */
    pthread_rwlock_t lock;      /* of the pointer */
    struct vector_file *vectors;
    struct search_mark marks[2 * SEARCH_BATCH_MAX]; /* to be made after the commit */
    size_t mark_count;
    atomic_bool hurry; /* set by any thread: tidy and sweep end soon, by -ECANCELED */
};

void search_files_init(struct search_files *files, const char *index_path, const char *vector_path,
                       const char *origin, uint32_t dims);
void search_files_deinit(struct search_files *files);

/* Opens both, or makes them: *ret_fresh, with the reason in err when there were some. A cursor
 * above applied_seq is another store's. */
int search_files_open(struct search_files *files, uint64_t applied_seq, bool *ret_fresh,
                      struct error *err);
void search_files_close(struct search_files *files);
/* Closes and removes them. */
void search_files_discard(struct search_files *files);

uint64_t search_files_cursor(const struct search_files *files);
/* Puts a batch in; at most SEARCH_BATCH_MAX memories. -EIO: what is there is damaged. */
int search_files_put(struct search_files *files, const struct reader_batch *batch,
                     struct error *err);
/* Both may take minutes, and end when they are hurried; what they had begun is done anew later. */
/* Copies the vectors when too many rows are dead, and forgets the words of what was purged. */
int search_files_tidy(struct search_files *files, struct error *err);
/* Removes what the store does not have any more. */
int search_files_sweep(struct search_files *files, struct reader *reader, struct error *err);

/* As vector_file_top; nothing is found when there is no file at the moment. */
int search_files_top(struct search_files *files, const struct vector_query *query, size_t max,
                     struct vector_hit *ret, size_t *ret_count, struct error *err);

#endif
