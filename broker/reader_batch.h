/* reader_batch.h - what the files of reading batches share. */
#ifndef MEMFERRY_READER_BATCH_H
#define MEMFERRY_READER_BATCH_H

#include "broker/reader_internal.h"

struct batch_scan {
    sqlite3_stmt *rows; /* bound, but for its third parameter */
    bool pages;         /* its rows tell whether the lane has a row of theirs */
    bool embeds;        /* its rows say what needs a vector */
    size_t look_max;    /* rows that are looked at */
    size_t max, max_bytes;
};

struct reader_batch *reader_batch_new(uint64_t cursor, struct error *err); /* NULL: no memory */
/* Within a transaction. */
int reader_batch_fill(struct reader *reader, const struct batch_scan *scan,
                      struct reader_batch *batch, struct error *err);

#endif
