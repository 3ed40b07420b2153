/*
 * search_token.h - how texts are taken apart into words for the index, and queries with them: a
 * tokenizer of FTS5, named `memferry`.
 *
 * What is written with spaces goes through unicode61, without diacritics, marks kept within a word.
 * A UUID, as most ids of memories are, is one word and not five that nobody looks for.
 * Scripts without spaces become pairs of neighbours: 会議室 is 会議 and 議室, so that a word of two
 * characters or more is found wherever it stands, which neither unicode61 nor trigram can do. The
 * last character of a run stands beside the last pair, so that one alone is found as a beginning.
 */
#ifndef MEMFERRY_SEARCH_TOKEN_H
#define MEMFERRY_SEARCH_TOKEN_H

#include "broker/sql.h"

#define SEARCH_TOKENIZER "memferry"

/* Makes the tokenizer known to a connection. */
int search_token_register(struct sql *sql, struct error *err);
/* FTS5's own functions; NULL: this SQLite has none. */
fts5_api *search_token_api(sqlite3 *db);

#endif
