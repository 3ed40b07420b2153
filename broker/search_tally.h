/*
 * search_tally.h - one pass over the text index: which documents match, how often each has each
 * string of the query, and how good that is.
 *
 * Happy path: a statement asks for search_note(memory_fts) of each row that matches, which says 0
 * and keeps what it saw; when the pass is done the best are told.
 *
 * Why not FTS5's own rank: that counts the rows of each string first, in a pass of its own, and
 * then looks up the length of every document that matches. Here the pass itself counts, and lengths
 * are asked for of the best alone, by who reads the tally. How good a document is, is bm25 all the
 * same.
 *
 * Bounds: TALLY_BYTES_MAX for the rows; when they are full, the best TALLY_KEEP of them stay.
 */
#ifndef MEMFERRY_SEARCH_TALLY_H
#define MEMFERRY_SEARCH_TALLY_H

#include "broker/sql.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TALLY_BYTES_MAX (16u << 20)
#define TALLY_KEEP      4096

struct search_tally;

/* Makes search_note known to a connection; the tally lives as long as that. */
int search_tally_register(struct sql *sql, struct search_tally **ret, struct error *err);

/* A pass begins. Not all rows of a string come by where all strings are asked for: `estimate` has
 * them counted beforehand, from the first few. */
void search_tally_begin(struct search_tally *tally, bool estimate);

struct search_tallied {
    int64_t doc;
    bool has_all; /* strings */
    double good;  /* as if it were of the mean length; then: by its own */
    uint32_t at;
};

/* The best `max` of the pass, the best first; of the equally good, the newer. Returns how many. */
size_t search_tally_best(struct search_tally *tally, struct search_tallied *ret, size_t max);
/* The same document by its own length, FTS5's sizes of its columns. */
void search_tally_weigh(const struct search_tally *tally, struct search_tallied *tallied,
                        const uint8_t *sizes, size_t size);
/* How many matched; more than search_tally_best could tell: some were let go. */
uint64_t search_tally_count(const struct search_tally *tally);
/* The pass is over: what it took more than a little is given back. */
void search_tally_end(struct search_tally *tally);

#endif
