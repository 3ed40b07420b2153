/* search_snippet.h - a hit's snippet as members of its map: clean text, and where the words stand.
 */
#ifndef MEMFERRY_SEARCH_SNIPPET_H
#define MEMFERRY_SEARCH_SNIPPET_H

#include <msgpack.h>

#include <stddef.h>

#define SEARCH_SNIPPET_MAX 600 /* bytes: a word may be as long as a content */

/* `marked` is text with the marks of search_marker.h. Appends "snippet" and "marks", [[from, to],
 * …] in characters. 0, or -ENOMEM. */
int search_snippet_pack(const char *marked, size_t size, msgpack_sbuffer *out);

#endif
