/* utf8.h - is this text what the wire promises: valid UTF-8 (no surrogates, no overlong form) and
 * no NUL. */
#ifndef MEMFERRY_WIRE_UTF8_H
#define MEMFERRY_WIRE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

bool utf8_valid(const char *text, size_t size);        /* NUL allowed */
bool utf8_valid_no_nul(const char *text, size_t size); /* NUL refused */

/* Bytes of the character that text begins with (1..4), or 0: it isn't one. size is at least 1. */
size_t utf8_character(const char *text, size_t size);
/* Size of `text` without the cut-off character it may end with. */
size_t utf8_whole(const char *text, size_t size);

#endif
