/* search_index_internal.h - the writing side of the text index, from inside: search_index*.c alone.
 */
#ifndef MEMFERRY_SEARCH_INDEX_INTERNAL_H
#define MEMFERRY_SEARCH_INDEX_INTERNAL_H

#include "broker/search_index.h"
#include "broker/sql.h"

enum index_statement {
    INDEX_BEGIN,
    INDEX_COMMIT,
    INDEX_ROLLBACK,
    INDEX_READ_NUMBER,
    INDEX_WRITE_NUMBER,
    INDEX_FIND,
    INDEX_ADD,
    INDEX_CHANGE,
    INDEX_CHANGE_STATE,
    INDEX_WORDS,
    INDEX_WORDS_ADD,
    INDEX_WORDS_REMOVE,
    INDEX_SET_ROW,
    INDEX_RESET_ROWS,
    INDEX_EACH,
    INDEX_EACH_WITH_ROW,
    INDEX_REMOVE,
    INDEX_COUNT,
    INDEX_ROWS,
    INDEX_STATEMENTS
};

struct search_index {
    struct sql sql;
    sqlite3_stmt *statements[INDEX_STATEMENTS];
    uint64_t cursor, generation, count;
    uint64_t purged;       /* 1: search_index_must_forget */
    uint64_t count_before; /* of the transaction */
    char *tags;            /* joined; grows */
    size_t tags_size;
};

/* Of meta. */
int index_write_number(struct search_index *index, const char *name, uint64_t value,
                       struct error *err);
/* The row begins with the columns of a document. */
struct search_doc index_read_doc(sqlite3_stmt *row);

#endif
