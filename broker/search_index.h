/*
 * search_index.h - the text index: search.db, a file of its own beside the store, derived from it.
 *
 * Happy path: the indexer's thread opens it to write and puts documents in, many to a transaction
 * with the cursor; the search thread opens it to read and finds them.
 *
 * Failure modes: what is damaged, of another store or of another version is thrown away and made
 * anew: nothing is in here that the store has not. A full disk is -ENOSPC, and is tried again.
 *
 *     meta       version of the tables, origin of the store, the cursor, the vectors' generation
 *     doc        one row a memory: what is searched and filtered by, and the row of its vector
 *     memory_fts FTS5 over content, tags, kind and id of doc; columns as in doc
 */
#ifndef MEMFERRY_SEARCH_INDEX_H
#define MEMFERRY_SEARCH_INDEX_H

#include "broker/reader.h"
#include "broker/search_words.h"
#include "broker/util/error.h"

#include <memferry/memory.h>

#include <stdbool.h>
#include <stdint.h>

#define SEARCH_LIMIT_MAX 100
/* Of each list, more are taken than are asked for: some are no more as they were, and in both lists
 * a hit may stand further down than it ends up. */
#define SEARCH_LIST_MIN 50
#define SEARCH_LIST_MAX (2 * SEARCH_LIMIT_MAX + SEARCH_LIST_MIN)

/* Stands between two tags of doc.tags, and around them. */
#define SEARCH_TAG_MARK '\x1f'

#define SEARCH_NO_ROW INT64_MAX

/* ---- to write: the indexer's thread ---- */

struct search_index;

/* Opens it, or makes it; what is there and can't be used is removed first, with *ret_fresh set and
 * the reason in err. */
int search_index_open(struct search_index **ret, const char *path, const char *origin,
                      bool *ret_fresh, struct error *err);
struct search_index *search_index_close(struct search_index *index);
/* Of one that is closed, or could not be opened. */
void search_index_remove_files(const char *path);

/* Where the index stands; 0: at the start. */
uint64_t search_index_cursor(const struct search_index *index);
uint64_t search_index_generation(const struct search_index *index);

int search_index_begin(struct search_index *index, struct error *err);
/* What the index knows of a memory's vector: its row in the file, SEARCH_NO_ROW without one. */
struct search_doc {
    int64_t doc;
    int64_t row;
    uint64_t vector_seq;
    bool deleted;
};
/* Puts a memory in, in place of what was there under its id. *ret is as it was before; a new one
 * has no row. */
int search_index_put(struct search_index *index, const struct memferry_memory *memory,
                     struct search_doc *ret, struct error *err);
int search_index_set_row(struct search_index *index, int64_t doc, int64_t row, uint64_t vector_seq,
                         struct error *err);
/* Forgets all rows: the vectors are of a new generation. */
int search_index_reset_rows(struct search_index *index, uint64_t generation, struct error *err);
int search_index_commit(struct search_index *index, uint64_t cursor, struct error *err);
void search_index_rollback(struct search_index *index);

/* Whether a memory was purged (it has no content left) whose words may still lie in the index's old
 * segments; and the writing of segments without them, which takes a while. */
bool search_index_must_forget(const struct search_index *index);
int search_index_forget(struct search_index *index, struct error *err);
/* Holds the words against the texts: -EIO when they differ. For tests. */
int search_index_check(struct search_index *index, struct error *err);

uint64_t search_index_count(const struct search_index *index);
/* Gives the memory of its pages back. */
void search_index_rest(struct search_index *index);
/* How many rows the file of vectors must have. */
int search_index_rows(struct search_index *index, uint64_t *ret, struct error *err);
/* Documents that have a row, or all, by rising doc. fn may stop the walk with what is not 0. */
typedef int search_doc_fn(void *arg, const struct search_doc *doc, const char *memory_id);
int search_index_each(struct search_index *index, bool with_rows, int64_t after, size_t max,
                      search_doc_fn *fn, void *arg, struct error *err);
int search_index_remove(struct search_index *index, int64_t doc, struct error *err);

/* ---- to read: the search thread ---- */

struct search_finder;
struct search_marker;

int search_finder_open(struct search_finder **ret, const char *path, struct error *err);
/* Whether its last failure was for what stands in the file. */
bool search_finder_is_damaged(const struct search_finder *finder);
struct search_finder *search_finder_close(struct search_finder *finder);

struct search_found {
    int64_t doc;
    char *id;        /* of the memory; owned */
    double score;    /* the higher the better */
    uint8_t reading; /* of the query by which it was found */
};

struct search_finding {
    const char *expression;
    bool loose; /* has_all strings: SEARCH_ALL_BEGINNINGS, else SEARCH_ANY_BEGINNING */
    const struct reader_filter *filter;
    int64_t deadline_ms; /* monotonic */
};

/* What is found between these is of one state of the index. */
int search_finder_begin(struct search_finder *finder, struct error *err);
void search_finder_end(struct search_finder *finder);

/* Appends the best of what is found and the filter lets through, without what is in `ret` already,
 * until it holds max. What was not looked at before the deadline is not found: *ret_late. */
int search_finder_find(struct search_finder *finder, const struct search_finding *finding,
                       size_t max, struct search_found *ret, size_t *count, bool *ret_late,
                       struct error *err);
/* The id of a document, copied; NULL in *ret: there is none. */
int search_finder_id(struct search_finder *finder, int64_t doc, char **ret, struct error *err);
/* Calls fn for each document that the filter lets through. */
int search_finder_each(struct search_finder *finder, const struct reader_filter *filter,
                       void (*fn)(void *arg, int64_t doc), void *arg, struct error *err);

/* Calls fn with the content of a document, if there is one; what it returns is returned. */
typedef int search_content_fn(void *arg, const char *content, size_t size);
int search_finder_content(struct search_finder *finder, int64_t doc, search_content_fn *fn,
                          void *arg, struct error *err);
/* The words of its contents can be marked. */
struct search_marker *search_finder_marker(struct search_finder *finder);

#endif
