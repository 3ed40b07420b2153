/*
 * search_marker.h - where the words of a query stand in a content, and the part of it to show.
 *
 * Happy path: the strings of a query are taken apart by the tokenizer, once; then each content is,
 * and its words are held to theirs. The index is not asked: for that it would look up the query
 * once more for each hit.
 *
 * Bounds: MARKER_WORDS_MAX words of all strings, 64 of one string, MARKER_MATCHES_MAX matches of a
 * content; further ones are not marked.
 */
#ifndef MEMFERRY_SEARCH_MARKER_H
#define MEMFERRY_SEARCH_MARKER_H

#include "broker/search_words.h"
#include "broker/sql.h"

#define MARKER_WORDS_MAX   1024
#define MARKER_MATCHES_MAX 512
#define MARKER_SHOWN       24 /* words */

/* Around what was found. */
#define SEARCH_MARK_OPEN  '\x02'
#define SEARCH_MARK_CLOSE '\x03'

struct search_marker;

/* With the tokenizer of that connection, which must have one and outlive it. */
int search_marker_new(struct search_marker **ret, struct sql *sql, struct error *err);
struct search_marker *search_marker_free(struct search_marker *marker);

/* What is to be marked from now on. 0 or -ENOMEM. */
int search_marker_ask(struct search_marker *marker, const struct search_strings *strings);
/* Appends the part of the content that has most of the strings, with the marks; nothing, when it
 * has none. 0 or -ENOMEM. */
int search_marker_mark(struct search_marker *marker, const char *content, size_t size,
                       msgpack_sbuffer *out);

#endif
