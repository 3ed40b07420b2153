/*
 * search_words.h - a person's query, taken apart, and put together again in FTS5's language.
 *
 * Words stand between spaces; "a phrase" between quotes; word* is a beginning. Nothing else means
 * anything: what is written reaches FTS5 within strings only, where it is text. A quote that is not
 * closed is closed at the end.
 *
 * There are three readings of a query, from the strict to the loose; a search takes the loose ones
 * when the strict one has not found enough. What is in quotes is asked for in each of them.
 *
 * Pure functions. Bounds: SEARCH_QUERY_MAX bytes, SEARCH_WORDS_MAX words, SEARCH_STRINGS_MAX
 * strings of an expression; further ones do not count.
 */
#ifndef MEMFERRY_SEARCH_WORDS_H
#define MEMFERRY_SEARCH_WORDS_H

#include <msgpack.h>

#include <stdbool.h>
#include <stddef.h>

#define SEARCH_QUERY_MAX   4096
#define SEARCH_WORDS_MAX   64
#define SEARCH_STRINGS_MAX 256

enum search_reading {
    SEARCH_ALL = 0,        /* every word, as it is written */
    SEARCH_ALL_BEGINNINGS, /* words that begin as they do; dense scripts by pairs */
    SEARCH_ANY_BEGINNING,  /* one of them is enough */
    SEARCH_READINGS
};

struct search_word {
    const char *data; /* borrowed from the query */
    size_t size;
    bool is_phrase, is_beginning;
};

struct search_words {
    struct search_word items[SEARCH_WORDS_MAX];
    size_t count;
};

/* What is looked up: in FTS5 a string is a phrase of the words in it, the last of which may be a
 * beginning. */
struct search_string {
    const char *data; /* borrowed from the query */
    size_t size;
    bool is_beginning;
};

struct search_strings {
    struct search_string items[SEARCH_STRINGS_MAX];
    size_t count;
};

void search_words_parse(const char *query, size_t size, struct search_words *ret);

/* Of SEARCH_ALL: the words as they are written; of the others: their beginnings and pairs. */
void search_words_strings(const struct search_words *words, enum search_reading reading,
                          struct search_strings *ret);

/* Appends FTS5's expression with a NUL behind it: of SEARCH_ALL, or of the others, which are told
 * from each other by whether all strings are there. False, with nothing appended: it asks for what
 * SEARCH_ALL did, or for nothing at all. *ret_failed: no memory. */
bool search_words_express(const struct search_words *words, enum search_reading reading,
                          msgpack_sbuffer *out, bool *ret_failed);

#endif
